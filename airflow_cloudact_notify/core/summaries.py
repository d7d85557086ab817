"""Messages that sum up others: a recovery after failures, a digest of what was held back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.outages import Streak
from airflow_cloudact_notify.core.state.held import MANY, Tally
from airflow_cloudact_notify.core.state.outages import Outage
from airflow_cloudact_notify.core.texts import counted
from airflow_cloudact_notify.core.times import Times

MAX_LINES = 20
"""What an overview lists, one line for each kind of report."""


def more(tally: Tally, times: Times) -> str:
    """Return what a message says of the repeats that were held back before it."""
    last = f", last: {tally.last}" if tally.last else ""
    return f"{tally.more} more since {times.at(tally.first_at)}{last}"


def again(streak: Streak, times: Times) -> str:
    """Return what a failure says of those before it."""
    since = f"since {times.at(streak.since)} ({times.duration(streak.seconds * 1000)})"
    if streak.failed_runs < 2:
        return f"Failing {since}"
    return f"{_ordinal(streak.failed_runs)} failed run in a row, failing {since}"


def _ordinal(number: int) -> str:
    is_teen = number % 100 in (11, 12, 13)
    return f"{number:,}{'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def recovery_of(
    success: NotificationMessage,
    outage: Outage,
    failed_runs: int,
    tally: Tally | None,
    now: float,
    times: Times,
) -> NotificationMessage:
    """Return what tells that an outage is over, from the success that ended it.

    A success that has something of its own to say (tasks failed, or were retried) goes on saying it.

    :param failed_runs: how many runs failed.
    :param tally: what was held back and is not told yet.
    :param now: seconds since 1970.
    """
    lasted = times.duration(max(0.0, now - outage.since) * 1000)
    over = f"Recovered after {lasted}, {counted(failed_runs, 'failed run')}."
    what = f"Task {outage.pipeline_id}.{outage.task_id}" if outage.task_id else str(outage.pipeline_id)
    plain = success.event is NotificationEvent.PIPELINE_SUCCESS
    told = {"title": f"Recovered: {what}", "message": over} if plain else {}
    history = [*success.history, *(() if plain else (over,)), *((more(tally, times),) if tally else ())]
    return success.model_copy(
        update={
            **told,
            "kind": MessageKind.RECOVERY,
            "task_id": outage.task_id,
            "occasion": None,
            "history": tuple(history),
            "thread_id": outage.thread_id or None,
        }
    )


def digest_of(told: NotificationMessage, tally: Tally, times: Times) -> NotificationMessage:
    """Return what tells of the repeats that no later message has told of."""
    reports = "1 more report" if tally.count == 1 else f"{tally.words} more reports"
    return NotificationMessage(
        kind=MessageKind.DIGEST,
        tenant_id=told.tenant_id,
        event=told.event,
        severity=told.severity,
        title=f"{reports}: {told.title}",
        message=f"Held back since {times.at(tally.first_at)} by the cooldown."
        + (f" The last one: {tally.last}." if tally.last else ""),
        pipeline_id=told.pipeline_id,
        task_id=told.task_id,
        dag_url=told.dag_url,
        dedup_key=told.dedup_key,
        thread_id=told.thread_id or told.message_id,
    )


def overview_of(
    tenant_id: str | None, held: Sequence[tuple[NotificationMessage, Tally]], times: Times
) -> NotificationMessage:
    """Return what tells of all that a silence, quiet hours or a full hour held back from a tenant.

    :param held: what repeats one another, together: the last report and the tally of all.
    """
    ordered = sorted(held, key=lambda one: (one[0].effective_severity.rank, one[1].count), reverse=True)
    total, worst = _total(tally for _, tally in held), ordered[0][0]
    lines = [
        f"{tally.words} × {last.title}, last {times.at(tally.last_at)}" for last, tally in ordered[:MAX_LINES]
    ]
    if rest := ordered[MAX_LINES:]:
        others = _total((tally for _, tally in rest), "more report")
        lines.append(f"and {others} of {counted(len(rest), 'other kind')}")
    since = times.at(min(tally.first_at for _, tally in held))
    return NotificationMessage(
        kind=MessageKind.DIGEST,
        tenant_id=tenant_id,
        event=worst.event,
        severity=worst.effective_severity,
        title=f"{total} {'was' if total == '1 report' else 'were'} held back",
        message=f"Held back since {since}:\n" + "\n".join(f"- {line}" for line in lines),
    )


def _total(tallies: Iterable[Tally], thing: str = "report") -> str:
    """Return so many of a thing; with ``+`` where one of the tallies stopped counting."""
    counts = [min(tally.count, MANY) for tally in tallies]
    total = counted(sum(counts), thing)
    return total.replace(" ", "+ ", 1) if MANY in counts else total
