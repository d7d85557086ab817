"""A run that is not done in time is told of while it is still running.

Airflow makes the notifier itself, when the deadline has passed, in a process that does not know the DAG: it is
given the notifier's class and its arguments. These are stored in Airflow's database, so they hold no secrets and no
functions; templates see ``dag_run`` and ``deadline``. The DAG's tags and params are not known there: the tenant is
named here, or in the run's conf.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, task

from airflow_cloudact_notify import CloudActNotifier

with DAG(
    "example_deadline_alert",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=2),
        # AsyncCallback runs in the triggerer, where cooldowns and connections work as everywhere. SyncCallback runs on
        # the executor, without cooldowns, and knows only connections of environment variables.
        callback=AsyncCallback(
            CloudActNotifier,
            kwargs={
                "tenant_id": "acme_corp",
                "message": "{{ dag_run.dag_run_id }} should have been done by {{ deadline.deadline_time }}.",
            },
        ),
    ),
):

    @task
    def book_invoices() -> None:
        """Stand in for something that sometimes takes too long."""

    book_invoices()
