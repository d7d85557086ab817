"""Which kind of Airflow process this is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

DAG_PROCESSOR_SECONDS = 30.0
"""What all callbacks of one DAG-processor process may take together: Airflow kills it after 50 seconds, and whatever
callbacks it had not come to are lost."""
FIRST_SECONDS = 20.0
"""What the first callback of such a process may take at least: after the DAG processor's start, the first look at a
Variable takes some nine seconds, since it starts an API server of its own for it."""
TRIGGERER_SECONDS = 30.0
"""What a callback may take at least in the triggerer. Airflow ends none there, and the first look at a Variable in a
triggerer's life alone takes four to ten seconds: it starts an API server of its own for it."""

LEAST_SECONDS = 0.4
"""What a callback has when they have taken all of it: too little to deliver, enough to keep what is to be told."""

_spent = 0.0


@contextmanager
def allowance(seconds: float, began: float | None = None) -> Iterator[float]:
    """Give a callback what it may take: ``seconds``, in the DAG processor no more than its process has left.

    The first in a DAG processor's process gets no less than ``FIRST_SECONDS``, any in the triggerer no less than
    ``TRIGGERER_SECONDS``.

    :param began: when it began, by ``time.monotonic``; left out, now.
    """
    global _spent
    began = time.monotonic() if began is None else began
    if is_dag_processor():
        wanted = seconds if _spent else max(seconds, FIRST_SECONDS)
        seconds = min(wanted, max(LEAST_SECONDS, DAG_PROCESSOR_SECONDS - _spent))
    elif is_triggerer():
        seconds = max(seconds, TRIGGERER_SECONDS)
    try:
        yield seconds
    finally:
        _spent += time.monotonic() - began


def is_supervised() -> bool:
    """Whether a supervisor answers for the API server: in tasks, callbacks and the triggerer.

    Elsewhere, on the command line say, Airflow's models reach the database themselves.
    """
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(task_runner, "SUPERVISOR_COMMS", None) is not None


def is_dag_processor() -> bool:
    """Whether this is a child of the DAG processor, which runs many callbacks in one life."""
    processor = sys.modules.get("airflow.dag_processing.processor")
    comms = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    decoder = getattr(comms, "body_decoder", None)
    return processor is not None and decoder is not None and "DagFileParseRequest" in repr(decoder)


def is_triggerer() -> bool:
    """Whether this is the triggerer, where deadlines' async callbacks run."""
    comms = getattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS", None)
    return type(comms).__name__ == "TriggerCommsDecoder"
