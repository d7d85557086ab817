"""The incident row: what has been told of a pipeline's runs, so that one failure is told once.

One row per tenant and pipeline, last write wins: two reporters at one instant may lose each other's entry, and then a
message is repeated, never lost.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import NONE, ROOT, StateStore, row_key

SCHEMA_VERSION = 1
MAX_ENTRIES = 50
"""Occasions, and runs, that a row remembers; the oldest go."""


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

    def has_told_of_run(self, run_id: str) -> bool:
        return _hash(run_id) in self.runs

    def has_retried(self, run_id: str) -> bool:
        return _hash(run_id) in self.retried

    def with_told(self, occasion: str) -> Incident:
        return replace(self, told=_with(self.told, occasion))

    def with_run(self, run_id: str) -> Incident:
        return replace(self, runs=_with(self.runs, run_id))

    def with_retried(self, run_id: str) -> Incident:
        return replace(self, retried=_with(self.retried, run_id))


class Incidents:
    """Reads and writes incident rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

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
        """Keep that a message's occasion was told, and for a task's failure that its run's was.

        The row is read again: others may have written it while the message was on its way.
        """
        incident = self.load(message).with_told(message.occasion or "")
        if message.is_tasks_failure and message.pipeline_logging_id:
            incident = incident.with_run(message.pipeline_logging_id)
        self._save(message, incident)

    def retried(self, message: NotificationMessage) -> None:
        """Keep that a task of a message's run was tried again."""
        self._save(message, self.load(message).with_retried(message.pipeline_logging_id or ""))

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
    return (*(e for e in entries if e != entry), entry)[-MAX_ENTRIES:]
