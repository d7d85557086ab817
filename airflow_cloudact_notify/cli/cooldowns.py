"""``cloudact-notify cooldowns``: what holds repeats back now, and letting them through."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.core import claims
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.store import StateStore
from airflow_cloudact_notify.core.times import duration


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    cooldown: Cooldown
    about: NotificationMessage

    def fits(self, arguments: argparse.Namespace) -> bool:
        wanted = (
            (arguments.tenant, self.about.tenant_id or "-"),
            (arguments.event, str(self.about.event)),
            (arguments.pipeline, self.about.pipeline_id),
        )
        return all(wish is None or wish == value for wish, value in wanted)

    def seconds_left(self, now: float) -> float:
        return max(0.0, self.cooldown.told_at + self.cooldown.seconds - now)

    def is_being_told(self, now: float) -> bool:
        return self.cooldown.claim is not None and claims.is_live(self.cooldown.claim, now)


def show(arguments: argparse.Namespace) -> int:
    """List the rows that hold something back; with ``--all``, those that are over, too."""
    state, now = place.airflow_service().state, time.time()
    rows = [
        row
        for row in _rows(state)
        if row.fits(arguments) and (arguments.all or row.seconds_left(now) or row.is_being_told(now))
    ]
    if arguments.format == "json":
        output.say_json([_dict(row, now) for row in rows])
    elif rows:
        head = ("TENANT", "EVENT", "PIPELINE", "SEVERITY", "TOLD", "STILL HOLDS")
        output.table(head, [_cells(row, now) for row in rows], {"over": "dim"})
    else:
        output.say("No cooldown holds anything back.")
    return 0


def clear(arguments: argparse.Namespace) -> int:
    """Delete rows, so that the next report is told at once."""
    if not (arguments.all or arguments.tenant or arguments.event or arguments.pipeline):
        raise CloudActNotifyError("Say which: --tenant, --event, --pipeline, or --all.")
    state = place.airflow_service().state
    rows = [row for row in _rows(state) if row.fits(arguments)]
    for row in rows:
        state.delete(row.key)
    if arguments.format == "json":
        output.say_json({"cleared": [row.key for row in rows]})
    else:
        output.say(f"{len(rows)} cleared")
    return 0


def _rows(state: StateStore) -> Iterator[_Row]:
    cooldowns = Cooldowns(state, output.complain)
    for key in sorted(cooldowns.listed()):
        row = cooldowns.load(key)
        about = row.told or (row.claim.message if row.claim else None)
        if about is not None:
            yield _Row(key, row, about)


def _cells(row: _Row, now: float) -> tuple[str, ...]:
    left = row.seconds_left(now)
    holds = duration(left * 1000) if left else "over"
    told = f"{duration((now - row.cooldown.told_at) * 1000)} ago" if row.cooldown.told else "not yet"
    return (
        row.about.tenant_id or "(root)",
        str(row.about.event),
        row.about.pipeline_id or "",
        str(row.about.effective_severity),
        told,
        "being told now" if row.is_being_told(now) else holds,
    )


def _dict(row: _Row, now: float) -> dict[str, object]:
    told = row.cooldown.told
    return {
        "key": row.key,
        "tenant": row.about.tenant_id,
        "event": str(row.about.event),
        "pipeline": row.about.pipeline_id,
        "task": row.about.task_id,
        "severity": str(row.about.effective_severity),
        "title": row.about.title,
        "told_at": datetime.fromtimestamp(row.cooldown.told_at, UTC).isoformat() if told else None,
        "seconds": row.cooldown.seconds,
        "seconds_left": round(row.seconds_left(now)),
        "is_being_told": row.is_being_told(now),
    }
