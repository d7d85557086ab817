"""The cooldown row: who is telling something now, and when it was last told, so that its repeats can be held back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class Claim:
    """A reporter's word that it is telling something.

    :param until: seconds since 1970 after which the reporter must have been killed.
    :param message: what it is telling, so that another can, should it be killed.
    """

    token: str
    until: float
    severity: NotificationSeverity
    message: NotificationMessage


@dataclass(frozen=True, slots=True)
class Cooldown:
    """One row.

    :param told: the last message that was delivered.
    :param told_at: when that was, in seconds since 1970.
    :param seconds: how long repeats are held back from then on.
    :param counted: the key of the last held report that a message has counted.
    """

    told: NotificationMessage | None = None
    told_at: float = 0.0
    seconds: float = 0.0
    counted: str = ""
    claim: Claim | None = None


class Cooldowns:
    """Reads and writes cooldown rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def load(self, key: str) -> Cooldown:
        """Return a row, an empty one when there is none that makes sense."""
        row = read_row(self._store, key, SCHEMA_VERSION, _cooldown, "a cooldown", self._warn)
        return row or Cooldown()

    def listed(self) -> list[str]:
        """Return the keys of all rows."""
        return self._store.keys(f"{PREFIX}:cooldown:")

    def save(self, key: str, cooldown: Cooldown) -> None:
        """Write a row."""
        self._store.put(key, json.dumps(_row(cooldown)))

    def delete(self, key: str) -> None:
        """Forget a row."""
        self._store.delete(key)


def _row(cooldown: Cooldown) -> dict[str, Any]:
    row: dict[str, Any] = {"v": SCHEMA_VERSION}
    if cooldown.told:
        row["told"] = _dumped(cooldown.told)
        row |= {"told_at": cooldown.told_at, "seconds": cooldown.seconds, "counted": cooldown.counted}
    if claim := cooldown.claim:
        row["claim"] = {
            "token": claim.token,
            "until": claim.until,
            "severity": str(claim.severity),
            "message": _dumped(claim.message),
        }
    return row


def _cooldown(row: dict[str, Any]) -> Cooldown:
    cooldown = Cooldown(claim=_claim(row["claim"]) if "claim" in row else None)
    if "told" not in row:
        return cooldown
    return Cooldown(
        told=NotificationMessage.model_validate(row["told"]),
        told_at=float(row["told_at"]),
        seconds=float(row["seconds"]),
        counted=str(row["counted"]),
        claim=cooldown.claim,
    )


def _claim(row: dict[str, Any]) -> Claim:
    return Claim(
        token=str(row["token"]),
        until=float(row["until"]),
        severity=NotificationSeverity(row["severity"]),
        message=NotificationMessage.model_validate(row["message"]),
    )


def _dumped(message: NotificationMessage) -> dict[str, Any]:
    return message.model_dump(mode="json", exclude_defaults=True)
