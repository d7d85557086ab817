"""The outbox: one row for each message that a destination did not take.

A dead letter's key begins with when it happened: the keys alone give the order. What a task's try missed waits for its
next try under a key of the message alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.store import PREFIX, ROOT, StateStore, read_row, row_key, short_hash

SCHEMA_VERSION = 1
LETTERS = f"{PREFIX}:letter:"
TRIES = f"{PREFIX}:try:"


@dataclass(frozen=True, slots=True)
class Miss:
    """How a destination came to miss a message.

    :param tried_at: seconds since 1970.
    :param attempts: how many, in all.
    :param recipients: who missed it, when others were served; else everybody did.
    :param config: what stood for the destination's configuration.
    :param ambiguous: whether it may have arrived all the same.
    """

    reason: FailureReason
    detail: str
    tried_at: float
    attempts: int = 0
    recipients: tuple[str, ...] = ()
    config: str = ""
    ambiguous: bool = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One row.

    :param failed_at: when it was missed first, in seconds since 1970.
    :param expires_at: when it is given up.
    :param was_told: whether another destination took it.
    :param sending_until: seconds since 1970 until which a replayer may be sending it; 0 when none is.
    """

    message: NotificationMessage
    missed: Mapping[NotificationProvider, Miss]
    failed_at: float
    expires_at: float
    was_told: bool = False
    sending_until: float = 0.0

    @property
    def recipients(self) -> dict[NotificationProvider, tuple[str, ...]]:
        """Who missed it: the recipients of each destination, none when everybody did."""
        return {name: miss.recipients for name, miss in self.missed.items()}


class Outbox:
    """Reads and writes the rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def listed(self, prefix: str = LETTERS) -> list[str]:
        """Return the keys of all rows, of dead letters the oldest first."""
        return sorted(self._store.keys(prefix), key=lambda key: key.rpartition(":")[2])

    def read(self, key: str) -> DeadLetter | None:
        """Return a row, ``None`` when there is none that makes sense."""
        return read_row(self._store, key, SCHEMA_VERSION, _letter, "a dead letter", self._warn)

    def save(self, key: str, letter: DeadLetter) -> None:
        """Write a row."""
        self._store.put(key, json.dumps(_row(letter)))

    def delete(self, key: str) -> None:
        """Forget a row."""
        self._store.delete(key)


def letter_key(message: NotificationMessage) -> str:
    """Return the key of a message's dead letter."""
    happened = max(0, round(message.occurred_at.timestamp() * 1000))
    return row_key("letter", message.tenant_id or ROOT, f"{happened:014d}-{short_hash(message.message_id)}")


def try_key(message: NotificationMessage) -> str:
    """Return the key under which a task's next try finds what this one missed."""
    return row_key("try", message.tenant_id or ROOT, short_hash(message.message_id))


def tenant_of(key: str) -> str | None:
    """Return the tenant of a dead letter."""
    tenant = key.removeprefix(LETTERS).partition(":")[0]
    return None if tenant == ROOT else tenant


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "v": SCHEMA_VERSION,
        "message": letter.message.model_dump(mode="json", exclude_defaults=True),
        "missed": {
            str(name): {
                "reason": str(miss.reason),
                "detail": miss.detail,
                "tried_at": miss.tried_at,
                "attempts": miss.attempts,
                "recipients": list(miss.recipients),
                "config": miss.config,
                "ambiguous": miss.ambiguous,
            }
            for name, miss in letter.missed.items()
        },
        "failed_at": letter.failed_at,
        "expires_at": letter.expires_at,
        "was_told": letter.was_told,
        "sending_until": letter.sending_until,
    }


def _letter(row: dict[str, Any]) -> DeadLetter:
    return DeadLetter(
        message=NotificationMessage.model_validate(row["message"]),
        missed={NotificationProvider(name): _miss(miss) for name, miss in row["missed"].items()},
        failed_at=float(row["failed_at"]),
        expires_at=float(row["expires_at"]),
        was_told=bool(row["was_told"]),
        sending_until=float(row["sending_until"]),
    )


def _miss(row: dict[str, Any]) -> Miss:
    return Miss(
        reason=FailureReason(row["reason"]),
        detail=str(row["detail"]),
        tried_at=float(row["tried_at"]),
        attempts=int(row["attempts"]),
        recipients=tuple(map(str, row["recipients"])),
        config=str(row["config"]),
        ambiguous=bool(row.get("ambiguous")),
    )
