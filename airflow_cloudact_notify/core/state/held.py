"""Held rows: one for each report that was held back, never rewritten, counted from their keys alone.

A shared counter would lose what two processes add at one instant; rows of their own lose nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import PREFIX, ROOT, StateStore, row_key, short_hash

SCHEMA_VERSION = 1
_KEPT = {
    "tenant_id",
    "event",
    "severity",
    "title",
    "pipeline_id",
    "task_id",
    "dedup_key",
    "pipeline_logging_id",
    "clear_number",
    "lifecycle",
}
MANY = 1000
"""Rows of one incident that are kept; maintenance deletes the rest."""
LATE_SECONDS = 10.0
"""A report is counted when it is older than this: the key of an earlier one may still be on its way, from a machine
whose clock is some seconds behind, or to a database that lets writers wait."""


@dataclass(frozen=True, slots=True)
class HeldKey:
    """What a row's key says by itself.

    :param at: when the report was held back, in seconds since 1970.
    :param run: the short hash of its run.
    :param mark: the short hash of the outage that it tells of, empty when it tells of none.
    :param began: when its run began, in seconds since 1970; 0 when that is not known.
    :param why: what held it back, a word of ``SuppressionReason``.
    """

    at: float = 0.0
    run: str = ""
    mark: str = ""
    began: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was held back since it was last told.

    :param first_at: when the first was, in seconds since 1970.
    :param last: the title of the last one, empty when its row cannot be read.
    :param last_key: the key that the next tally begins after.
    """

    count: int
    first_at: float
    last: str
    last_key: str

    @property
    def last_at(self) -> float:
        """When the last was, in seconds since 1970."""
        return parsed(self.last_key).at

    @property
    def words(self) -> str:
        """The count as a person reads it."""
        return f"{MANY:,}+" if self.count >= MANY else f"{self.count:,}"

    @property
    def more(self) -> str:
        """The count of what came on top of something."""
        return self.words if self.count >= MANY else f"+{self.words}"


class HeldReports:
    """Adds and counts held rows. Every method raises ``StateUnavailable`` when the store does not answer."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def add(
        self,
        cooldown_key: str,
        message: NotificationMessage,
        now: float,
        why: SuppressionReason = SuppressionReason.COOLDOWN,
        mark: str = "",
    ) -> None:
        """Keep that a message was held back.

        :param cooldown_key: the key of the cooldown that it shares with its repeats.
        :param now: seconds since 1970, the row's place in the order.
        :param mark: the short hash of the outage that it tells of, empty when it tells of none.
        """
        about = message.model_dump(mode="json", include=_KEPT, exclude_defaults=True)
        row = {
            "v": SCHEMA_VERSION,
            "cooldown": cooldown_key,
            "message": about | {"title": message.title[:300]},
        }
        run = short_hash(message.pipeline_logging_id or message.message_id)
        began = millis(message.run_began_at.timestamp()) if message.run_began_at else 0
        place = f"{millis(now):014d}-{run}-{mark or 0}-{began}-{why}-{secrets.token_hex(6)}"
        self._store.put(held_prefix(cooldown_key, message.tenant_id) + place, json.dumps(row))

    def read(self, key: str) -> tuple[str, NotificationMessage] | None:
        """Return what a row holds: the key of its cooldown, and what was held back; ``None`` for nonsense."""
        try:
            row = json.loads(self._store.get(key) or "{}")
            if row["v"] != SCHEMA_VERSION:
                return None
            return str(row["cooldown"]), NotificationMessage.model_validate(row["message"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None

    def sum_up(self, keys: list[str]) -> Tally | None:
        """Return what rows amount to, ``None`` when there are none.

        :param keys: the oldest first.
        """
        if not keys:
            return None
        last = self.read(keys[-1])
        return Tally(len(keys), parsed(keys[0]).at, last[1].title if last else "", keys[-1])

    def keys(self, cooldown_key: str, tenant_id: str | None) -> list[str]:
        """Return the rows' keys, the oldest first."""
        return sorted(key for key in self._store.keys(held_prefix(cooldown_key, tenant_id)) if parsed(key).at)

    def groups(self) -> Iterator[list[str]]:
        """Yield the keys of all rows, the oldest first, those of one cooldown together."""
        for _, keys in groupby(
            sorted(self._store.keys(f"{PREFIX}:held:")), lambda key: key.rpartition(":")[0]
        ):
            yield list(keys)

    def delete(self, key: str) -> None:
        """Forget a row."""
        self._store.delete(key)


def held_prefix(cooldown_key: str, tenant_id: str | None) -> str:
    """Return what the keys of the reports begin with that one cooldown held back."""
    return row_key("held", tenant_id or ROOT, hashlib.sha256(cooldown_key.encode()).hexdigest()[:24]) + ":"


def uncounted(keys: list[str], counted: str, now: float) -> list[str]:
    """Return the keys after ``counted`` that no earlier one can follow any more.

    :param now: seconds since 1970.
    """
    return [key for key in keys if key > counted and parsed(key).at <= now - LATE_SECONDS]


def parsed(key: str) -> HeldKey:
    """Return what a row's key says, an empty one for a key that is none of ours."""
    parts = key.rpartition(":")[2].split("-")
    if len(parts) != 6 or not (parts[0].isdecimal() and parts[3].isdecimal()):
        return HeldKey()
    at, run, mark, began, why, _ = parts
    return HeldKey(int(at) / 1000, run, mark if mark != "0" else "", int(began) / 1000, why)


def millis(seconds: float) -> int:
    """Return seconds since 1970 as the keys hold them."""
    return max(0, round(seconds * 1000))
