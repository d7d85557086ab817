"""Which run ends an outage whose end no callback told, as maintenance finds it: in a task, and on the command line."""

from __future__ import annotations

import contextlib
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from airflow_cloudact_notify.bridge import runs
from airflow_cloudact_notify.bridge.runs import latest_success
from airflow_cloudact_notify.core.state.outages import Outage
from tests.airflow.conftest import register

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(hour: int) -> datetime:
    return NOON + timedelta(hours=hour)


@pytest.fixture(params=["in a task", "on the command line"])
def found(request, supervised):
    """Return a function that returns the run that ends an outage."""

    def find(outage: Outage) -> datetime | None:
        within = supervised() if request.param == "in a task" else contextlib.nullcontext()
        with within:
            return latest_success(outage)

    return find


@pytest.fixture
def succeeded():
    """Return a function that puts successful runs of a new DAG into the database, and returns the DAG's id.

    Each is the hours of its logical date and of its end, and its ``conf``.
    """
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    def add(*runs: tuple[int, int, dict | None]) -> str:
        with DAG(f"runs_{uuid.uuid4().hex}", schedule=None) as dag:
            pass
        register(dag)
        with create_session() as session:
            for date, end, conf in runs:
                run = DagRun(
                    dag_id=dag.dag_id,
                    run_id=f"run_{date}",
                    logical_date=at(date),
                    run_after=at(date),
                    run_type=DagRunType.MANUAL,
                    triggered_by=DagRunTriggeredByType.TEST,
                    state="success",
                    conf=conf,
                )
                run.end_date = at(end)
                session.add(run)
        return dag.dag_id

    return add


def outage(dag_id: str, run: int, failed: int, tenant_id: str | None = None) -> Outage:
    return Outage(
        tenant_id,
        dag_id,
        None,
        since=at(failed).timestamp(),
        last_run_at=at(run).timestamp(),
        failed_at=at(failed).timestamp(),
    )


def test_the_newest_success_ends_an_outage_unless_its_run_is_older_than_the_one_that_failed(succeeded, found):
    dag_id = succeeded((1, 2, None), (3, 9, None))
    assert found(outage(dag_id, run=3, failed=4)) == at(3)
    assert found(outage(dag_id, run=5, failed=6)) is None
    assert found(outage("no such pipeline / at all", run=1, failed=1)) is None


def test_the_failure_of_a_backfill_is_not_ended_by_what_had_succeeded_before(succeeded, found):
    dag_id = succeeded((3, 12, None), (20, 21, None))
    assert found(outage(dag_id, run=3, failed=30)) is None
    assert found(outage(dag_id, run=3, failed=11)) == at(20)
    dag_id = succeeded((3, 31, None), (20, 21, None))
    assert found(outage(dag_id, run=3, failed=30)) == at(3)


def test_the_run_of_another_tenant_ends_nothing(succeeded, found):
    dag_id = succeeded((5, 6, {"tenant_id": "acme"}), (7, 8, {"tenant_id": "beta"}), (9, 10, {}))
    assert found(outage(dag_id, run=3, failed=4, tenant_id="beta")) == at(9)
    dag_id = succeeded((5, 6, {"tenant_id": "acme"}), (7, 8, {"tenant_id": "beta"}))
    assert found(outage(dag_id, run=3, failed=4, tenant_id="acme")) == at(5)
    assert found(outage(dag_id, run=3, failed=4, tenant_id="gamma")) is None


def test_a_pipeline_of_which_nothing_is_known_keeps_no_other_from_recovering(monkeypatch, caplog):
    def refuse(dag_id, moment):
        raise ConnectionError("postgresql://bob:hunter2@db is down")

    monkeypatch.setattr(runs, "_success_before", refuse)
    assert latest_success(outage("sales", run=1, failed=2)) is None
    assert "Whether sales has recovered is not known" in caplog.text
    assert "hunter2" not in caplog.text
