"""A message of each event, as it might come, to look at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.core.message import NotificationMessage

_TASK = {"task_id": "load_orders", "try_number": 2, "max_tries": 3, "duration_ms": 71_000}
_FIELDS: dict[NotificationEvent, dict[str, Any]] = {
    NotificationEvent.PIPELINE_STARTED: {"message": "The run has begun."},
    NotificationEvent.PIPELINE_SUCCESS: {"message": "All tasks succeeded.", "duration_ms": 754_000},
    NotificationEvent.PIPELINE_FAILURE: {
        **_TASK,
        "message": "Task load_orders failed.",
        "details": {"error": "OperationalError: connection to warehouse:5432 refused", "rows_loaded": 18_204},
    },
    NotificationEvent.PIPELINE_WARNING: {**_TASK, "message": "Task load_orders will be tried again."},
    NotificationEvent.DATA_QUALITY_FAILURE: {
        "message": "raw_orders did not pass its checks.",
        "details": {"table": "raw_orders", "failed_checks": ["not_null", "unique"]},
    },
    NotificationEvent.DATA_QUALITY_WARNING: {
        "message": "42 late rows in raw_orders.",
        "details": {"table": "raw_orders", "late_rows": 42},
    },
    NotificationEvent.RATE_LIMIT_EXCEEDED: {
        **_TASK,
        "message": "The API asked us to wait.",
        "details": {"error": "HTTP 429 Too Many Requests", "retry_after_seconds": 30},
    },
    NotificationEvent.SYSTEM_ERROR: {**_TASK, "message": "Airflow lost the task: its process was killed."},
}


def sample(
    event: NotificationEvent, tenant_id: str | None, pipeline_id: str = "daily_ingest", **more: Any
) -> NotificationMessage:
    """Return a message of an event; the same each time, but for its id."""
    fields = {
        "event": event,
        "tenant_id": tenant_id,
        "pipeline_id": pipeline_id,
        "pipeline_logging_id": "scheduled__2026-01-02T03:00:00+00:00",
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "log_url": "https://airflow.example.com/dags/daily_ingest",
    }
    given = {key: value for key, value in more.items() if value is not None}
    return NotificationMessage.model_validate(fields | _FIELDS[event] | given)
