"""``build_maintenance_dag()``: the DAG that does what nobody's callback does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_cloudact_notify.bridge.wish import DEFAULT_CONN_ID

__all__ = ["build_maintenance_dag"]

LONGEST = timedelta(hours=1)
"""After this a run is ended, which is safe at any moment: one that hangs would keep all later ones waiting."""


def build_maintenance_dag(
    dag_id: str = "cloudact_notify_maintenance",
    *,
    schedule: Any = timedelta(minutes=5),
    cloudact_notify_conn_id: str = DEFAULT_CONN_ID,
    **kwargs: Any,
) -> DAG:
    """Return a DAG that delivers dead letters, sends digests, tells what killed processes told, and deletes old rows.

    .. code-block:: python

        from airflow_cloudact_notify.maintenance import build_maintenance_dag

        dag = build_maintenance_dag()

    :param schedule: how often; every five minutes when left out.
    :param cloudact_notify_conn_id: the connection that supplies root settings.
    :param kwargs: further arguments of ``DAG``.
    """
    defaults: dict[str, Any] = {
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        # What attaches callbacks to every DAG leaves this one alone.
        "tags": ["cloudact_notify:off"],
        "doc_md": build_maintenance_dag.__doc__,
    }
    with DAG(dag_id, schedule=schedule, **(defaults | kwargs)) as dag:

        @task(task_id="maintain", execution_timeout=LONGEST)
        def maintain() -> dict[str, int]:
            from airflow_cloudact_notify.bridge.runs import maintain_now

            return maintain_now(cloudact_notify_conn_id)

        maintain()
    return dag
