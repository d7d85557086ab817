"""``cloudact-notify dead-letters``: what destinations have missed, looked at, delivered late, or dropped."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.core import replays
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.outbox import DeadLetter
from airflow_cloudact_notify.core.texts import one_line, readable
from airflow_cloudact_notify.core.times import duration

Found = tuple[str, DeadLetter]


def listed(arguments: argparse.Namespace) -> int:
    """List dead letters, the oldest first."""
    found = _of_tenant(place.airflow_service(), arguments.tenant)
    if arguments.format == "json":
        output.say_json([_dict(*entry) for entry in found])
    elif found:
        head = ("ID", "TENANT", "TITLE", "MISSED FOR", "GIVEN UP IN", "MISSED BY")
        output.table(head, [_cells(*entry, time.time()) for entry in found])
    else:
        output.say("There are no dead letters.")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Show one dead letter: its message, and how each destination came to miss it."""
    key, letter = _named(place.airflow_service(), [arguments.id])[0]
    if arguments.format == "json":
        output.say_json(
            _dict(key, letter) | {"message": letter.message.model_dump(mode="json", exclude_defaults=True)}
        )
        return 0
    title, text = one_line(letter.message.title), readable(letter.message.message)
    output.say(f"{output.styled(title, 'bold')}\n{text}".rstrip())
    for name, value in _dict(key, letter).items():
        if name not in ("missed", "title"):
            output.say(f"{name}: {value}")
    for name, miss in letter.missed.items():
        who = f" ({', '.join(miss.recipients)})" if miss.recipients else ""
        output.say(f"{output.styled(str(name), 'red')}{who}: {one_line(str(miss))}; {miss.attempts} attempts")
    return 0


def replay(arguments: argparse.Namespace) -> int:
    """Deliver dead letters now; 1 when some are left, or something else is delivering them."""
    service = place.airflow_service()
    wanted = _chosen(service, arguments)
    done = replays.replay(service, time.time(), [key for key, _ in wanted])
    if done is None:
        raise CloudActNotifyError("Maintenance, or another replay, is under way: try again in a minute.")
    left = {key for key, _ in replays.letters(service)} & {key for key, _ in wanted}
    if arguments.format == "json":
        output.say_json({"delivered": done.delivered, "left": sorted(map(_id, left))})
    else:
        output.say(f"{done.delivered} delivered, {len(left)} left")
    return 1 if left else 0


def drop(arguments: argparse.Namespace) -> int:
    """Delete dead letters; each goes to the log first."""
    service = place.airflow_service()
    dropped = replays.drop(service, [key for key, _ in _chosen(service, arguments)])
    if arguments.format == "json":
        output.say_json({"dropped": dropped})
    else:
        output.say(f"{dropped} dropped")
    return 0


def _of_tenant(service: NotificationService, tenant: str | None) -> list[Found]:
    found = replays.letters(service)
    return [entry for entry in found if tenant in (None, entry[1].message.tenant_id or "-")]


def _chosen(service: NotificationService, arguments: argparse.Namespace) -> list[Found]:
    if arguments.ids and not (arguments.all or arguments.tenant):
        return _named(service, arguments.ids)
    if arguments.ids or not (arguments.all or arguments.tenant):
        raise CloudActNotifyError("Say which: ids, --tenant, or --all.")
    return _of_tenant(service, arguments.tenant)


def _named(service: NotificationService, ids: Iterable[str]) -> list[Found]:
    found = {name: replays.find(service, name) for name in ids}
    if unknown := [name for name, entry in found.items() if entry is None]:
        raise CloudActNotifyError(
            f"There is no dead letter {', '.join(unknown)}: see 'cloudact-notify dead-letters list'."
        )
    return [entry for entry in found.values() if entry]


def _cells(key: str, letter: DeadLetter, now: float) -> tuple[str, ...]:
    return (
        _id(key),
        letter.message.tenant_id or "(root)",
        letter.message.title,
        duration(max(0.0, now - letter.failed_at) * 1000),
        duration(max(0.0, letter.expires_at - now) * 1000),
        ", ".join(f"{name} ({miss.reason})" for name, miss in letter.missed.items()),
    )


def _id(key: str) -> str:
    return key.rpartition(":")[2]


def _dict(key: str, letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": _id(key),
        "tenant": letter.message.tenant_id,
        "event": str(letter.message.event),
        "severity": str(letter.message.effective_severity),
        "title": letter.message.title,
        "failed_at": datetime.fromtimestamp(letter.failed_at, UTC).isoformat(timespec="seconds"),
        "expires_at": datetime.fromtimestamp(letter.expires_at, UTC).isoformat(timespec="seconds"),
        "was_told": letter.was_told,
        "missed": {
            str(name): {
                "reason": str(miss.reason),
                "detail": miss.detail,
                "attempts": miss.attempts,
                "recipients": list(miss.recipients),
            }
            for name, miss in letter.missed.items()
        },
    }
