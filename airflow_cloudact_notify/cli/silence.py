"""``cloudact-notify silence``: holding messages back for a while, because somebody says so."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.cli.health import tenants_in
from airflow_cloudact_notify.cli.times import after, moment
from airflow_cloudact_notify.core.documents import validate_section
from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.silences import MATCHERS, SilenceConfig, events_like
from airflow_cloudact_notify.core.state.silences import Silences

_ID = "ID"


def add(arguments: argparse.Namespace) -> int:
    """Keep a silence."""
    silence = _wanted(arguments)
    silence_id = _silences().add(silence)
    if arguments.format == "json":
        output.say_json(_dict(silence_id, silence, "Airflow's Variables"))
    else:
        output.say(f"{silence_id}  {silence}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """List the silences that are not over, of Airflow's Variables and of the files."""
    now = time.time()
    service = place.service_of(arguments)
    there = [
        *((key, silence, "Airflow's Variables") for key, silence in _kept(service, arguments)),
        *(("", silence, source) for silence, source in _of_files(service, arguments)),
    ]
    there = [entry for entry in there if not entry[1].is_over(now)]
    if arguments.format == "json":
        output.say_json([_dict(*entry) for entry in there])
    elif there:
        output.table(
            (_ID, "WHAT", "FROM", "UNTIL", "BY", "WHY", "KEPT IN"), [_cells(*entry) for entry in there]
        )
    else:
        output.say("Nothing is silenced.")
    return 0


def expire(arguments: argparse.Namespace) -> int:
    """End silences."""
    silences = _silences()
    if unknown := [silence_id for silence_id in arguments.ids if silence_id not in silences.load()]:
        raise CloudActNotifyError(
            f"There is no silence {', '.join(unknown)}: see 'cloudact-notify silence list'."
        )
    silences.remove(arguments.ids)
    if arguments.format == "json":
        output.say_json({"expired": arguments.ids})
    else:
        output.say(f"{len(arguments.ids)} ended")
    return 0


def _silences() -> Silences:
    return Silences(place.answering(place.airflow_service().state), output.complain)


def _wanted(arguments: argparse.Namespace) -> SilenceConfig:
    if (arguments.duration is None) == (arguments.until is None):
        raise CloudActNotifyError("Say how long: either --for 2h or --until 2026-01-31T22:00+01:00.")
    wanted = {name: getattr(arguments, name) for name in MATCHERS if getattr(arguments, name)}
    if not wanted:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in MATCHERS)
        raise CloudActNotifyError(f"Say what, with {options}; --tenant '*' is everything.")
    if arguments.event and not events_like(arguments.event):
        raise CloudActNotifyError(
            f"No event fits {arguments.event!r}: there are {', '.join(NotificationEvent)}."
        )
    starts_at = moment(arguments.start) if arguments.start else datetime.now(UTC).replace(microsecond=0)
    ends_at = moment(arguments.until) if arguments.until else after(starts_at, arguments.duration)
    if starts_at >= ends_at:
        raise CloudActNotifyError("No silence: it would end before it begins.")
    wanted |= {"starts_at": starts_at, "ends_at": ends_at}
    wanted |= {"created_by": arguments.by or _user_name(), "comment": arguments.comment}
    silence = validate_section(SilenceConfig, wanted, "silence")
    if silence.is_over(time.time()):
        raise CloudActNotifyError("No silence: it would be over already.")
    return silence


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name; from Python 3.13 on it is an OSError
        raise CloudActNotifyError("Say who wants it, with --by: your user has no name here.") from None


def _kept(service: NotificationService, arguments: argparse.Namespace) -> Iterator[tuple[str, SilenceConfig]]:
    if place.has_airflow(arguments):
        yield from Silences(place.answering(service.state), output.complain).load().items()


def _of_files(
    service: NotificationService, arguments: argparse.Namespace
) -> Iterator[tuple[SilenceConfig, str]]:
    seen: set[SilenceConfig] = set()
    for tenant_id in tenants_in(place.folder_of(arguments)):
        resolved = service.configs.resolve(tenant_id)
        for silence in resolved.config.silences:
            if silence not in seen:
                seen.add(silence)
                yield silence, resolved.source


def _cells(silence_id: str, silence: SilenceConfig, source: str) -> tuple[str, ...]:
    what = ", ".join(f"{name} {value}" for name in MATCHERS if (value := getattr(silence, name)))
    times = (
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else ""
        for at in (silence.starts_at, silence.ends_at)
    )
    return silence_id, what, *times, silence.created_by, silence.comment, source


def _dict(silence_id: str, silence: SilenceConfig, source: str) -> dict[str, Any]:
    kept = silence.model_dump(mode="json", exclude_none=True)
    return {"id": silence_id or None, **kept, "kept_in": source}
