"""What the test of the delivery runs: a DAG that fails for each tenant whose servers are away."""

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_cloudact_notify import CloudActNotifier

START = datetime(2026, 1, 1)  # noqa: DTZ001 - Airflow takes it as UTC

for tenant in ("fallback", "away", "unhealthy"):
    arguments = {"on_failure_callback": CloudActNotifier(tenant_id=tenant)}
    with DAG(f"delivery_{tenant}", schedule=None, start_date=START, default_args=arguments) as dag:

        @task
        def work() -> None:
            raise ValueError("the source is empty")

        work()
    globals()[dag.dag_id] = dag
