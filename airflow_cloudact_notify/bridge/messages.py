"""From a callback's moment and its author's wish to the message."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import conf

from airflow_cloudact_notify.bridge import causes
from airflow_cloudact_notify.bridge.context import Context, Moment, look
from airflow_cloudact_notify.bridge.lifecycle import (
    CONTACT_LOST,
    CONTACT_LOST_WORDS,
    MEANINGS,
    REASONS,
    SUCCESS_AFTER_RETRIES,
    SUCCESS_WITH_FAILURES,
    Meaning,
)
from airflow_cloudact_notify.bridge.masking import masked
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.core.masking import plain
from airflow_cloudact_notify.core.message import NotificationMessage

log = logging.getLogger(__name__)

MAX_NAMES = 20
"""Failed tasks of a run that are named."""


@dataclass(frozen=True, slots=True)
class RunHistory:
    """What a run's tasks went through, as far as it is known."""

    failed_tasks: Sequence[str] = ()
    retried: bool = False


def message_of(
    context: Context,
    moment: Moment,
    lifecycle: Lifecycle,
    wish: Wish,
    tenant_id: str | None,
    history: RunHistory,
    extra: Mapping[str, Any],
) -> NotificationMessage:
    """Return the message; what is unknown is left out of it.

    :param wish: made ready for the context.
    """
    meaning = _meaning(lifecycle, moment, context, history)
    details = {**extra, **_details(lifecycle, moment, history), **wish.details}
    known: dict[str, Any] = {
        "tenant_id": tenant_id,
        "event": wish.event or meaning.event,
        "severity": wish.severity or (None if wish.event else meaning.severity),
        "title": masked(wish.title or f"{_subject(moment)} {meaning.happened}"),
        "message": masked(wish.message or _words(lifecycle, moment)),
        "pipeline_id": moment.dag_id,
        "pipeline_logging_id": moment.run_id,
        "run_began_at": moment.run_began_at,
        "clear_number": moment.clear_number or 0,
        "task_id": moment.task_id,
        "map_index": moment.map_index,
        "try_number": moment.try_number,
        "max_tries": moment.max_tries,
        "duration_ms": moment.duration_ms,
        "log_url": _log_url(moment),
        "run_url": page_of(moment.dag_id, moment.run_id) if moment.run_id else None,
        "dag_url": page_of(moment.dag_id),
        "runbook_url": masked(moment.runbook_url),
        # As plain data: Airflow's masker looks neither into objects nor into what is nested deep.
        "details": masked(plain(details)),
        "lifecycle": lifecycle,
        "occasion": _occasion(lifecycle, moment, wish),
    }
    return NotificationMessage.model_validate(known)


def _meaning(lifecycle: Lifecycle, moment: Moment, context: Context, history: RunHistory) -> Meaning:
    if lifecycle is Lifecycle.FAILURE and moment.is_lost:
        return CONTACT_LOST
    if lifecycle is Lifecycle.FAILURE and not moment.of_run:
        return causes.meaning_of_failure(moment.exception, look(context, "task"))
    if lifecycle is Lifecycle.SUCCESS and history.failed_tasks:
        return SUCCESS_WITH_FAILURES
    if lifecycle is Lifecycle.SUCCESS and history.retried:
        return SUCCESS_AFTER_RETRIES
    return MEANINGS[lifecycle]


def _subject(moment: Moment) -> str:
    if moment.task_id:
        return f"Task {moment.dag_id}.{moment.task_id}"
    return f"DAG {moment.dag_id}" if moment.dag_id else "A DAG"


def _words(lifecycle: Lifecycle, moment: Moment) -> str:
    if moment.is_lost and lifecycle in (Lifecycle.FAILURE, Lifecycle.RETRY):
        return CONTACT_LOST_WORDS
    if lifecycle is Lifecycle.FAILURE and moment.of_run and moment.reason:
        return REASONS.get(moment.reason, moment.reason)
    return ""


def _details(lifecycle: Lifecycle, moment: Moment, history: RunHistory) -> dict[str, Any]:
    details: dict[str, Any] = {
        "failed_tasks": _names(history.failed_tasks),
        "last_task": moment.last_task
        if lifecycle is Lifecycle.FAILURE and not history.failed_tasks
        else None,
        "deadline": moment.deadline,
        "run_type": moment.run_type,
        "triggered_by": moment.triggered_by,
        "owner": moment.owner,
        "tags": list(moment.tags),
    }
    if lifecycle in (Lifecycle.FAILURE, Lifecycle.RETRY, Lifecycle.SKIPPED):
        details |= causes.details_of(moment.exception)
    return {key: value for key, value in details.items() if value}


def _names(tasks: Sequence[str]) -> list[str]:
    more = len(tasks) - MAX_NAMES
    return [*tasks[:MAX_NAMES], *([f"{more} more"] if more > 0 else [])]


def _occasion(lifecycle: Lifecycle, moment: Moment, wish: Wish) -> str | None:
    """Return what identifies the occasion, whoever's callback tells of it.

    A notifier that names its own event or destinations tells something else than one that does not.
    """
    if not moment.run_id:
        return None
    where = (
        (moment.task_id, moment.map_index, moment.try_number) if moment.task_id else (moment.clear_number,)
    )
    own = (str(wish.event) if wish.event else None, wish.providers)
    return repr((moment.run_id, *where, str(lifecycle), moment.deadline, *own))


def _log_url(moment: Moment) -> str | None:
    if moment.log_url:
        _warn_of_missing_base_url()
    return moment.log_url


def page_of(dag_id: str | None, run_id: str | None = None) -> str | None:
    """Return the page of a DAG, or of a run, in Airflow's web interface, where its address is known."""
    if not (_base_url() and dag_id):
        return None
    page = f"{_base_url()}/dags/{quote(dag_id)}"
    return f"{page}/runs/{quote(run_id)}" if run_id else page


@functools.cache
def _base_url() -> str:
    """Return the address of Airflow's web interface without a slash at its end, nothing where it is not known."""
    return (conf.get("api", "base_url", fallback=None) or "").rstrip("/")


@functools.cache
def _warn_of_missing_base_url() -> None:
    """Say, once a process, that links will not work elsewhere."""
    if not _base_url():
        log.warning("[api] base_url is not set: the links in notifications lead to localhost")
