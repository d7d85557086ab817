"""Every callback of Airflow, in every context it is called with: what is told, and that only what is known is."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from airflow.sdk import DAG, BaseOperator, Param, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from airflow_cloudact_notify import (
    CloudActNotifier,
    DataQualityError,
    on_execute,
    on_failure,
    on_retry,
    on_skipped,
    on_success,
)
from airflow_cloudact_notify.bridge import lifecycle as table
from airflow_cloudact_notify.core.enums import Lifecycle

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL_CALLBACKS = {
    "on_execute_callback": on_execute,
    "on_success_callback": on_success,
    "on_failure_callback": on_failure,
    "on_retry_callback": on_retry,
    "on_skipped_callback": on_skipped,
}
LOST = "Airflow lost contact with the task: it was killed (for lack of memory, say), its heartbeat stopped"
PAGE = Path(__file__).parents[2] / "docs" / "callbacks.md"


def make_dag(dag_id: str, **arguments: Any) -> DAG:
    return DAG(dag_id, start_date=START, schedule=None, **arguments)


@dataclass(frozen=True)
class Expected:
    """What a reader is told; ``facts`` are all of them but those of the run, ``text`` is part of the mail's."""

    event: str
    severity: str
    subject: str
    facts: dict[str, str] = field(default_factory=dict)
    text: tuple[str, ...] = ()
    not_in_text: tuple[str, ...] = ()


def check(mail: Any, expected: Expected) -> None:
    of_the_run = ("Pipeline", "Run", "Duration", "Run type", "Triggered by")
    assert (mail.event, mail.severity, mail.subject) == (expected.event, expected.severity, expected.subject)
    assert {k: v for k, v in mail.facts.items() if k not in of_the_run} == expected.facts
    for text in expected.text:
        assert text in mail.text
    for text in (*expected.not_in_text, "None", "Undefined"):
        assert text not in mail.subject + mail.text


# Task callbacks in the task's process


def pass_() -> None:
    pass


def raise_value_error() -> None:
    raise ValueError("no rows\nsecond line")


def raise_fail() -> None:
    raise AirflowFailException("not again")


def raise_timeout() -> None:
    raise AirflowTaskTimeout("Timeout, PID: 1")


def exit_() -> None:
    raise SystemExit(3)


def raise_skip() -> None:
    raise AirflowSkipException("nothing to do")


def raise_quality() -> None:
    raise DataQualityError("raw_orders", ["not_null", "unique"])


class TooManyRequests(Exception):
    status_code = 429


def raise_too_many() -> None:
    raise TooManyRequests("slow down")


IN_THE_TASK = [
    pytest.param(
        pass_, {"on_execute_callback": on_execute},
        Expected("pipeline_started", "info", "Task d.t started", {"Task": "t", "Try": "1 of 1"}),
        id="execute",
    ),
    pytest.param(
        pass_, {"on_success_callback": on_success},
        Expected("pipeline_success", "info", "Task d.t succeeded", {"Task": "t", "Try": "1 of 1"}, ("Duration: ",)),
        id="success",
    ),
    pytest.param(
        raise_value_error, {"on_failure_callback": on_failure},
        Expected(
            "pipeline_failure", "error", "Task d.t failed", {"Task": "t", "Try": "1 of 1"},
            ("ValueError: no rows\n", "in raise_value_error", "Duration: ", "tasks/t?try_number=1"),
        ),
        id="failure",
    ),
    pytest.param(
        raise_timeout, {"on_failure_callback": on_failure},
        Expected(
            "pipeline_failure", "error", "Task d.t failed", {"Task": "t", "Try": "1 of 1"},
            ("AirflowTaskTimeout: Timeout, PID: 1",),
        ),
        id="timeout",
    ),
    pytest.param(
        exit_, {"on_failure_callback": on_failure},
        Expected(
            "pipeline_failure", "error", "Task d.t failed", {"Task": "t", "Try": "1 of 1"}, ("SystemExit: 3",)
        ),
        id="exit",
    ),
    pytest.param(
        raise_fail, {"on_failure_callback": on_failure, "on_retry_callback": on_retry, "retries": 2},
        Expected(
            "pipeline_failure", "error", "Task d.t failed", {"Task": "t", "Try": "1 of 3"},
            ("AirflowFailException: not again",),
        ),
        id="failure-without-retry",
    ),
    pytest.param(
        raise_quality, {"on_failure_callback": on_failure},
        Expected(
            "data_quality_failure", "error", "Task d.t found bad data",
            {"Task": "t", "Try": "1 of 1", "Table": "raw_orders", "Failed checks": "not_null, unique"},
            ("DataQualityError: raw_orders did not pass its checks: not_null, unique",),
        ),
        id="data-quality",
    ),
    pytest.param(
        raise_too_many, {"on_failure_callback": on_failure},
        Expected(
            "rate_limit_exceeded", "error", "Task d.t was rate-limited", {"Task": "t", "Try": "1 of 1"},
            ("TooManyRequests: slow down",),
        ),
        id="rate-limit",
    ),
    pytest.param(
        raise_skip, {"on_skipped_callback": on_skipped},
        # Airflow keeps the exception, and with it the reason, to itself.
        Expected("pipeline_warning", "info", "Task d.t was skipped", {"Task": "t", "Try": "1 of 1"}),
        id="skip",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("when", "named"),
    [
        pytest.param({}, True, id="dated"),
        pytest.param({"logical_date": None}, False, id="undated-and-lifecycle-not-named"),
    ],
)
@pytest.mark.parametrize(("work", "arguments", "expected"), IN_THE_TASK)
def test_what_a_task_tells_from_its_own_process(
    tell_all, told, run_dag, work, arguments, expected, named, when
):
    tell_all()
    if not named:
        own = CloudActNotifier()
        arguments = {k: own if k in ALL_CALLBACKS else v for k, v in arguments.items()}
    with make_dag("d") as dag:
        task(task_id="t", **arguments)(work)()

    run_dag(dag, **when)

    (mail,) = told()
    check(mail, expected)


def test_each_instance_of_a_mapped_task_tells_its_index(tell_all, told, run_dag):
    tell_all()
    with make_dag("mapped", default_args={"on_failure_callback": on_failure}) as dag:

        @task
        def load(table: str) -> None:
            raise ValueError(table)

        load.expand(table=["orders", "customers"])

    run_dag(dag)

    assert sorted((m.facts["Task"], m.subject) for m in told()) == [
        ("load [0]", "Task mapped.load failed"),
        ("load [1]", "Task mapped.load failed"),
    ]
    assert {re.search(r"tasks/load/mapped/(\d)", m.text)[1] for m in told()} == {"0", "1"}


def test_a_task_in_a_group_tells_its_whole_name(tell_all, told, run_dag):
    tell_all()
    with make_dag("grouped", default_args={"on_failure_callback": on_failure}) as dag:

        @task_group
        def extract() -> None:
            task(task_id="load")(raise_value_error)()

        extract()

    run_dag(dag)

    (mail,) = told()
    assert (mail.subject, mail.facts["Task"]) == ("Task grouped.extract.load failed", "extract.load")


def test_what_the_author_and_the_run_say_of_a_task_is_told(tell_all, told, run_dag):
    tell_all("acme")
    dag = make_dag(
        "described",
        tags=["tenant:acme", "finance", "daily", "cloudact_notify:seen"],
        default_args={"on_failure_callback": on_failure, "owner": "data-team"},
        params={"runbook_url": Param("https://wiki.example.com/described", type="string")},
    )
    with dag:
        task(task_id="t")(raise_value_error)()

    run = run_dag(dag)

    (mail,) = told()
    assert mail.facts == {
        "Tenant": "acme",
        "Pipeline": "described",
        "Task": "t",
        "Run": run.run_id,
        "Try": "1 of 1",
        "Duration": mail.facts["Duration"],
        "Run type": "manual",
        "Triggered by": "dag_test",
        "Owner": "data-team",
        "Tags": "daily, finance",
    }
    assert "Open runbook: https://wiki.example.com/described" in mail.text
    assert f"Open run: http://airflow.example:8080/dags/described/runs/{quote(run.run_id)}" in mail.text
    assert "Open DAG: http://airflow.example:8080/dags/described\n" in mail.text


def test_a_task_that_fails_without_an_exception_is_not_taken_for_lost(tell_all, told, run_dag):
    """TriggerDagRunOperator does, when the run it should start exists."""
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    tell_all()
    with make_dag("target") as target:
        task(task_id="t")(pass_)()
    existing = run_dag(target)
    with make_dag("triggering") as dag:
        TriggerDagRunOperator(
            task_id="t",
            trigger_dag_id="target",
            trigger_run_id=existing.run_id,
            on_failure_callback=on_failure,
        )

    run_dag(dag)

    (mail,) = told()
    expected = Expected(
        "pipeline_failure", "error", "Task triggering.t failed", {"Task": "t", "Try": "1 of 1"}
    )
    check(mail, expected)
    assert LOST not in mail.text


class Resumed(BaseOperator):
    """Waits for a trigger that has fired by the time it is asked, and goes on."""

    def execute(self, context: Any) -> None:
        from datetime import timedelta

        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=0)), method_name="go_on")

    def go_on(self, context: Any, event: Any) -> None:
        pass


def test_a_task_that_goes_on_after_waiting_has_not_started_again(tell_all, told, run_dag):
    tell_all()
    with make_dag("waiting", default_args={"on_execute_callback": on_execute}) as dag:
        Resumed(task_id="t")

    run = run_dag(dag)

    assert str(run.state) == "success"
    assert [m.subject for m in told()] == ["Task waiting.t started"]


@pytest.mark.parametrize(
    ("context", "is_told"),
    [
        pytest.param({"ti": {"try_number": 1, "map_index": -1}}, True, id="first-try"),
        pytest.param({"ti": {"try_number": 1, "map_index": 0}}, True, id="first-of-the-mapped"),
        pytest.param({"ti": {"try_number": 1, "map_index": 1}}, False, id="another-of-the-mapped"),
        pytest.param({"ti": {"try_number": 2, "map_index": -1}}, False, id="second-try"),
        pytest.param({"ti": {"try_number": 1}, "task_reschedule_count": 3}, False, id="rescheduled"),
    ],
)
def test_a_runs_start_is_told_once_by_its_first_task(tell_all, told, context, is_told):
    tell_all()
    ti = {"dag_id": "d", "task_id": "first", "run_id": "r", "state": "running"}

    CloudActNotifier(lifecycle="run_started")({**context, "ti": ti | context["ti"], "run_id": "r"})

    assert [m.subject for m in told()] == (["DAG d started"] if is_told else [])
    assert all("Task" not in m.facts for m in told())


# Task callbacks in the DAG processor


RUNS = [
    pytest.param("manual", False, id="api"),
    pytest.param("asset_triggered", False, id="asset"),
    pytest.param("scheduled", True, id="scheduled"),
]
LOST_TASKS = [
    pytest.param(
        {"try_number": 3}, False, -1,
        Expected("system_error", "critical", "Task lost.t was lost", {"Task": "t", "Try": "3 of 3"}, (LOST,)),
        id="failure",
    ),
    pytest.param(
        {"try_number": 1}, True, -1,
        Expected(
            "pipeline_warning", "warning", "Task lost.t failed and will be tried again",
            {"Task": "t", "Try": "1 of 3"}, (LOST,), ("was lost",),
        ),
        id="retry",
    ),
    pytest.param(
        {"try_number": 3}, False, 1,
        Expected(
            "system_error", "critical", "Task lost.t was lost", {"Task": "t [1]", "Try": "3 of 3"},
            (LOST, "tasks/t/mapped/1?try_number=3"),
        ),
        id="mapped",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("run_type", "dated"), RUNS)
@pytest.mark.parametrize("notifiers", ["one-for-each", "one-for-all", "ready"])
@pytest.mark.parametrize(("columns", "retry", "map_index", "expected"), LOST_TASKS)
def test_what_the_dag_processor_tells_of_a_task_it_lost(
    tell_all, told, make_run, set_state, run_task_callbacks,
    run_type, dated, notifiers, columns, retry, map_index, expected,
):  # fmt: skip
    tell_all()
    one = CloudActNotifier()
    callbacks = {
        "one-for-each": {
            "on_failure_callback": CloudActNotifier(),
            "on_retry_callback": [CloudActNotifier()],
        },
        "one-for-all": {"on_failure_callback": one, "on_retry_callback": one},
        "ready": {"on_failure_callback": on_failure, "on_retry_callback": on_retry},
    }[notifiers]
    with make_dag("lost", default_args={"retries": 2, **callbacks}) as dag:
        work = task(task_id="t")(lambda x: x)
        work.expand(x=[1, 2]) if map_index >= 0 else work(1)
    run_id = make_run(dag, run_type, dated=dated)
    set_state(dag, run_id, "t", **columns)

    run_task_callbacks(dag, run_id, "t", retry=retry, map_index=map_index)

    (mail,) = told()
    check(mail, expected)
    assert mail.facts["Run type"] == run_type


# DAG callbacks


OF_RUNS = [
    pytest.param(
        True, "success", {"t": "success", "u": "success"},
        Expected("pipeline_success", "info", "DAG whole succeeded"),
        id="success",
    ),
    pytest.param(
        True, "success", {"t": "failed", "u": "success"},
        Expected(
            "pipeline_warning", "warning", "DAG whole succeeded, although tasks failed", {"Failed tasks": "t"}
        ),
        id="success-with-a-failed-task",
    ),
    pytest.param(
        False, "task_failure", {"t": "failed", "u": "upstream_failed"},
        Expected(
            "pipeline_failure", "error", "DAG whole failed", {"Failed tasks": "t, u"},
            ("At least one task failed.",),
        ),
        id="task_failure",
    ),
    pytest.param(
        False, "timed_out", {"t": "success", "u": "skipped"},
        Expected(
            "pipeline_failure", "error", "DAG whole failed", {},
            ("The run took longer than its dagrun_timeout.",),
        ),
        id="timed_out",
    ),
    pytest.param(
        False, "all_tasks_deadlocked", {"t": None, "u": None},
        Expected(
            "pipeline_failure", "error", "DAG whole failed", {},
            ("No task that was left could run (deadlock).",),
        ),
        id="all_tasks_deadlocked",
    ),
    pytest.param(
        False, "some_new_reason", {"t": "success", "u": "success"},
        Expected("pipeline_failure", "error", "DAG whole failed", {}, ("some_new_reason",)),
        id="a-reason-of-later-versions",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("run_type", "dated", "named"),
    [
        pytest.param("manual", False, False, id="api-and-lifecycle-not-named"),
        pytest.param("asset_triggered", False, True, id="asset"),
        pytest.param("scheduled", True, False, id="scheduled-and-lifecycle-not-named"),
    ],
)
@pytest.mark.parametrize("last_task", ["t", None], ids=["with-ti", "without-ti"])
@pytest.mark.parametrize(("success", "reason", "states", "expected"), OF_RUNS)
def test_what_a_dags_callbacks_tell(
    tell_all, told, make_run, set_state, run_dag_callbacks,
    run_type, dated, last_task, named, success, reason, states, expected,
):  # fmt: skip
    tell_all()
    one = CloudActNotifier()
    dag = make_dag(
        "whole",
        on_success_callback=on_success if named else one,
        on_failure_callback=[on_failure if named else one],
    )
    with dag:
        task(task_id="t")(pass_)() >> task(task_id="u")(pass_)()
    run_id = make_run(dag, run_type, dated=dated)
    for task_id, state in states.items():
        set_state(dag, run_id, task_id, state=state)

    run_dag_callbacks(dag, run_id, success=success, reason=reason, last_task=last_task)

    (mail,) = told()
    named_task = {"Last task": last_task} if last_task and not success and not expected.facts else {}
    check(mail, replace(expected, facts=expected.facts | named_task))
    assert mail.facts["Run"] == run_id
    assert mail.facts.get("Run type") == (run_type if last_task else None)


def test_another_notifiers_field_named_reason_does_not_make_a_run_of_a_task(tell_all, told, run_dag):
    """Airflow writes a notifier's template fields into the context that the next callback gets."""
    tell_all()

    def leave_reason(context: dict[str, Any]) -> None:
        context["reason"] = "because"

    ours = CloudActNotifier()
    arguments = {"on_failure_callback": [leave_reason, ours], "on_execute_callback": [leave_reason, ours]}
    with make_dag("reasoned", default_args=arguments) as dag:
        task(task_id="t")(raise_value_error)()

    run_dag(dag)

    assert [m.subject for m in told()] == ["Task reasoned.t started", "Task reasoned.t failed"]


def test_a_number_of_tries_that_cannot_be_is_left_out(tell_all, told):
    """An old request to the DAG processor does not say how often the task may be tried."""
    tell_all()
    ti = {"dag_id": "d", "task_id": "t", "run_id": "r", "try_number": 2, "max_tries": 0}

    on_failure({"ti": ti, "run_id": "r"})

    assert [m.facts["Try"] for m in told()] == ["2"]


# The page


def rows(*heading: str) -> list[dict[str, str]]:
    """Return the rows of the page's table with this heading."""
    lines = PAGE.read_text().splitlines()
    start = lines.index(f"| {' | '.join(heading)} |") + 2
    table_lines = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    cells = ([cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in table_lines)
    return [dict(zip(heading, row, strict=True)) for row in cells]


def meaning(row: dict[str, str]) -> tuple[str, str, str]:
    return row["event"], row["severity"], row["title"].partition("… ")[2]


def shown(of: table.Meaning) -> tuple[str, str, str]:
    return str(of.event), str(of.severity or of.event.default_severity), of.happened


def test_the_page_shows_the_mapping_from_lifecycle_to_event():
    page = {
        row["lifecycle"]: meaning(row) for row in rows("lifecycle", "told by", "event", "severity", "title")
    }

    assert page == {str(lifecycle): shown(of) for lifecycle, of in table.MEANINGS.items()}
    assert set(table.MEANINGS) == set(Lifecycle)


def test_the_page_shows_what_a_closer_look_makes_of_some():
    page = [meaning(row) for row in rows("what it was", "event", "severity", "title")]
    derived = [of for of in vars(table).values() if isinstance(of, table.Meaning)]

    assert page == [shown(of) for of in derived]


def test_the_page_shows_airflows_reasons_in_words():
    page = {row["reason"]: row["in the message"] for row in rows("reason", "in the message")}

    assert page == table.REASONS
