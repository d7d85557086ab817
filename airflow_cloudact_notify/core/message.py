"""``NotificationMessage``: what is told, frozen, plain, and masked from the moment it exists."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_cloudact_notify.core.enums import Lifecycle, NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.masking import mask, plain

MaskedText = Annotated[str, AfterValidator(mask)]


def _possible_duration(value: Any) -> Any:
    """Drop what clocks that disagree make of a duration: it must not cost the notification."""
    return value if not isinstance(value, int | float) or 0 <= value < float("inf") else None


def _with_zone(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _plain_details(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    masked = plain(value)
    return masked if isinstance(masked, dict) else {"details": masked}


class MessageKind(StrEnum):
    """What sort of message it is; each goes through the same steps."""

    ALERT = "alert"
    TEST = "test"
    DIGEST = "digest"
    RECOVERY = "recovery"
    REPLAY = "replay"
    HEALTH = "health"


class NotificationMessage(BaseModel):
    """One notification, before it is rendered for any destination.

    Texts and details are masked when the message is made, so no later step can leak what they held; a time without
    a zone is UTC.

    ``pipeline_id`` is the dag_id, ``pipeline_logging_id`` the run_id. ``duration_ms`` is in milliseconds.
    ``severity`` is the caller's; left out, the trigger's or the event's own applies.
    ``lifecycle`` says what a callback was called for, ``occasion`` identifies that (the same try of the same task, the
    same end of the same run): one occasion is told once. A message with a lifecycle and no ``task_id`` is a run's.
    ``history`` are sentences about what went before, such as how many repeats were held back.
    ``thread_id`` is the ``message_id`` of the message that this one follows up: the first failure of an outage.
    ``clear_number`` counts how often the run was cleared, which lets it begin anew.
    ``dedup_key`` narrows the cooldown that the message shares with others of its tenant, event and pipeline.
    """

    # A validation error must not quote what has not been masked yet.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tenant_id: str | None = None
    event: NotificationEvent
    severity: NotificationSeverity | None = None
    title: MaskedText = ""
    message: MaskedText = ""
    pipeline_id: MaskedText | None = None
    pipeline_logging_id: MaskedText | None = None
    clear_number: int = 0
    task_id: MaskedText | None = None
    map_index: int | None = Field(default=None, ge=0)
    try_number: int | None = None
    max_tries: int | None = None
    details: Annotated[dict[str, Any], BeforeValidator(_plain_details)] = {}
    run_began_at: datetime | None = None
    duration_ms: Annotated[float | None, BeforeValidator(_possible_duration)] = None
    occurred_at: Annotated[datetime, AfterValidator(_with_zone)] = Field(
        default_factory=lambda: datetime.now(UTC)
    )
    log_url: MaskedText | None = None
    run_url: MaskedText | None = None
    dag_url: MaskedText | None = None
    runbook_url: MaskedText | None = None
    lifecycle: Lifecycle | None = None
    occasion: str | None = None
    dedup_key: MaskedText | None = None
    history: tuple[MaskedText, ...] = ()
    thread_id: str | None = None
    kind: MessageKind = MessageKind.ALERT
    message_id: str = Field(default_factory=lambda: uuid.uuid4().hex)

    @model_validator(mode="before")
    @classmethod
    def _default_title(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("title") and "event" in data:
            event = NotificationEvent(data["event"])
            return {**data, "title": default_title(event, data.get("pipeline_id"))}
        return data

    @property
    def effective_severity(self) -> NotificationSeverity:
        """The severity to show: the message's, else its event's own."""
        return self.severity or self.event.default_severity

    @property
    def run_key(self) -> str | None:
        """Identifies the run, from one clear of it to the next."""
        run = self.pipeline_logging_id
        return f"{run} {self.clear_number}" if run and self.clear_number else run

    @property
    def is_runs_failure(self) -> bool:
        """Whether it tells of a run's failure, not of a task's."""
        return self.lifecycle is Lifecycle.FAILURE and self.task_id is None

    @property
    def is_tasks_failure(self) -> bool:
        """Whether it tells of a task's failure."""
        return self.lifecycle is Lifecycle.FAILURE and self.task_id is not None

    @property
    def is_failure(self) -> bool:
        """Whether it tells that something broke, which a later success mends."""
        if self.kind is not MessageKind.ALERT or not self.pipeline_id:
            return False
        return self.lifecycle is Lifecycle.FAILURE or (
            self.lifecycle is None and self.event is NotificationEvent.PIPELINE_FAILURE
        )

    @property
    def is_success(self) -> bool:
        """Whether it tells that something works."""
        return self.kind is MessageKind.ALERT and self._is_good_news

    @property
    def is_late_recovery(self) -> bool:
        """Whether it tells late that something works again: it follows up the failure that it ends."""
        return self.kind is MessageKind.REPLAY and self._is_good_news and self.thread_id is not None

    @property
    def _is_good_news(self) -> bool:
        if not self.pipeline_id:
            return False
        return self.lifecycle is Lifecycle.SUCCESS or (
            self.lifecycle is None and self.event is NotificationEvent.PIPELINE_SUCCESS
        )


_TITLES = {
    NotificationEvent.PIPELINE_STARTED: "Pipeline started",
    NotificationEvent.PIPELINE_SUCCESS: "Pipeline succeeded",
    NotificationEvent.PIPELINE_FAILURE: "Pipeline failed",
    NotificationEvent.PIPELINE_WARNING: "Pipeline warning",
    NotificationEvent.DATA_QUALITY_FAILURE: "Data quality check failed",
    NotificationEvent.DATA_QUALITY_WARNING: "Data quality warning",
    NotificationEvent.RATE_LIMIT_EXCEEDED: "Rate limit exceeded",
    NotificationEvent.SYSTEM_ERROR: "System error",
}


def default_title(event: NotificationEvent, pipeline_id: str | None) -> str:
    """Return the headline of an event for which the caller named none."""
    return f"{_TITLES[event]}: {pipeline_id}" if pipeline_id else _TITLES[event]
