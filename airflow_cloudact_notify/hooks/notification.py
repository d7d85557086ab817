"""``NotificationHook``: the sync door to everything, for tasks and operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseHook

from airflow_cloudact_notify.bridge.connections import CONN_TYPE, read_root
from airflow_cloudact_notify.bridge.masking import masked
from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.bridge.wish import DEFAULT_CONN_ID
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.checks import check_destinations
from airflow_cloudact_notify.core.letters import FIRST_AND_LAST, Attempt
from airflow_cloudact_notify.core.masking import plain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService


class NotificationHook(BaseHook):
    """Notify a tenant from within a task.

    .. code-block:: python

        report = NotificationHook().notify("data_quality_failure", tenant_id="acme", title="12 rows without a key")
        report.raise_for_failures()

    :param cloudact_notify_conn_id: the connection that supplies root settings beside the root's file; it need not
        be defined.
    """

    conn_name_attr = "cloudact_notify_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "CloudAct Notify"

    def __init__(self, cloudact_notify_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cloudact_notify_conn_id = cloudact_notify_conn_id

    def get_conn(self) -> NotificationService:
        """Return this process's service."""
        return airflow_service(self.cloudact_notify_conn_id)

    def notify(
        self,
        event: str,
        *,
        tenant_id: str | None = None,
        severity: str | None = None,
        title: str = "",
        message: str = "",
        details: Mapping[str, Any] | None = None,
        providers: Sequence[str] | None = None,
        budget_seconds: float | None = None,
        attempt: Attempt = FIRST_AND_LAST,
        **more: Any,
    ) -> NotificationReport:
        """Tell a tenant that ``event`` happened, and return what became of it.

        :param tenant_id: the tenant; ``None`` for the root's settings.
        :param providers: destinations to use in place of those the trigger names.
        :param budget_seconds: how long it may take; left out, as long as the configured attempts do.
        :param attempt: which try of a task it is; a later one tells only those who missed the earlier ones.
        :param more: further fields of ``NotificationMessage``, such as ``pipeline_id`` or ``dedup_key``.
        :raises ValueError: for a tenant id, event, severity or provider that there cannot be.
        """
        told = NotificationMessage.model_validate(
            {
                "event": event,
                "tenant_id": tenant_id,
                "severity": severity,
                "title": masked(title),
                "message": masked(message),
                # As plain data: Airflow's masker looks neither into objects nor into what is nested deep.
                "details": masked(plain(details)),
                **more,
            }
        )
        budget = Budget(budget_seconds)
        return self.get_conn().send(told, providers=providers, budget=budget, attempt=attempt)

    def test_connection(self) -> tuple[bool, str]:
        """Log in to the connection's mail server and look at its webhook, without telling anybody."""
        try:
            document = read_root(self.cloudact_notify_conn_id)
            if document is None:
                return False, f"connection {self.cloudact_notify_conn_id} is not defined"
            return check_destinations(
                document, self.cloudact_notify_conn_id, read_settings().allowed_webhook_hosts
            )
        except Exception as error:  # noqa: BLE001 - the form shows the text
            return False, str(error)
