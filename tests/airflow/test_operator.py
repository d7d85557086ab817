"""``NotifyOperator`` and ``NotificationHook`` in a task."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_cloudact_notify import NotificationHook, NotifyOperator

START = datetime(2026, 1, 1, tzinfo=UTC)


def email(inbox: Any, *to: str) -> dict[str, Any]:
    return {
        "enabled": True,
        "smtp_host": inbox.host,
        "smtp_port": inbox.port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": list(to),
    }


def operator_dag(dag_id: str, **arguments: Any) -> DAG:
    with DAG(dag_id, start_date=START, schedule=None, params={"tenant_id": "acme"}) as dag:
        NotifyOperator(task_id="tell", **arguments)
    return dag


def xcom_of(run: Any, task_id: str) -> Any:
    return run.get_task_instance(task_id).xcom_pull(task_ids=task_id)


def test_the_operator_tells_with_its_templates_filled_in_and_leaves_the_report(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "data@acme.example"))
    dag = operator_dag(
        "operator",
        event="pipeline_warning",
        title="{{ dag.dag_id }} is late",
        details={"run": "{{ run_id }}"},
    )

    run = run_dag(dag)

    assert str(run.state) == "success"
    (mail,) = smtp.messages
    assert mail.mail["Subject"] == "operator is late"
    report = xcom_of(run, "tell")
    assert json.loads(json.dumps(report)) == report
    assert report["delivered"] is True
    assert report["tenant_id"] == "acme"
    assert report["pipeline_logging_id"] == run.run_id
    assert report["destinations"]["email"]["attempts"] == 1


def test_a_failed_delivery_fails_the_operators_task(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "a@acme.example") | {"smtp_port": 1}, retry_config={"max_attempts": 1})

    run = run_dag(operator_dag("failing_operator", event="pipeline_warning"))

    assert str(run.state) == "failed"


def test_a_failed_delivery_may_be_tolerated(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "a@acme.example") | {"smtp_port": 1}, retry_config={"max_attempts": 1})

    run = run_dag(operator_dag("tolerant", event="pipeline_warning", fail_on_error=False))

    assert str(run.state) == "success"
    assert xcom_of(run, "tell")["destinations"]["email"]["reason"] == "unreachable"


def test_a_suppressed_notification_is_a_success_that_says_so(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "data@acme.example"))

    run = run_dag(operator_dag("suppressed", event="pipeline_success"))

    assert str(run.state) == "success"
    assert xcom_of(run, "tell")["suppressed"] == "not_routed"


def test_a_bad_tenant_id_fails_the_operators_task(configs, smtp, run_dag):
    configs(None, email=email(smtp, "root@example.com"))

    run = run_dag(operator_dag("bad_tenant_operator", event="pipeline_warning", tenant_id="../x"))

    assert str(run.state) == "failed"
    assert smtp.messages == []


def test_a_budget_bounds_the_operator(configs, smtp, run_dag):
    configs(
        "acme",
        email=email(smtp, "a@acme.example") | {"smtp_port": 1},
        retry_config={"max_attempts": 10, "initial_delay_seconds": 60, "exponential_backoff": False},
    )

    run = run_dag(operator_dag("budgeted", event="pipeline_warning", budget_seconds=1, fail_on_error=False))

    assert xcom_of(run, "tell")["destinations"]["email"]["reason"] == "budget_exhausted"


def test_the_hook_notifies_from_within_a_task(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "data@acme.example"))
    with DAG("hook_in_task", start_date=START, schedule=None) as dag:

        @task
        def check() -> bool:
            report = NotificationHook().notify(
                "data_quality_failure", tenant_id="acme", title="12 rows without a key"
            )
            return report.delivered

        check()

    run = run_dag(dag)

    assert xcom_of(run, "check") is True
    assert [m.mail["Subject"] for m in smtp.messages] == ["12 rows without a key"]


@pytest.mark.parametrize(
    ("enabled", "delivered"), [pytest.param("True", 1, id="on"), pytest.param("False", 0, id="off")]
)
def test_the_global_switch_turns_everything_off(configs, smtp, run_dag, monkeypatch, enabled, delivered):
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ENABLED", enabled)
    configs("acme", email=email(smtp, "data@acme.example"))

    run_dag(operator_dag(f"switch_{enabled}", event="pipeline_warning"))

    assert len(smtp.messages) == delivered
