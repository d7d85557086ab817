"""What the root is told of its tenants' destinations: that one does not work, that it works again, what was lost.

Told by maintenance, one at a time, so that each is told once. A notice is never the cause of another.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.config import destinations
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider, NotificationSeverity
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.metrics import UNHEALTHY, hand_over
from airflow_cloudact_notify.core.state.health import Health, HealthRows
from airflow_cloudact_notify.core.state.outbox import DeadLetter
from airflow_cloudact_notify.core.teller import Teller
from airflow_cloudact_notify.core.texts import counted
from airflow_cloudact_notify.core.times import Times

log = logging.getLogger(__name__)

MEMORY_SECONDS = 30 * 86_400.0
"""How long it is remembered that a destination works again: as long as a dead letter may wait for it."""
MAX_TITLES = 10
"""Lost messages that a notice names."""


def tell_health(teller: Teller, now: float) -> int:
    """Tell the root which destinations have become unhealthy, and well again; return how many notices were taken.

    :param now: seconds since 1970.
    :raises StateUnavailable: when the state does not answer.
    """
    rows, told = HealthRows(teller.service.state, log.warning), 0
    unhealthy: Counter[NotificationProvider] = Counter()
    times = teller.service.get_config(None).style.times
    for key in rows.listed():
        tenant_id, known = rows.read(key)
        unhealthy.update(name for name, health in known.items() if health.unhealthy)
        for name, health in known.items():
            notice = of_health(tenant_id, name, health, times)
            if notice is None or not _was_told(teller, notice, without=name if tenant_id is None else None):
                continue
            told += 1
            # Read again: a sender may have written it meanwhile.
            _, latest = rows.read(key)
            if name in latest:
                rows.save(tenant_id, latest | {name: replace(latest[name], told=health.unhealthy)})
        _forget_old(rows, key, now)
    hand_over(((UNHEALTHY, unhealthy[name], (name,)) for name in destinations()), teller.service.metrics)
    return told


def tell_lost(teller: Teller, tenant_id: str | None, lost: Sequence[tuple[DeadLetter, str]]) -> None:
    """Tell the root which messages of a tenant are given up, each with the reason."""
    _was_told(teller, of_lost(tenant_id, lost))


def of_lost(tenant_id: str | None, lost: Sequence[tuple[DeadLetter, str]]) -> NotificationMessage:
    """Return what there is to tell of messages that are given up, each with the reason."""
    titles = [letter.message.title for letter, _ in lost]
    more = [f"and {counted(len(titles) - MAX_TITLES, 'more message')}"] if len(titles) > MAX_TITLES else []
    lines = "\n".join(f"- {line}" for line in (*titles[:MAX_TITLES], *more))
    return _notice(
        NotificationSeverity.ERROR,
        f"{counted(len(lost), 'message')} of {_whose(tenant_id)} could not be delivered",
        f"There will be no further attempt; the log of the maintenance task holds the full text.\n{lines}",
        {
            "reason": sorted({why for _, why in lost})[:MAX_TITLES],
            "missed_by": sorted(
                f"{name}: {reason} ({times})"
                for (name, reason), times in Counter(
                    (str(name), str(miss.reason))
                    for letter, _ in lost
                    for name, miss in letter.missed.items()
                ).items()
            ),
        },
    )


def of_health(
    tenant_id: str | None, name: NotificationProvider, health: Health, times: Times
) -> NotificationMessage | None:
    """Return what there is to tell of a destination, ``None`` when the root knows all there is."""
    what = f"{name.title()} of {_whose(tenant_id)}"
    if health.unhealthy and not health.told:
        is_one, since = health.failures == 1, times.at(health.since)
        refused = (
            "refused a message at" if is_one else f"has refused {health.failures} messages in a row since"
        )
        return _notice(
            NotificationSeverity.ERROR,
            f"{what} does not work",
            f"It {refused} {since}: {(health.detail or str(health.reason)).rstrip('.')}. "
            "It is left alone, and tried from time to time; what it misses is kept, or told by its fall-back.",
        )
    if health.told and not health.unhealthy:
        ill = times.duration(max(0.0, health.well_since - health.since) * 1000)
        return _notice(NotificationSeverity.INFO, f"{what} works again", f"It had not worked for {ill}.")
    return None


def _notice(
    severity: NotificationSeverity, title: str, message: str, details: dict[str, Any] | None = None
) -> NotificationMessage:
    return NotificationMessage(
        kind=MessageKind.HEALTH,
        event=NotificationEvent.SYSTEM_ERROR,
        severity=severity,
        title=title,
        message=message,
        details=details or {},
    )


def _was_told(
    teller: Teller, notice: NotificationMessage, without: NotificationProvider | None = None
) -> bool:
    """Send a notice to whom the root has system errors told, but for the destination that it is about."""
    root = teller.service.configs.resolve(None)
    # Good news goes the way of the bad.
    routed = policy.plan(notice.model_copy(update={"severity": NotificationSeverity.ERROR}), root)
    to = [name for name in (*routed.send_to, *routed.fall_back) if name is not without]
    if routed.held or not to:
        log.warning("There is nobody at the root to tell: %s: %s", notice.title, notice.message)
        return False
    return bool(teller.tell(notice, to[: max(1, len(routed.send_to))]))


def _whose(tenant_id: str | None) -> str:
    return f"tenant {tenant_id}" if tenant_id else "the root"


def _forget_old(rows: HealthRows, key: str, now: float) -> None:
    """Forget destinations that have worked for long, or have long not been used."""
    tenant_id, known = rows.read(key)
    left = {
        name: health
        for name, health in known.items()
        if health.unhealthy or health.told or now - max(health.well_since, health.tried_at) <= MEMORY_SECONDS
    }
    if left != known:
        rows.save(tenant_id, left)
