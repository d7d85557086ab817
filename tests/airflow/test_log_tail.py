"""The last lines of a task's log: read where they are, masked, bounded, and only when somebody asks for them."""

from __future__ import annotations

import json
import logging
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import conf
from airflow.sdk import DAG, task

from airflow_cloudact_notify import CloudActNotifier, on_failure
from airflow_cloudact_notify.bridge.log_tail import MAX_BYTES, MAX_LINE, WINDOW, log_tail
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.core.providers.slack import SlackConfig, SlackNotificationProvider
from airflow_cloudact_notify.testing import SmtpInbox, make_message
from demo.standalone import StandaloneAirflow

TI = SimpleNamespace(dag_id="sales", run_id="r1", task_id="load", map_index=-1, try_number=2)


def log_file(ti: Any) -> Path:
    folder = Path(conf.get("logging", "base_log_folder"))
    file = folder / f"dag_id={ti.dag_id}/run_id={ti.run_id}/task_id={ti.task_id}/attempt={ti.try_number}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def entry(event: str, level: str = "info") -> str:
    return json.dumps(
        {"timestamp": "2026-11-23T17:02:15.655Z", "level": level, "event": event, "logger": "x"}
    )


def written(*lines: str, ti: Any = TI) -> None:
    log_file(ti).write_text("".join(f"{line}\n" for line in lines))


def tail(lines: int = 5) -> str:
    return log_tail(TI, lines)


def test_each_line_has_its_time_and_a_level_that_is_worth_it():
    written(
        entry("rows: 3"),
        entry("slow", "warning"),
        entry("::group::Post Execute"),
        "not JSON",
        "[1]",
        '{"a": 1}',
    )
    assert tail() == '17:02:15 rows: 3\n17:02:15 WARNING slow\nnot JSON\n[1]\n{"a": 1}'


def test_no_more_lines_are_told_than_were_asked_for():
    written(*(entry(f"line {number}") for number in range(9)), entry("two\nlines"))
    assert tail(3) == "17:02:15 line 8\n17:02:15 two\nlines"


def test_lines_are_bounded_in_number_of_bytes_and_the_last_ones_count():
    written(*(entry(f"{number} {'ü' * 100}") for number in range(50)))
    said = tail(50)
    assert len(said.encode()) <= MAX_BYTES + len("… (cut)\n".encode())
    assert said.startswith("… (cut)\n17:02:15 ")
    assert said.splitlines()[-1] == f"17:02:15 49 {'ü' * 100}"


def test_a_long_line_is_cut():
    written(entry("x" * 10_000))
    assert tail() == ("17:02:15 " + "x" * MAX_LINE)[:MAX_LINE] + "… (cut)"


def test_of_a_huge_log_the_end_is_read_from_the_beginning_of_a_line():
    written(entry("y" * WINDOW), *(entry("z" * 100) for _ in range(WINDOW // 100)), entry("the end"))
    said = tail(50).splitlines()
    assert said[-1] == "17:02:15 the end"
    assert set(said[1:-1]) == {"17:02:15 " + "z" * 100}


def test_secrets_are_masked_also_one_that_began_before_the_lines_that_are_told():
    written(
        entry("password=hunter2 for postgres://etl:hunter2@db/sales"),
        entry("-----BEGIN RSA PRIVATE KEY-----"),
        *(entry(f"hunter2{number}") for number in range(20)),
        entry("-----END RSA PRIVATE KEY-----"),
        entry("token: hunter2"),
    )
    assert "hunter2" not in tail(4)
    assert "hunter2" not in tail(50)
    assert "token: ***" in tail(1)


def no_file() -> None:
    log_file(TI).unlink(missing_ok=True)


def test_what_is_not_on_this_machine_is_not_told_and_that_is_said(caplog):
    no_file()
    caplog.set_level(logging.DEBUG, "airflow_cloudact_notify")
    assert tail() == ""
    assert log_tail(SimpleNamespace(), 5) == ""
    assert log_tail(None, 5) == ""
    assert caplog.text.count("No lines of the task's log are told: it cannot be read here: ") == 3


# --- in messages


def test_a_long_traceback_does_not_push_the_lines_out_of_any_medium():
    lines = "\n".join(f"17:02:15 {number} {'x' * 60}" for number in range(30))[-MAX_BYTES:]
    details = {"error": "ValueError: no rows", "traceback": "t" * 4_000, "log_tail": lines}
    message = make_message(details=details)
    smtp = EmailConfig(smtp_host="mail.example", to_emails=["a@example.com"], from_email="b@example.com")
    slack = SlackConfig(webhook_url="https://hooks.slack.com/services/T0/B0/x")
    mail = EmailNotificationProvider(smtp, ProviderSettings()).render(message).mail
    post = SlackNotificationProvider(slack, ProviderSettings()).render(message)
    for text in (
        mail.get_body(("plain",)).get_content(),
        mail.get_body(("html",)).get_content(),
        json.dumps(post),
    ):
        assert "ValueError: no rows" in text
        assert lines.splitlines()[-1] in text


def failing_dag(dag_id: str, callback: Any = on_failure) -> DAG:
    with DAG(dag_id, start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:

        @task(on_failure_callback=callback)
        def fail() -> None:
            raise ValueError("no rows")

        fail()
    return dag


def failed_in_the_dag_processor(dag: Any, make_run: Any, run_task_callbacks: Any) -> None:
    run_id = make_run(dag)
    ti = SimpleNamespace(dag_id=dag.dag_id, run_id=run_id, task_id="fail", map_index=-1, try_number=0)
    for number in (0, 1):
        written(entry("the last words"), ti=SimpleNamespace(**{**vars(ti), "try_number": number}))
    run_task_callbacks(dag, run_id, "fail")


def test_a_lost_task_is_told_with_its_last_words(tell_all, told, make_run, run_task_callbacks):
    tell_all(log_tail_lines=5)
    failed_in_the_dag_processor(failing_dag("tail_lost"), make_run, run_task_callbacks)
    (mail,) = told()
    assert "17:02:15 the last words" in mail.text


def test_nothing_of_a_log_is_told_unless_the_file_asks_for_it(tell_all, told, make_run, run_task_callbacks):
    tell_all()
    failed_in_the_dag_processor(failing_dag("tail_off"), make_run, run_task_callbacks)
    (mail,) = told()
    assert "the last words" not in mail.text


def test_only_a_failed_try_of_a_task_comes_with_lines(tell_all, told, make_run, run_dag_callbacks):
    tell_all(log_tail_lines=5)
    dag = failing_dag("tail_run")
    dag.on_failure_callback = CloudActNotifier()
    run_id = make_run(dag)
    written(
        entry("the last words"), ti=SimpleNamespace(**{**vars(TI), "dag_id": dag.dag_id, "run_id": run_id})
    )
    run_dag_callbacks(dag, run_id, success=False, reason="task_failure")
    (mail,) = told()
    assert "the last words" not in mail.text


DAG_FILE = """
import logging
import os
import signal
import subprocess
import time

from airflow.sdk import DAG, task

from airflow_cloudact_notify import on_failure, on_retry

with DAG("talks", schedule=None):

    @task(on_failure_callback=on_failure)
    def fails(x):
        print("said by print", x)
        logging.getLogger("mine").warning("said by logging, password=hunter2")
        subprocess.run(["echo", "said by a subprocess"], check=True)
        raise ValueError("no rows")

    @task(retries=1, on_retry_callback=on_retry)
    def killed():
        print("said before the kill")
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)

    fails.expand(x=[7])
    killed()
"""


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Let one task fail and another be killed, and return what is mailed of each by what its subject says."""
    folder = tmp_path_factory.mktemp("log_tail")
    (folder / "dags").mkdir()
    (folder / "dags" / "talks.py").write_text(textwrap.dedent(DAG_FILE))
    with SmtpInbox() as inbox:
        file = folder / "configs/notifications/config.json"
        file.parent.mkdir(parents=True)
        section = {"enabled": True, "smtp_host": inbox.host, "smtp_port": inbox.port, "smtp_use_tls": False}
        section |= {"from_email": "airflow@example.com", "to_emails": ["team@example.com"]}
        file.write_text(json.dumps({"email": section, "log_tail_lines": 20}))
        env = {
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(folder / "configs"),
            # Nothing is measured here, and machines that run tests are busy.
            "AIRFLOW__CLOUDACT_NOTIFY__CALLBACK_BUDGET_SECONDS": "18",
        }
        with StandaloneAirflow(folder / "home", folder / "dags", env) as airflow:
            airflow.wait_for_dag("talks")
            airflow.trigger("talks", "run", {})
            airflow.wait_for("both mails", lambda: len(inbox.messages) >= 2, 90)
        return {
            "killed" if "killed" in m.mail["Subject"] else "fails": m.mail.get_body(("plain",)).get_content()
            for m in inbox.messages
        }


@pytest.mark.standalone
def test_on_a_real_airflow_a_failed_task_is_told_with_what_it_said(mails):
    assert "said by print 7" in mails["fails"]
    assert "WARNING said by logging, password=***" in mails["fails"]
    assert "said by a subprocess" in mails["fails"]
    assert "hunter2" not in mails["fails"]


@pytest.mark.standalone
def test_on_a_real_airflow_a_killed_task_is_told_with_what_it_said_and_how_it_ended(mails):
    assert "said before the kill" in mails["killed"]
    assert "Process terminated by signal" in mails["killed"]
