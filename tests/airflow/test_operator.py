"""``NotifyOperator`` and ``NotificationHook`` in a task."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseHook, task

from airflow_cloudact_notify import NotificationHook, NotifyOperator
from tests.support import headline

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
    assert headline(mail) == "operator is late"
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
    assert [headline(m) for m in smtp.messages] == ["12 rows without a key"]


@pytest.mark.parametrize(
    ("enabled", "delivered"), [pytest.param("True", 1, id="on"), pytest.param("False", 0, id="off")]
)
def test_the_global_switch_turns_everything_off(configs, smtp, run_dag, monkeypatch, enabled, delivered):
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ENABLED", enabled)
    configs("acme", email=email(smtp, "data@acme.example"))

    run_dag(operator_dag(f"switch_{enabled}", event="pipeline_warning"))

    assert len(smtp.messages) == delivered


# --- tries


def two_destinations(configs: Any, smtp: Any, slack: Any, **more: Any) -> None:
    trigger = {"event": "pipeline_warning", "providers": ["both"]}
    slack_section = {"enabled": True, "webhook_url": slack.url}
    document = {"email": email(smtp, "a@acme.example"), "slack": slack_section, "event_triggers": [trigger]}
    configs("acme", **{**document, "retry_config": {"max_attempts": 1}, **more})


def rows(kind: str) -> list[str]:
    from airflow_cloudact_notify.bridge.variables import VariableStateStore

    return VariableStateStore().keys(f"cloudact_notify:{kind}:")


def tried(dag_id: str, retries: int, **arguments: Any) -> DAG:
    return operator_dag(
        dag_id, event="pipeline_warning", title="late", retries=retries, retry_delay=timedelta(0), **arguments
    )


def test_a_retry_tells_only_those_who_missed_it(configs, smtp, slack, run_dag):
    two_destinations(configs, smtp, slack)
    slack.answer(503)

    run = run_dag(tried("tried_again", 2))

    assert str(run.state) == "success"
    assert len(smtp.messages) == 1
    assert len(slack.payloads) == 2
    report = xcom_of(run, "tell")
    assert report["delivered"] is True
    assert list(report["destinations"]) == ["slack"]
    assert rows("letter") + rows("try") == []


def test_a_retry_after_nobody_took_it_tells_all(configs, smtp, slack, run_dag):
    two_destinations(configs, smtp, slack)
    slack.answer(503)
    smtp.answer("451 later")

    run = run_dag(tried("none_took_it", 1))

    assert str(run.state) == "success"
    assert sorted(xcom_of(run, "tell")["destinations"]) == ["email", "slack"]
    assert rows("letter") + rows("try") == []


def test_only_the_last_try_writes_a_dead_letter(configs, smtp, slack, run_dag, monkeypatch):
    seen: list[list[str]] = []
    execute = NotifyOperator.execute

    def watched(self: Any, context: Any) -> Any:
        seen.append(rows("letter"))
        return execute(self, context)

    monkeypatch.setattr(NotifyOperator, "execute", watched)
    two_destinations(configs, smtp, slack)
    slack.answer(503).answer(503).answer(503)

    run = run_dag(tried("in_vain", 2))

    assert str(run.state) == "failed"
    assert seen == [[], [], []]
    assert len(rows("letter")) == 1
    assert rows("try") == []
    assert len(smtp.messages) == 1
    assert len(slack.payloads) == 3


def test_a_task_that_may_fail_to_deliver_has_one_try(configs, smtp, slack, run_dag):
    two_destinations(configs, smtp, slack)
    slack.answer(503)

    run = run_dag(tried("lenient", 2, fail_on_error=False))

    assert str(run.state) == "success"
    assert rows("letter") == [xcom_of(run, "tell")["dead_letter"]]


def test_what_a_fall_back_took_is_delivered(configs, smtp, slack, run_dag):
    trigger = {"event": "pipeline_warning", "providers": ["slack"], "fallback_providers": ["email"]}
    two_destinations(configs, smtp, slack, event_triggers=[trigger])
    slack.answer(503)

    run = run_dag(tried("by_fall_back", 0))

    assert str(run.state) == "success"
    assert xcom_of(run, "tell")["destinations"]["email"]["in_place_of"] == ["slack"]


def test_a_cleared_task_tells_anew(configs, smtp, slack, run_dag):
    two_destinations(configs, smtp, slack)
    dag = tried("cleared_step", 1)
    run = run_dag(dag)
    assert len(smtp.messages) == 1

    again = clear_and_run(dag, run)

    assert len(smtp.messages) == 2, "within the cooldown of the first"
    assert again["delivered"] is True


def test_another_run_within_the_cooldown_is_held_back_and_a_success(configs, smtp, slack, run_dag):
    two_destinations(configs, smtp, slack)
    run_dag(tried("one_run", 1))
    dag = tried("one_run", 1)

    second = run_dag(dag)

    assert str(second.state) == "success"
    assert xcom_of(second, "tell")["suppressed"] == "cooldown"
    assert len(smtp.messages) == 1


def clear_and_run(dag: DAG, run: Any) -> Any:
    """Clear the run's tasks as the web interface does, and run them again."""
    from airflow.models.taskinstance import TaskInstance, clear_task_instances
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(run_id=run.run_id, task_id="tell").one()
        tries = ti.try_number, ti.max_tries
        clear_task_instances([ti], session)
        assert (ti.max_tries, ti.state) == (tries[0] + 1, None), "Airflow adds the tries that are over"
        ti.state = TaskInstanceState.SCHEDULED
        ti.try_number += 1
        session.flush()
        session.expunge_all()
    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(run_id=run.run_id, task_id="tell").one()
        done = _run_task(ti=ti, task=dag.task_dict["tell"], run_triggerer=True)
    assert done is not None
    return xcom_of(run, "tell")


def test_the_password_of_a_connection_that_the_task_read_reaches_nobody(
    configs, smtp, run_dag, add_connection
):
    password = "opaque-0123456789"
    configs("acme", email=email(smtp, "data@acme.example"))
    add_connection("warehouse", conn_type="generic", host="db", login="etl", password=password)
    words = "{{ conn.warehouse.password }} was refused"
    with operator_dag(
        "secret",
        event="pipeline_warning",
        title=words,
        message=words,
        details={"a": {"b": {"c": {"d": [words]}}}, "error": RuntimeError(password)},
    ) as dag:

        @task
        def tell() -> None:
            connection = BaseHook.get_connection("warehouse")
            words = f"{connection.password} was refused"
            details = {"said": words, "error": RuntimeError(words)}
            NotificationHook().notify(
                "system_error", tenant_id="acme", title=words, message=words, details=details
            )

        tell()

    run_dag(dag)

    assert [headline(mail) for mail in smtp.messages] == ["*** was refused"] * 2
    assert password not in str([mail.mail.as_string() for mail in smtp.messages])


def test_what_is_no_text_is_told_as_one(configs, smtp, run_dag):
    configs("42", email=email(smtp, "data@acme.example"))
    with DAG("native", start_date=START, schedule=None, render_template_as_native_obj=True) as dag:

        @task
        def late_rows() -> int:
            return 42

        NotifyOperator(
            task_id="tell",
            event="pipeline_warning",
            tenant_id="{{ 42 }}",
            severity="{{ none }}",
            title=late_rows(),
            message="{{ {'late': 42} }}",
        )

    assert str(run_dag(dag).state) == "success"

    assert [headline(mail) for mail in smtp.messages] == ["42"]
    assert "{'late': 42}" in smtp.messages[0].mail.get_body(("plain",)).get_content()


def test_a_dedup_key_gives_each_step_a_cooldown_of_its_own(configs, smtp, run_dag):
    configs("acme", email=email(smtp, "data@acme.example"))
    with operator_dag("keys", event="data_quality_warning", title="first") as dag:
        NotifyOperator(task_id="same", event="data_quality_warning", title="held back")
        NotifyOperator.partial(
            task_id="each", event="data_quality_warning", title="of {{ task.dedup_key }}"
        ).expand(dedup_key=["orders", "customers"])
        dag.get_task("tell") >> [dag.get_task("same"), dag.get_task("each")]

    run_dag(dag)

    assert sorted(headline(mail) for mail in smtp.messages) == ["first", "of customers", "of orders"]
