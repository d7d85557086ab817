"""What a custom template can say: the message, as plain data, and nothing of the world around it."""

from __future__ import annotations

from typing import Any

from airflow_cloudact_notify.core.branding import Style
from airflow_cloudact_notify.core.content import CAUSE_KEYS, MAX_BODY, MAX_CAUSE, MAX_FACT, content_of
from airflow_cloudact_notify.core.looks import look_of
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.texts import cut, one_line, readable

MAX_LINE = 500
"""Characters of a title or a name."""


def variables(message: NotificationMessage, style: Style | None = None) -> dict[str, Any]:
    """Return a message's variables. All are always there; what a message does not know is ``None``.

    The message was masked when it was made; here its texts become readable, and are cut as in the built-in messages.

    :param style: that of the tenant's built-in messages, for times and durations.
    """
    style = style or Style()
    content, look = content_of(message, style), look_of(message)
    return {
        "tenant_id": message.tenant_id,
        "event": str(message.event),
        "kind": message.kind.value,
        "severity": str(message.effective_severity),
        "severity_label": look.label,
        "severity_colour": look.colour,
        "severity_emoji": look.emoji,
        "title": _line(message.title),
        "message": cut(readable(message.message).strip(), MAX_BODY),
        "history": [_line(sentence) for sentence in message.history],
        "error": content.cause,
        "facts": [[name, value] for name, value in (*content.facts, *content.more)],
        "details": _details(message.details),
        "pipeline_id": _line(message.pipeline_id),
        "pipeline_logging_id": _line(message.pipeline_logging_id),
        "task_id": _line(message.task_id),
        "map_index": message.map_index,
        "try_number": message.try_number,
        "max_tries": message.max_tries,
        "duration": None if message.duration_ms is None else style.times.duration(message.duration_ms),
        "duration_ms": message.duration_ms,
        "occurred_at": style.times.moment(message.occurred_at),
        "log_url": _url(message.log_url),
        "run_url": _url(message.run_url),
        "dag_url": _url(message.dag_url),
        "runbook_url": _url(message.runbook_url),
    }


def _line(text: str | None) -> str | None:
    return None if text is None else cut(one_line(text), MAX_LINE)


def _url(text: str | None) -> str | None:
    return text if text and text.startswith(("http://", "https://")) else None


def _details(details: dict[str, Any]) -> dict[str, Any]:
    return {
        cut(one_line(key), MAX_LINE): _readable(value, MAX_CAUSE if key in CAUSE_KEYS else MAX_FACT)
        for key, value in details.items()
    }


def _readable(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return cut(readable(value), limit)
    if isinstance(value, list):
        return [_readable(item, limit) for item in value]
    if isinstance(value, dict):
        return {cut(one_line(str(key)), MAX_LINE): _readable(item, limit) for key, item in value.items()}
    return value
