"""A data-quality check that tells which checks a table has failed, then fails its task."""

from airflow.sdk import DAG, get_current_context, task

from airflow_cloudact_notify import NotificationHook

ROWS = [{"id": 1, "email": "ada@example.com"}, {"id": 2, "email": None}, {"id": 2, "email": "bo@example.com"}]


def failed_checks(rows: list[dict]) -> list[str]:
    """Return the names of the checks that the rows do not pass."""
    ids = [row["id"] for row in rows]
    checks = {
        "null_check": all(row["email"] for row in rows),
        "unique_check": len(set(ids)) == len(ids),
    }
    return [name for name, passed in checks.items() if not passed]


with DAG("example_data_quality", schedule=None, params={"tenant_id": "acme_corp"}):

    @task
    def check_customers() -> None:
        """Tell the tenant, then fail: what follows must not work on these rows."""
        failed = failed_checks(ROWS)
        if not failed:
            return
        context = get_current_context()
        table = "raw_customer_data"
        NotificationHook().notify(
            "data_quality_failure",
            tenant_id=context["params"]["tenant_id"],
            title=f"{len(failed)} checks failed on {table}",
            details={"table": table, "failed_checks": failed, "rows": len(ROWS)},
            pipeline_id=context["dag"].dag_id,
            pipeline_logging_id=context["run_id"],
            # Repeats are held back by table, so that another table's failure is still told.
            dedup_key=table,
        )
        raise ValueError(f"{table} failed {', '.join(failed)}")

    check_customers()
