"""A callback's way: from Airflow's context to the engine, within the budget, and never raising."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_cloudact_notify.bridge import context as reading
from airflow_cloudact_notify.bridge.context import Context, Occasion
from airflow_cloudact_notify.bridge.lifecycle import MEANINGS, Lifecycle
from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.templating import render
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config_store import check_tenant_id
from airflow_cloudact_notify.core.errors import InvalidTenantIdError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport

_TEMPLATED = ("tenant_id", "event", "severity", "title", "message", "details")

log = logging.getLogger(__name__)


def notify(context: Context, wish: Wish, lifecycle: Lifecycle | None = None) -> NotificationReport | None:
    """Tell what the callback was called for. Whatever goes wrong is logged; ``None`` when nothing could be told."""
    try:
        return _notify(context, wish, lifecycle)
    except Exception:  # a callback must not touch its task
        log.exception("The notification could not be sent")
        return None


def _notify(context: Context, wish: Wish, lifecycle: Lifecycle | None) -> NotificationReport:
    settings = read_settings()
    with Budget(settings.callback_budget_seconds) as budget:
        notes: list[str] = []
        wish = _rendered(wish, context, notes)
        tenant = reading.tenant_of(context, wish.tenant_id, settings.default_tenant)
        extra: dict[str, Any] = {}
        try:
            tenant_id = check_tenant_id(tenant) if tenant else None
        except InvalidTenantIdError as error:
            notes.append(f"told to the root instead: {error}")
            tenant_id, extra = None, {"tenant_id_refused": str(tenant)[:80]}
        message = message_of(context, wish, tenant_id, lifecycle or reading.lifecycle_of(context), extra)
        service = airflow_service(wish.conn_id)
        return service.send(message, providers=wish.providers, budget=budget, notes=notes)


def message_of(
    context: Context, wish: Wish, tenant_id: str | None, lifecycle: Lifecycle, extra: Mapping[str, Any]
) -> NotificationMessage:
    """Return the message that a context and a wish make."""
    occasion = reading.occasion_of(context)
    meaning = MEANINGS[lifecycle]
    details = {**extra, **_known(occasion, lifecycle), **wish.details}
    return NotificationMessage.model_validate(
        {
            "tenant_id": tenant_id,
            "event": wish.event or meaning.event,
            "severity": wish.severity or (None if wish.event else meaning.severity),
            "title": reading.masked(wish.title or f"{_subject(occasion)} {meaning.happened}"),
            "message": reading.masked(wish.message or ""),
            "pipeline_id": occasion.dag_id,
            "pipeline_logging_id": occasion.run_id,
            "task_id": occasion.task_id,
            "map_index": occasion.map_index,
            "try_number": occasion.try_number,
            "max_tries": occasion.max_tries,
            "duration_ms": occasion.duration_ms,
            "log_url": occasion.log_url,
            "details": reading.masked(details),
        }
    )


def _rendered(wish: Wish, context: Context, notes: list[str]) -> Wish:
    """Return a copy of the wish with its templates filled in: one notifier serves many runs at once."""
    try:
        return replace(wish, **{name: render(getattr(wish, name), context) for name in _TEMPLATED})
    except Exception as error:  # noqa: BLE001 - a template's mistake must not cost the notification
        notes.append(f"a template of the notifier could not be filled in: {type(error).__name__}: {error}")
        return wish


def _subject(occasion: Occasion) -> str:
    if occasion.task_id and not occasion.is_dag_level:
        return f"Task {occasion.dag_id}.{occasion.task_id}"
    return f"DAG {occasion.dag_id or '(unknown)'}"


def _known(occasion: Occasion, lifecycle: Lifecycle) -> dict[str, Any]:
    reason = None if lifecycle is Lifecycle.SUCCESS else occasion.reason
    known = {"error": reading.error_text(occasion.exception), "reason": reason}
    return {key: value for key, value in known.items() if value}
