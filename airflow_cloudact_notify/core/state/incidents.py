"""The incident row: what has been told of a pipeline's runs, so that one failure is told once.

One row per tenant and pipeline, last write wins: reporters at one instant may lose each other's entries. Those that no
claim keeps apart look again a moment later, and write once more what is gone; should it be lost all the same, a
message is repeated.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row, scope_key, short_hash

SCHEMA_VERSION = 2
MAX_ENTRIES = 50
"""Occasions, and runs, that a row remembers; the oldest go."""
MAX_WRITES = 5
SETTLING_SECONDS = (0.1, 0.2)
"""Between a write and the look at what is left of it: longer than others' reading and writing takes, and not the same
for all."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One row.

    ``told`` are occasions (a try of a task, the end of a run), ``runs`` the runs of which a task's failure was told,
    ``retried`` the runs in which a task was tried again: short hashes, the newest last.

    :param written_at: seconds since 1970.
    """

    tenant_id: str | None = None
    pipeline_id: str | None = None
    told: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    retried: tuple[str, ...] = ()
    written_at: float = 0.0

    def has_told(self, occasion: str) -> bool:
        return short_hash(occasion) in self.told

    def has_told_of_run(self, run_key: str) -> bool:
        return short_hash(run_key) in self.runs

    def has_retried(self, run_key: str) -> bool:
        return short_hash(run_key) in self.retried

    def with_told(self, occasion: str) -> Incident:
        return replace(self, told=_with(self.told, occasion))

    def with_run(self, run_key: str) -> Incident:
        return replace(self, runs=_with(self.runs, run_key))

    def with_retried(self, run_key: str) -> Incident:
        return replace(self, retried=_with(self.retried, run_key))


class Incidents:
    """Reads and writes incident rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    :param sleep: waits between a write and the look at it.
    """

    def __init__(
        self,
        store: StateStore,
        warn: Callable[[str], Any],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._warn = warn
        self._sleep = sleep

    def load(self, message: NotificationMessage) -> Incident:
        """Return the row of the message's tenant and pipeline, an empty one when there is none that makes sense."""
        tenant_id, pipeline_id = message.tenant_id, message.pipeline_id
        return self.read(incident_key(tenant_id, pipeline_id)) or Incident(tenant_id, pipeline_id)

    def read(self, key: str) -> Incident | None:
        """Return a row, ``None`` when there is none that makes sense."""
        return read_row(self._store, key, SCHEMA_VERSION, _incident, "an incident", self._warn)

    def listed(self) -> list[str]:
        """Return the keys of all rows."""
        return self._store.keys(f"{PREFIX}:incident:")

    def keep(
        self,
        message: NotificationMessage,
        change: Callable[[Incident], Incident],
        now: float,
        *,
        alone: bool,
    ) -> None:
        """Change the row of a message's pipeline as it is now.

        :param now: seconds since 1970.
        :param alone: whether a claim, or that it matters little, keeps others from writing meanwhile; else the change
            is written until it is still there a moment later.
        """
        for _ in range(1 if alone else MAX_WRITES):
            incident = self.load(message)
            changed = change(incident)
            if changed == incident:
                return
            self._save(replace(changed, written_at=now))
            if not alone:
                self._sleep(random.uniform(*SETTLING_SECONDS))  # noqa: S311 - not a secret

    def _save(self, incident: Incident) -> None:
        key = incident_key(incident.tenant_id, incident.pipeline_id)
        self._store.put(key, json.dumps({"v": SCHEMA_VERSION, **asdict(incident)}))

    def delete(self, tenant_id: str | None, pipeline_id: str | None) -> None:
        """Forget what was told of a pipeline."""
        self._store.delete(incident_key(tenant_id, pipeline_id))


def incident_key(tenant_id: str | None, pipeline_id: str | None) -> str:
    """Return the key of the row of a tenant's pipeline."""
    return scope_key("incident", tenant_id, pipeline_id)


def _incident(row: dict[str, Any]) -> Incident:
    return Incident(
        tenant_id=row["tenant_id"],
        pipeline_id=row["pipeline_id"],
        told=tuple(map(str, row["told"])),
        runs=tuple(map(str, row["runs"])),
        retried=tuple(map(str, row["retried"])),
        written_at=float(row["written_at"]),
    )


def _with(entries: tuple[str, ...], text: str) -> tuple[str, ...]:
    entry = short_hash(text)
    return entries if entry in entries else (*entries, entry)[-MAX_ENTRIES:]
