"""Fails: the task tells its tenant at once; the DAG would tell it again and is held back by the cooldown."""

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure

with DAG("demo_failing", on_failure_callback=on_failure):

    @task(on_failure_callback=on_failure)
    def load_customers():
        """Fail as loads do."""
        raise ConnectionError("warehouse.example:5432 refused the connection, password=hunter2-example")

    load_customers()
