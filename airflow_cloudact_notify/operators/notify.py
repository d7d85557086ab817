"""``NotifyOperator``: a notification as a step of a DAG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_cloudact_notify.bridge.wish import DEFAULT_CONN_ID


class NotifyOperator(BaseOperator):
    """Tell a tenant something, and leave the report in XCom.

    A task that is tried again tells only those who missed it; one that is cleared tells everybody anew. What the last
    try could not deliver is a dead letter. What is held back on purpose is a success; the report says why.

    :param event: one of the eight events (templated).
    :param tenant_id: the tenant (templated); left out, it is found as ``CloudActNotifier`` finds it.
    :param severity: ``info``, ``warning``, ``error`` or ``critical`` (templated); left out, the trigger's or the
        event's own.
    :param title: the headline (templated).
    :param message: text under the headline (templated).
    :param details: further facts, shown as a table (templated).
    :param providers: destinations to use in place of those the trigger names.
    :param dedup_key: narrows the cooldown, which is otherwise that of the tenant, the event and the DAG (templated).
    :param fail_on_error: whether the task fails when a destination did not take the notification.
    :param budget_seconds: how long it may take; left out, as long as the configured attempts do.
    :param cloudact_notify_conn_id: the connection that supplies root settings.
    """

    template_fields: Sequence[str] = (
        "tenant_id",
        "event",
        "severity",
        "title",
        "message",
        "details",
        "dedup_key",
    )
    template_fields_renderers = {"details": "json"}
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        event: str,
        tenant_id: str | None = None,
        severity: str | None = None,
        title: str = "",
        message: str = "",
        details: Mapping[str, Any] | None = None,
        providers: Sequence[str] | None = None,
        dedup_key: str | None = None,
        fail_on_error: bool = True,
        budget_seconds: float | None = None,
        cloudact_notify_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.event = event
        self.tenant_id = tenant_id
        self.severity = severity
        self.title = title
        self.message = message
        self.details = details
        self.providers = providers
        self.dedup_key = dedup_key
        self.fail_on_error = fail_on_error
        self.budget_seconds = budget_seconds
        self.cloudact_notify_conn_id = cloudact_notify_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        """Send, and return the report.

        :raises DeliveryFailedError: when a destination failed and ``fail_on_error`` is true.
        :raises ValueError: for a tenant id, event, severity or provider that there cannot be.
        """
        # Imported when it is needed: parsing a DAG file does not need the engine.
        from airflow_cloudact_notify.bridge.context import moment_of
        from airflow_cloudact_notify.bridge.masking import masked
        from airflow_cloudact_notify.bridge.messages import page_of
        from airflow_cloudact_notify.bridge.settings import read_settings
        from airflow_cloudact_notify.bridge.steps import step_of
        from airflow_cloudact_notify.bridge.tenants import tenant_of
        from airflow_cloudact_notify.core.enums import Lifecycle
        from airflow_cloudact_notify.hooks.notification import NotificationHook

        moment = moment_of(context, Lifecycle.EXECUTE)
        title = masked(_text(self.title))
        step = step_of(context, moment, self.event, title, fails=self.fail_on_error)
        report = NotificationHook(self.cloudact_notify_conn_id).notify(
            self.event,
            tenant_id=tenant_of(context, self.tenant_id, read_settings()),
            severity=self.severity or None,
            title=title,
            message=_text(self.message),
            details=self.details,
            providers=self.providers,
            budget_seconds=self.budget_seconds,
            attempt=step.attempt,
            pipeline_id=moment.dag_id,
            pipeline_logging_id=moment.run_id,
            task_id=moment.task_id,
            map_index=moment.map_index,
            dedup_key=_text(self.dedup_key) or None,
            log_url=moment.log_url,
            run_url=page_of(moment.dag_id, moment.run_id),
            dag_url=page_of(moment.dag_id),
            **step.identity,
        )
        if self.fail_on_error:
            report.raise_for_failures()
        return report.to_dict()


def _text(value: Any) -> str:
    """Return a text for what an XCom, or a template of a DAG that renders native objects, may be."""
    return "" if value is None else str(value)
