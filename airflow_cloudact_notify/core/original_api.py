"""The ways of telling something that the original system had."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider, NotificationSeverity
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport

Providers = Sequence[NotificationProvider | str] | str


class OriginalApi(ABC):
    """Coroutines that make a message and hand it to ``send`` in a thread, so that the event loop goes on."""

    @abstractmethod
    def send(self, message: NotificationMessage, *, providers: Providers | None = None) -> NotificationReport:
        """Take a message through all steps and return what became of it."""

    async def notify(
        self,
        tenant_id: str | None,
        event: NotificationEvent | str,
        severity: NotificationSeverity | str | None = None,
        title: str = "",
        message: str = "",
        pipeline_id: str | None = None,
        pipeline_logging_id: str | None = None,
        details: Mapping[str, Any] | None = None,
        providers: Providers | None = None,
        **more: Any,
    ) -> NotificationReport:
        """Tell a tenant that ``event`` happened, without blocking the event loop.

        :param more: further fields of ``NotificationMessage``, such as ``duration_ms`` or ``dedup_key``.
        :raises ValueError: for a tenant id, event, severity or provider that there cannot be.
        """
        told = NotificationMessage.model_validate(
            {
                "tenant_id": tenant_id,
                "event": event,
                "severity": severity,
                "title": title,
                "message": message,
                "pipeline_id": pipeline_id,
                "pipeline_logging_id": pipeline_logging_id,
                "details": details,
                **more,
            }
        )
        return await asyncio.to_thread(self.send, told, providers=providers)

    async def notify_pipeline_started(
        self, tenant_id: str, pipeline_id: str, pipeline_logging_id: str | None = None, **more: Any
    ) -> NotificationReport:
        """Tell that a pipeline has started."""
        return await self.notify(
            tenant_id,
            NotificationEvent.PIPELINE_STARTED,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id,
            **more,
        )

    async def notify_pipeline_success(
        self,
        tenant_id: str,
        pipeline_id: str,
        pipeline_logging_id: str | None = None,
        duration_ms: float | None = None,
        **more: Any,
    ) -> NotificationReport:
        """Tell that a pipeline has succeeded."""
        return await self.notify(
            tenant_id,
            NotificationEvent.PIPELINE_SUCCESS,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id,
            duration_ms=duration_ms,
            **more,
        )

    async def notify_pipeline_failure(
        self,
        tenant_id: str,
        pipeline_id: str,
        pipeline_logging_id: str | None = None,
        error_message: str | None = None,
        details: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> NotificationReport:
        """Tell that a pipeline has failed, and of what."""
        return await self.notify(
            tenant_id,
            NotificationEvent.PIPELINE_FAILURE,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id,
            details={**({"error": error_message} if error_message else {}), **(details or {})},
            **more,
        )

    async def notify_data_quality_failure(
        self,
        tenant_id: str,
        pipeline_id: str,
        table_name: str,
        failed_checks: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> NotificationReport:
        """Tell which checks a table has failed; repeats are held back by table unless ``dedup_key`` says otherwise."""
        failed = [failed_checks] if isinstance(failed_checks, str) else list(failed_checks)
        checks = {"table": table_name, "failed_checks": failed}
        return await self.notify(
            tenant_id,
            NotificationEvent.DATA_QUALITY_FAILURE,
            pipeline_id=pipeline_id,
            details={**checks, **(details or {})},
            **{
                "title": f"Data quality check failed: {table_name}",
                "dedup_key": table_name,
                **more,
            },
        )
