"""Which kind of Airflow process this is."""

from __future__ import annotations

import sys


def is_supervised() -> bool:
    """Whether a supervisor answers for the API server: in tasks, callbacks and the triggerer.

    Elsewhere, on the command line say, Airflow's models reach the database themselves.
    """
    task_runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(task_runner, "SUPERVISOR_COMMS", None) is not None
