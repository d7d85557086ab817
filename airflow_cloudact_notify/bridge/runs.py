"""What maintenance asks Airflow of a pipeline's runs."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from datetime import UTC, datetime

from airflow_cloudact_notify.bridge.process import is_supervised
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.core.maintenance import maintain

log = logging.getLogger(__name__)


def maintain_now(conn_id: str) -> dict[str, int]:
    """Do what maintenance does, once, and return how much there was to do."""
    done = maintain(airflow_service(conn_id), latest_success, time.time())
    log.info("Maintenance: %s", done)
    return asdict(done)


def latest_success(dag_id: str) -> datetime | None:
    """Return the logical date of a DAG's newest successful run, ``None`` when there is none, or nobody answers.

    Airflow finds runs by their logical date only: a run without one ends an outage through its own callback.
    """
    if not is_supervised():
        return _latest_success_in_database(dag_id)
    from airflow.sdk.execution_time.comms import GetPreviousDagRun
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer = SUPERVISOR_COMMS.send(
        GetPreviousDagRun(dag_id=dag_id, logical_date=datetime.now(UTC), state="success")
    )
    run = getattr(answer, "dag_run", None)
    return run.logical_date if run else None


def _latest_success_in_database(dag_id: str) -> datetime | None:
    """Return the same on the command line, where Airflow's models reach the database."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    query = select(func.max(DagRun.logical_date)).where(
        DagRun.dag_id == dag_id, DagRun.state == "success", DagRun.logical_date <= datetime.now(UTC)
    )
    with create_session() as session:
        newest: datetime | None = session.scalar(query)
    return newest
