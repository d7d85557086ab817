"""What would hold a message back, gate by gate: all of it, where sending stops at the first."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core import gates as doors
from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.cooldowns import Cooldowns
from airflow_cloudact_notify.core.state.silences import Silences
from airflow_cloudact_notify.core.state.store import StateStore


def holds(
    service: NotificationService, message: NotificationMessage, plan: Plan, now: float
) -> list[dict[str, str]]:
    """Return why a message would be held back: the sort of each reason, and the reason in words.

    :param now: seconds since 1970.
    """
    found = [*_by_configuration(service, message, plan, now)]
    try:
        found += _by_state(place.answering(service.state), message, plan, now)
        unknown = []
    except StateUnavailable as error:
        unknown = [{"reason": "not_known", "why": f"the state does not answer: {error}"}]
    return [{"reason": str(held.reason), "why": held.why} for held in found] + unknown


def _by_configuration(
    service: NotificationService, message: NotificationMessage, plan: Plan, now: float
) -> Iterator[Held]:
    if not service.is_enabled:
        yield Held(SuppressionReason.SWITCHED_OFF, "[cloudact_notify] enabled is false")
    gates = (plan.held, doors.silenced(message, plan, plan.silences, now), doors.quiet(message, plan, now))
    yield from (held for held in gates if held)


def _by_state(state: StateStore, message: NotificationMessage, plan: Plan, now: float) -> Iterator[Held]:
    known = Silences(state, output.complain).load().values()
    if held := doors.silenced(message, plan, known, now):
        yield held
    if plan.cooldown_seconds:
        row = Cooldowns(state, output.complain).load(policy.cooldown_key(message, plan.cooldown_scope))
        if held := claims.cooling_down(row, plan, now):
            yield held
    if held := doors.Gatekeeper(state, output.complain, lambda: now).is_full(message, plan):
        yield held
