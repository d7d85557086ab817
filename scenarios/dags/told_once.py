"""Failures that several callbacks could tell of."""

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure, on_retry, on_success
from scenarios.probe import watched

CALLBACKS = {
    "on_retry_callback": watched("task on_retry", on_retry),
    "on_failure_callback": watched("task on_failure", on_failure),
}
ON_DAG = {
    "on_success_callback": watched("DAG on_success", on_success),
    "on_failure_callback": watched("DAG on_failure", on_failure),
}

with DAG("task_and_dag", tags=["tenant:acme"], default_args=CALLBACKS, **ON_DAG):

    @task
    def load():
        """Fail as loads do."""
        raise ConnectionError("the warehouse refused the connection")

    load()

with DAG("second_try_succeeds", tags=["tenant:acme"], default_args=CALLBACKS, **ON_DAG):

    @task(retries=1, retry_delay=timedelta(seconds=1))
    def load_again(ti=None):
        """Fail the first time."""
        if ti.try_number == 1:
            raise ConnectionError("the warehouse refused the connection")

    load_again()


@task
def load_region(region):
    """Fail for every region."""
    raise ConnectionError(f"the source of {region} refused the connection")


for dag_id, tenant, at_once in (("mapped", "beta", 1), ("mapped_at_once", "acme", 3)):
    with DAG(dag_id, tags=[f"tenant:{tenant}"], default_args=CALLBACKS, **ON_DAG):
        limited = load_region.override(max_active_tis_per_dagrun=at_once)
        limited.expand(region=["eu", "us", "asia"])
