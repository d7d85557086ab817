"""What the state knows before a message goes, and learns when it has gone.

State fails open: what cannot be read or written is remarked, and the message is sent. How one of many simultaneous
reporters is chosen is told in docs/decisions/0001-timed-claims.md.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core.claims import Claimed
from airflow_cloudact_notify.core.enums import (
    NotificationProvider,
    NotificationSeverity,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.gates import GATES, Gatekeeper, KnownSilences, Place, silenced
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.occasions import Occasions
from airflow_cloudact_notify.core.outages import Outages
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.state.control import Control
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.held import HeldReports, parsed, uncounted
from airflow_cloudact_notify.core.state.store import StateStore, short_hash
from airflow_cloudact_notify.core.summaries import more
from airflow_cloudact_notify.core.times import Times

PASSES_TO_SETTLE = 2
"""How many times as long as it took itself, from looking to having written, a reporter waits for others."""
LONGEST_SETTLE = 5.0
"""Seconds that a reporter waits at most: then a message that may repeat is better than a late one."""
JITTER = 0.01
"""Seconds at most that reporters are set apart by."""
UNMAINTAINED_SECONDS = 3600.0
"""Age of a held report at which it is asked whether maintenance runs: it deletes what is counted."""


class Bookkeeping:
    """Reads a message's rows and writes them.

    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    :param known: the silences that the process has seen; left out, they are read each time.
    """

    def __init__(
        self,
        store: StateStore,
        remark: Callable[[str], Any],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        known: KnownSilences | None = None,
    ) -> None:
        self._store = store
        self._cooldowns = Cooldowns(store, remark)
        self._held = HeldReports(store)
        self._control = Control(store)
        self.outages = Outages(store, remark, clock)
        self.occasions = Occasions(store, remark, clock, sleep)
        self._gates = Gatekeeper(store, remark, clock, known)
        self._remark = remark
        self._clock = clock
        self._sleep = sleep

    def claim(self, message: NotificationMessage, plan: Plan, lease: float) -> Held | Claimed | None:
        """Write a claim on what a message tells; ``None`` when it needs none, or the state does not answer.

        The cooldown row is looked at first, the rest only if it is free.

        :param lease: seconds after which the reporter counts as killed.
        """
        began, now = time.monotonic(), self._clock()
        key = policy.cooldown_key(message, plan.cooldown_scope)
        try:
            row = self._cooldowns.load(key) if plan.cooldown_seconds else Cooldown()
            held = claims.cooling_down(row, plan, now) if plan.cooldown_seconds else None
            if held and held.reason is SuppressionReason.COOLDOWN and claims.is_told_anew(row, message):
                held = None
            if held is None and policy.is_told_once(message):
                held = self.occasions.already_told(message)
        except StateUnavailable as error:
            return self._by_its_file(message, plan, error)
        # Who reports one incident tells one message; where nothing is a repeat, each message is one.
        mark = f"{key} {row.told_at}" if plan.cooldown_seconds else message.message_id
        place = held or self._gated(message, plan, short_hash(mark))
        if isinstance(place, Held):
            return replace(place, counts=False) if claims.is_about(row, message) else place
        if not plan.cooldown_seconds:
            return None
        claimed = replace(claims.claimed(key, row, message, now, lease), place=place)
        return self._written(claimed, row, began)

    def settle(self, claimed: Claimed, plan: Plan, patience: float) -> Held | None:
        """Wait until the last writer is known, and return why the message is held back if it was another.

        Only a well-formed, unexpired claim of another loses it; anything else that is read sends, with a remark.

        :param patience: seconds that there are to wait.
        """
        self._sleep(max(0.0, min(claimed.settled_at - time.monotonic(), LONGEST_SETTLE, patience)))
        try:
            row = self._cooldowns.load(claimed.key)
            lost = self._lost(claimed, row, plan)
            if lost is None and claimed.was_slow:
                lost = self._told_meanwhile(claimed, plan)
            if lost is None and claimed.told.kind is MessageKind.RECOVERY:
                lost = self._told_by_others(claimed, row)
        except StateUnavailable as error:
            self._remark(f"sent without knowing whether another process does so too: {error}")
            lost = None
        if lost is None and claimed.place and (lost := self._gates.lost(claimed.place, plan)):
            if claimed.left_behind:
                self._count(claimed.left_behind, plan, lost.reason)
            self._give_up(claimed)
        elif lost is None and claimed.other:
            self._count(claimed.other, plan)
        elif lost and claimed.interrupted and claimed.other and not claims.is_about(row, claimed.told):
            # Something severer broke in: what the killed reporter told is not told any more.
            self._count(claimed.told, plan)
        return lost

    def history(self, claimed: Claimed, times: Times) -> tuple[Claimed, tuple[str, ...]]:
        """Return what to tell of the repeats that were held back, and the claim that remembers having told it."""
        if claimed.told.kind is not MessageKind.ALERT or claimed.breaks_in:
            return claimed, ()
        now = self._clock()
        try:
            keys = self._held.keys(claimed.key, claimed.told.tenant_id)
            tally = self._held.sum_up(uncounted(keys, claimed.counted, now))
            if keys and parsed(keys[0]).at < now - UNMAINTAINED_SECONDS:
                self._check_maintenance(now)
        except StateUnavailable as error:
            self._remark(f"how many repeats were held back is not known: {error}")
            return claimed, ()
        if tally is None:
            return claimed, ()
        return replace(claimed, counted=tally.last_key), (more(tally, times),)

    def held(self, message: NotificationMessage, plan: Plan, held: Held) -> bool:
        """Keep that a message was held back, so that it is counted, and a failure that nobody is told of now.

        :returns: whether it may stay untold: what quiet hours hold back may not unless a later summary can tell it.
        """
        if not held.counts or message.kind is not MessageKind.ALERT or self.occasions.is_echo(message):
            return True
        is_kept = self._count(message, plan, held.reason)
        if is_kept and held.reason in GATES:
            self.outages.noticed(message, plan)
        return is_kept or held.reason is not SuppressionReason.QUIET_HOURS

    def delivered(
        self,
        message: NotificationMessage,
        plan: Plan,
        claimed: Claimed | None,
        to: Iterable[NotificationProvider],
    ) -> None:
        """Start the cooldown, which ends the claim, and keep what was told to whom."""
        now = self._clock()
        try:
            if plan.cooldown_seconds:
                self._start_cooldown(message, plan, claimed, now)
            self.outages.told(message, plan, to, now)
            self.occasions.told(message, plan, now)
        except StateUnavailable as error:
            self._remark(f"what was told could not be kept, so it may be told again: {error}")

    def failed(self, claimed: Claimed, plan: Plan) -> None:
        """Give a claim up: nobody took the message, so the next reporter need not wait."""
        if claimed.interrupted and claimed.other:
            self._count(claimed.told, plan)
        self._give_up(claimed)

    def _give_up(self, claimed: Claimed) -> None:
        if claimed.place:
            self._gates.leave(claimed.place)
        try:
            row = self._cooldowns.load(claimed.key)
            if row.claim is None or row.claim.token != claimed.claim.token:
                return  # another has written the row meanwhile
            if row.told is None:
                self._cooldowns.delete(claimed.key)
            else:
                self._cooldowns.save(claimed.key, replace(row, claim=None))
        except StateUnavailable as error:
            self._remark(f"the claim could not be given up: {error}")

    def _check_maintenance(self, now: float) -> None:
        if now - self._control.ran_at() > UNMAINTAINED_SECONDS:
            self._remark(
                "reports that were held back wait for maintenance, which has not run for an hour: is its DAG there, "
                "and not paused?"
            )

    def _written(self, claimed: Claimed, row: Cooldown, began: float) -> Claimed | None:
        try:
            self._cooldowns.save(claimed.key, replace(row, claim=claimed.claim))
        except StateUnavailable as error:
            self._remark(f"sent without a claim, so another process may send it too: {error}")
            return None
        written = time.monotonic()
        settle = max(self._store.settle_seconds, PASSES_TO_SETTLE * (written - began))
        settled_at = written + settle + random.uniform(0, JITTER)  # noqa: S311 - no secret
        was_slow = written - began > self._store.settle_seconds
        return replace(claimed, settled_at=settled_at, was_slow=was_slow)

    def _lost(self, claimed: Claimed, row: Cooldown, plan: Plan) -> Held | None:
        if row.claim and row.claim.token == claimed.claim.token:
            return None
        held = claims.cooling_down(row, plan, self._clock())
        if held is None and row in (claimed.found, Cooldown()):
            self._remark(
                f"sent although the claim on {claimed.key} was not found again: is the key shadowed?"
            )
        return held

    def _told_meanwhile(self, claimed: Claimed, plan: Plan) -> Held | None:
        """Return why a claim that was long in the writing is lost: it may have replaced what another has told.

        What is critical is told rather twice.
        """
        if claimed.told.effective_severity >= NotificationSeverity.CRITICAL:
            return None
        told_at = self.outages.told_since(claimed.told, plan, claimed.key, claimed.looked_at)
        if told_at is None:
            return None
        told = Cooldown(claimed.told, told_at, plan.cooldown_seconds, claimed.counted)
        self._cooldowns.save(claimed.key, told)
        return Held(SuppressionReason.COOLDOWN, "another process has told it meanwhile", counts=True)

    def _told_by_others(self, claimed: Claimed, row: Cooldown) -> Held | None:
        """Return why a recovery is held back: another has told it, and ended the outage, or a newer run has failed."""
        if self.outages.is_open(claimed.told):
            return None
        if row.claim and row.claim.token == claimed.claim.token:
            self._cooldowns.delete(claimed.key)
        return Held(
            SuppressionReason.ALREADY_TOLD,
            "another process has told of it, or a newer run has failed meanwhile",
        )

    def _start_cooldown(
        self, message: NotificationMessage, plan: Plan, claimed: Claimed | None, now: float
    ) -> None:
        key, unread = policy.cooldown_key(message, plan.cooldown_scope), None
        told = Cooldown(message, now, plan.cooldown_seconds)
        if claimed:
            told = replace(told, counted=claimed.counted)
            try:
                told = claims.after_delivery(self._cooldowns.load(key), told, claimed.claim.token)
            except StateUnavailable as error:
                unread = error
        # Without a claim the state has been of no use so far: its time goes to the writing.
        self._cooldowns.save(key, told)
        if unread:
            self._remark(f"what others told meanwhile is not known: {unread}")

    def _by_its_file(self, message: NotificationMessage, plan: Plan, error: StateUnavailable) -> Held | None:
        """Return why a message is held back that the state knows nothing of: only somebody's word does that."""
        if held := silenced(message, plan, plan.silences, self._clock()):
            return held
        self._remark(f"sent without looking at what was told before: {error}")
        return None

    def _gated(self, message: NotificationMessage, plan: Plan, mark: str) -> Held | Place | None:
        """Return why a gate holds a message back, else its place in its tenant's hour."""
        held = self._gates.holds(message, plan)
        if held is None:
            return self._gates.enter(message, plan, mark)
        return held

    def _count(
        self,
        message: NotificationMessage,
        plan: Plan,
        why: SuppressionReason = SuppressionReason.COOLDOWN,
    ) -> bool:
        key, mark = policy.cooldown_key(message, plan.cooldown_scope), self.outages.mark(message, plan)
        try:
            self._held.add(key, message, self._clock(), why, mark)
        except StateUnavailable as error:
            self._remark(f"that it was held back could not be kept: {error}")
            return False
        return True
