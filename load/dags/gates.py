"""What the test of the gates runs: a DAG for each tenant that fails, critical or not, and four that fail at once."""

from datetime import datetime

from airflow.sdk import DAG, task

from airflow_cloudact_notify import CloudActNotifier

START = datetime(2026, 1, 1)  # noqa: DTZ001 - Airflow takes it as UTC


def failing(dag_id: str, tenant_id: str, severity: str | None = None) -> DAG:
    """Return a DAG whose only task fails and tells the tenant."""
    notifier = CloudActNotifier(tenant_id=tenant_id, severity=severity)
    arguments = {"on_failure_callback": notifier}
    with DAG(dag_id, schedule=None, start_date=START, default_args=arguments) as dag:

        @task
        def work() -> None:
            raise ValueError("the source is empty")

        work()
    return dag


dags = [
    failing("gates_silenced", "silenced"),
    failing("gates_quiet", "quiet"),
    failing("gates_quiet_critical", "quiet", "critical"),
    *(failing(f"gates_capped_{number}", "capped") for number in range(4)),
]
globals().update({dag.dag_id: dag for dag in dags})
