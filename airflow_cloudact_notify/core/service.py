"""``NotificationService``: the engine's door, and the steps of a notification from top to bottom."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_cloudact_notify.core import delivery, policy
from airflow_cloudact_notify.core.budget import Budget, Caller
from airflow_cloudact_notify.core.config import EventTriggerConfig, NotificationConfig
from airflow_cloudact_notify.core.config_store import ConfigStore, ResolvedConfig
from airflow_cloudact_notify.core.delivery import Terms
from airflow_cloudact_notify.core.destinations import (
    ConnectionReader,
    Destinations,
    failed,
    no_connections,
)
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    Outcome,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.store import BoundedStateStore, MemoryStateStore, StateStore

log = logging.getLogger(__name__)

CONFIGS_PATH_VARIABLE = "CLOUDACT_NOTIFY_CONFIGS_PATH"

Providers = Sequence[NotificationProvider | str]


class NotificationService:
    """Tells a tenant's people what happened to their pipelines.

    :param configs_path: the folder of the configuration files; left out, ``CLOUDACT_NOTIFY_CONFIGS_PATH``, else
        ``./configs``.
    :param allowed_webhook_hosts: ``host`` or ``host:port`` entries that webhooks may name beside Slack's hosts.
    :param state: where cooldowns are kept; left out, in this process only.
    :param configs: resolves configurations, in place of ``configs_path`` and ``allowed_webhook_hosts``.
    :param connections: reads the connection that a destination names.
    :param enabled: the switch for all of it.
    :param clock: seconds since 1970.
    :param sleep: waits between attempts.
    """

    def __init__(
        self,
        configs_path: str | os.PathLike[str] | None = None,
        *,
        allowed_webhook_hosts: Iterable[str] = (),
        state: StateStore | None = None,
        configs: ConfigStore | None = None,
        connections: ConnectionReader = no_connections,
        enabled: bool = True,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        path = configs_path or os.environ.get(CONFIGS_PATH_VARIABLE) or "configs"
        self.configs = configs or ConfigStore(
            os.fspath(path), allowed_webhook_hosts=frozenset(allowed_webhook_hosts)
        )
        self.destinations = Destinations(connections, self.configs.allowed_webhook_hosts)
        self._state = state if state is not None else MemoryStateStore()
        self._enabled = enabled
        self._clock = clock
        self._sleep = sleep

    def send(
        self,
        message: NotificationMessage,
        *,
        providers: Providers | None = None,
        budget: Budget | None = None,
        notes: Iterable[str] = (),
    ) -> NotificationReport:
        """Take a message through all steps and return what became of it.

        :param providers: the destinations to use in place of those the trigger names.
        :param budget: how long it may take; left out, as long as the configured attempts do.
        :param notes: remarks of the caller for the report.
        :raises InvalidTenantIdError: when the message's tenant id cannot be a folder's name.
        """
        budget = budget or Budget()
        remarks = list(notes)
        with budget.caller() as call:
            cooldowns = Cooldowns(BoundedStateStore(self._state, call), remarks.append)
            resolved = self.configs.resolve(message.tenant_id, call)
            plan = policy.plan(message, resolved, _names(providers)) if self._enabled else _OFF
            message = message.model_copy(update={"severity": plan.severity or message.severity})
            held = plan.held or self._cooling_down(message, plan, cooldowns, remarks)
            if held is None:
                results = self._deliver(message, plan, resolved, call, budget)
                if any(results):
                    self._start_cooldown(message, plan, cooldowns, remarks)
            else:
                results = [_suppressed(name, held) for name in plan.send_to]
        report = _report(message, resolved, plan, held, results, remarks)
        _tell(report)
        return report

    def _deliver(
        self,
        message: NotificationMessage,
        plan: Plan,
        resolved: ResolvedConfig,
        call: Caller,
        budget: Budget,
    ) -> list[DeliveryResult]:
        ready, unready = self.destinations.ready(plan.send_to, resolved, call)
        config = resolved.config
        terms = Terms(config.retry_config, config.timeout_seconds, budget, self._sleep)
        return delivery.deliver(message, ready, terms) + unready

    def _cooling_down(
        self, message: NotificationMessage, plan: Plan, cooldowns: Cooldowns, remarks: list[str]
    ) -> Held | None:
        if not plan.cooldown_seconds:
            return None
        try:
            return policy.cooling_down(cooldowns.load(message), plan, self._clock())
        except StateUnavailable as error:
            remarks.append(f"sent without looking at the cooldown: {error}")
            return None

    def _start_cooldown(
        self, message: NotificationMessage, plan: Plan, cooldowns: Cooldowns, remarks: list[str]
    ) -> None:
        if not plan.cooldown_seconds:
            return
        try:
            cooldowns.start(message, Cooldown(self._clock(), message.effective_severity))
        except StateUnavailable as error:
            remarks.append(f"the cooldown could not be started, so a repeat will be sent: {error}")

    # --- the original system's API

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
        checks = {"table": table_name, "failed_checks": list(failed_checks)}
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

    def get_config(self, tenant_id: str | None) -> NotificationConfig:
        """Return the configuration that applies to a tenant, the root's for ``None``, else a disabled one."""
        return self.configs.resolve(tenant_id).config

    def get_event_config(
        self, tenant_id: str | None, event: NotificationEvent | str
    ) -> EventTriggerConfig | None:
        """Return the trigger that an event of a tenant follows, ``None`` when the defaults apply."""
        return self.get_config(tenant_id).trigger(NotificationEvent(event))

    def clear_cache(self, tenant_id: str | None = None) -> None:
        """Read configurations and connections anew, of one tenant or of all."""
        self.configs.clear(tenant_id)
        self.destinations.forget()


_OFF = Plan(
    severity=None,
    held=Held(SuppressionReason.SWITCHED_OFF, "[cloudact_notify] enabled is false"),
)


def _names(providers: Providers | None) -> list[NotificationProvider] | None:
    return None if providers is None else [NotificationProvider(name) for name in providers]


def _suppressed(name: NotificationProvider, held: Held) -> DeliveryResult:
    return DeliveryResult(name, Outcome.SUPPRESSED, held.reason, held.why)


def _report(
    message: NotificationMessage,
    resolved: ResolvedConfig,
    plan: Plan,
    held: Held | None,
    results: list[DeliveryResult],
    remarks: list[str],
) -> NotificationReport:
    off = Held(SuppressionReason.DESTINATION_OFF, "it is switched off in the configuration")
    return NotificationReport(
        [
            *results,
            *(_suppressed(name, off) for name in plan.off),
            *(failed(name, FailureReason.MISCONFIGURED, str(p)) for name, p in plan.broken.items()),
        ],
        message=message,
        config_source=resolved.source,
        notes=[*map(str, resolved.problems), *remarks],
        suppressed=held.reason if held else None,
        reason=held.why if held else "",
    )


def _tell(report: NotificationReport) -> None:
    for note in report.notes:
        log.warning("%s", note)
    log.log(logging.WARNING if report.failures else logging.INFO, "%s", report.summary)


@functools.cache
def default_service() -> NotificationService:
    """Return this process's service without Airflow."""
    return NotificationService()
