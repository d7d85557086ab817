"""The outage row: what is broken since when, and who was alerted, so that its end can be told to them.

One row for each thing that can recover by itself: tasks that fail at one instant do not write the same row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row, scope_key, short_hash

SCHEMA_VERSION = 1
MAX_RUNS = 1000
"""Failed runs that a row remembers; the oldest go."""


@dataclass(frozen=True, slots=True)
class Outage:
    """One row: a pipeline as a whole, or where cooldowns are kept by task, one of its tasks.

    :param since: when its first failure was told, in seconds since 1970.
    :param last_run_at: when the newest failed run began, in seconds since 1970; success of an older one ends nothing.
    :param failed_at: when the last failure that was told happened, in seconds since 1970.
    :param alerted: the destinations that were told.
    :param failed: short hashes of the runs that failed.
    :param cooldowns: the keys of the cooldown rows that end with it.
    :param told_at: when its last failure was told, in seconds since 1970.
    :param told_key: the key of the cooldown that this one began.
    :param thread_id: the id of the message that told its first failure.
    :param map_index: which instance of a mapped task was told of last; success of another ends nothing.
    """

    tenant_id: str | None
    pipeline_id: str | None
    task_id: str | None
    since: float
    last_run_at: float = 0.0
    alerted: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    cooldowns: tuple[str, ...] = ()
    told_at: float = 0.0
    told_key: str = ""
    thread_id: str = ""
    map_index: int | None = None
    failed_at: float = 0.0

    @property
    def key(self) -> str:
        """The key of its row."""
        return outage_key(self.tenant_id, self.pipeline_id, self.task_id)

    @property
    def mark(self) -> str:
        """What stands for it in the keys of held reports."""
        return short_hash(self.key)


class OutageRows:
    """Reads and writes outage rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def read(self, key: str) -> Outage | None:
        """Return a row, ``None`` when there is none that makes sense."""
        return read_row(
            self._store, key, SCHEMA_VERSION, lambda row: _outage(row, key), "an outage", self._warn
        )

    def listed(self) -> list[str]:
        """Return the keys of all rows."""
        return self._store.keys(f"{PREFIX}:outage:")

    def save(self, outage: Outage) -> None:
        """Write a row."""
        row = asdict(outage) | {"failed": outage.failed[-MAX_RUNS:]}
        self._store.put(outage.key, json.dumps({"v": SCHEMA_VERSION, **row}))

    def delete(self, outage: Outage) -> None:
        """Forget a row."""
        self._store.delete(outage.key)

    def of_pipeline(self, tenant_id: str | None, pipeline_id: str | None) -> list[str]:
        """Return the keys of all that is broken in a pipeline."""
        return self._store.keys(scope_key("outage", tenant_id, pipeline_id) + ":")


def outage_key(tenant_id: str | None, pipeline_id: str | None, task_id: str | None) -> str:
    """Return the key of the row of a pipeline as a whole, or of one of its tasks."""
    return scope_key("outage", tenant_id, pipeline_id, task_id)


def _outage(row: dict[str, Any], key: str) -> Outage:
    outage = Outage(
        tenant_id=row["tenant_id"],
        pipeline_id=row["pipeline_id"],
        task_id=row["task_id"],
        since=float(row["since"]),
        last_run_at=float(row["last_run_at"]),
        alerted=tuple(map(str, row["alerted"])),
        failed=tuple(map(str, row["failed"])),
        cooldowns=tuple(map(str, row["cooldowns"])),
        told_at=float(row["told_at"]),
        told_key=str(row.get("told_key", "")),
        thread_id=str(row.get("thread_id", "")),
        map_index=row.get("map_index"),
        failed_at=float(row.get("failed_at", 0.0)),
    )
    if outage.key != key or not isfinite(outage.last_run_at):
        raise ValueError(key)
    return outage
