"""A message, a clock and a destination for tests that need no server."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    BaseNotificationProvider,
    DestinationConfig,
    Parts,
    ProviderSettings,
    Receipt,
)


def make_message(**overrides: Any) -> NotificationMessage:
    """Return a complete message; its time and id are always the same."""
    fields = {
        "tenant_id": "acme",
        "event": "pipeline_failure",
        "title": "Pipeline failed: sales",
        "message": "Task load failed.",
        "pipeline_id": "sales",
        "pipeline_logging_id": "manual__2026-01-02",
        "task_id": "load",
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "message_id": "0123456789abcdef0123456789abcdef",
    }
    return NotificationMessage.model_validate(fields | overrides)


class FrozenClock:
    """A clock that moves only when told, or when somebody sleeps by it; ``slept`` lists how long they did."""

    def __init__(self, now: float = 1_767_323_045.0) -> None:
        self._now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


class RecordingConfig(DestinationConfig):
    """The section of a ``RecordingProvider``."""

    SERVER_KEYS: ClassVar = frozenset()

    enabled: bool = True


class RecordingProvider(BaseNotificationProvider[RecordingConfig, NotificationMessage]):
    """Keeps every message it is asked to send in ``messages``.

    :param answers: what comes of the first attempts, in turn; a ``DeliveryError`` is raised. Later ones are taken.
    """

    def __init__(self, *answers: DeliveryError | Receipt[NotificationMessage]) -> None:
        super().__init__(RecordingConfig(), ProviderSettings())
        self.messages: list[NotificationMessage] = []
        self._answers = deque(answers)

    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> NotificationMessage:
        return message

    def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
        self.messages.append(payload)
        answer = self._answers.popleft() if self._answers else Receipt()
        if isinstance(answer, DeliveryError):
            raise answer
        return answer

    def check(self, *, timeout: float) -> str:
        return "messages are recorded, not sent"
