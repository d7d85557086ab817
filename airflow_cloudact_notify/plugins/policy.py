"""A cluster policy that attaches our callbacks to every DAG and task, as ``[cloudact_notify] attach`` says.

Airflow loads this module whenever it starts, and calls it for every DAG it parses, mostly in a process made for one
file: it imports nothing to attach, and no mistake in it can keep a DAG from loading.

Since it is loaded in the processes from which Airflow forks those of tasks and callbacks, it also does what
``[cloudact_notify] preload`` asks for, before the first fork.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from airflow.policies import hookimpl

log = logging.getLogger(__name__)

OPT_OUT = "cloudact_notify"
"""A DAG with the tag ``cloudact_notify:off``, or its param ``cloudact_notify`` false or ``off``, is left alone."""

# The words of the option: where the callback is attached, and what it is for.
_ON_DAG = {
    "dag.failure": ("on_failure_callback", "failure"),
    "dag.success": ("on_success_callback", "success"),
}
_ON_TASK = {
    "task.started": ("on_execute_callback", "execute"),
    "task.success": ("on_success_callback", "success"),
    "task.failure": ("on_failure_callback", "failure"),
    "task.retry": ("on_retry_callback", "retry"),
    "task.skipped": ("on_skipped_callback", "skipped"),
}
_DAG_STARTED = "dag.started"
_RUN_STARTED = "run_started"
# Airflow runs no process for an EmptyOperator, unless it has one of these.
_NEED_A_PROCESS = ("on_execute_callback", "on_success_callback")
_RUNS_ONE_TASK = "airflow.sdk.execution_time.execute_workload"
"""What is started on a pod or in a container of a task's own, by KubernetesExecutor say."""


class Attached:
    """Stands for a notifier, which is imported when there is something to tell."""

    __slots__ = ("lifecycle",)

    def __init__(self, lifecycle: str) -> None:
        self.lifecycle = lifecycle

    def __call__(self, context: Mapping[str, Any]) -> None:
        from airflow_cloudact_notify.notifications.notifier import CloudActNotifier

        CloudActNotifier(lifecycle=self.lifecycle)(context)

    def __repr__(self) -> str:
        return f"<CloudActNotifier for {self.lifecycle}, attached by [cloudact_notify] attach>"


# Ours come last: what other policies put on a DAG or a task is there by then, and cannot replace them afterwards.
@hookimpl(trylast=True)
def dag_policy(dag: Any) -> None:
    """Attach to a DAG what the option names."""
    try:
        wanted = attached_words()
        if wanted and not _opted_out(dag):
            _attach_to_dag(dag, wanted)
    except Exception:
        log.exception("No notifications were attached to DAG %s", getattr(dag, "dag_id", "?"))


@hookimpl(trylast=True)
def task_policy(task: Any) -> None:
    """Attach to a DAG's tasks what the option names, when Airflow has come to the last of them."""
    try:
        wanted = attached_words() - _ON_DAG.keys()
        if wanted and _is_last(task) and not _opted_out(task.dag):
            _attach_to_tasks(task.dag.tasks, wanted)
    except Exception:
        log.exception("No notifications were attached to the tasks of DAG %s", getattr(task, "dag_id", "?"))


@functools.cache
def attached_words() -> frozenset[str]:
    """Return the words of ``[cloudact_notify] attach``; those it does not know are logged and left out."""
    from airflow.configuration import conf

    text = conf.get("cloudact_notify", "attach", fallback="") or ""
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    known = {*_ON_DAG, *_ON_TASK, _DAG_STARTED}
    for word in sorted(words - known):
        log.error("[cloudact_notify] attach: unknown word %r; known are %s", word, ", ".join(sorted(known)))
    return words & known


def _opted_out(dag: Any) -> bool:
    if f"{OPT_OUT}:off" in dag.tags:
        return True
    return OPT_OUT in dag.params and dag.params[OPT_OUT] in (False, "off")


def _is_last(task: Any) -> bool:
    return next(reversed(task.dag.task_dict.values()), None) is task


def _attach_to_dag(dag: Any, wanted: frozenset[str]) -> None:
    for word in wanted & _ON_DAG.keys():
        attribute, lifecycle = _ON_DAG[word]
        _chain(dag, attribute, lifecycle)
        # Airflow works this out before policies run, and asks for no callback of a DAG that has it false.
        setattr(dag, f"has_{attribute}", True)


def _attach_to_tasks(tasks: Iterable[Any], wanted: frozenset[str]) -> None:
    on_tasks = [_ON_TASK[word] for word in sorted(wanted & _ON_TASK.keys())]
    for task in tasks:
        for attribute, lifecycle in on_tasks:
            if attribute in _NEED_A_PROCESS and task.inherits_from_empty_operator:
                continue
            _chain(task, attribute, lifecycle)
    if _DAG_STARTED in wanted:
        _chain(_first(tasks), "on_execute_callback", _RUN_STARTED)


def _first(tasks: Iterable[Any]) -> Any:
    """Return one of the tasks a run begins with: rather not one that may have no instances, or needs no process."""
    return min(
        (task for task in tasks if not task.upstream_task_ids),
        key=lambda task: (task.is_mapped, task.inherits_from_empty_operator, task.task_id),
    )


def _chain(thing: Any, attribute: str, lifecycle: str) -> None:
    """Put our callback behind the user's own, unless one of ours is there already."""
    present = getattr(thing, attribute) or []
    callbacks = list(present) if isinstance(present, list | tuple) else [present]
    if not any(_speaks_for(callback, lifecycle) for callback in callbacks):
        setattr(thing, attribute, [*callbacks, _attached(lifecycle)])


def _speaks_for(callback: Any, lifecycle: str) -> bool:
    """Whether a callback is one of ours for the same; the start of a run is another thing than that of its task."""
    # A user can have a notifier of ours only if its module has been imported.
    module = sys.modules.get("airflow_cloudact_notify.notifications.notifier")
    ours = (Attached, module.CloudActNotifier) if module else (Attached,)
    return isinstance(callback, ours) and (callback.lifecycle == _RUN_STARTED) == (lifecycle == _RUN_STARTED)


@functools.cache
def _attached(lifecycle: str) -> Attached:
    return Attached(lifecycle)


@functools.cache
def preload_if_asked() -> None:
    """Import the engine, so that this process's forks need not: once."""
    try:
        from airflow.configuration import conf

        if not _runs_one_task() and conf.getboolean("cloudact_notify", "preload", fallback=True):
            from airflow_cloudact_notify.plugins.preload import preload

            preload()
    except Exception:
        log.exception("[cloudact_notify] preload did not work; everything else does")


def _runs_one_task() -> bool:
    """Whether this process was started for one task: what it imported ahead, none of its forks would share."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return getattr(spec, "name", None) == _RUNS_ONE_TASK


# A process that forks no other, as most of the command line's, pays nothing.
os.register_at_fork(before=preload_if_asked)
