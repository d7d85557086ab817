"""From the context Airflow gives a callback to a message, whichever of the many shapes the context has.

A context may lack almost anything, an attribute may raise, ``dag_run`` may be a dict: nothing here relies on more
than it finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import redact

from airflow_cloudact_notify.bridge.lifecycle import Lifecycle

Context = Mapping[str, Any]


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
class Occasion:
    """What a context knows of the callback's occasion; ``None`` for what it does not."""

    is_dag_level: bool
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int | None
    try_number: int | None
    max_tries: int | None
    duration_ms: float | None
    log_url: str | None
    reason: str | None
    exception: BaseException | str | None


def occasion_of(context: Context) -> Occasion:
    """Return what a context knows."""
    dag_level = "reason" in context
    ti = look(context, "ti", "task_instance")
    dag_run = look(context, "dag_run")
    retries = look(ti, "max_tries")
    map_index = look(ti, "map_index")
    return Occasion(
        is_dag_level=dag_level,
        dag_id=look(look(context, "dag"), "dag_id") or look(ti, "dag_id") or look(dag_run, "dag_id"),
        run_id=look(context, "run_id") or look(dag_run, "run_id", "dag_run_id") or look(ti, "run_id"),
        task_id=look(ti, "task_id"),
        map_index=map_index if isinstance(map_index, int) and map_index >= 0 else None,
        try_number=None if dag_level else look(ti, "try_number"),
        max_tries=retries + 1 if isinstance(retries, int) and not dag_level else None,
        duration_ms=_milliseconds(dag_run if dag_level else ti),
        log_url=look(ti, "log_url"),
        reason=look(context, "reason"),
        exception=look(context, "exception"),
    )


def tenant_of(context: Context, argument: str | None, default: str | None) -> str | None:
    """Return the tenant a callback is about, ``None`` for the root's settings.

    The argument, else ``dag_run.conf["tenant_id"]``, else the DAG's param, else its tag ``tenant:<id>``, else the
    ``[cloudact_notify] default_tenant``.
    """
    conf = look(look(context, "dag_run"), "conf")
    dag = look(context, "dag")
    tags = sorted(str(tag) for tag in look(dag, "tags") or ())
    candidates = (
        argument,
        look(conf, "tenant_id") if isinstance(conf, Mapping) else None,
        _param(look(context, "params"), "tenant_id"),
        _param(look(dag, "params"), "tenant_id"),
        next((tag.removeprefix("tenant:") for tag in tags if tag.startswith("tenant:")), None),
        default,
    )
    return next((str(candidate) for candidate in candidates if candidate), None)


def lifecycle_of(context: Context) -> Lifecycle:
    """Return what most likely called the callback, for a notifier that was not told."""
    if "reason" in context:
        return Lifecycle.SUCCESS if context["reason"] == "success" else Lifecycle.FAILURE
    state = str(look(look(context, "ti", "task_instance"), "state") or "")
    by_state = {
        "success": Lifecycle.SUCCESS,
        "up_for_retry": Lifecycle.RETRY,
        "skipped": Lifecycle.SKIPPED,
        "failed": Lifecycle.FAILURE,
        "running": Lifecycle.FAILURE if context.get("exception") else Lifecycle.EXECUTE,
    }
    return by_state.get(state, Lifecycle.FAILURE)


def masked(value: Any) -> Any:
    """Return ``value`` without what Airflow's own masker knows to be secret."""
    return redact(value)


def error_text(error: BaseException | str | None) -> str | None:
    """Return an exception's type and text."""
    if error is None or isinstance(error, str):
        return error or None
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _param(params: Any, name: str) -> Any:
    value = look(params, name)
    # A DAG's params are Param objects until Airflow resolves them for a task.
    return look(value, "value") if hasattr(value, "value") else value


def _milliseconds(thing: Any) -> float | None:
    start, end = look(thing, "start_date"), look(thing, "end_date")
    if isinstance(start, datetime) and isinstance(end, datetime):
        return max(0.0, (end - start).total_seconds() * 1000)
    return None
