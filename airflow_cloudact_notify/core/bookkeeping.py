"""What the state knows before a message goes, and learns when it has gone. State fails open: what cannot be read
or written is remarked, and the message is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.store import StateStore


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the state knew when it was asked."""

    cooldown: Cooldown | None = None


class Bookkeeping:
    """Reads a message's rows and writes them.

    :param remark: takes a sentence for a person.
    """

    def __init__(self, store: StateStore, remark: Callable[[str], Any]) -> None:
        self._cooldowns = Cooldowns(store, remark)
        self._remark = remark

    def load(self, message: NotificationMessage) -> Snapshot:
        """Return what is known of a message's earlier ones; nothing, when the store does not answer."""
        try:
            return Snapshot(self._cooldowns.load(message))
        except StateUnavailable as error:
            self._remark(f"sent without looking at the cooldown: {error}")
            return Snapshot()

    def commit(self, message: NotificationMessage, delivered_at: float) -> None:
        """Start the cooldown of a message that was delivered.

        :param delivered_at: seconds since 1970.
        """
        try:
            self._cooldowns.start(message, Cooldown(delivered_at, message.effective_severity))
        except StateUnavailable as error:
            self._remark(f"the cooldown could not be started, so a repeat will be sent: {error}")
