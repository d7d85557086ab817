"""Task processes killed from outside, as for lack of memory: they have no time to tell anybody."""

import os
import signal
from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure, on_retry
from scenarios.probe import watched

CALLBACKS = {
    "on_retry_callback": watched("task on_retry", on_retry),
    "on_failure_callback": watched("task on_failure", on_failure),
}


def killed_on_try_one(try_number):
    """End this process the way the kernel does when memory runs out."""
    if try_number == 1:
        os.kill(os.getpid(), signal.SIGKILL)


for dag_id, retries in (("killed_on_last_try", 0), ("killed_with_retry_left", 1)):
    with DAG(
        dag_id,
        tags=["tenant:acme"],
        default_args={**CALLBACKS, "retries": retries, "retry_delay": timedelta(seconds=1)},
        on_failure_callback=watched("DAG on_failure", on_failure),
    ):

        @task
        def aggregate(ti=None):
            """Be killed."""
            killed_on_try_one(ti.try_number)

        aggregate()
