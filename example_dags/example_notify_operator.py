"""A notification as a step of the DAG: when the news is the result of the work, not its success or failure."""

from airflow.sdk import DAG, task

from airflow_cloudact_notify import NotifyOperator

with DAG("example_notify_operator", schedule=None, params={"tenant_id": "acme_corp"}):

    @task
    def count_late_rows() -> int:
        """Stand in for a query."""
        return 42

    # Without tenant_id the operator finds the tenant as callbacks do: here it is the DAG's param. Its report, who was
    # told and if not why not, goes to XCom.
    NotifyOperator(
        task_id="tell_about_late_rows",
        event="data_quality_warning",
        title="{{ ti.xcom_pull(task_ids='count_late_rows') }} late rows in raw_orders",
        message="The load is complete, but these rows arrived after the cut-off.",
        # A task's output among the details makes that task come first.
        details={"table": "raw_orders", "late_rows": count_late_rows()},
        # A mail server that is down must not fail this DAG; left out, it would.
        fail_on_error=False,
    )
