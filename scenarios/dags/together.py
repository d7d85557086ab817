"""Runs that fail at the same moment, and one notifier for all of them."""

import time

from airflow.sdk import DAG, get_current_context, task

from airflow_cloudact_notify import CloudActNotifier
from scenarios.probe import note, notes, watched

RUNS = 4
TITLE = "Run {{ run_id }} of {{ dag.dag_id }} failed"

notifier = CloudActNotifier(tenant_id="acme", title=TITLE, lifecycle="failure")


@task
def fail_together():
    """Fail when all runs have come here, or after a minute and a half."""
    context = get_current_context()
    dag_id = context["dag"].dag_id
    note("ready", context)
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if sum(n["kind"] == "ready" and n["dag_id"] == dag_id for n in notes()) >= RUNS:
            break
        time.sleep(0.1)
    raise RuntimeError("the source is gone")


with DAG("runs_end_together", on_failure_callback=watched("DAG on_failure", notifier)):
    fail_together()

with DAG("runs_end_together_both", on_failure_callback=watched("DAG on_failure", notifier)):
    fail_together.override(on_failure_callback=watched("task on_failure", notifier))()
