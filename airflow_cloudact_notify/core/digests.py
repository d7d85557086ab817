"""Digests: what was held back and no later message has told of, summed up by maintenance.

What a cooldown held back is told for each incident once its cooldown is over; what a silence, quiet hours or a full
hour held back comes in one digest for the tenant when that is over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core.enums import NotificationProvider, SuppressionReason
from airflow_cloudact_notify.core.errors import InvalidTenantIdError
from airflow_cloudact_notify.core.gates import GATES, Gatekeeper
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.held import LATE_SECONDS, HeldReports, Tally, parsed
from airflow_cloudact_notify.core.state.outages import OutageRows
from airflow_cloudact_notify.core.state.sends import hour_of
from airflow_cloudact_notify.core.state.store import StateStore, short_hash
from airflow_cloudact_notify.core.summaries import digest_of, overview_of
from airflow_cloudact_notify.core.teller import Teller
from airflow_cloudact_notify.core.times import Times

log = logging.getLogger(__name__)

FEW = 20
"""Held rows that are read to find one that makes sense."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Reports of one cooldown that wait to be told: their rows' keys, and one of them."""

    cooldown_key: str
    row: Cooldown
    keys: list[str]
    last: NotificationMessage
    tally: Tally

    @property
    def gates(self) -> set[str]:
        """The gates that held any of them back."""
        return {parsed(key).why for key in self.keys} & set(GATES)


def send_digests(teller: Teller, now: float) -> int:
    """Send what is due, delete the rows that it tells of, and return the number of digests.

    :param now: seconds since 1970.
    :raises StateUnavailable: when the state does not answer.
    """
    service = teller.service
    waiting = [group for group in _waiting(service.state, now) if not is_live(group.row, now)]
    sent = 0
    for group in waiting:
        about = group.row.told or group.last
        digest = digest_of(about, group.tally, _times(service, about.tenant_id))
        if not group.gates and (told := teller.tell(digest)):
            sent += 1
            _settle(service.state, [group], told)
    gated = [group for group in waiting if group.gates and not _is_held(service, group, now)]
    for tenant_id, groups in _by_tenant(gated):
        held = [(group.last, group.tally) for group in groups]
        overview = overview_of(tenant_id, held, _times(service, tenant_id))
        if told := teller.tell(overview, _destinations(service, groups)):
            sent += 1
            _settle(service.state, groups, told)
    return sent


def is_live(row: Cooldown, now: float) -> bool:
    """Whether a row still holds repeats back: somebody is telling it, or its cooldown is not over.

    :param now: seconds since 1970.
    """
    telling = row.claim is not None and claims.is_live(row.claim, now)
    return telling or (row.told is not None and claims.is_within(row.told_at, row.seconds, now))


def forget(state: StateStore, held: list[str], told: Iterable[NotificationProvider] = ()) -> None:
    """Delete held rows; the outages that they tell of remember their runs, and who was told."""
    if not held:
        return
    said, alerted = [parsed(key) for key in held], {str(name) for name in told}
    rows = OutageRows(state, log.warning)
    for key in rows.listed():
        own = [about for about in said if about.mark == short_hash(key)]
        if own and (outage := rows.read(key)):
            failed = tuple(dict.fromkeys((*outage.failed, *(about.run for about in own))))
            newest = max(outage.last_run_at, *(about.began for about in own))
            who = tuple(sorted({*outage.alerted, *alerted}))
            rows.save(replace(outage, failed=failed, last_run_at=newest, alerted=who))
    for key in held:
        state.delete(key)


def _times(service: NotificationService, tenant_id: str | None) -> Times:
    """Return how a tenant's times are told; what cannot be a tenant's id is refused when it is sent to."""
    try:
        return service.get_config(tenant_id).style.times
    except InvalidTenantIdError:
        return Times()


def _waiting(state: StateStore, now: float) -> Iterator[_Waiting]:
    """Return what waits, without what later messages have counted: that is deleted."""
    for keys in HeldReports(state).groups():
        about = _readable(state, keys)
        if about is None:
            continue  # rows of another version, or nonsense: they are deleted when they are old
        cooldown_key, last = about
        row = Cooldowns(state, log.warning).load(cooldown_key)
        forget(state, [key for key in keys if key <= row.counted])
        fresh = [key for key in keys if key > row.counted and 0 < parsed(key).at <= now - LATE_SECONDS]
        if tally := HeldReports(state).sum_up(fresh):
            yield _Waiting(cooldown_key, row, fresh, last, tally)


def _is_held(service: NotificationService, group: _Waiting, now: float) -> bool:
    """Whether a gate would hold back the same again."""
    capped = [key for key in group.keys if parsed(key).why == SuppressionReason.MAX_PER_HOUR]
    if capped and hour_of(parsed(capped[-1]).at) == hour_of(now):
        return True
    plan = policy.plan(group.last, service.configs.resolve(group.last.tenant_id))
    return Gatekeeper(service.state, log.warning, lambda: now).holds(group.last, plan) is not None


def _by_tenant(groups: list[_Waiting]) -> Iterator[tuple[str | None, list[_Waiting]]]:
    for _, own in groupby(sorted(groups, key=_tenant), _tenant):
        of_tenant = list(own)
        yield of_tenant[0].last.tenant_id, of_tenant


def _tenant(group: _Waiting) -> str:
    return group.last.tenant_id or ""


def _destinations(service: NotificationService, groups: list[_Waiting]) -> list[NotificationProvider]:
    """Return all who would have been told any of it."""
    resolved = service.configs.resolve(groups[0].last.tenant_id)
    names = (name for group in groups for name in policy.plan(group.last, resolved).send_to)
    return list(dict.fromkeys(names))


def _readable(state: StateStore, keys: list[str]) -> tuple[str, NotificationMessage] | None:
    """Return what the newest row holds that makes sense, among the newest few."""
    held = HeldReports(state)
    return next((about for key in keys[: -FEW - 1 : -1] if (about := held.read(key))), None)


def _settle(state: StateStore, groups: list[_Waiting], told: Iterable[NotificationProvider]) -> None:
    """Keep what was counted while its rows are deleted, unless somebody is telling something: he counts anew."""
    cooldowns = Cooldowns(state, log.warning)
    for group in groups:
        row = cooldowns.load(group.cooldown_key)
        if row.told and row.claim is None:
            counted = max(row.counted, group.tally.last_key)
            cooldowns.save(group.cooldown_key, replace(row, counted=counted))
        forget(state, group.keys, told)
