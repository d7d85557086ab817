"""Succeeds: the task tells that it starts, the DAG that all is done."""

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_execute, on_success

with DAG("demo_succeeding", on_success_callback=on_success):

    @task(on_execute_callback=on_execute)
    def load_orders():
        """Do nothing, well."""

    load_orders()
