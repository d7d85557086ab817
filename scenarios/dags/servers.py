"""Failing tasks beside servers that do not answer, and the same tasks without a notifier."""

import os
import signal

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure
from scenarios.probe import note, notes, watched


def stop_api_server(context):
    """Send the API server's processes the signal that the run's conf names, once."""
    conf, run = context["dag_run"].conf, (context["dag"].dag_id, context["run_id"])
    if any(n["kind"] == "stopped" and (n["dag_id"], n["run_id"]) == run for n in notes()):
        return
    for pid in conf["pids"]:
        os.kill(pid, signal.Signals[conf["signal"]])
    note("stopped", context)


@task
def load():
    """Fail as loads do."""
    raise ConnectionError("the warehouse refused the connection")


ours, nothing = watched("task on_failure", on_failure), watched("task on_failure")

for dag_id, tenant, callbacks in (
    ("mail_server_is_silent", "silent", ours),
    ("mail_server_is_silent_without_us", "silent", nothing),
    ("api_server_stops", "acme", [stop_api_server, *ours]),
    ("api_server_stops_without_us", "acme", [stop_api_server, *nothing]),
):
    with DAG(dag_id, tags=[f"tenant:{tenant}"]):
        load.override(on_failure_callback=callbacks)()
