"""What the load test runs: many mapped tasks that fail in one run, a run that fails twice and then succeeds."""

from datetime import datetime

from airflow.sdk import DAG, Variable, task

from airflow_cloudact_notify import on_failure, on_success
from airflow_cloudact_notify.maintenance import build_maintenance_dag

with DAG(
    "load_mapped",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow takes it as UTC
    params={"tasks": 500},
    default_args={"on_failure_callback": on_failure},
    max_active_tasks=16,
):

    @task
    def numbers(params: dict | None = None) -> list[int]:
        return list(range((params or {})["tasks"]))

    @task
    def fail(number: int) -> None:
        raise ValueError(f"part {number} is broken")

    fail.expand(number=numbers())

with DAG(
    "load_recovering",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001
    on_success_callback=on_success,
    default_args={"on_failure_callback": on_failure},
):

    @task
    def work() -> None:
        if Variable.get("load_broken", default="yes") == "yes":
            raise ValueError("the source is empty")

    work()


def say_that_it_is_warm(context: dict) -> None:
    """Look at a Variable in the DAG processor: its first look starts an API server of its own."""
    Variable.set("load_is_warm", "yes")


with DAG(
    "load_warm_up",
    schedule=None,
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001
    on_success_callback=say_that_it_is_warm,
):
    task(task_id="work")(lambda: None)()

maintenance = build_maintenance_dag("load_maintenance", schedule=None)
