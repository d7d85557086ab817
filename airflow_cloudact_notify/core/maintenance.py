"""What nobody's callback does: dead letters, digests, messages of killed reporters, recoveries nobody told, pruning.

Functions, called by the maintenance DAG and by the command line; one at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from airflow_cloudact_notify.core import claims
from airflow_cloudact_notify.core.digests import forget, is_live, send_digests
from airflow_cloudact_notify.core.enums import Lifecycle, NotificationEvent
from airflow_cloudact_notify.core.gates import GATES
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.notices import tell_health
from airflow_cloudact_notify.core.replays import replay_due
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.control import Control
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.held import MANY, HeldKey, HeldReports, parsed
from airflow_cloudact_notify.core.state.incidents import Incidents
from airflow_cloudact_notify.core.state.outages import Outage, OutageRows
from airflow_cloudact_notify.core.state.sends import Sends
from airflow_cloudact_notify.core.state.silences import Silences
from airflow_cloudact_notify.core.state.store import StateStore
from airflow_cloudact_notify.core.teller import Teller

log = logging.getLogger(__name__)

MEMORY_SECONDS = 7 * 86_400.0
"""How long it is remembered what was told of a pipeline in which nothing is broken, and what nobody could be told."""
OUTAGE_SECONDS = 90 * 86_400.0
"""How long after its last failure was told an outage without an end is remembered, and what a gate held back."""

LatestSuccess = Callable[[Outage], datetime | None]
"""Takes an outage; returns when the newest run of its pipeline began whose success may end it: not one that had ended
before the failure, nor one of another tenant."""


@dataclass(frozen=True, slots=True)
class Maintained:
    """How many messages of killed reporters were told, dead letters delivered and given up, digests sent, outages
    ended, rows deleted."""

    retold: int = 0
    replayed: int = 0
    lost: int = 0
    digests: int = 0
    recovered: int = 0
    pruned: int = 0


def maintain(service: NotificationService, latest_success: LatestSuccess, now: float) -> Maintained:
    """Do what is due, and keep that it was done; nothing when another does so at this moment.

    :param now: seconds since 1970.
    :raises StateUnavailable: when the state does not answer.
    """
    state = service.state
    control = Control(state)
    if not control.begins(now):
        log.info("Another maintenance is under way.")
        return Maintained()
    try:
        cooldowns = dict(_cooldowns(state))
        replayed = replay_due(service, now)
        teller = Teller(service)
        tell_health(teller, now)
        done = Maintained(
            retold=_retell(teller, cooldowns, now),
            replayed=replayed.delivered,
            lost=replayed.lost,
            digests=send_digests(teller, now),
            recovered=_recover(teller, latest_success),
            pruned=_prune(state, cooldowns, now),
        )
        control.ran(now)
    finally:
        control.ends()
    return done


def _retell(teller: Teller, cooldowns: Mapping[str, Cooldown], now: float) -> int:
    """Tell what reporters were telling when they were killed."""
    told = 0
    for key, row in cooldowns.items():
        message = claims.abandoned(row, now)
        if message and teller.tell(message):
            told += 1
            _end_claim(teller.service.state, key, row)
    return told


def _end_claim(state: StateStore, key: str, before: Cooldown) -> None:
    """End a claim that was told elsewhere: the cooldown may have been switched off since, or its scope changed."""
    rows = Cooldowns(state, log.warning)
    row = rows.load(key)
    if row.claim and row.claim == before.claim:
        rows.save(key, replace(row, claim=None))


def _recover(teller: Teller, latest_success: LatestSuccess) -> int:
    """End the outages of pipelines whose success no callback told."""
    ended, rows = 0, OutageRows(teller.service.state, log.warning)
    for outage in _outages(teller.service.state):
        began = latest_success(outage)
        if began is None or began.timestamp() < outage.last_run_at:
            continue
        success = NotificationMessage(
            kind=MessageKind.RECOVERY,
            tenant_id=outage.tenant_id,
            event=NotificationEvent.PIPELINE_SUCCESS,
            pipeline_id=outage.pipeline_id,
            task_id=outage.task_id,
            lifecycle=Lifecycle.SUCCESS,
            run_began_at=began,
        )
        teller.tell(success, alerted=outage.alerted)
        ended += rows.read(outage.key) is None
    return ended


def _prune(state: StateStore, cooldowns: Mapping[str, Cooldown], now: float) -> int:
    """Delete cooldowns that are over, outages without an end, what is remembered of sound pipelines, old held rows,
    what was sent in earlier hours, silences that are over.

    A row is deleted at once when it was looked at: reporters write the same rows meanwhile.

    :param cooldowns: the rows as they were when maintenance began.
    """
    pruned, again = 0, Cooldowns(state, log.warning)
    outages, incidents = OutageRows(state, log.warning), Incidents(state, log.warning)
    for key, row in cooldowns.items():
        if _is_over(row, now) and _is_as_it_was(again.load(key), row):
            state.delete(key)
            pruned += 1
    for key in outages.listed():
        outage = outages.read(key)
        if outage is None or now - outage.told_at > OUTAGE_SECONDS:
            state.delete(key)
            pruned += 1
    for key in incidents.listed():
        incident = incidents.read(key)
        if incident is None or now - incident.written_at > MEMORY_SECONDS:
            state.delete(key)
            pruned += 1
    sent = Sends(state).over(now)
    for key in sent:
        state.delete(key)
    silences = Silences(state, log.warning).prune(now)
    return pruned + _prune_held(state, now) + len(sent) + silences


def _prune_held(state: StateStore, now: float) -> int:
    surplus: list[str] = []
    for keys in HeldReports(state).groups():
        # The first one stays: it says since when.
        surplus += keys[1 : len(keys) - MANY + 1] if len(keys) > MANY else []
        surplus += [key for key in keys if _is_old(parsed(key), now) and key not in surplus]
    forget(state, surplus)
    return len(surplus)


def _is_as_it_was(row: Cooldown, before: Cooldown) -> bool:
    """Whether nothing was told since maintenance began, however long ago that is, and nothing is being told."""
    return (row.told_at, row.claim) == (before.told_at, before.claim)


def _is_old(held: HeldKey, now: float) -> bool:
    """Whether nobody can be told of a held report any more; a silence may last for long."""
    return now - held.at > (OUTAGE_SECONDS if held.why in GATES else MEMORY_SECONDS)


def _is_over(row: Cooldown, now: float) -> bool:
    """Whether a row says nothing any more; what nobody could be told for a week is given up."""
    if row.claim and claims.abandoned(row, now) and now - row.claim.until <= MEMORY_SECONDS:
        return False
    return not is_live(row, now)


def _cooldowns(state: StateStore) -> Iterator[tuple[str, Cooldown]]:
    cooldowns = Cooldowns(state, log.warning)
    for key in cooldowns.listed():
        yield key, cooldowns.load(key)


def _outages(state: StateStore) -> Iterator[Outage]:
    rows = OutageRows(state, log.warning)
    for key in rows.listed():
        if (outage := rows.read(key)) is not None:
            yield outage
