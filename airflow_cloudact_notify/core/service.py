"""``NotificationService``: the engine's door, and the steps of a notification from top to bottom."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from airflow_cloudact_notify.core import decisions, policy
from airflow_cloudact_notify.core.bookkeeping import Bookkeeping
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import EventTriggerConfig, NotificationConfig
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.destinations import (
    ConnectionReader,
    Destinations,
    no_connections,
)
from airflow_cloudact_notify.core.enums import (
    NotificationEvent,
    NotificationProvider,
    SuppressionReason,
)
from airflow_cloudact_notify.core.gates import KnownSilences
from airflow_cloudact_notify.core.health import Owner
from airflow_cloudact_notify.core.letters import FIRST_AND_LAST, Attempt
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.metrics import Metrics, count, nowhere
from airflow_cloudact_notify.core.occasions import Occasions
from airflow_cloudact_notify.core.original_api import OriginalApi, Providers
from airflow_cloudact_notify.core.outages import Recovered
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.records import Records
from airflow_cloudact_notify.core.report import NotificationReport, report_on, unserved
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.sending import Sending, Sent
from airflow_cloudact_notify.core.state.outbox import DeadLetter
from airflow_cloudact_notify.core.state.store import BoundedStateStore, MemoryStateStore, StateStore
from airflow_cloudact_notify.core.summaries import recovery_of
from airflow_cloudact_notify.core.waves import Missed, Waves

log = logging.getLogger(__name__)

CONFIGS_PATH_VARIABLE = "CLOUDACT_NOTIFY_CONFIGS_PATH"


class NotificationService(OriginalApi):
    """Tells a tenant's people what happened to their pipelines.

    :param configs_path: the folder of the configuration files; left out, ``CLOUDACT_NOTIFY_CONFIGS_PATH``, else
        ``./configs``.
    :param allowed_webhook_hosts: ``host`` or ``host:port`` entries that webhooks may name beside Slack's hosts.
    :param state: keeps what must outlast a call, such as cooldowns and dead letters; left out, in this process only.
    :param configs: resolves configurations, in place of ``configs_path`` and ``allowed_webhook_hosts``.
    :param connections: reads the connection that a destination names.
    :param enabled: the switch for all of it.
    :param clock: seconds since 1970.
    :param metrics: takes what is counted.
    :param sleep: waits between attempts.
    :param settle: waits until it is known which of several reporters sends.
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
        metrics: Metrics = nowhere,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        settle: Callable[[float], None] = time.sleep,
    ) -> None:
        path = configs_path or os.environ.get(CONFIGS_PATH_VARIABLE) or "configs"
        self.configs = configs or ConfigStore(
            os.fspath(path), allowed_webhook_hosts=frozenset(allowed_webhook_hosts)
        )
        self.destinations = Destinations(connections, self.configs.allowed_webhook_hosts)
        self.state = state if state is not None else MemoryStateStore()
        self._enabled = enabled
        self.metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._settle = settle
        self._silences = KnownSilences(clock)

    def send(
        self,
        message: NotificationMessage,
        *,
        providers: Providers | None = None,
        budget: Budget | None = None,
        notes: Iterable[str] = (),
        remember: bool = True,
        missed: Missed | None = None,
        attempt: Attempt = FIRST_AND_LAST,
    ) -> NotificationReport:
        """Take a message through all steps and return what became of it.

        :param providers: the destinations to use in place of those the trigger names; none named, those.
        :param budget: how long it may take; left out, as long as the configured attempts do.
        :param notes: remarks of the caller for the report.
        :param remember: whether the state may be asked and told; without it nothing is held back.
        :param missed: the destinations to use, each with those of its recipients who missed the message before.
        :param attempt: which try of a task it is; a later one tells only those who missed the earlier ones.
        :raises InvalidTenantIdError: when the message's tenant id cannot be a folder's name.
        """
        budget = budget or Budget()
        remarks = list(notes)
        records = self._records(budget, remarks, remember)
        message, attempt, earlier = _after_earlier_try(message, attempt, records)
        missed = earlier.recipients if earlier and attempt.was_told else missed
        resolved = self.configs.resolve(message.tenant_id, budget.call)
        message, plan, ended = self._planned(
            message, resolved, records.books, _names(missed or providers), attempt
        )
        owner = Owner(None if resolved.of_root else message.tenant_id, resolved.config.unhealthy_after)
        waves = Waves(
            plan,
            resolved,
            owner,
            self.configs,
            self.destinations,
            records.health,
            budget,
            self._sleep,
            missed or {},
        )
        sent = Sending(plan, waves, budget, records, remarks, attempt).send(message)
        if earlier and not sent.held and (attempt.is_last or not unserved(sent.results)):
            records.letters.forget_try(message)
        if ended and (_was_told(sent) or not _is_to_tell(plan, resolved.config)):
            records.books.outages.close(ended)
        records.books.occasions.retried(message, plan)
        return self._reported(sent, resolved, plan, remarks)

    def _records(self, budget: Budget, remarks: list[str], remember: bool) -> Records:
        def remark(text: str) -> None:
            if text not in remarks:
                remarks.append(text)

        store = BoundedStateStore(self.state, budget.call) if remember else None
        return Records.over(store, remark, self._clock, self._settle, self._silences)

    def _planned(
        self,
        message: NotificationMessage,
        resolved: ResolvedConfig,
        books: Bookkeeping,
        providers: Sequence[NotificationProvider] | None,
        attempt: Attempt,
    ) -> tuple[NotificationMessage, Plan, Recovered | None]:
        """Return what to tell, to whom, and the outage whose end it tells."""
        plan = policy.plan(message, resolved, providers) if self._enabled else _OFF
        if attempt.was_told:
            plan = replace(plan, cooldown_seconds=0)
        message, plan, ended = self._with_end(message, plan, resolved.config, books)
        if message.is_failure and plan.escalate_after and not plan.held:
            plan = policy.escalated(plan, books.outages.failures(message, plan))
        runbook_url = message.runbook_url or resolved.config.runbook(message.event)
        severity = plan.severity or message.severity
        message = message.model_copy(update={"severity": severity, "runbook_url": runbook_url})
        log.debug("%s", decisions.in_words(plan, resolved.config.trigger(message.event)))
        return message, plan, ended

    def _reported(
        self, sent: Sent, resolved: ResolvedConfig, plan: Plan, remarks: list[str]
    ) -> NotificationReport:
        report = report_on(
            sent.message, resolved, plan, sent.held, sent.results, remarks, sent.custom, sent.dead_letter
        )
        _tell(report, remarks)
        decisions.tell(report)
        count(report, self.metrics)
        return report

    def _with_end(
        self, message: NotificationMessage, plan: Plan, config: NotificationConfig, books: Bookkeeping
    ) -> tuple[NotificationMessage, Plan, Recovered | None]:
        """Turn a success that ends an outage into a recovery; one that maintenance asks for is nothing else."""
        asked_for = message.kind is MessageKind.RECOVERY
        if not self._enabled or not (asked_for or policy.may_end_an_outage(message, config)):
            return message, plan, None
        ended = books.outages.ended_by(message)
        if ended and not ended.outage.alerted:
            books.outages.forget(ended.outage)
            ended = None
        if ended and config.notify_recovery:
            plan = policy.recovery(plan, config, ended.outage.alerted)
            now = self._clock()
            times = config.style.times
            message = recovery_of(message, ended.outage, ended.failed_runs, ended.tally, now, times)
        elif asked_for:
            why = "notify_recovery is false" if ended else "nothing is broken any more"
            plan = replace(plan, held=Held(SuppressionReason.EVENT_OFF, why))
        return message, plan, ended

    @property
    def is_enabled(self) -> bool:
        """Whether the switch for all of it is on."""
        return self._enabled

    def has_retried(self, message: NotificationMessage, budget: Budget) -> bool:
        """Return whether a task of the message's run was tried again, as far as callbacks have told."""
        store = BoundedStateStore(self.state, budget.call)
        return Occasions(store, log.debug).has_retried(message)

    def get_config(self, tenant_id: str | None) -> NotificationConfig:
        """Return the configuration that applies to a tenant, the root's for ``None``, else a disabled one."""
        return self.configs.resolve(tenant_id).config

    def get_event_config(
        self, tenant_id: str | None, event: NotificationEvent | str
    ) -> EventTriggerConfig | None:
        """Return the trigger that an event of a tenant follows, ``None`` when the defaults apply."""
        return self.get_config(tenant_id).trigger(NotificationEvent(event))

    def clear_cache(self, tenant_id: str | None = None) -> None:
        """Read configurations, connections and silences anew, of one tenant or of all."""
        self.configs.clear(tenant_id)
        self.destinations.forget()
        self._silences.forget()


_OFF = Plan(
    severity=None,
    held=Held(SuppressionReason.SWITCHED_OFF, "[cloudact_notify] enabled is false"),
)


def _was_told(recovery: Sent) -> bool:
    """Whether somebody took it, now, late as a dead letter, or from a reporter who then could not end the outage."""
    return bool(recovery.delivered or recovery.dead_letter) or (
        recovery.held is not None and recovery.held.reason is SuppressionReason.COOLDOWN
    )


def _is_to_tell(recovery: Plan, config: NotificationConfig) -> bool:
    """Whether the end of an outage is told to anybody: then it is not over before somebody took it."""
    return config.notify_recovery and bool(recovery.send_to)


def _after_earlier_try(
    message: NotificationMessage, attempt: Attempt, records: Records
) -> tuple[NotificationMessage, Attempt, DeadLetter | None]:
    """Return what a task's later try tells, and what an earlier one missed."""
    earlier = None if attempt.is_first else records.letters.of_earlier_try(message)
    if earlier is None or not earlier.was_told:
        return message, attempt, earlier
    # Not for all of them is it a repeat: the state would hold it back.
    return message.model_copy(update={"occasion": None}), replace(attempt, was_told=True), earlier


def _names(providers: Providers | Iterable[NotificationProvider] | None) -> list[NotificationProvider] | None:
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
