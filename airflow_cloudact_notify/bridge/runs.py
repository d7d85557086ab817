"""What maintenance asks Airflow of a pipeline's runs."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.bridge.process import is_supervised
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.bridge.wishes import said
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.state.outages import Outage

log = logging.getLogger(__name__)

MAX_RUNS = 50
"""Successful runs of a pipeline that are looked at for each outage."""


def maintain_now(conn_id: str) -> dict[str, int]:
    """Do what maintenance does, once, and return how much there was to do."""
    done = maintain(airflow_service(conn_id), latest_success, time.time())
    log.info("Maintenance: %s", done)
    return asdict(done)


def latest_success(outage: Outage) -> datetime | None:
    """Return the logical date of the newest run whose success may end an outage, ``None`` when none is known.

    Airflow finds runs by their logical date only: a run without one ends an outage through its own callback.
    """
    try:
        return _newest_that_ends(outage)
    except Exception as error:  # noqa: BLE001 - one pipeline's trouble is not that of all maintenance
        log.warning("Whether %s has recovered is not known: %s", outage.pipeline_id, said(error))
        return None


def _newest_that_ends(outage: Outage) -> datetime | None:
    before = datetime.now(UTC)
    for _ in range(MAX_RUNS):
        run = _success_before(outage.pipeline_id or "", before)
        if run is None or run.logical_date.timestamp() < outage.last_run_at:
            return None
        if _may_end(run, outage):
            date: datetime = run.logical_date
            return date
        before = run.logical_date
    return None


def _may_end(run: Any, outage: Outage) -> bool:
    """Whether a run ended after the failure, as a backfill's failure has newer runs before it, for the same tenant."""
    named = (run.conf or {}).get("tenant_id")
    is_later = run.end_date is None or run.end_date.timestamp() >= outage.failed_at
    return is_later and (not named or str(named) == outage.tenant_id)


def _success_before(dag_id: str, moment: datetime) -> Any:
    """Return the newest successful run with a logical date before a moment, ``None`` when there is none."""
    if not is_supervised():
        return _success_in_database(dag_id, moment)
    from airflow.sdk.execution_time.comms import GetPreviousDagRun
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer = SUPERVISOR_COMMS.send(GetPreviousDagRun(dag_id=dag_id, logical_date=moment, state="success"))
    return getattr(answer, "dag_run", None)


def _success_in_database(dag_id: str, moment: datetime) -> Any:
    """Return the same on the command line, where Airflow's models reach the database."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = (
        select(DagRun.logical_date, DagRun.end_date, DagRun.conf)
        .where(DagRun.dag_id == dag_id, DagRun.state == "success", DagRun.logical_date < moment)
        .order_by(DagRun.logical_date.desc())
        .limit(1)
    )
    with create_session() as session:
        return session.execute(query).first()
