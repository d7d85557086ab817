"""Is killed, as for lack of memory: the task has no time to tell anybody, so only the DAG's callback can."""

import os
import signal

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure

with DAG("demo_killed", on_failure_callback=on_failure):

    @task(on_failure_callback=on_failure)
    def aggregate_everything():
        """End this process the way the kernel does when memory runs out."""
        os.kill(os.getpid(), signal.SIGKILL)

    aggregate_everything()
