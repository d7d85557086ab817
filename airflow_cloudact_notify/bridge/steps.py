"""A step of a DAG that tells something: which try it is, and what makes it the same step as an earlier try."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_cloudact_notify.bridge.context import Context, Moment, look
from airflow_cloudact_notify.core.claims import ANEW
from airflow_cloudact_notify.core.letters import FIRST_AND_LAST, Attempt


@dataclass(frozen=True, slots=True)
class Step:
    """A try, and the fields of its message that are the same for all tries, until the task is cleared."""

    attempt: Attempt = FIRST_AND_LAST
    identity: Mapping[str, str] = field(default_factory=dict)


def step_of(context: Context, moment: Moment, event: str, title: str, *, fails: bool = True) -> Step:
    """Return what Airflow says of a task's try; nothing where it says too little.

    Clearing a task lets it have all its tries again: Airflow adds those that are over to ``max_tries``.

    :param fails: whether a failed delivery fails the task: else no other try comes of it.
    """
    ti, task = look(context, "ti", "task_instance"), look(context, "task")
    current, retries, allowed = look(ti, "try_number"), look(task, "retries"), look(ti, "max_tries")
    if not (moment.run_id and all(isinstance(number, int) for number in (current, retries, allowed))):
        return Step()
    over = max(0, allowed - retries)
    attempt = Attempt(is_first=current <= over + 1, is_last=current > allowed or not fails)
    where = repr((moment.dag_id, moment.run_id, moment.task_id, moment.map_index, str(event), title))
    occasion = f"{_hash(where)}{ANEW}{over}"
    return Step(attempt, {"occasion": occasion, "message_id": _hash(occasion)})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
