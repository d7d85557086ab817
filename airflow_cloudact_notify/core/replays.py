"""Dead letters: looked at, delivered late, dropped.

Functions, called by maintenance and by the command line. A letter is told to exactly the destinations, and of a mail to
the recipients, that missed it; the oldest goes first, and none of its tenant overtakes it at the same destination.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider, Outcome
from airflow_cloudact_notify.core.errors import CloudActNotifyError, InvalidTenantIdError
from airflow_cloudact_notify.core.health import PROBE_SECONDS, fingerprint, is_due
from airflow_cloudact_notify.core.letter_bounds import give_up, promote_tries
from airflow_cloudact_notify.core.letters import MAX_DETAIL, Attempt, log_whole
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.metrics import DEAD_LETTERS, hand_over
from airflow_cloudact_notify.core.occasions import Occasions
from airflow_cloudact_notify.core.outages import Outages
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.control import Control
from airflow_cloudact_notify.core.state.health import Health, HealthRows
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Miss, Outbox
from airflow_cloudact_notify.core.state.store import StateStore
from airflow_cloudact_notify.core.texts import cut
from airflow_cloudact_notify.core.times import Times

log = logging.getLogger(__name__)

SEND_SECONDS = 60.0
"""What the sending of one letter may take; after it, and a margin, its sender counts as killed."""
RUN_SECONDS = 240.0
"""After which no further letter is begun: what is left is next time's."""
_LEASE = SEND_SECONDS + claims.LEASE_MARGIN
_OF_THE_MESSAGE = (FailureReason.REJECTED, FailureReason.RECIPIENTS_REFUSED, FailureReason.INTERNAL)
"""What says nothing about other messages."""
LONGEST_PAUSE = 3600.0
"""Seconds after which what may have arrived is sent once more; less when it has not been waiting for so long."""
MAY_REPEAT = "The process that sent this before was interrupted: it may repeat."


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many dead letters were delivered, and given up."""

    delivered: int = 0
    lost: int = 0


def letters(service: NotificationService) -> list[tuple[str, DeadLetter]]:
    """Return dead letters with their keys, the oldest first.

    :raises StateUnavailable: when the state does not answer.
    """
    outbox = _outbox(service.state)
    return [(key, letter) for key in outbox.listed() if (letter := outbox.read(key))]


def find(service: NotificationService, key: str) -> tuple[str, DeadLetter] | None:
    """Return one dead letter by its key, or by what its key ends in; ``None`` when there is none.

    :raises StateUnavailable: when the state does not answer.
    """
    outbox = _outbox(service.state)
    for known in outbox.listed():
        if (known == key or known.rpartition(":")[2] == key) and (letter := outbox.read(known)):
            return known, letter
    return None


def drop(service: NotificationService, keys: Iterable[str]) -> int:
    """Delete dead letters, each of which goes to the log first; return how many there were.

    :raises StateUnavailable: when the state does not answer.
    """
    outbox, dropped = _outbox(service.state), 0
    for key in keys:
        if letter := outbox.read(key):
            log_whole(letter.message, letter.missed, "A dead letter was dropped")
            dropped += 1
        outbox.delete(key)
    return dropped


def replay(service: NotificationService, now: float, keys: Iterable[str] | None = None) -> Replayed | None:
    """Deliver dead letters: all, or those that are named, and these whether or not it looks worth it.

    :param now: seconds since 1970.
    :returns: ``None`` when maintenance, or another replay, is under way.
    :raises StateUnavailable: when the state does not answer.
    """
    control = Control(service.state)
    if not control.begins(now):
        return None
    try:
        return replay_due(service, now, keys)
    finally:
        control.ends()


def replay_due(service: NotificationService, now: float, keys: Iterable[str] | None = None) -> Replayed:
    """Do what ``replay`` does within maintenance, which is one at a time."""
    outbox = _outbox(service.state)
    wanted = None if keys is None else set(keys)
    lost = 0
    if wanted is None:
        promote_tries(outbox, now)
        lost = give_up(service, outbox, now)
    run = _Run(service, outbox, now, asked_for=wanted is not None)
    for key in outbox.listed():
        if time.monotonic() - run.began > RUN_SECONDS:
            log.warning("Replaying goes on next time: %.0f s are over", RUN_SECONDS)
            break
        if (wanted is None or key in wanted) and (letter := outbox.read(key)):
            run.deliver(key, letter)
    hand_over([(DEAD_LETTERS, len(outbox.listed()), ())], service.metrics)
    return Replayed(run.delivered, lost)


class _Run:
    """One walk through the dead letters, and what it has learnt on the way.

    :param asked_for: whether a person asked: then also what looks in vain is tried.
    """

    def __init__(self, service: NotificationService, outbox: Outbox, now: float, *, asked_for: bool) -> None:
        self.began = time.monotonic()
        self.delivered = 0
        self._service = service
        self._outbox = outbox
        self._now = now
        self._asked_for = asked_for
        # A destination that just failed is left alone, so that nothing overtakes what it did not take.
        self._down: set[tuple[str | None, NotificationProvider]] = set()

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._now + time.monotonic() - self.began

    def deliver(self, key: str, letter: DeadLetter) -> None:
        """Send one letter to those who missed it, as far as that makes sense now."""
        message = letter.message
        if self.now < letter.sending_until <= self.now + _LEASE:
            return
        try:
            resolved = self._service.configs.resolve(message.tenant_id)
            missed = {
                name: miss
                for name, miss in letter.missed.items()
                if self._is_due(name, miss, letter, resolved)
            }
        except InvalidTenantIdError as error:
            log.warning("Not replayed: %s", error)
            return
        if not missed:
            return
        if self._asked_for:
            _let_try(self._service.state, None if resolved.of_root else message.tenant_id)
        self._outbox.save(key, replace(letter, sending_until=self.now + _LEASE))
        report = self._service.send(
            late_of(letter, missed, self.now, resolved.config.style.times),
            budget=Budget(SEND_SECONDS),
            missed={name: miss.recipients for name, miss in missed.items()},
            attempt=Attempt(was_told=letter.was_told),
        )
        self._settle(key, letter, missed, report)
        if report.delivered:
            self._note_failure(letter, resolved, report)

    def _is_due(
        self, name: NotificationProvider, miss: Miss, letter: DeadLetter, resolved: ResolvedConfig
    ) -> bool:
        """Whether a destination is to be tried now. One that is not keeps its tenant's later letters waiting, too."""
        place = letter.message.tenant_id, name
        if place in self._down:
            return False
        if self._asked_for or self._is_worth_it(name, miss, letter, resolved):
            return True
        if miss.reason not in _OF_THE_MESSAGE:
            self._down.add(place)
        return False

    def _is_worth_it(
        self, name: NotificationProvider, miss: Miss, letter: DeadLetter, resolved: ResolvedConfig
    ) -> bool:
        """Whether another attempt may end otherwise: after a permanent failure only when something changed.

        What may have arrived is left alone for as long as it has been waiting: it may have arrived each time.
        """
        pause = min(miss.tried_at - letter.failed_at, LONGEST_PAUSE)
        if miss.ambiguous and 0 <= self.now - miss.tried_at < pause:
            return False
        if not (miss.reason.permanent or miss.reason in _OF_THE_MESSAGE):
            return True
        ready, _ = self._service.destinations.ready([name], resolved, Budget().call)
        if name not in ready:
            return False
        config = fingerprint(ready[name].config)
        owner = None if resolved.of_root else letter.message.tenant_id
        health = HealthRows(self._service.state, log.warning).load(owner).get(name, Health())
        if config != miss.config or health.well_since > miss.tried_at:
            return True
        if miss.reason in _OF_THE_MESSAGE:
            return False
        if not health.failures:
            return self.now - miss.tried_at >= PROBE_SECONDS
        return is_due(health, config, self.now)

    def _settle(
        self,
        key: str,
        letter: DeadLetter,
        tried: Mapping[NotificationProvider, Miss],
        report: NotificationReport,
    ) -> None:
        """Keep what is still missed, and delete the letter when nothing is."""
        left = {name: miss for name, miss in letter.missed.items() if name not in tried}
        still = {result.destination for result in report.missed}
        for name, miss in tried.items():
            result = report.get(name)
            if report.suppressed or (result is not None and result.outcome is Outcome.SUPPRESSED):
                left[name] = miss
            elif result is not None and (name in still or (result and result.deferred)):
                left[name] = _once_more(miss, result, self.now)
                if result.reason not in _OF_THE_MESSAGE:
                    self._down.add((letter.message.tenant_id, name))
            elif not report:
                log.warning("%s: of those who missed it none is a recipient of %s any more", key, name)
        if not left:
            self._outbox.delete(key)
            self.delivered += report.delivered
            return
        was_told = letter.was_told or report.delivered
        self._outbox.save(key, replace(letter, missed=left, was_told=was_told, sending_until=0.0))

    def _note_failure(self, letter: DeadLetter, resolved: ResolvedConfig, report: NotificationReport) -> None:
        """Keep that a failure was told: its recovery will be told, or is found by maintenance."""
        if not letter.message.is_failure:
            return
        plan = policy.plan(letter.message, resolved)
        to = [result.destination for result in report.values() if result]
        try:
            Outages(self._service.state, log.warning).told(letter.message, plan, to, self.now)
            Occasions(self._service.state, log.warning).told(letter.message, plan, self.now)
        except CloudActNotifyError as error:
            log.warning("That a late message was told could not be kept: %s", error)


def late_of(
    letter: DeadLetter, missed: Mapping[NotificationProvider, Miss], now: float, times: Times
) -> NotificationMessage:
    """Return what to tell of a letter: the message, and why it comes so late."""
    message = letter.message
    age = times.duration(max(0.0, now - message.occurred_at.timestamp()) * 1000)
    whys = (f"{name} did not take it before ({cut(str(miss), 200)})" for name, miss in missed.items())
    again = (MAY_REPEAT,) if letter.sending_until else ()
    late = f"Sent late: it happened {age} ago; {'; '.join(whys)}."
    return message.model_copy(
        update={"kind": MessageKind.REPLAY, "occasion": None, "history": (late, *again, *message.history)}
    )


def _once_more(miss: Miss, result: DeliveryResult, now: float) -> Miss:
    if result.reason is FailureReason.UNHEALTHY:
        return miss
    reason = result.reason if isinstance(result.reason, FailureReason) else miss.reason
    return replace(
        miss,
        reason=reason,
        detail=(result.detail or miss.detail)[:MAX_DETAIL],
        tried_at=now,
        attempts=miss.attempts + result.attempts,
        ambiguous=result.ambiguous,
        recipients=result.deferred or miss.recipients,
    )


def _let_try(state: StateStore, owner: str | None) -> None:
    """Let unhealthy destinations be tried now: a person asked."""
    rows = HealthRows(state, log.warning)
    known = rows.load(owner)
    due = {name: replace(health, tried_at=0.0) for name, health in known.items() if health.unhealthy}
    if due:
        rows.save(owner, known | due)


def _outbox(state: StateStore) -> Outbox:
    return Outbox(state, log.warning)
