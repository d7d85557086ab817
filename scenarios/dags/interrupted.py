"""Tasks that work until something from outside ends them."""

import os
import time
from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from airflow_cloudact_notify import on_failure
from scenarios.probe import note, watched


@task(on_failure_callback=watched("task on_failure", on_failure))
def work():
    """Work for two minutes at most, and no longer than the supervisor lives."""
    note("working", get_current_context())
    supervisor, until = os.getppid(), time.monotonic() + 120
    while time.monotonic() < until and os.getppid() == supervisor:
        time.sleep(0.2)


for dag_id, dag_arguments, task_arguments in (
    ("supervisor_dies", {}, {}),
    ("marked_failed", {}, {}),
    ("run_times_out", {"dagrun_timeout": timedelta(seconds=6)}, {}),
    ("task_times_out", {}, {"execution_timeout": timedelta(seconds=3)}),
):
    on_failures = watched("DAG on_failure", on_failure)
    with DAG(dag_id, tags=["tenant:acme"], on_failure_callback=on_failures, **dag_arguments):
        work.override(**task_arguments)()
