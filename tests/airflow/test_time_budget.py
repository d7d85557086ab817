"""However slow or rude what a callback asks is, the callback returns, and tells."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.processor import ToDagProcessor, ToManager
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CommsDecoder
from pydantic import TypeAdapter

from airflow_cloudact_notify import CloudActNotifier, on_failure, on_success
from airflow_cloudact_notify.bridge import callbacks, process
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.testing import FrozenClock


def context(**keys: Any) -> dict[str, Any]:
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", state="failed")
    return {"ti": ti, "run_id": "r", "exception": ValueError("no rows")} | keys


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Return an event for what is to hang: it is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hanging_variables(monkeypatch, end) -> list[str]:
    """Let Airflow's Variables hang, and return the calls to them."""
    calls: list[str] = []

    def hanging(name: str) -> Callable[..., None]:
        def method(self: VariableStateStore, *arguments: Any) -> None:
            calls.append(name)
            end.wait()

        return method

    for name in ("get", "put", "delete"):
        monkeypatch.setattr(VariableStateStore, name, hanging(name))
    return calls


@pytest.fixture
def short_budget(monkeypatch) -> None:
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__CALLBACK_BUDGET_SECONDS", "5")


@pytest.mark.usefixtures("short_budget")
def test_when_variables_hang_the_callback_tells_and_asks_them_no_more(
    tell_all, told, caplog, hanging_variables
):
    tell_all(cooldown_seconds=300)

    on_failure(context())

    assert [mail.subject for mail in told()] == ["Task d.t failed"]
    assert hanging_variables == ["get"]
    assert "sent without looking at what was told before" in caplog.text
    assert "so it may be told again" in caplog.text


@pytest.mark.usefixtures("short_budget")
def test_when_variables_hang_a_runs_success_is_told_as_one(tell_all, told, hanging_variables):
    tell_all()

    on_success({"reason": "success", "run_id": "r", "dag": SimpleNamespace(dag_id="d")})

    assert [mail.subject for mail in told()] == ["DAG d succeeded"]
    assert hanging_variables == ["get"]


@pytest.mark.usefixtures("short_budget")
@pytest.mark.parametrize("what", ["tenant_id", "event", "title"])
def test_what_the_author_wrote_may_hang_as_well(tell_all, told, end, what):
    tell_all()
    hang = {
        "tenant_id": lambda c: end.wait() and None,
        "event": lambda c: end.wait() and None,
        "title": "{{ hang() }}",
    }[what]

    CloudActNotifier(**{what: hang})(context(hang=end.wait))

    assert [mail.subject for mail in told()] == ["Task d.t failed"]


def test_no_exit_leaves_a_callback(tell_all, monkeypatch, caplog):
    def leave() -> None:
        raise SystemExit(1)

    tell_all()
    monkeypatch.setattr(callbacks, "read_settings", leave)

    assert callbacks.notify(context(), Wish()) is None
    assert "The notification could not be sent" in caplog.text


def test_what_passed_before_the_engine_was_there_is_of_the_budget(tell_all, told):
    tell_all()

    report = callbacks.notify(context(), Wish(), Lifecycle.FAILURE, began=time.monotonic() - 60)

    assert told() == []
    assert "budget_exhausted" in report.summary


# What the callbacks of one process of the DAG processor may take together


@pytest.fixture
def clock(monkeypatch) -> FrozenClock:
    clock = FrozenClock()
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(process, "_spent", 0.0)
    return clock


def dag_processors_comms() -> CommsDecoder[Any, Any]:
    """Return what connects a child of the DAG processor with its supervisor."""
    decoder = TypeAdapter[ToDagProcessor](ToDagProcessor)
    return CommsDecoder[ToDagProcessor, ToManager](socket=None, body_decoder=decoder)


@pytest.fixture
def in_the_dag_processor(monkeypatch) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", dag_processors_comms(), raising=False)


def spend(clock: FrozenClock, seconds: float, asked: float = 10.0) -> float:
    with process.allowance(asked) as allowed:
        clock.advance(seconds)
    return allowed


@pytest.mark.usefixtures("in_the_dag_processor")
def test_the_callbacks_of_a_dag_processors_process_share_its_time(clock):
    assert [spend(clock, seconds) for seconds in (10, 12, 5, 3, 1)] == [20, 10, 8, 3, 0.4]


@pytest.mark.usefixtures("in_the_dag_processor")
def test_time_that_no_callback_took_is_nobodys(clock):
    spend(clock, 10)
    clock.advance(100)

    assert spend(clock, 0) == 10


@pytest.mark.usefixtures("in_the_dag_processor")
def test_a_callback_that_raised_has_taken_its_time_as_well(clock):
    def late(context: Any) -> None:
        clock.advance(25)
        raise ValueError("no rows")

    with contextlib.suppress(ValueError), process.allowance(10):
        late({})

    assert spend(clock, 0) == 5


def test_elsewhere_each_callback_has_its_own_time(clock):
    assert [spend(clock, 25) for _ in range(3)] == [10, 10, 10]


def test_a_callback_that_has_no_time_left_is_kept_and_says_so(
    tell_all, told, supervised, monkeypatch, caplog
):
    tell_all()

    with supervised(), monkeypatch.context() as patch:
        patch.setattr(process, "is_dag_processor", lambda: True)
        patch.setattr(process, "_spent", process.DAG_PROCESSOR_SECONDS)
        report = callbacks.notify(context(), Wish(), Lifecycle.FAILURE)

    assert told() == []
    assert "budget_exhausted" in report.summary
    assert report.summary in caplog.text
    assert VariableStateStore().keys("cloudact_notify:letter:") == [report.dead_letter]
