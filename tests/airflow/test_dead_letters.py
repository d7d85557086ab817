"""What a callback could not deliver is kept in Variables, and delivered by the maintenance DAG."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_cloudact_notify import maintenance, on_failure
from airflow_cloudact_notify.bridge import runs
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.maintenance import build_maintenance_dag

START = datetime(2026, 1, 1, tzinfo=UTC)


def failing_dag(dag_id: str) -> DAG:
    with DAG(dag_id, start_date=START, schedule=None, params={"tenant_id": "acme"}) as dag:

        @task(on_failure_callback=on_failure)
        def load() -> None:
            raise ValueError("no rows; password=hunter2")

        load()
    return dag


def rows(kind: str) -> list[str]:
    return VariableStateStore().keys(f"cloudact_notify:{kind}:")


@pytest.fixture
def told_to_slack(configs: Any, slack: Any) -> None:
    configs(
        "acme",
        slack={"enabled": True, "webhook_url": slack.url},
        default_provider="slack",
        retry_config={"max_attempts": 1},
    )


@pytest.mark.usefixtures("told_to_slack")
def test_the_maintenance_dag_delivers_what_a_callback_could_not(slack, run_dag):
    slack.answer(503)
    run_dag(failing_dag("unheard"))
    [letter] = rows("letter")
    assert "hunter2" not in str(VariableStateStore().get(letter))
    slack.payloads.clear()

    run = run_dag(build_maintenance_dag("maintains"))

    assert str(run.state) == "success"
    [payload] = slack.payloads
    assert "unheard.load failed" in payload["text"]
    assert "Sent late" in str(payload)
    assert rows("letter") == []
    assert run.get_task_instance("maintain").xcom_pull(task_ids="maintain")["replayed"] == 1


@pytest.mark.usefixtures("told_to_slack")
def test_the_root_hears_of_an_unhealthy_destination(configs, slack, smtp, run_dag):
    email = {"enabled": True, "smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_use_tls": False}
    configs(None, email=email | {"from_email": "a@example.com", "to_emails": ["root@example.com"]})
    for name in "abc":
        slack.answer(404, "no_service")
        run_dag(failing_dag(f"refused_{name}"))
    run_dag(failing_dag("left_alone"))
    assert len(slack.payloads) == 3

    for _ in range(2):
        run_dag(build_maintenance_dag("maintains"))

    assert [mail.mail["Subject"] for mail in smtp.messages] == ["[ERROR] Slack of tenant acme does not work"]
    assert len(rows("letter")) == 4


def test_a_maintenance_that_hangs_is_ended(run_dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(maintenance, "LONGEST", timedelta(seconds=1))
    monkeypatch.setattr(runs, "maintain_now", lambda _: is_over.wait(30) or {})

    run = run_dag(maintenance.build_maintenance_dag("hangs"))

    assert str(run.state) == "failed"
