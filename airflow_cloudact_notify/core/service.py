"""``NotificationService``: the engine's door, and the steps of a notification from top to bottom."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Iterable

from airflow_cloudact_notify.core import delivery, policy
from airflow_cloudact_notify.core.bookkeeping import Bookkeeping
from airflow_cloudact_notify.core.budget import Budget, Caller
from airflow_cloudact_notify.core.config import EventTriggerConfig, NotificationConfig
from airflow_cloudact_notify.core.config_store import ConfigStore, ResolvedConfig
from airflow_cloudact_notify.core.delivery import Terms
from airflow_cloudact_notify.core.destinations import (
    ConnectionReader,
    Destinations,
    Provider,
    no_connections,
)
from airflow_cloudact_notify.core.enums import (
    NotificationEvent,
    NotificationProvider,
    SuppressionReason,
)
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.original_api import OriginalApi, Providers
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport, report_on
from airflow_cloudact_notify.core.state.store import BoundedStateStore, MemoryStateStore, StateStore

log = logging.getLogger(__name__)

CONFIGS_PATH_VARIABLE = "CLOUDACT_NOTIFY_CONFIGS_PATH"


class NotificationService(OriginalApi):
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
        remember: bool = True,
    ) -> NotificationReport:
        """Take a message through all steps and return what became of it.

        :param providers: the destinations to use in place of those the trigger names; none named, those.
        :param budget: how long it may take; left out, as long as the configured attempts do.
        :param notes: remarks of the caller for the report.
        :param remember: whether the state may be asked and told; without it nothing is held back.
        :raises InvalidTenantIdError: when the message's tenant id cannot be a folder's name.
        """
        budget = budget or Budget()
        remarks = list(notes)
        state = BoundedStateStore(self._state, budget.call) if remember else MemoryStateStore()
        books = Bookkeeping(state, remarks.append, self._sleep)
        resolved = self.configs.resolve(message.tenant_id, budget.call)
        plan = policy.plan(message, resolved, _names(providers)) if self._enabled else _OFF
        message = message.model_copy(update={"severity": plan.severity or message.severity})
        held = plan.held or books.holds(message, plan, self._clock())
        results = [] if held else self._deliver(message, plan, resolved, budget, remarks)
        budget.end_delivery()
        if any(results):
            books.delivered(message, plan, self._clock())
        books.retried(message, plan)
        report = report_on(message, resolved, plan, held, results, remarks)
        _tell(report, remarks)
        return report

    def _deliver(
        self,
        message: NotificationMessage,
        plan: Plan,
        resolved: ResolvedConfig,
        budget: Budget,
        remarks: list[str],
    ) -> list[DeliveryResult]:
        config = resolved.config
        terms = Terms(config.retry_config, config.timeout_seconds, budget, self._sleep)
        ready, unready = self.destinations.ready(plan.send_to, resolved, budget.call)
        if unready and not ready:
            ready, unready = self._in_their_place(message, plan, resolved, unready, budget.call, remarks)
        return delivery.deliver(message, ready, terms) + unready

    def _in_their_place(
        self,
        message: NotificationMessage,
        plan: Plan,
        resolved: ResolvedConfig,
        unready: list[DeliveryResult],
        call: Caller,
        remarks: list[str],
    ) -> tuple[dict[NotificationProvider, Provider], list[DeliveryResult]]:
        """Return who else can be told when no planned destination can: a mistake must not silence its tenant."""
        others = [name for name in resolved.config.enabled_destinations() if name not in plan.send_to]
        ready, _ = self.destinations.ready(others, resolved, call)
        if ready:
            return ready, unready
        root = self.configs.resolve(None, call)
        if root.source != resolved.source:
            ready, _ = self.destinations.ready(policy.plan(message, root).send_to, root, call)
        if not ready:
            return {}, unready
        remarks += [f"told to the destinations of {root.source} instead: {result}" for result in unready]
        return ready, []

    def has_retried(self, message: NotificationMessage, budget: Budget) -> bool:
        """Return whether a task of the message's run was tried again, as far as callbacks have told."""
        return Bookkeeping(BoundedStateStore(self._state, budget.call), log.warning).has_retried(message)

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
    if not providers:
        return None
    names = [providers] if isinstance(providers, str) else providers
    return [NotificationProvider(name) for name in names]


def _tell(report: NotificationReport, remarks: Iterable[str]) -> None:
    # What is wrong with a configuration was logged when it was found.
    for remark in remarks:
        log.warning("%s", remark)
    log.log(logging.WARNING if report.failures else logging.INFO, "%s", report.summary)


@functools.cache
def default_service() -> NotificationService:
    """Return this process's service without Airflow."""
    return NotificationService()
