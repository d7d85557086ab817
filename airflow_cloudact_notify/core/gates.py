"""What holds a message back apart from its own repeats: a silence, quiet hours, a full hour.

What a gate has held back is counted as repeats are, and summed up by maintenance when the gate is open again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core import silences
from airflow_cloudact_notify.core.enums import NotificationSeverity, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.sends import Sends, end_of_hour
from airflow_cloudact_notify.core.state.silences import Silences
from airflow_cloudact_notify.core.state.store import StateStore

GATES = (SuppressionReason.SILENCED, SuppressionReason.QUIET_HOURS, SuppressionReason.MAX_PER_HOUR)
_GATED = (MessageKind.ALERT, MessageKind.DIGEST, MessageKind.RECOVERY, MessageKind.REPLAY)
FRESH_SECONDS = 5.0
"""How long a process may take silences for what they were. A task tells once or twice and looks each time it begins;
the triggerer and maintenance may tell hundreds of messages."""
_CRITICAL = "critical"
_CAPPED = (MessageKind.ALERT, MessageKind.RECOVERY, MessageKind.REPLAY)


@dataclass(frozen=True, slots=True)
class Place:
    """One message's place in its tenant's hour.

    :param now: when it was taken, in seconds since 1970.
    :param is_last: whether it looked like the last one that is free.
    """

    tenant_id: str | None
    kind: str
    mark: str
    now: float
    key: str
    is_last: bool


def silenced(
    message: NotificationMessage, plan: Plan, known: Iterable[SilenceConfig], now: float
) -> Held | None:
    """Return why a message is held back by one of the silences, ``None`` when none is meant for it.

    :param now: seconds since 1970.
    """
    if message.kind not in _GATED:
        return None
    silence = silences.active(known, message, _severity(message, plan), now)
    return Held(SuppressionReason.SILENCED, str(silence), counts=True) if silence else None


def quiet(message: NotificationMessage, plan: Plan, now: float) -> Held | None:
    """Return why a message is held back by its tenant's quiet hours, ``None`` when it may go; what is critical may.

    :param now: seconds since 1970.
    """
    hours = plan.quiet_hours
    if hours is None or message.kind not in _GATED or _is_critical(message, plan):
        return None
    current = hours.current(now)
    if current is None:
        return None
    why = f"quiet hours until {current.end} ({hours.timezone})"
    return Held(SuppressionReason.QUIET_HOURS, why, counts=True)


class KnownSilences:
    """The silences of the state, as they were no more than ``FRESH_SECONDS`` ago: a process that tells much reads them
    once for many messages.

    Threads may share it.

    :param clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: tuple[float, tuple[SilenceConfig, ...]] | None = None

    def up_to_date(self, row: Silences) -> tuple[SilenceConfig, ...]:
        """Return them, read from their row where it is time to.

        :raises StateUnavailable: when the state does not answer; nothing is remembered then.
        """
        now, seen = self._clock(), self._seen
        if seen is None or not 0 <= now - seen[0] < FRESH_SECONDS:
            self._seen = seen = (now, tuple(row.load().values()))
        return seen[1]

    def forget(self) -> None:
        """Read them anew next time."""
        self._seen = None


class Gatekeeper:
    """Looks at the gates that the state knows of. State fails open: what cannot be read or written is remarked.

    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    :param known: the silences that the process has seen; left out, they are read each time.
    """

    def __init__(
        self,
        store: StateStore,
        remark: Callable[[str], Any],
        clock: Callable[[], float],
        known: KnownSilences | None = None,
    ) -> None:
        self._silences = Silences(store, remark)
        self._known = known or KnownSilences(clock)
        self._sends = Sends(store)
        self._remark = remark
        self._clock = clock

    def holds(self, message: NotificationMessage, plan: Plan) -> Held | None:
        """Return why a message is held back. The state is asked only where the configuration lets it through."""
        now = self._clock()
        held = silenced(message, plan, plan.silences, now) or quiet(message, plan, now)
        if held or message.kind not in _GATED:
            return held
        try:
            return silenced(message, plan, self._known.up_to_date(self._silences), now)
        except StateUnavailable as error:
            self._remark(f"sent without looking at silences: {error}")
            return None

    def enter(self, message: NotificationMessage, plan: Plan, mark: str) -> Held | Place | None:
        """Take a place in the tenant's hour; ``None`` where places are not limited.

        What is critical is counted apart: lesser messages never take its places.

        :param mark: a word for the message, the same for all that report it.
        """
        if plan.max_per_hour is None or message.kind not in _CAPPED:
            return None
        now, kind = self._clock(), _kind(message, plan)
        try:
            taken = self._sends.count(message.tenant_id, now, kind)
            if taken >= plan.max_per_hour:
                return _full(plan, now)
            key = self._sends.add(message.tenant_id, now, kind, mark)
        except StateUnavailable as error:
            self._remark(f"sent without counting the messages of this hour: {error}")
            return None
        return Place(message.tenant_id, kind, mark, now, key, taken + 1 == plan.max_per_hour)

    def is_full(self, message: NotificationMessage, plan: Plan) -> Held | None:
        """Return why there would be no place for a message, without taking one.

        :raises StateUnavailable: when the state does not answer.
        """
        if plan.max_per_hour is None or message.kind not in _CAPPED:
            return None
        now = self._clock()
        taken = self._sends.count(message.tenant_id, now, _kind(message, plan))
        return _full(plan, now) if taken >= plan.max_per_hour else None

    def lost(self, place: Place, plan: Plan) -> Held | None:
        """Return why a place is none, once all others of the moment are known; others came before."""
        try:
            rank = self._sends.rank(place.tenant_id, place.now, place.kind, place.mark)
        except StateUnavailable as error:
            self._remark(f"sent without knowing how many others are sent at this moment: {error}")
            return None
        return _full(plan, place.now) if rank >= (plan.max_per_hour or 0) else None

    def leave(self, place: Place) -> None:
        """Give a place back: nobody took the message."""
        try:
            self._sends.delete(place.key)
        except StateUnavailable as error:
            self._remark(f"its place in the hour could not be given back: {error}")


def last_place(plan: Plan, place: Place) -> str:
    """Return what the last message of an hour says of those to come."""
    what = "further critical ones" if place.kind == _CRITICAL else "further ones that are not critical"
    return (
        f"This is number {plan.max_per_hour} of this hour, as many as may be sent: {what} are held back, and summed up "
        f"after {end_of_hour(place.now):%H:%M} UTC."
    )


def _full(plan: Plan, now: float) -> Held:
    until = f"{end_of_hour(now):%H:%M} UTC"
    why = f"the limit of {plan.max_per_hour} an hour is reached; what is held back is summed up after {until}"
    return Held(SuppressionReason.MAX_PER_HOUR, why, counts=True)


def _severity(message: NotificationMessage, plan: Plan) -> NotificationSeverity:
    return plan.severity or message.effective_severity


def _kind(message: NotificationMessage, plan: Plan) -> str:
    return _CRITICAL if _is_critical(message, plan) else "other"


def _is_critical(message: NotificationMessage, plan: Plan) -> bool:
    return _severity(message, plan) >= NotificationSeverity.CRITICAL
