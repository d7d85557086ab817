"""From a pipeline's first failure to its recovery: who was told of it, and how often it failed meanwhile.

State fails open: what cannot be read or written is remarked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.enums import NotificationProvider, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.state.cooldowns import Cooldowns
from airflow_cloudact_notify.core.state.held import HeldReports, Tally, held_prefix, millis, parsed
from airflow_cloudact_notify.core.state.incidents import Incidents
from airflow_cloudact_notify.core.state.outages import Outage, OutageRows, outage_key
from airflow_cloudact_notify.core.state.store import StateStore, short_hash

MAX_DELETED = 20
"""Held rows that a callback deletes when it ends an outage; maintenance deletes the rest."""
MAX_READ = 20
"""Held rows of one run, the newest, that a callback reads to find one of a task's failure."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """An outage that has ended.

    :param failed_runs: how many runs failed while it lasted.
    :param tally: what was held back meanwhile, and is not told yet.
    :param held: the keys of all that was held back meanwhile: what comes later is not told with its end.
    """

    outage: Outage
    failed_runs: int
    tally: Tally | None = None
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Streak:
    """What a failure goes on from.

    :param failed_runs: how many runs in a row have failed, this one's included.
    :param since: when the first failure was told, in seconds since 1970.
    :param seconds: how long ago that is.
    :param thread_id: the id of the message that told it.
    """

    failed_runs: int
    since: float
    seconds: float
    thread_id: str


class Outages:
    """Reads and writes outage rows for messages.

    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    """

    def __init__(
        self, store: StateStore, remark: Callable[[str], Any], clock: Callable[[], float] = time.time
    ) -> None:
        self._incidents = Incidents(store, remark)
        self._rows = OutageRows(store, remark)
        self._held = HeldReports(store)
        self._cooldowns = Cooldowns(store, remark)
        self._remark = remark
        self._clock = clock

    def told(
        self, message: NotificationMessage, plan: Plan, to: Iterable[NotificationProvider], now: float
    ) -> None:
        """Keep that something is broken if a message told so.

        The row is read again: others may have written it while the message was on its way.

        :raises StateUnavailable: when the state does not answer.
        """
        if message.is_failure:
            self._rows.save(self._with_failure(message, plan, to, now))

    def noticed(self, message: NotificationMessage, plan: Plan) -> None:
        """Keep that something is broken which nobody is told of now: more of it in a row may be critical."""
        if not message.is_failure:
            return
        try:
            self._rows.save(self._with_failure(message, plan, (), self._clock()))
        except StateUnavailable as error:
            self._remark(f"that it failed could not be kept: {error}")

    def forget(self, outage: Outage) -> None:
        """Forget an outage that nobody was told of; what was held back of it is still to be counted."""
        try:
            self._rows.delete(outage)
        except StateUnavailable as error:
            self._remark(f"the end of the outage could not be kept: {error}")

    def failures(self, message: NotificationMessage, plan: Plan) -> int:
        """Return how many runs in a row have failed, this one's included."""
        streak = self.streak(message, plan)
        return streak.failed_runs if streak else 1

    def streak(self, message: NotificationMessage, plan: Plan) -> Streak | None:
        """Return what a failure goes on from, ``None`` for a first one, or when the state does not answer."""
        try:
            outage = self._rows.read(_key_of_failure(message, plan))
            if outage is None:
                return None
            failed = _failed_runs(outage, self._held_keys(outage)) | {_run(message)}
        except StateUnavailable as error:
            self._remark(f"how often it has failed before is not known: {error}")
            return None
        seconds = max(0.0, self._clock() - outage.since)
        return Streak(len(failed), outage.since, seconds, outage.thread_id)

    def told_since(self, message: NotificationMessage, plan: Plan, key: str, since: float) -> float | None:
        """Return when a failure was told that began this cooldown, if it was no earlier.

        :param since: seconds since 1970.
        :raises StateUnavailable: when the state does not answer.
        """
        outage = self._rows.read(_key_of_failure(message, plan)) if message.is_failure else None
        if outage is None or outage.told_key != key or outage.told_at < since:
            return None
        return outage.told_at

    def mark(self, message: NotificationMessage, plan: Plan) -> str:
        """Return what stands for a failure's outage in the keys of held reports, nothing for another message."""
        return short_hash(_key_of_failure(message, plan)) if message.is_failure else ""

    def has_held_task_of(self, message: NotificationMessage) -> bool:
        """Return whether a repeat is counted that tells of a task which failed in the run that a message tells of.

        Only what a cooldown held back counts, which begins when somebody was told: who was telling it may have failed,
        and a silence may be meant for the task alone.

        :raises StateUnavailable: when the state does not answer.
        """
        for key in self._rows.of_pipeline(message.tenant_id, message.pipeline_id):
            outage = self._rows.read(key)
            keys = self._held_keys(outage) if outage else []
            own = [k for k in keys if parsed(k).run == _run(message)]
            repeats = [k for k in own if parsed(k).why == SuppressionReason.COOLDOWN]
            if any(self._is_of_task(k, message) for k in repeats[-MAX_READ:]):
                return True
        return False

    def is_open(self, message: NotificationMessage) -> bool:
        """Return whether what a recovery tells the end of is still kept as broken, by no newer run.

        :raises StateUnavailable: when the state does not answer.
        """
        outage = self._rows.read(_key_of_success(message))
        return outage is not None and not _is_older(message, outage.last_run_at)

    def ended_by(self, message: NotificationMessage) -> Recovered | None:
        """Return the outage that a success ends; one whose newest failed run is newer goes on."""
        try:
            outage = self._rows.read(_key_of_success(message))
            if outage is None or _is_of_another_instance(message, outage):
                return None
            held = self._held_keys(outage)
            newest = max([outage.last_run_at, *(parsed(key).began for key in held)])
            if _is_older(message, newest):
                return None
            failed, tally = _failed_runs(outage, held), self._untold(outage, held)
            return Recovered(outage, len(failed), tally, frozenset(held))
        except StateUnavailable as error:
            self._remark(f"whether something has recovered is not known: {error}")
            return None

    def close(self, ended: Recovered) -> None:
        """Forget an outage, what belongs to it, and when nothing is broken any more, what was told of its runs."""
        outage = ended.outage
        tenant_id, pipeline_id = outage.tenant_id, outage.pipeline_id
        recovery = policy.recovery_key(tenant_id, pipeline_id, outage.task_id)
        try:
            known = self._rows.read(outage.key)
            if known and known.last_run_at > outage.last_run_at:  # a newer run has failed meanwhile
                self._cooldowns.delete(recovery)
                return
            # The outage goes first: other reporters of its end then see that it was told.
            self._rows.delete(outage)
            self._cooldowns.delete(recovery)
            for cooldown in outage.cooldowns:
                self._end_cooldown(cooldown, ended)
            if not self._rows.of_pipeline(tenant_id, pipeline_id):
                self._incidents.delete(tenant_id, pipeline_id)
        except StateUnavailable as error:
            self._remark(f"the end of the outage could not be kept, so it may be told again: {error}")

    def _with_failure(
        self, message: NotificationMessage, plan: Plan, to: Iterable[NotificationProvider], now: float
    ) -> Outage:
        task_id = policy.task_that_failed(message, plan.cooldown_scope)
        outage = self._rows.read(_key_of_failure(message, plan)) or Outage(
            message.tenant_id, message.pipeline_id, task_id, since=now
        )
        began = message.run_began_at.timestamp() if message.run_began_at else 0.0
        told = set(map(str, to))
        cooldowns = (policy.cooldown_key(message, plan.cooldown_scope),) if plan.cooldown_seconds else ()
        return replace(
            outage,
            last_run_at=max(outage.last_run_at, began),
            thread_id=outage.thread_id or message.message_id,
            alerted=tuple(sorted({*outage.alerted, *told})),
            failed=tuple(dict.fromkeys((*outage.failed, _run(message)))),
            cooldowns=tuple(dict.fromkeys((*outage.cooldowns, *cooldowns))),
            told_at=now if told else outage.told_at or now,
            told_key=cooldowns[0] if cooldowns and told else outage.told_key,
            failed_at=max(outage.failed_at, message.occurred_at.timestamp()),
            map_index=message.map_index if task_id and (told or not outage.failed) else outage.map_index,
        )

    def _is_of_task(self, held: str, message: NotificationMessage) -> bool:
        row = self._held.read(held)
        if row is None or row[1].run_key != message.run_key:
            return False
        return row[1].is_tasks_failure and row[1].effective_severity >= message.effective_severity

    def _held_keys(self, outage: Outage) -> list[str]:
        """Return the held reports of an outage, the oldest first: a cooldown may be shared with other pipelines."""
        keys = (key for row in outage.cooldowns for key in self._held.keys(row, outage.tenant_id))
        return sorted((k for k in keys if parsed(k).mark == outage.mark), key=lambda k: parsed(k).at)

    def _untold(self, outage: Outage, held: list[str]) -> Tally | None:
        if not held:
            return None
        counted = {
            held_prefix(row, outage.tenant_id): self._cooldowns.load(row).counted for row in outage.cooldowns
        }
        return self._held.sum_up([key for key in held if key > counted[key.rpartition(":")[0] + ":"]])

    def _end_cooldown(self, key: str, ended: Recovered) -> None:
        """Delete a cooldown with its held reports; what is left over is kept as counted, for maintenance."""
        held = self._held.keys(key, ended.outage.tenant_id)
        own, others = [k for k in held if k in ended.held], [k for k in held if k not in ended.held]
        left = own[:-MAX_DELETED]
        for k in own[-MAX_DELETED:]:  # the newest: rows with earlier keys may still come between them
            self._held.delete(k)
        row = self._cooldowns.load(key)
        if row.claim:
            return  # it is failing again, or was when its reporter was killed: maintenance tells what he could not
        if not others and not left:
            self._cooldowns.delete(key)
            return
        counted = max(row.counted, left[-1]) if left and (not others or left[-1] < others[0]) else row.counted
        self._cooldowns.save(key, replace(row, told_at=0.0, counted=counted))


def _key_of_failure(message: NotificationMessage, plan: Plan) -> str:
    task_id = policy.task_that_failed(message, plan.cooldown_scope)
    return outage_key(message.tenant_id, message.pipeline_id, task_id)


def _key_of_success(message: NotificationMessage) -> str:
    # What is told by an explicit call is told of the pipeline, whichever task made the call.
    explicit = message.is_success and message.lifecycle is None
    return outage_key(message.tenant_id, message.pipeline_id, None if explicit else message.task_id)


def _is_older(success: NotificationMessage, newest: float) -> bool:
    """Whether a success is that of an older run than the newest that failed, which began then."""
    return success.run_began_at is not None and millis(success.run_began_at.timestamp()) < millis(newest)


def _is_of_another_instance(success: NotificationMessage, outage: Outage) -> bool:
    """Whether a mapped task succeeded where another instance of it failed; what is told of a run is of them all."""
    return None not in (success.map_index, outage.map_index) and success.map_index != outage.map_index


def _failed_runs(outage: Outage, held: Iterable[str]) -> set[str]:
    """Return the runs of which a failure was told, and those whose was held back."""
    return {*outage.failed, *(parsed(key).run for key in held)}


def _run(message: NotificationMessage) -> str:
    return short_hash(message.pipeline_logging_id or message.message_id)
