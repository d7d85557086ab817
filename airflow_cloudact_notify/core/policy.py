"""Who is told, and what holds a message back. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_cloudact_notify.core.config import NotificationConfig, default_cooldown, destinations
from airflow_cloudact_notify.core.config_store import ResolvedConfig
from airflow_cloudact_notify.core.enums import (
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import ConfigProblem
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.rendering import duration
from airflow_cloudact_notify.core.state.cooldowns import Cooldown
from airflow_cloudact_notify.core.state.incidents import Incident


@dataclass(frozen=True, slots=True)
class Held:
    """A decision not to send, and the reason in words."""

    reason: SuppressionReason
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a message, apart from what only the state knows.

    ``off`` are destinations the message was meant for that are switched off, ``broken`` those that cannot be used.
    ``held`` holds back the whole message.
    """

    severity: NotificationSeverity | None
    send_to: tuple[NotificationProvider, ...] = ()
    off: tuple[NotificationProvider, ...] = ()
    broken: Mapping[NotificationProvider, ConfigProblem] = field(default_factory=dict)
    cooldown_seconds: int = 0
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
    if trigger is None and providers is None and severity < NotificationSeverity.WARNING:
        why = f"no trigger asks for {message.event}, and of severity info only what is asked for is told"
        return Plan(severity, held=Held(SuppressionReason.NOT_ROUTED, why))

    wanted = _wanted(config, message.event, providers)
    enabled = config.enabled_destinations()
    send_to = tuple(name for name in wanted if name in enabled)
    broken = {name: problem for name, problem in resolved.broken.items() if name in wanted}
    if broken and not send_to:
        # A mistake in the file must not silence its tenant: whoever else can be reached is told.
        send_to = enabled
    return Plan(
        severity=severity,
        send_to=send_to,
        off=tuple(name for name in wanted if name not in enabled and name not in broken),
        broken=broken,
        cooldown_seconds=trigger.cooldown_for(severity) if trigger else default_cooldown(severity),
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


def cooling_down(cooldown: Cooldown | None, plan: Plan, now: float) -> Held | None:
    """Return why the message is held back, ``None`` when it may go.

    A row from the future (a clock that was set back) holds nothing, nor does one of a lower severity.

    :param now: seconds since 1970.
    """
    if cooldown is None or (plan.severity is not None and plan.severity > cooldown.severity):
        return None
    passed = now - cooldown.delivered_at
    if not 0 <= passed < plan.cooldown_seconds:
        return None
    why = (
        f"told {duration(passed * 1000)} ago; "
        f"the next one may go in {duration((plan.cooldown_seconds - passed) * 1000)}"
    )
    return Held(SuppressionReason.COOLDOWN, why)


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
