"""A cluster policy that attaches our callbacks to every DAG and task, as ``[cloudact_notify] attach`` says.

Airflow loads this module whenever it starts, and calls it for every DAG it parses: it imports next to nothing, and no
mistake in it can keep a DAG from loading.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from airflow.policies import hookimpl

if TYPE_CHECKING:
    from airflow_cloudact_notify.notifications.notifier import CloudActNotifier

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


@hookimpl
def dag_policy(dag: Any) -> None:
    """Attach to a DAG and its tasks what the option names."""
    try:
        wanted = attached_words()
        if wanted and not _opted_out(dag):
            _attach(dag, wanted)
    except Exception:
        log.exception("No notifications were attached to DAG %s", getattr(dag, "dag_id", "?"))


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


def _attach(dag: Any, wanted: frozenset[str]) -> None:
    for word in wanted & _ON_DAG.keys():
        attribute, lifecycle = _ON_DAG[word]
        _chain(dag, attribute, lifecycle)
        # Airflow works this out before policies run, and asks for no callback of a DAG that has it false.
        setattr(dag, f"has_{attribute}", True)
    on_tasks = [_ON_TASK[word] for word in sorted(wanted & _ON_TASK.keys())]
    tasks = dag.tasks
    if on_tasks:
        for task in tasks:
            for attribute, lifecycle in on_tasks:
                _chain(task, attribute, lifecycle)
    if _DAG_STARTED in wanted:
        first = min(
            (task for task in tasks if not task.upstream_task_ids), key=lambda t: t.task_id, default=None
        )
        if first is not None:
            _chain(first, "on_execute_callback", "run_started")


def _chain(thing: Any, attribute: str, lifecycle: str) -> None:
    """Put our callback behind the user's own, unless one of ours is there already."""
    present = getattr(thing, attribute) or []
    callbacks = list(present) if isinstance(present, list | tuple) else [present]
    ours = _notifier(lifecycle)
    if not any(isinstance(there, type(ours)) and _same_occasion(there, lifecycle) for there in callbacks):
        setattr(thing, attribute, [*callbacks, ours])


def _same_occasion(notifier: CloudActNotifier, lifecycle: str) -> bool:
    """Whether a notifier of ours speaks for the same; the start of a run is another thing than that of its task."""
    return (notifier.lifecycle == "run_started") == (lifecycle == "run_started")


@functools.cache
def _notifier(lifecycle: str) -> CloudActNotifier:
    from airflow_cloudact_notify.notifications.notifier import CloudActNotifier

    return CloudActNotifier(lifecycle=lifecycle)
