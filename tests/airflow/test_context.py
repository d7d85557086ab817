"""The context reader, over the shapes Airflow's contexts have."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_cloudact_notify.bridge import callbacks
from airflow_cloudact_notify.bridge.context import lifecycle_of, moment_of
from airflow_cloudact_notify.bridge.messages import RunHistory, message_of
from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.tenants import tenant_of
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.enums import Lifecycle


class Raising:
    """A task instance like that of a DAG callback: some of its attributes raise."""

    dag_id, task_id, run_id, map_index, state, max_tries = "d", "t", "r", -1, None, 0

    @property
    def start_date(self) -> Any:
        raise AttributeError("start_date")

    @property
    def log_url(self) -> Any:
        raise RuntimeError("asks a server that is gone")


DEADLINE = {"dag_run": {"dag_id": "d", "dag_run_id": "r", "conf": None}, "deadline": {"id": "1"}}


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({}, id="empty"),
        pytest.param({"reason": "timed_out", "run_id": "r", "dag": SimpleNamespace(dag_id="d")}, id="no-ti"),
        pytest.param({"ti": Raising(), "reason": "task_failure"}, id="attributes-that-raise"),
        pytest.param(DEADLINE, id="dag-run-as-dict"),
        pytest.param({"ti": None, "dag_run": None, "dag": None, "params": None}, id="all-none"),
    ],
)
def test_no_context_is_too_poor_to_be_told_of(context):
    lifecycle = lifecycle_of(context)
    message = message_of(context, moment_of(context, lifecycle), lifecycle, Wish(), None, RunHistory(), {})

    assert message.title
    assert "None" not in message.title + message.message


def test_a_deadline_context_names_its_run():
    moment = moment_of(DEADLINE, Lifecycle.DEADLINE)

    assert (moment.dag_id, moment.run_id, moment.task_id) == ("d", "r", None)


@pytest.mark.parametrize(
    ("context", "lifecycle"),
    [
        pytest.param({"reason": "success"}, Lifecycle.SUCCESS, id="dag-success"),
        pytest.param({"reason": "all_tasks_deadlocked"}, Lifecycle.FAILURE, id="dag-failure"),
        pytest.param({"ti": SimpleNamespace(state="success")}, Lifecycle.SUCCESS, id="success"),
        pytest.param({"ti": SimpleNamespace(state="up_for_retry")}, Lifecycle.RETRY, id="retry"),
        pytest.param({"ti": SimpleNamespace(state="skipped")}, Lifecycle.SKIPPED, id="skipped"),
        pytest.param({"ti": SimpleNamespace(state="failed")}, Lifecycle.FAILURE, id="failure"),
        pytest.param({"ti": SimpleNamespace(state="running")}, Lifecycle.EXECUTE, id="execute"),
        pytest.param(
            {"ti": SimpleNamespace(state="running"), "exception": ValueError()},
            Lifecycle.FAILURE,
            id="raised",
        ),
        pytest.param({}, Lifecycle.FAILURE, id="unknown"),
    ],
)
def test_the_lifecycle_is_read_off_the_context(context, lifecycle):
    assert lifecycle_of(context) is lifecycle


def test_the_argument_comes_before_all_other_places_a_tenant_may_be_named():
    context = {
        "dag_run": SimpleNamespace(conf={"tenant_id": "by-conf"}),
        "params": {"tenant_id": "by-param"},
        "dag": SimpleNamespace(tags={"tenant:by-tag"}, params={}),
    }

    settings = replace(read_settings(), default_tenant="by-default")

    assert tenant_of(context, "by-argument", settings) == "by-argument"
    assert tenant_of(context, None, settings) == "by-conf"
    assert tenant_of({**context, "dag_run": None}, None, settings) == "by-param"
    assert tenant_of({"dag": context["dag"]}, None, settings) == "by-tag"
    assert tenant_of({}, None, settings) == "by-default"
    assert tenant_of({}, None, replace(settings, default_tenant=None)) is None


def test_a_tasks_duration_is_known_when_both_its_ends_are():
    start, end = datetime(2026, 1, 1, 0, 0, 0, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 12, tzinfo=UTC)

    def duration(end_date: datetime | None) -> float | None:
        ti = SimpleNamespace(task_id="t", start_date=start, end_date=end_date)
        return moment_of({"ti": ti}, Lifecycle.SUCCESS).duration_ms

    assert duration(end) == 12_000
    assert duration(None) is None


def test_no_callback_raises_whatever_goes_wrong(monkeypatch):
    def fail(*_args: Any) -> None:
        raise RuntimeError("broken settings")

    monkeypatch.setattr(callbacks, "read_settings", fail)

    assert callbacks.notify({}, Wish()) is None
