"""Callbacks on single tasks and on the DAG, and the ways of saying which tenant they are about.

The tenant is the notifier's argument, else ``tenant_id`` of the run's conf, else the DAG's param ``tenant_id``, else
its tag ``tenant:<id>``, and so on: docs/callbacks.md has the whole list. With none, the root's settings apply.
"""

from airflow.sdk import DAG, Param, task

from airflow_cloudact_notify import CloudActNotifier, on_execute, on_failure, on_skipped, on_success

with DAG(
    "example_task_and_dag_callbacks",
    schedule=None,
    # Triggered with {"tenant_id": "beta_customer"}, the same DAG runs for another tenant and tells that one.
    params={"tenant_id": Param("acme_corp", type="string")},
    # Airflow calls a DAG for its success and its failure only. Unlike a task's, this callback also hears of tasks
    # that were killed for lack of memory and of runs that timed out; of a failure that a task has told of, it says
    # nothing.
    on_success_callback=on_success,
    on_failure_callback=on_failure,
):

    @task(on_execute_callback=on_execute, on_skipped_callback=on_skipped)
    def import_orders() -> int:
        """Stand in for an import; its start is told, and also when it skips itself."""
        return 128

    @task(
        on_failure_callback=[
            # The tenant of the run hears it as always …
            on_failure,
            # … and the platform's own people too, in words of their own. Templates see Airflow's context.
            CloudActNotifier(
                tenant_id="internal_test",
                event="system_error",
                title="{{ ti.dag_id }}: the invoices could not be booked",
                message="Booking cannot be repeated before somebody has looked at it.",
                details={"run": "{{ run_id }}"},
            ),
        ]
    )
    def book_invoices(orders: int) -> None:
        """Stand in for a step whose failure concerns more than its tenant."""
        if not orders:
            raise ValueError("there is nothing to book")

    book_invoices(import_orders())
