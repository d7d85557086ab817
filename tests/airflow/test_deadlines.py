"""Missed deadlines: Airflow's own code makes and calls the notifier, here with a context as Airflow makes it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from airflow.dag_processing.dagbag import DagBag
from airflow.models.callback import Callback
from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from airflow.sdk.execution_time.callback_supervisor import execute_callback
from airflow.sdk.serde import deserialize, serialize
from airflow.triggers.callback import CallbackTrigger

from airflow_cloudact_notify import CloudActNotifier, NotificationSeverity
from airflow_cloudact_notify.bridge import process
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from tests.support import headline

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "example_deadline_alert.py"
PATH = "airflow_cloudact_notify.notifications.notifier.CloudActNotifier"
WITHOUT_VARIABLES = "has no Variables: sent without cooldown"


def missed(run_id: str = "r1", **dag_run: Any) -> dict[str, Any]:
    """Return the context of a missed deadline: plain JSON, as the scheduler stores it."""
    return {
        "dag_run": {
            "dag_id": "slow",
            "dag_run_id": run_id,
            "logical_date": None,
            "start_date": "2026-03-04T05:00:00Z",
            "end_date": None,
            "run_type": "manual",
            "state": "running",
            "conf": {},
            **dag_run,
        },
        "deadline": {"id": "0199a0f4-0000-7000-8000-000000000000", "deadline_time": "2026-03-04T05:06:07Z"},
    }


def mailbox_section(smtp: Any, recipient: str) -> dict[str, Any]:
    return {
        "enabled": True,
        "smtp_host": smtp.host,
        "smtp_port": smtp.port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": [recipient],
    }


@pytest.fixture
def mailbox(configs: Any, smtp: Any) -> Any:
    """Give the tenant acme a mailbox."""
    configs("acme", email=mailbox_section(smtp, "data@acme.example"))
    return smtp


@pytest.fixture
def triggerer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that this process is the triggerer; its Variables are this test's database."""
    monkeypatch.setattr(process, "is_triggerer", lambda: True)


class CountingStore(VariableStateStore):
    """Counts what is asked of it."""

    calls = 0

    def get(self, key: str) -> str | None:
        CountingStore.calls += 1
        return super().get(key)

    def put(self, key: str, value: str) -> None:
        CountingStore.calls += 1
        super().put(key, value)


@pytest.fixture
def state_calls(configs: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[CountingStore]]:
    monkeypatch.setattr("airflow_cloudact_notify.bridge.wiring.VariableStateStore", CountingStore)
    monkeypatch.setattr(CountingStore, "calls", 0)
    return CountingStore


# AsyncCallback, in the triggerer


async def run_trigger(kwargs: dict[str, Any], context: dict[str, Any]) -> list[dict[str, Any]]:
    """Run what the triggerer runs for an AsyncCallback, and return the events it would store."""
    trigger = CallbackTrigger(callback_path=PATH, callback_kwargs={**kwargs, "context": context})
    return [event.payload async for event in trigger.run()]


async def test_airflow_is_told_of_success_and_of_no_value(mailbox, triggerer):
    # A value that is not a text would end the triggerer.
    assert await run_trigger({"tenant_id": "acme"}, missed()) == [
        {"state": "running"},
        {"state": "success", "body": None},
    ]
    assert len(mailbox.messages) == 1


async def test_a_missed_deadline_is_a_warning_as_bad_as_an_error(mailbox, triggerer):
    await run_trigger({"tenant_id": "acme"}, missed())

    [message] = mailbox.messages
    assert headline(message) == "DAG slow missed its deadline"
    text = message.mail.get_body(("plain",)).get_content()
    assert "pipeline_warning" in text
    assert "error" in text.lower()
    assert "Run: r1" in text
    assert "2026-03-04T05:06:07Z" in text
    assert "None" not in text


async def test_the_arguments_are_templates_of_run_and_deadline(mailbox, triggerer):
    kwargs = {
        "tenant_id": "{{ dag_run.conf.customer }}",
        "title": "{{ dag_run.dag_id }} is late",
        "message": "{{ deadline.deadline_time }} is over{{ ti.task_id }}",
    }

    await run_trigger(kwargs, missed(conf={"customer": "acme"}))

    [message] = mailbox.messages
    assert headline(message) == "slow is late"
    assert "2026-03-04T05:06:07Z is over" in message.mail.get_body(("plain",)).get_content()


async def test_the_tenant_may_stand_in_the_runs_conf(mailbox, triggerer):
    await run_trigger({}, missed(conf={"tenant_id": "acme"}))

    assert [m.recipients for m in mailbox.messages] == [("data@acme.example",)]


async def test_a_notifier_for_failures_tells_of_a_deadline_all_the_same(mailbox, triggerer):
    await run_trigger({"tenant_id": "acme", "lifecycle": "failure"}, missed())

    assert [headline(m) for m in mailbox.messages] == ["DAG slow missed its deadline"]


async def test_in_the_triggerer_the_cooldown_holds(mailbox, triggerer, cooldown_keys):
    await run_trigger({"tenant_id": "acme"}, missed("r1"))
    await run_trigger({"tenant_id": "acme"}, missed("r2"))

    assert len(mailbox.messages) == 1
    assert cooldown_keys() == ["cloudact_notify:cooldown:acme:pipeline_warning:slow"]


async def test_a_deadline_that_cannot_be_told_of_is_no_failure_of_the_callback(configs, triggerer, caplog):
    configs("acme", event_triggers="nonsense")

    events = await run_trigger({"tenant_id": "acme"}, missed())

    assert events[-1] == {"state": "success", "body": None}


class SlowSlack(ThreadingHTTPServer):
    """A webhook that answers when it is allowed to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SlowHandler)
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self.payloads: list[dict[str, Any]] = []


class _SlowHandler(BaseHTTPRequestHandler):
    server: SlowSlack

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.set()
        self.server.may_answer.wait(10)
        self.server.payloads.append(json.loads(body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def slow_slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowSlack]:
    with SlowSlack() as server:
        host = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", host)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.may_answer.set()
        server.shutdown()


async def test_the_event_loop_goes_on_while_a_slow_server_takes_its_time(slow_slack, configs, triggerer):
    webhook = f"http://127.0.0.1:{slow_slack.server_port}/services/T0/B0/x"
    configs("acme", slack={"enabled": True, "webhook_url": webhook}, default_provider="slack")

    async def another_trigger() -> str:
        # The server answers only after this has had its turns on the loop, while the server is being waited for.
        while not slow_slack.asked.is_set():
            await asyncio.sleep(0.01)
        for _ in range(10):
            await asyncio.sleep(0.01)
        delivered_by_now = bool(slow_slack.payloads)
        slow_slack.may_answer.set()
        return "too late" if delivered_by_now else "in time"

    async def tell() -> Any:
        return await CloudActNotifier(tenant_id="acme", context=missed())

    told, other = await asyncio.gather(tell(), another_trigger())

    assert told is None
    assert other == "in time"
    assert len(slow_slack.payloads) == 1


@pytest.mark.parametrize(("configured", "given"), [(10, process.TRIGGERER_SECONDS), (60, 60)])
def test_in_the_triggerer_there_is_time_for_airflows_first_look_at_a_variable(triggerer, configured, given):
    with process.allowance(configured) as seconds:
        assert seconds == given


def test_elsewhere_the_option_decides_how_long_it_may_take():
    with process.allowance(3) as seconds:
        assert seconds == 3


# SyncCallback, on the executor


def run_on_executor(kwargs: dict[str, Any], context: dict[str, Any]) -> tuple[bool, str | None]:
    """Run what the executor's process runs for a SyncCallback."""
    return execute_callback(
        PATH, {**kwargs, "context": context}, "slow.py", None, structlog.get_logger("test")
    )


def test_on_the_executor_it_is_sent_without_touching_the_state(mailbox, state_calls, caplog):
    caplog.set_level(logging.INFO)

    assert run_on_executor({"tenant_id": "acme"}, missed("r1")) == (True, None)
    assert run_on_executor({"tenant_id": "acme"}, missed("r2")) == (True, None)

    assert [headline(m) for m in mailbox.messages] == ["DAG slow missed its deadline"] * 2
    assert state_calls.calls == 0
    assert WITHOUT_VARIABLES in caplog.text


def test_on_the_executor_no_lifecycle_leads_to_the_state(mailbox, state_calls):
    run_on_executor({"tenant_id": "acme", "lifecycle": "success"}, missed())

    assert len(mailbox.messages) == 1
    assert state_calls.calls == 0


def test_on_the_executor_a_connection_that_airflow_refuses_does_not_silence_the_roots_file(
    mailbox, configs, monkeypatch, caplog
):
    class Refusing:
        @staticmethod
        def get_connection(conn_id: str) -> None:
            raise AirflowSecretsBackendAccessDenied(conn_id)

    monkeypatch.setattr("airflow_cloudact_notify.bridge.connections.is_supervised", lambda: True)
    monkeypatch.setattr("airflow_cloudact_notify.bridge.connections.BaseHook", Refusing)
    configs(None, email=mailbox_section(mailbox, "root@example.com"))

    assert run_on_executor({"tenant_id": "nobodys"}, missed()) == (True, None)

    assert [m.recipients for m in mailbox.messages] == [("root@example.com",)]
    assert "connection cloudact_notify_default: Airflow does not let this process read it" in caplog.text


def test_in_the_triggerer_the_state_is_asked(mailbox, state_calls, triggerer):
    run_on_executor({"tenant_id": "acme"}, missed())

    assert state_calls.calls > 0


# What Airflow stores


@pytest.mark.parametrize("kind", [AsyncCallback, SyncCallback])
def test_the_arguments_survive_airflows_database(kind):
    kwargs = {
        "tenant_id": "acme",
        "event": "system_error",
        "severity": NotificationSeverity.CRITICAL,
        "title": "{{ dag_run.dag_id }} is late",
        "details": {"since": "{{ deadline.deadline_time }}", "steps": [1, 2]},
        "providers": ["email", "slack"],
    }
    alert = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(minutes=1),
        callback=kind(CloudActNotifier, kwargs=kwargs),
    )

    stored = deserialize(json.loads(json.dumps(serialize(alert.callback))))
    row = Callback.create_from_sdk_def(stored)

    assert row.data["path"] == PATH
    assert CloudActNotifier(**row.data["kwargs"]).wish == CloudActNotifier(**kwargs).wish


def test_a_function_cannot_be_stored():
    callback = AsyncCallback(CloudActNotifier, kwargs={"tenant_id": lambda context: "acme"})

    with pytest.raises(TypeError, match="Cannot serialize object of type <class 'function'>"):
        serialize(callback)


def test_the_example_names_its_tenant_and_its_templates_can_be_filled(configs, smtp, state_calls):
    dag = DagBag(str(EXAMPLE)).dags["example_deadline_alert"]
    [alert] = dag.deadline
    configs("acme_corp", email=mailbox_section(smtp, "data@acme.example"))

    assert isinstance(alert.callback, AsyncCallback)
    assert run_on_executor(alert.callback.kwargs, missed("scheduled__1")) == (True, None)

    [message] = smtp.messages
    text = message.mail.get_body(("plain",)).get_content()
    assert "scheduled__1 should have been done by 2026-03-04T05:06:07Z." in text
