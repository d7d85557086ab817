"""One message on its way: claimed, rendered while the claim settles, sent, and written down."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from airflow_cloudact_notify.core import claims, delivery
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.claims import Claimed
from airflow_cloudact_notify.core.custom.templates import CustomParts
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.gates import last_place
from airflow_cloudact_notify.core.health import fingerprint
from airflow_cloudact_notify.core.letters import FIRST_AND_LAST, MAX_DETAIL, Attempt
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.records import Records
from airflow_cloudact_notify.core.report import DeliveryResult, unserved
from airflow_cloudact_notify.core.state.outbox import Miss
from airflow_cloudact_notify.core.summaries import again
from airflow_cloudact_notify.core.waves import Wave, Waves

log = logging.getLogger(__name__)

INTERRUPTED = "The process that told this first was interrupted: it may repeat."


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a message: held back, or these results.

    ``message`` is what was told, with its history, ``custom`` what a custom template made of it,
    ``dead_letter`` the key under which what was missed is kept.
    """

    message: NotificationMessage
    held: Held | None = None
    results: list[DeliveryResult] = field(default_factory=list)
    custom: CustomParts = field(default_factory=CustomParts)
    dead_letter: str | None = None

    @property
    def delivered(self) -> bool:
        return any(self.results)


@dataclass(frozen=True, slots=True)
class Sending:
    """The steps of one message; ``remarks`` grow on the way.

    :param attempt: which try of a task it is.
    """

    plan: Plan
    waves: Waves
    budget: Budget
    records: Records
    remarks: list[str]
    attempt: Attempt = FIRST_AND_LAST

    def send(self, message: NotificationMessage) -> Sent:
        """Send a message unless something holds it back; then count it."""
        rounds = 2 if self.plan.fall_back else 1
        lease = claims.lease(self.waves.resolved.config, self.budget.seconds, rounds)
        claimed = self.plan.held or self.records.books.claim(message, self.plan, lease)
        log.debug("claim: %s", _outcome(claimed))
        if isinstance(claimed, Held):
            if self.records.books.held(message, self.plan, claimed):
                return Sent(message, claimed)
            claimed = None
        sent = self._tell(message, claimed)
        if sent.held:
            self.records.books.held(message, self.plan, sent.held)
        return sent

    def _tell(self, message: NotificationMessage, claimed: Claimed | None) -> Sent:
        told, untold = message, message
        if claimed:
            claimed, told, untold = self._with_history(claimed)
        elif not self.plan.cooldown_seconds:
            told = untold = self._with_streak(message)
        wave = self._ready(told, claimed)
        if claimed and (
            lost := self.records.books.settle(claimed, self.plan, self.budget.remaining_for_state())
        ):
            log.debug("claim: lost: %s", lost.why)
            return Sent(message, lost)
        if claimed and claimed.interrupted and claimed.other:
            self.remarks.append(f"told in place of a process that was killed meanwhile: {told.title}")
        results = self._sent(told, wave)
        if any(results):
            self.records.books.delivered(told, self.plan, claimed, [r.destination for r in results if r])
        elif claimed:
            self.records.books.failed(claimed, self.plan)
        kept = self._keep(told if any(results) else untold, wave, results)
        self.remarks.extend(wave.custom.remarks)
        return Sent(told, None, results, wave.custom, kept)

    def _ready(self, message: NotificationMessage, claimed: Claimed | None) -> Wave:
        """Return the destinations with the message rendered for them: that takes its time while a claim settles."""
        # What costs no state does not cost this look either.
        if claimed or message.kind is MessageKind.REPLAY:
            self.records.health.look(self.waves.owner)
        wave = self.waves.first(message)
        log.debug("destinations ready: %s", ", ".join(d.name for d in wave.deliveries) or "none")
        if claimed:
            delivery.warm_up(wave.deliveries)
        return wave

    def _with_history(self, claimed: Claimed) -> tuple[Claimed, NotificationMessage, NotificationMessage]:
        """Return what to tell, with what went before it, and without what others tell when nobody takes it."""
        claimed, history = self.records.books.history(claimed, self.waves.resolved.config.style.times)
        interrupted = (INTERRUPTED,) if claimed.interrupted else ()
        full = (last_place(self.plan, claimed.place),) if claimed.place and claimed.place.is_last else ()
        streak = self._with_streak(claimed.told)
        untold = streak.model_copy(update={"history": (*streak.history, *interrupted)})
        told = untold.model_copy(update={"history": (*untold.history, *history, *full)})
        return claimed, told, untold

    def _with_streak(self, message: NotificationMessage) -> NotificationMessage:
        """Return a failure with what it goes on from, and in its thread."""
        streak = self.records.books.outages.streak(message, self.plan) if message.is_failure else None
        if streak is None:
            return message
        said = again(streak, self.waves.resolved.config.style.times)
        thread = {"thread_id": streak.thread_id or None}
        return message.model_copy(update={"history": (*message.history, said), **thread})

    def _sent(self, message: NotificationMessage, first: Wave) -> list[DeliveryResult]:
        """Send to the destinations, and to who steps in for those that fail."""
        results = own = first.send()
        sections = first.sections
        # What somebody heard before needs nobody to step in, who may be the very one.
        short = [result for result in results if not result and not self.attempt.was_told]
        second = self.waves.second(message, first, short) if short else None
        if second is not None:
            stepped_in = second.send()
            if second.resolved is self.waves.resolved:
                names = tuple(result.destination for result in short)
                results = own = [*results, *(replace(r, in_place_of=names) for r in stepped_in)]
                sections = {**sections, **second.sections}
            elif any(stepped_in):
                source = second.resolved.source
                self.remarks.extend(f"told to the destinations of {source} instead: {why}" for why in short)
                results = stepped_in
        self.budget.end_delivery()
        if message.kind is not MessageKind.HEALTH:
            self.records.health.learn(self.waves.owner, own, sections)
        return results

    def _keep(
        self, message: NotificationMessage, wave: Wave, results: Sequence[DeliveryResult]
    ) -> str | None:
        """Keep what was missed, and return the dead letter's key."""
        now, short = self.records.letters.now(), {}
        for result in unserved(results):
            section = wave.sections.get(result.destination)
            refusals = (result.refused[who] for who in result.deferred if who in result.refused)
            short[result.destination] = Miss(
                reason=result.reason
                if isinstance(result.reason, FailureReason)
                else FailureReason.SERVER_ERROR,
                detail=("; ".join(refusals) or result.detail)[:MAX_DETAIL],
                tried_at=now,
                attempts=result.attempts,
                recipients=result.deferred,
                config=fingerprint(section) if section else "",
                ambiguous=result.ambiguous,
            )
        if not short:
            return None
        hours = self.waves.resolved.config.dead_letter_hours
        return self.records.letters.keep(
            message, short, hours=hours, was_told=any(results), attempt=self.attempt
        )


def _outcome(claimed: Held | Claimed | None) -> str:
    if isinstance(claimed, Held):
        return f"held back ({claimed.reason}: {claimed.why})"
    if claimed is None:
        return "none is needed, or the state does not answer"
    return f"{claimed.key} written" + (", in place of a killed process" if claimed.interrupted else "")
