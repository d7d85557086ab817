"""What the context that Airflow gives a callback knows, whichever of the many shapes it has.

A context may lack almost anything, an attribute may raise, ``dag_run`` may be a dict: nothing here relies on more
than it finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_cloudact_notify.core.enums import Lifecycle

Context = Mapping[str, Any]

_URL = re.compile(r"https?://[^\s<>()\"'\]]+")
_NO_OWNER = "airflow"
"""What Airflow fills in for a task whose author named no owner."""
_LOST = {Lifecycle.RETRY: "on_retry_callback", Lifecycle.FAILURE: "on_failure_callback"}
"""What the DAG processor calls for a task whose process is gone."""


def look(thing: Any, *names: str) -> Any:
    """Return the first attribute (or key) of ``thing`` that is there, ``None`` when none is."""
    for name in names:
        try:
            value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        except Exception:  # noqa: BLE001 - lazy attributes of Airflow's objects may ask a server
            value = None
        if value is not None:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a context knows of the moment its callback was called in; ``None`` for what it does not.

    ``of_run`` tells a DAG's callback from a task's. ``last_task`` is the task a run's callback came after. ``is_lost``
    says that a task's own process was not there to call back.
    """

    of_run: bool
    dag_id: str | None
    run_id: str | None
    run_began_at: datetime | None
    clear_number: int | None
    task_id: str | None
    last_task: str | None
    map_index: int | None
    try_number: int | None
    max_tries: int | None
    duration_ms: float | None
    log_url: str | None
    runbook_url: str | None
    reason: str | None
    exception: BaseException | str | None
    is_lost: bool
    run_type: str | None
    triggered_by: str | None
    owner: str | None
    tags: tuple[str, ...]
    deadline: str | None


def moment_of(context: Context, lifecycle: Lifecycle) -> Moment:
    """Return what a context knows."""
    ti, dag_run, dag = look(context, "ti", "task_instance"), look(context, "dag_run"), look(context, "dag")
    of_run = is_of_run(context) or lifecycle is Lifecycle.RUN_STARTED
    task_id, map_index = look(ti, "task_id"), look(ti, "map_index")
    return Moment(
        of_run=of_run,
        dag_id=look(dag, "dag_id") or look(ti, "dag_id") or look(dag_run, "dag_id"),
        run_id=look(context, "run_id") or look(dag_run, "run_id", "dag_run_id") or look(ti, "run_id"),
        run_began_at=_date(look(dag_run, "logical_date", "run_after")),
        clear_number=look(dag_run, "clear_number"),
        task_id=None if of_run else task_id,
        last_task=task_id if of_run else None,
        map_index=map_index if isinstance(map_index, int) and map_index >= 0 and not of_run else None,
        try_number=None if of_run else look(ti, "try_number"),
        max_tries=None if of_run else _max_tries(ti),
        duration_ms=_milliseconds(dag_run if of_run else ti),
        log_url=look(ti, "log_url"),
        runbook_url=_runbook(context),
        reason=_word(look(context, "reason")),
        exception=look(context, "exception"),
        # The task's own process always says what was raised, if only that nothing was.
        is_lost=not of_run and "exception" not in context,
        run_type=_word(look(dag_run, "run_type")),
        triggered_by=look(dag_run, "triggering_user_name"),
        owner=_owner(context),
        tags=_tags(dag),
        deadline=_word(look(look(context, "deadline"), "deadline_time")),
    )


def is_of_run(context: Context) -> bool:
    """Whether a callback was called for a run, not for a task."""
    ti = look(context, "ti", "task_instance")
    if ti is None:
        return True
    # Other notifiers leave their own fields in a task's context; one of them may be called reason.
    of_task = "exception" in context or _word(look(ti, "state")) == "running"
    return "reason" in context and not of_task


def lifecycle_of(context: Context, wish: object = None) -> Lifecycle:
    """Return what most likely called the callback, for a notifier that was not told.

    :param wish: the notifier's.
    """
    if "deadline" in context:
        return Lifecycle.DEADLINE
    if is_of_run(context):
        return Lifecycle.SUCCESS if look(context, "reason") == "success" else Lifecycle.FAILURE
    state = _word(look(look(context, "ti", "task_instance"), "state"))
    if state is None:
        return _lifecycle_of_lost(context, wish)
    by_state = {
        "success": Lifecycle.SUCCESS,
        "up_for_retry": Lifecycle.RETRY,
        "skipped": Lifecycle.SKIPPED,
        "failed": Lifecycle.FAILURE,
        "running": Lifecycle.FAILURE if context.get("exception") else Lifecycle.EXECUTE,
    }
    return by_state.get(state, Lifecycle.FAILURE)


def _lifecycle_of_lost(context: Context, wish: object) -> Lifecycle:
    """Return what the DAG processor called for: it does not say, but the notifier is in one of the task's lists."""
    ti, task = look(context, "ti", "task_instance"), look(context, "task")
    told = {
        lifecycle: any(look(callback, "wish") is wish for callback in _listed(look(task, attribute)))
        for lifecycle, attribute in _LOST.items()
    }
    if told[Lifecycle.RETRY] and told[Lifecycle.FAILURE]:
        tries = _max_tries(ti)
        told[Lifecycle.RETRY] = tries is not None and (look(ti, "try_number") or 1) < tries
    return Lifecycle.RETRY if wish is not None and told[Lifecycle.RETRY] else Lifecycle.FAILURE


def _listed(callbacks: Any) -> Sequence[Any]:
    return callbacks if isinstance(callbacks, list | tuple) else [callbacks]


def _max_tries(ti: Any) -> int | None:
    """Return how often the task may be tried; ``None`` when Airflow's number cannot be that."""
    retries, current = look(ti, "max_tries"), look(ti, "try_number")
    if not isinstance(retries, int) or (isinstance(current, int) and current > retries + 1):
        return None
    return retries + 1


def _word(value: Any) -> str | None:
    """Return the text of a value, for an enum's member its value's."""
    return None if value is None else str(getattr(value, "value", value))


def _date(value: Any) -> datetime | None:
    """Return a time, also one that a deadline's context has as text."""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) else None


def _owner(context: Context) -> str | None:
    owner = look(look(context, "task"), "owner") or look(look(context, "dag"), "owner")
    return None if owner == _NO_OWNER else owner


def _tags(dag: Any) -> tuple[str, ...]:
    ours = ("tenant:", "cloudact_notify:")
    return tuple(sorted(tag for tag in map(str, look(dag, "tags") or ()) if not tag.startswith(ours)))


def _runbook(context: Context) -> str | None:
    """Return the param ``runbook_url``, else the first link in a line of the documentation that says runbook."""
    params = look(context, "params") or look(look(context, "dag"), "params")
    named = look(params, "runbook_url")
    if isinstance(named := look(named, "value") if hasattr(named, "value") else named, str):
        return named
    documentation = (look(look(context, name), "doc_md") for name in ("task", "dag"))
    lines = "\n".join(text for text in documentation if isinstance(text, str)).splitlines()
    found = (_URL.search(line) for line in lines if "runbook" in line.lower())
    return next((match[0] for match in found if match), None)


def _milliseconds(thing: Any) -> float | None:
    start, end = look(thing, "start_date"), look(thing, "end_date")
    if isinstance(start, datetime) and isinstance(end, datetime):
        return max(0.0, (end - start).total_seconds() * 1000)
    return None
