"""What a cooldown row says: who may tell, for how long a reporter's word holds, what a delivery leaves behind.

Pure: values in, values out. docs/decisions/0001-timed-claims.md tells why.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.enums import NotificationSeverity, SuppressionReason
from airflow_cloudact_notify.core.gates import Place
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown
from airflow_cloudact_notify.core.state.held import parsed
from airflow_cloudact_notify.core.times import duration

ANEW = "#cleared:"
"""In an occasion, before the number of tries that were over when a person cleared the task."""
LEASE_MARGIN = 5.0
"""Seconds that a claim outlasts its reporter's budget by."""
CLOCKS_APART = 5.0
"""Seconds that the clocks of machines may differ by: so far ahead, what was told was told just now."""
LONGEST_LEASE = 1800.0
"""Seconds. A claim that says it lasts longer was not made by a sound clock."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A claim that was written, and may yet be lost to a later writer.

    :param claim: what was written.
    :param told: what to tell: the reporter's own message, or that of one that was killed while telling it.
    :param other: which of the two is counted instead.
    :param interrupted: whether it is the killed one's that is told.
    :param breaks_in: whether another is telling something less severe, and what it counts.
    :param found: the row as it was.
    :param looked_at: when that was, in seconds since 1970.
    :param was_slow: whether writing it took longer than others wait for a write.
    :param settled_at: by ``time.monotonic``, when the last writer is known.
    :param counted: the key of the last held report that was counted.
    :param place: its place in its tenant's hour.
    """

    key: str
    claim: Claim
    told: NotificationMessage
    other: NotificationMessage | None
    interrupted: bool
    breaks_in: bool
    found: Cooldown
    looked_at: float
    was_slow: bool = False
    settled_at: float = 0.0
    counted: str = ""
    place: Place | None = None

    @property
    def left_behind(self) -> NotificationMessage | None:
        """What a killed reporter was telling."""
        return self.told if self.interrupted else self.other


def claimed(key: str, row: Cooldown, message: NotificationMessage, now: float, lease: float) -> Claimed:
    """Return the claim to write: on the message, or on that of a killed reporter, which goes first."""
    interrupted = abandoned(row, now)
    first = interrupted is not None and goes_first(interrupted, message)
    told = interrupted if interrupted and first else message
    other = message if first else interrupted
    if other and other.message_id == told.message_id:
        other = None
    claim = Claim(secrets.token_hex(8), now + lease, told.effective_severity, told)
    breaks_in = row.claim is not None and is_live(row.claim, now)
    return Claimed(key, claim, told, other, first, breaks_in, row, now, counted=_counted(row, now))


def cooling_down(row: Cooldown, plan: Plan, now: float) -> Held | None:
    """Return why a message is held back, ``None`` when it may go.

    A higher severity than that of what was told, or is being told, breaks through. What lies further in the future than
    clocks differ (one was set back) holds nothing.

    :param now: seconds since 1970.
    """
    severity = plan.severity or NotificationSeverity.INFO
    if row.claim and is_live(row.claim, now) and severity <= row.claim.severity:
        return Held(SuppressionReason.BEING_TOLD, "another process is telling it", counts=True)
    if row.told is None or severity > row.told.effective_severity:
        return None
    # Another trigger may have told it, with another cooldown: what applies now counts.
    if not is_within(row.told_at, plan.cooldown_seconds, now):
        return None
    passed = max(0.0, now - row.told_at)
    left = duration((plan.cooldown_seconds - passed) * 1000)
    why = f"told {duration(passed * 1000)} ago; the next one may go in {left}"
    return Held(SuppressionReason.COOLDOWN, why, counts=True)


def is_within(told_at: float, seconds: float, now: float) -> bool:
    """Whether a cooldown that began when something was told is not over. All in seconds, the moments since 1970."""
    return -CLOCKS_APART <= now - told_at < seconds


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
    severer = (
        known and known.effective_severity > severity and is_within(row.told_at, row.seconds, told.told_at)
    )
    others = claim and claim.token != token and claim.severity > severity
    return replace(
        told,
        told=known if severer else told.told,
        counted=max(_counted(row, told.told_at), told.counted),
        claim=claim if others else None,
    )


def _counted(row: Cooldown, now: float) -> str:
    """Return the key of the last held report that was counted, unless a clock was set back since: those that come now
    have earlier ones.

    :param now: seconds since 1970.
    """
    return row.counted if parsed(row.counted).at <= now else ""
