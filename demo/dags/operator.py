"""Tells its tenant something in a step of its own."""

from airflow.sdk import DAG

from airflow_cloudact_notify import NotifyOperator

with DAG("demo_operator"):
    NotifyOperator(
        task_id="tell_about_late_rows",
        tenant_id="{{ dag_run.conf['tenant_id'] }}",
        event="data_quality_warning",
        title="Late rows in raw_orders",
        message="The load is complete, but some rows arrived after the cut-off.",
        details={"table": "raw_orders", "late_rows": 42},
    )
