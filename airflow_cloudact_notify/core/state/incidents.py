"""The incident row: what has been told of a pipeline's runs, so that one failure is told once.

One row per tenant and pipeline, last write wins: reporters at one instant may lose each other's entries. Each looks
again a moment later, and writes once more what is gone; should it be lost all the same, a message is repeated.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import NONE, ROOT, StateStore, row_key

SCHEMA_VERSION = 1
MAX_ENTRIES = 50
"""Occasions, and runs, that a row remembers; the oldest go."""
MAX_WRITES = 5
SETTLING_SECONDS = (0.1, 0.2)
"""Between a write and the look at what is left of it: longer than others' reading and writing takes, and not the same
for all."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One row. All entries are short hashes, the newest last.

    ``told`` are occasions (a try of a task, the end of a run), ``runs`` the runs of which a task's failure was told,
    ``retried`` the runs in which a task was tried again.
    """

    told: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    retried: tuple[str, ...] = ()

    def has_told(self, occasion: str) -> bool:
        return _hash(occasion) in self.told

    def has_told_of_run(self, run_key: str) -> bool:
        return _hash(run_key) in self.runs

    def has_retried(self, run_key: str) -> bool:
        return _hash(run_key) in self.retried

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
        key = incident_key(message)
        text = self._store.get(key)
        if text is None:
            return Incident()
        try:
            row = json.loads(text)
            if row["v"] == SCHEMA_VERSION:
                return Incident(*(tuple(map(str, row[name])) for name in ("told", "runs", "retried")))
            self._warn(f"ignoring {key}: it was written by another version")
        except (ValueError, TypeError, KeyError, RecursionError):
            self._warn(f"ignoring {key}: its content is not an incident")
        return Incident()

    def told(self, message: NotificationMessage) -> None:
        """Keep that a message's occasion was told, and for a task's failure that its run's was."""

        def change(incident: Incident) -> Incident:
            incident = incident.with_told(message.occasion or "")
            if message.is_tasks_failure and message.run_key:
                incident = incident.with_run(message.run_key)
            return incident

        self._keep(message, change)

    def retried(self, message: NotificationMessage) -> None:
        """Keep that a task of a message's run was tried again."""
        self._keep(message, lambda incident: incident.with_retried(message.run_key or ""))

    def _keep(self, message: NotificationMessage, change: Callable[[Incident], Incident]) -> None:
        """Change the row as it is now, until the change is still there a moment later."""
        for _ in range(MAX_WRITES):
            incident = self.load(message)
            changed = change(incident)
            if changed == incident:
                return
            self._save(message, changed)
            self._sleep(random.uniform(*SETTLING_SECONDS))  # noqa: S311 - not a secret

    def _save(self, message: NotificationMessage, incident: Incident) -> None:
        row = {
            "v": SCHEMA_VERSION,
            "told": incident.told,
            "runs": incident.runs,
            "retried": incident.retried,
        }
        self._store.put(incident_key(message), json.dumps(row))


def incident_key(message: NotificationMessage) -> str:
    """Return the key of the row of a message's tenant and pipeline."""
    return row_key("incident", message.tenant_id or ROOT, message.pipeline_id or NONE)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with(entries: tuple[str, ...], text: str) -> tuple[str, ...]:
    entry = _hash(text)
    return entries if entry in entries else (*entries, entry)[-MAX_ENTRIES:]
