"""Who is told, and what holds a message back. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_cloudact_notify.core.config import (
    EventTriggerConfig,
    NotificationConfig,
    default_cooldown,
    destinations,
)
from airflow_cloudact_notify.core.enums import (
    CooldownScope,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import ConfigProblem
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.quiet_hours import QuietHoursConfig
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.incidents import Incident
from airflow_cloudact_notify.core.state.store import scope_key

RECOVERY_COOLDOWN = 300
"""Seconds in which others that see the end of the same outage keep quiet."""


@dataclass(frozen=True, slots=True)
class Held:
    """A decision not to send, and the reason in words.

    ``counts`` says that a later message or a digest tells how many there were.
    """

    reason: SuppressionReason
    why: str
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a message, apart from what only the state knows.

    ``fall_back`` are told when one of ``send_to`` cannot be.
    ``off`` are destinations the message was meant for that are switched off, ``broken`` those that cannot be used.
    ``held`` holds back the whole message.
    """

    severity: NotificationSeverity | None
    send_to: tuple[NotificationProvider, ...] = ()
    fall_back: tuple[NotificationProvider, ...] = ()
    off: tuple[NotificationProvider, ...] = ()
    broken: Mapping[NotificationProvider, ConfigProblem] = field(default_factory=dict)
    cooldown_seconds: int = 0
    cooldown_scope: CooldownScope = CooldownScope.PIPELINE
    escalate_after: int | None = None
    max_per_hour: int | None = None
    quiet_hours: QuietHoursConfig | None = None
    silences: tuple[SilenceConfig, ...] = ()
    held: Held | None = None


def plan(
    message: NotificationMessage,
    resolved: ResolvedConfig,
    providers: Sequence[NotificationProvider] | None = None,
) -> Plan:
    """Return whom the configuration wants told, and how often at most.

    :param providers: the caller's own choice, in place of the trigger's.
    """
    config = resolved.config
    severity = severity_of(message, config)
    trigger = config.trigger(message.event)
    if not config.enabled or not (config.enabled_destinations() or resolved.broken):
        why = "neither the tenant's file nor the root's settings have a destination switched on"
        return Plan(severity, held=Held(SuppressionReason.NOTHING_ENABLED, why))
    # Who was alerted hears of the recovery, also where successes are off: at once or late.
    if trigger is not None and not trigger.enabled and not message.is_late_recovery:
        why = f"the trigger for {trigger.event} is switched off"
        return Plan(severity, held=Held(SuppressionReason.EVENT_OFF, why))
    if trigger is None and providers is None and _is_chatter(message, severity):
        why = f"no trigger asks for {message.event}, and of severity info only what is asked for is told"
        return Plan(severity, held=Held(SuppressionReason.NOT_ROUTED, why))

    wanted = _wanted(config, message.event, providers)
    enabled = config.enabled_destinations()
    send_to = tuple(name for name in wanted if name in enabled)
    broken = {name: problem for name, problem in resolved.broken.items() if name in wanted}
    return Plan(
        severity=severity,
        send_to=send_to,
        fall_back=tuple(n for n in _fall_back(config, trigger) if n in enabled and n not in send_to),
        off=tuple(name for name in wanted if name not in enabled and name not in broken),
        broken=broken,
        cooldown_seconds=_cooldown(message, trigger, severity),
        cooldown_scope=trigger.cooldown_scope if trigger else CooldownScope.PIPELINE,
        escalate_after=trigger.escalate_after if trigger else None,
        max_per_hour=config.max_per_hour,
        quiet_hours=config.quiet_hours,
        silences=tuple(config.silences),
    )


def severity_of(message: NotificationMessage, config: NotificationConfig) -> NotificationSeverity:
    """Return the caller's severity, else the trigger's, else the event's own.

    An event that borrows the trigger of ``pipeline_failure`` keeps at least its own.
    """
    if message.severity is not None:
        return message.severity
    trigger = config.trigger(message.event)
    own = message.event.default_severity
    if trigger is None:
        return own
    if trigger.event is not message.event:
        return max(own, trigger.severity or trigger.event.default_severity)
    return trigger.severity or own


def escalated(plan: Plan, failures: int) -> Plan:
    """Return the plan with severity critical when so many runs in a row have failed that the trigger asks for it."""
    if plan.escalate_after is None or failures < plan.escalate_after:
        return plan
    return replace(plan, severity=NotificationSeverity.CRITICAL)


def may_end_an_outage(message: NotificationMessage, config: NotificationConfig) -> bool:
    """Whether a message tells of a success that something may have waited for: a look at the state is worth it.

    A task's success ends nothing where outages are those of whole pipelines.
    """
    if not message.is_success or message.lifecycle is None or message.task_id is None:
        return message.is_success
    return any(trigger.cooldown_scope is CooldownScope.TASK for trigger in config.event_triggers)


def recovery(plan: Plan, config: NotificationConfig, alerted: Iterable[str]) -> Plan:
    """Return the plan of a recovery: whoever was alerted hears of it, and whoever a success is told to."""
    enabled = config.enabled_destinations() if config.enabled else ()
    wanted = () if plan.held else plan.send_to
    send_to = tuple(name for name in enabled if name in {*wanted, *alerted}) or enabled
    return Plan(
        severity=plan.severity or NotificationSeverity.INFO,
        send_to=send_to,
        fall_back=tuple(n for n in _fall_back(config, None) if n in enabled and n not in send_to),
        cooldown_seconds=RECOVERY_COOLDOWN if send_to else 0,
        max_per_hour=config.max_per_hour,
        quiet_hours=config.quiet_hours,
        silences=tuple(config.silences),
    )


def cooldown_key(message: NotificationMessage, scope: CooldownScope) -> str:
    """Return the key of the row that repeats of a message share."""
    if message.kind is MessageKind.RECOVERY:
        return recovery_key(message.tenant_id, message.pipeline_id, message.task_id)
    where: dict[CooldownScope, tuple[str | None, ...]] = {
        CooldownScope.PIPELINE: (message.pipeline_id,),
        CooldownScope.TASK: (message.pipeline_id, message.task_id),
        CooldownScope.EVENT: (),
    }
    narrowed = (message.dedup_key,) if message.dedup_key else ()
    return scope_key("cooldown", message.tenant_id, message.event, *where[scope], *narrowed)


def recovery_key(tenant_id: str | None, pipeline_id: str | None, task_id: str | None) -> str:
    """Return the key of the row on which the recovery of a pipeline, or of one of its tasks, is claimed."""
    return scope_key("cooldown", tenant_id, MessageKind.RECOVERY.value, pipeline_id, task_id)


def task_that_failed(message: NotificationMessage, scope: CooldownScope) -> str | None:
    """Return the task that a failure is kept for, ``None`` when it is kept for the pipeline as a whole."""
    return message.task_id if scope is CooldownScope.TASK else None


def is_told_once(message: NotificationMessage) -> bool:
    """Whether the state keeps who was told of a message's occasion; of info it keeps nothing."""
    return message.occasion is not None and message.effective_severity >= NotificationSeverity.WARNING


def already_told(message: NotificationMessage, incident: Incident) -> Held | None:
    """Return why a callback's message adds nothing to what was told, ``None`` when it does.

    A task's failure is told with its cause; its run's is told only when no task spoke.
    """
    if message.occasion and incident.has_told(message.occasion):
        return Held(SuppressionReason.ALREADY_TOLD, "another callback has told of it")
    run = message.run_key
    if run and message.is_runs_failure and incident.has_told_of_run(run):
        return Held(SuppressionReason.ALREADY_TOLD, "a task of this run has told of its failure")
    return None


def _is_chatter(message: NotificationMessage, severity: NotificationSeverity) -> bool:
    return severity < NotificationSeverity.WARNING and message.kind is not MessageKind.RECOVERY


def _cooldown(
    message: NotificationMessage, trigger: EventTriggerConfig | None, severity: NotificationSeverity
) -> int:
    if message.kind is not MessageKind.ALERT:
        return 0  # a summary is no repeat of anything
    return trigger.cooldown_for(severity) if trigger else default_cooldown(severity)


def _fall_back(
    config: NotificationConfig, trigger: EventTriggerConfig | None
) -> tuple[NotificationProvider, ...]:
    own = trigger.fallback_providers if trigger else None
    return destinations(config.fallback_providers if own is None else own)


def _wanted(
    config: NotificationConfig,
    event: NotificationEvent,
    providers: Sequence[NotificationProvider] | None,
) -> tuple[NotificationProvider, ...]:
    if providers is not None:
        return destinations(providers)
    trigger = config.trigger(event)
    if trigger is not None and trigger.providers:
        return destinations(trigger.providers)
    default = destinations((config.default_provider,))
    enabled = config.enabled_destinations()
    return tuple(name for name in default if name in enabled) or enabled
