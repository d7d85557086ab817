"""From Airflow's lifecycle to the eight events: the one table."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_cloudact_notify.core.enums import Lifecycle, NotificationEvent, NotificationSeverity


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a moment of the lifecycle is to the people who are told.

    :param happened: ends the title ``Task <dag>.<task> …`` or ``DAG <dag> …``.
    :param severity: where it is not the event's own.
    """

    event: NotificationEvent
    happened: str
    severity: NotificationSeverity | None = None


MEANINGS = {
    Lifecycle.RUN_STARTED: Meaning(NotificationEvent.PIPELINE_STARTED, "started"),
    Lifecycle.EXECUTE: Meaning(NotificationEvent.PIPELINE_STARTED, "started"),
    Lifecycle.SUCCESS: Meaning(NotificationEvent.PIPELINE_SUCCESS, "succeeded"),
    Lifecycle.FAILURE: Meaning(NotificationEvent.PIPELINE_FAILURE, "failed"),
    Lifecycle.RETRY: Meaning(NotificationEvent.PIPELINE_WARNING, "failed and will be tried again"),
    Lifecycle.SKIPPED: Meaning(NotificationEvent.PIPELINE_WARNING, "was skipped", NotificationSeverity.INFO),
    Lifecycle.DEADLINE: Meaning(
        NotificationEvent.PIPELINE_WARNING, "missed its deadline", NotificationSeverity.ERROR
    ),
}
"""What each moment means by itself."""

# What a closer look makes of some of them; causes.py looks at a task's failure.
DATA_QUALITY = Meaning(NotificationEvent.DATA_QUALITY_FAILURE, "found bad data")
RATE_LIMIT = Meaning(NotificationEvent.RATE_LIMIT_EXCEEDED, "was rate-limited")
CONTACT_LOST = Meaning(NotificationEvent.SYSTEM_ERROR, "was lost")
SUCCESS_WITH_FAILURES = Meaning(NotificationEvent.PIPELINE_WARNING, "succeeded, although tasks failed")
SUCCESS_AFTER_RETRIES = Meaning(NotificationEvent.PIPELINE_WARNING, "succeeded after retries")

CONTACT_LOST_WORDS = (
    "Airflow lost contact with the task: it was killed (for lack of memory, say), its heartbeat stopped, or it was "
    "stuck in the queue. Airflow does not tell which."
)
REASONS = {
    "timed_out": "The run took longer than its dagrun_timeout.",
    "all_tasks_deadlocked": "No task that was left could run (deadlock).",
    "task_failure": "At least one task failed.",
}
"""Airflow's reasons for a run's failure, in words."""
