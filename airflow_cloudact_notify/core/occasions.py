"""What callbacks have told of a pipeline's runs: one occasion is told once, whoever reports it.

State fails open: what cannot be read or written is remarked.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.enums import Lifecycle, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.outages import Outages
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.state.incidents import Incident, Incidents
from airflow_cloudact_notify.core.state.store import StateStore

_SILENT = (SuppressionReason.SWITCHED_OFF, SuppressionReason.NOTHING_ENABLED)


class Occasions:
    """Reads and writes incident rows for messages.

    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    :param sleep: waits until what was written can be looked at.
    """

    def __init__(
        self,
        store: StateStore,
        remark: Callable[[str], Any],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._incidents = Incidents(store, remark, sleep)
        self._outages = Outages(store, remark, clock)
        self._remark = remark
        self._clock = clock

    def already_told(self, message: NotificationMessage) -> Held | None:
        """Return why a message adds nothing to what was told, or to what is counted.

        :raises StateUnavailable: when the state does not answer.
        """
        held = policy.already_told(message, self._incidents.load(message))
        if held is None and message.is_runs_failure and self._outages.has_held_task_of(message):
            why = "a task of this run has failed, which is counted as a repeat"
            return Held(SuppressionReason.ALREADY_TOLD, why)
        return held

    def is_echo(self, message: NotificationMessage) -> bool:
        """Whether it tells of a run's failure of which one of its tasks has told: that is no further report."""
        try:
            return message.is_runs_failure and self.already_told(message) is not None
        except StateUnavailable:
            return False

    def told(self, message: NotificationMessage, plan: Plan, now: float) -> None:
        """Keep that a message was told.

        :param now: seconds since 1970.
        :raises StateUnavailable: when the state does not answer.
        """

        def change(incident: Incident) -> Incident:
            if message.occasion:
                incident = incident.with_told(message.occasion)
            if message.is_tasks_failure and message.run_key:
                incident = incident.with_run(message.run_key)
            return incident

        if policy.is_told_once(message) or message.is_tasks_failure:
            self._incidents.keep(message, change, now, alone=plan.cooldown_seconds > 0)

    def retried(self, message: NotificationMessage, plan: Plan) -> None:
        """Keep that a task of the run was tried again: the run's success will say so, where anything is said at all."""
        run = message.run_key
        if message.lifecycle is not Lifecycle.RETRY or not run or (plan.held and plan.held.reason in _SILENT):
            return
        try:
            self._incidents.keep(message, lambda i: i.with_retried(run), self._clock(), alone=True)
        except StateUnavailable as error:
            self._remark(f"the retry could not be kept for the end of the run: {error}")

    def has_retried(self, message: NotificationMessage) -> bool:
        """Return whether a task of the message's run was tried again, as far as is known."""
        try:
            return self._incidents.load(message).has_retried(message.run_key or "")
        except StateUnavailable as error:
            self._remark(f"whether tasks were retried is not known: {error}")
            return False
