"""What the state knows before a message goes, and learns when it has gone.

State fails open: what cannot be read or written is remarked, and the message is sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.enums import Lifecycle, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.incidents import Incidents
from airflow_cloudact_notify.core.state.store import StateStore

_SILENT = (SuppressionReason.SWITCHED_OFF, SuppressionReason.NOTHING_ENABLED)


class Bookkeeping:
    """Reads a message's rows and writes them.

    :param remark: takes a sentence for a person.
    :param sleep: waits until what was written can be looked at.
    """

    def __init__(
        self,
        store: StateStore,
        remark: Callable[[str], Any],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cooldowns = Cooldowns(store, remark)
        self._incidents = Incidents(store, remark, sleep)
        self._remark = remark

    def holds(self, message: NotificationMessage, plan: Plan, now: float) -> Held | None:
        """Return what earlier messages hold this one back for. The cooldown is looked at first, the rest if it is free.

        :param now: seconds since 1970.
        """
        try:
            held = None
            if plan.cooldown_seconds:
                held = policy.cooling_down(self._cooldowns.load(message), plan, now)
            if held is None and policy.is_told_once(message):
                held = policy.already_told(message, self._incidents.load(message))
        except StateUnavailable as error:
            self._remark(f"sent without looking at what was told before: {error}")
            return None
        return held

    def delivered(self, message: NotificationMessage, plan: Plan, now: float) -> None:
        """Start the cooldown, and keep that the occasion was told.

        :param now: seconds since 1970.
        """
        try:
            if plan.cooldown_seconds:
                self._cooldowns.start(message, Cooldown(now, message.effective_severity))
            if policy.is_told_once(message):
                self._incidents.told(message)
        except StateUnavailable as error:
            self._remark(f"what was told could not be kept, so it may be told again: {error}")

    def retried(self, message: NotificationMessage, plan: Plan) -> None:
        """Keep that a task of the run was tried again: the run's success will say so, where anything is said at all."""
        if message.lifecycle is not Lifecycle.RETRY or (plan.held and plan.held.reason in _SILENT):
            return
        try:
            self._incidents.retried(message)
        except StateUnavailable as error:
            self._remark(f"the retry could not be kept for the end of the run: {error}")

    def has_retried(self, message: NotificationMessage) -> bool:
        """Return whether a task of the message's run was tried again, as far as is known."""
        try:
            return self._incidents.load(message).has_retried(message.run_key or "")
        except StateUnavailable as error:
            self._remark(f"whether tasks were retried is not known: {error}")
            return False
