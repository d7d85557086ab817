"""Callbacks of tasks and DAGs, through Airflow's own code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

from airflow_cloudact_notify import CloudActNotifier, on_failure, on_retry, on_skipped, on_success
from tests.support import headline

ROOT_MAILBOX = "root@example.com"


def email(inbox: Any, *to: str) -> dict[str, Any]:
    return {
        "enabled": True,
        "smtp_host": inbox.host,
        "smtp_port": inbox.port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": list(to),
    }


def failing_dag(dag_id: str, **dag_arguments: Any) -> DAG:
    with DAG(dag_id, start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, **dag_arguments) as dag:

        @task
        def fail() -> None:
            raise ValueError("no rows in postgres://etl:hunter2@db/warehouse")

        fail()
    return dag


def recipients(inbox: Any) -> list[str]:
    return [who for message in inbox.messages for who in message.recipients]


def test_a_failing_task_tells_its_tenant_by_mail_and_slack(configs, smtp, slack, run_dag):
    configs(
        "acme",
        email=email(smtp, "data@acme.example"),
        slack={"enabled": True, "webhook_url": slack.url},
        default_provider="both",
    )
    dag = failing_dag("acme_ingest", tags=["tenant:acme"], default_args={"on_failure_callback": on_failure})

    run = run_dag(dag)

    assert str(run.state) == "failed"
    (mail,) = smtp.messages
    assert mail.recipients == ("data@acme.example",)
    assert headline(mail) == "Task acme_ingest.fail failed"
    text = mail.mail.get_body(("plain",)).get_content()
    assert "ValueError: no rows in postgres://etl:***@db/warehouse" in text
    assert "Try: 1 of 1" in text
    assert "http://airflow.example:8080/dags/acme_ingest" in text
    (payload,) = slack.payloads
    assert "Task acme_ingest.fail failed" in payload["text"]
    assert "hunter2" not in json.dumps(payload)


def test_a_traceback_begins_with_the_tasks_own_code_or_its_operators(configs, smtp, run_dag):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag("own_code", default_args={"on_failure_callback": on_failure})
    with DAG("operators_code", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as other:
        BashOperator(task_id="fail", bash_command="exit 1", on_failure_callback=on_failure)

    for failing in (dag, other):
        run_dag(failing)

    first, second = (mail.mail.get_body(("plain",)).get_content() for mail in smtp.messages)
    assert first.count("  File") == 1
    assert "in fail" in first
    assert "cut" not in first
    assert "task_runner" not in second
    assert "in execute" in second


def test_a_notifier_that_is_called_in_the_dag_file_tells_nothing_then_and_is_the_callback(
    configs, smtp, run_dag, caplog
):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag("called", default_args={"on_failure_callback": on_failure()})
    assert smtp.messages == []
    assert "leave out the ()" in caplog.text

    run_dag(dag)

    assert [headline(m) for m in smtp.messages] == ["Task called.fail failed"]


def test_a_repeat_within_the_cooldown_is_held_back_and_the_row_is_a_variable(
    configs, smtp, run_dag, cooldown_keys
):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag("repeating", default_args={"on_failure_callback": on_failure})

    run_dag(dag)
    run_dag(dag)

    assert recipients(smtp) == [ROOT_MAILBOX]
    assert cooldown_keys() == ["cloudact_notify:cooldown:_root:pipeline_failure:repeating"]


def test_a_failed_delivery_starts_no_cooldown_and_leaves_the_task_alone(
    configs, smtp, run_dag, cooldown_keys
):
    unreachable = email(smtp, ROOT_MAILBOX) | {"smtp_port": 1}
    configs(None, email=unreachable, retry_config={"max_attempts": 1})
    dag = failing_dag("undelivered", default_args={"on_failure_callback": on_failure})

    run = run_dag(dag)

    assert str(run.state) == "failed"
    assert cooldown_keys() == []


def test_a_dag_callback_shares_the_cooldown_of_its_tasks(configs, smtp, run_dag, run_dag_callbacks):
    configs("acme", email=email(smtp, "data@acme.example"))
    notifier = CloudActNotifier(tenant_id="acme")
    dag = failing_dag(
        "both_levels", on_failure_callback=notifier, default_args={"on_failure_callback": notifier}
    )

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="fail")

    assert [headline(m) for m in smtp.messages] == ["Task both_levels.fail failed"]


def test_a_dag_callback_alone_tells_of_the_run(configs, smtp, run_dag, run_dag_callbacks):
    configs("acme", email=email(smtp, "data@acme.example"))
    dag = failing_dag("dag_level", on_failure_callback=CloudActNotifier(tenant_id="acme"))

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="fail")

    (mail,) = smtp.messages
    assert headline(mail) == "DAG dag_level failed"
    assert f"Run: {run.run_id}" in mail.mail.get_body(("plain",)).get_content()


def test_a_dag_callback_without_any_task_instance_still_tells(configs, smtp, run_dag, run_dag_callbacks):
    configs("acme", email=email(smtp, "data@acme.example"))
    dag = failing_dag("no_instance", on_failure_callback=CloudActNotifier(tenant_id="acme"))

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=False, reason="timed_out", last_task=None)

    assert [headline(m) for m in smtp.messages] == ["DAG no_instance failed"]


def test_one_notifier_serves_many_runs_without_mixing_them_up(configs, smtp, run_dag):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    shared = CloudActNotifier(title="{{ dag.dag_id }} broke in {{ run_id }}")
    one = failing_dag("one", default_args={"on_failure_callback": shared})
    two = failing_dag("two", default_args={"on_failure_callback": shared})

    first, second = run_dag(one), run_dag(two)

    assert [headline(m) for m in smtp.messages] == [
        f"one broke in {first.run_id}",
        f"two broke in {second.run_id}",
    ]
    assert shared.wish.title == "{{ dag.dag_id }} broke in {{ run_id }}"


@pytest.mark.parametrize(
    ("arguments", "conf", "tenant"),
    [
        pytest.param({"tags": ["tenant:acme"]}, None, "acme", id="tag"),
        pytest.param({"tags": ["tenant:acme"], "params": {"tenant_id": "beta"}}, None, "beta", id="param"),
        pytest.param({"params": {"tenant_id": "beta"}}, {"tenant_id": "acme"}, "acme", id="run-conf"),
        pytest.param({}, None, "root", id="nobody-named"),
    ],
)
def test_the_tenant_is_found_in_its_order(configs, smtp, run_dag, arguments, conf, tenant):
    for name in ("acme", "beta"):
        configs(name, email=email(smtp, f"{name}@example.com"))
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag("tenants", default_args={"on_failure_callback": on_failure}, **arguments)

    run_dag(dag, conf=conf)

    assert recipients(smtp) == [f"{tenant}@example.com"]


def test_a_tenant_id_that_is_no_folder_name_is_told_to_the_root_which_is_told_so(configs, smtp, run_dag):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag("bad_tenant", default_args={"on_failure_callback": CloudActNotifier(tenant_id="../x")})

    run_dag(dag)

    (mail,) = smtp.messages
    assert mail.recipients == (ROOT_MAILBOX,)
    assert "../x" in mail.mail.get_body(("plain",)).get_content()


def test_success_retry_and_skip_tell_what_the_files_ask_for(configs, smtp, run_dag):
    configs(
        None,
        email=email(smtp, ROOT_MAILBOX),
        event_triggers=[
            {"event": "pipeline_success"},
            {"event": "pipeline_warning", "cooldown_seconds": 0},
        ],
    )
    from airflow.sdk.exceptions import AirflowSkipException

    with DAG("lifecycle", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:

        @task(on_success_callback=on_success)
        def succeed() -> None:
            pass

        @task(on_skipped_callback=on_skipped)
        def skip() -> None:
            raise AirflowSkipException("nothing to do")

        @task(on_retry_callback=on_retry, retries=1, retry_delay=0)
        def flaky(ti: Any = None) -> None:
            if ti.try_number == 1:
                raise ValueError("once")

        succeed() >> skip()
        flaky()

    run_dag(dag)

    assert sorted(headline(m) for m in smtp.messages) == [
        "Task lifecycle.flaky failed and will be tried again",
        "Task lifecycle.skip was skipped",
        "Task lifecycle.succeed succeeded",
    ]


def test_success_is_silent_where_no_trigger_asks_for_it(configs, smtp, run_dag, cooldown_keys):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    with DAG("quiet", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:

        @task(on_success_callback=on_success)
        def succeed() -> None:
            pass

        succeed()

    run_dag(dag)

    assert smtp.messages == []
    assert cooldown_keys() == []


def test_a_broken_template_does_not_cost_the_notification(configs, smtp, run_dag):
    configs(None, email=email(smtp, ROOT_MAILBOX))
    dag = failing_dag(
        "broken_template", default_args={"on_failure_callback": CloudActNotifier(title="{{ 1/0 }}")}
    )

    run_dag(dag)

    assert recipients(smtp) == [ROOT_MAILBOX]
