"""The cooldown row: when something was last told, so that its repeats can be held back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import NONE, ROOT, StateStore, row_key

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Cooldown:
    """One row.

    :param delivered_at: seconds since 1970.
    """

    delivered_at: float
    severity: NotificationSeverity


class Cooldowns:
    """Reads and writes cooldown rows.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def load(self, message: NotificationMessage) -> Cooldown | None:
        """Return the row of the message's tenant, event and scope, ``None`` when there is none that makes sense.

        :raises StateUnavailable: when the store does not answer.
        """
        key = cooldown_key(message)
        text = self._store.get(key)
        if text is None:
            return None
        try:
            row = json.loads(text)
            if row["v"] != SCHEMA_VERSION:
                self._warn(f"ignoring {key}: it was written by another version")
                return None
            return Cooldown(float(row["delivered_at"]), NotificationSeverity(row["severity"]))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            self._warn(f"ignoring {key}: its content is not a cooldown")
            return None

    def start(self, message: NotificationMessage, cooldown: Cooldown) -> None:
        """Write the row.

        :raises StateUnavailable: when the store does not take it.
        """
        row = {
            "v": SCHEMA_VERSION,
            "delivered_at": cooldown.delivered_at,
            "severity": str(cooldown.severity),
        }
        self._store.put(cooldown_key(message), json.dumps(row))


def cooldown_key(message: NotificationMessage) -> str:
    """Return the key that repeats of a message share: tenant, event, pipeline, and the dedup key if it has one."""
    scope = [message.dedup_key] if message.dedup_key else []
    return row_key("cooldown", message.tenant_id or ROOT, message.event, message.pipeline_id or NONE, *scope)
