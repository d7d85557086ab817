"""From Airflow's lifecycle to the eight events: the one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity


class Lifecycle(StrEnum):
    """What Airflow calls a callback for."""

    EXECUTE = "execute"
    SUCCESS = "success"
    FAILURE = "failure"
    RETRY = "retry"
    SKIPPED = "skipped"


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
    Lifecycle.EXECUTE: Meaning(NotificationEvent.PIPELINE_STARTED, "started"),
    Lifecycle.SUCCESS: Meaning(NotificationEvent.PIPELINE_SUCCESS, "succeeded"),
    Lifecycle.FAILURE: Meaning(NotificationEvent.PIPELINE_FAILURE, "failed"),
    Lifecycle.RETRY: Meaning(NotificationEvent.PIPELINE_WARNING, "failed and will be tried again"),
    Lifecycle.SKIPPED: Meaning(NotificationEvent.PIPELINE_WARNING, "was skipped", NotificationSeverity.INFO),
}
