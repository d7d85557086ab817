"""Every task of a DAG tells its tenant, by two lines in ``default_args``.

Whom that reaches, and where, is up to ``configs/acme_corp/notifications.json``; a tenant without a file is served by
``configs/notifications/config.json``. The DAG never changes when the recipients do.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure, on_retry

with DAG(
    "example_default_args_callbacks",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # The tenant: callbacks without an argument of their own look here.
    tags=["tenant:acme_corp"],
    default_args={
        "retries": 1,
        "retry_delay": timedelta(minutes=1),
        # A retry is a warning, the end of all retries an error. One instance serves any number of tasks and DAGs.
        "on_retry_callback": on_retry,
        "on_failure_callback": on_failure,
    },
):

    @task
    def extract() -> list[int]:
        """Stand in for reading from a source."""
        return [1, 2, 3]

    @task
    def load(rows: list[int]) -> int:
        """Stand in for writing to a warehouse."""
        return len(rows)

    load(extract())
