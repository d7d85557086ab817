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
from airflow_cloudact_notify.core.config_store import ResolvedConfig
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
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown
from airflow_cloudact_notify.core.state.incidents import Incident
from airflow_cloudact_notify.core.state.store import scope_key
from airflow_cloudact_notify.core.times import duration

ANEW = "#cleared:"
"""In an occasion, before the number of tries that were over when a person cleared the task."""
LEASE_MARGIN = 5.0
"""Seconds that a claim outlasts its reporter's budget by."""
LONGEST_LEASE = 1800.0
"""Seconds. A claim that says it lasts longer was not made by a sound clock."""
RECOVERY_COOLDOWN = 300
"""Seconds in which others that see the end of the same outage keep quiet."""


@dataclass(frozen=True, slots=True)
class Held:
    """A decision not to send, and the reason in words.

    ``counts`` says that it is a repeat, which a later message tells the number of.
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
    if trigger is not None and not trigger.enabled:
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
    """Whether the state keeps who was told of a message's occasion; info costs no state."""
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


def cooling_down(row: Cooldown, plan: Plan, now: float) -> Held | None:
    """Return why a message is held back, ``None`` when it may go.

    A higher severity than that of what was told, or is being told, breaks through. What lies in the future (a clock
    was set back) holds nothing.

    :param now: seconds since 1970.
    """
    severity = plan.severity or NotificationSeverity.INFO
    if row.claim and is_live(row.claim, now) and severity <= row.claim.severity:
        return Held(SuppressionReason.BEING_TOLD, "another process is telling it", counts=True)
    if row.told is None or severity > row.told.effective_severity:
        return None
    passed = now - row.told_at
    # Another trigger may have told it, with another cooldown: what applies now counts.
    if not 0 <= passed < plan.cooldown_seconds:
        return None
    left = duration((plan.cooldown_seconds - passed) * 1000)
    why = f"told {duration(passed * 1000)} ago; the next one may go in {left}"
    return Held(SuppressionReason.COOLDOWN, why, counts=True)


def is_about(row: Cooldown, message: NotificationMessage) -> bool:
    """Whether a row tells of this very message, not of another that it repeats."""
    told = (row.told, row.claim.message if row.claim else None)
    return any(known is not None and known.message_id == message.message_id for known in told)


def is_told_anew(row: Cooldown, message: NotificationMessage) -> bool:
    """Whether a row tells of the same step of the same run before a person cleared it: he wants to hear it again."""
    told = row.told.occasion if row.told else None
    if not told or not message.occasion or ANEW not in message.occasion:
        return False
    return told != message.occasion and told.rpartition(ANEW)[0] == message.occasion.rpartition(ANEW)[0]


def is_live(claim: Claim, now: float) -> bool:
    """Whether a claim's reporter may still be telling.

    :param now: seconds since 1970.
    """
    return now < claim.until <= now + LONGEST_LEASE


def lease(config: NotificationConfig, budget_seconds: float | None, rounds: int = 1) -> float:
    """Return the seconds after which a reporter counts as killed: it outlasts all that it may do.

    :param rounds: 2 when a fall-back may be sent to after the destinations.
    """
    longest = budget_seconds
    if longest is None:
        retry = config.retry_config
        longest = rounds * retry.max_attempts * (config.timeout_seconds + retry.max_delay_seconds)
    return min(longest + LEASE_MARGIN, LONGEST_LEASE)


def abandoned(row: Cooldown, now: float) -> NotificationMessage | None:
    """Return what a reporter was telling when it was killed, ``None`` when none was.

    A recovery does not count: what is still broken in the state is found again.

    :param now: seconds since 1970.
    """
    if row.claim is None or is_live(row.claim, now) or row.claim.message.kind is not MessageKind.ALERT:
        return None
    return row.claim.message


def goes_first(interrupted: NotificationMessage, message: NotificationMessage) -> bool:
    """Whether what a killed reporter was telling is told in place of a message, which is then counted."""
    return interrupted.effective_severity >= message.effective_severity


def after_delivery(row: Cooldown, told: Cooldown, token: str) -> Cooldown:
    """Return the row that a delivery leaves behind.

    What others wrote while the message was on its way is kept as far as it says more: that something severer was told,
    how many repeats were counted, and that something severer is being told.

    :param row: the row as it is now.
    :param told: what was told, when, and what it counted.
    :param token: that of the message's own claim, empty when it had none.
    """
    severity = told.told.effective_severity if told.told else NotificationSeverity.INFO
    known, claim = row.told, row.claim
    severer = known and known.effective_severity > severity and 0 <= told.told_at - row.told_at < row.seconds
    others = claim and claim.token != token and claim.severity > severity
    return replace(
        told,
        told=known if severer else told.told,
        counted=max(row.counted, told.counted),
        claim=claim if others else None,
    )


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
    if trigger is not None:
        return destinations(trigger.providers or (config.default_provider,))
    default = destinations((config.default_provider,))
    enabled = config.enabled_destinations()
    return tuple(name for name in default if name in enabled) or enabled
