"""One occasion is told once, by whoever has most to say of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_cloudact_notify import CloudActNotifier, DataQualityError, on_failure, on_retry, on_success
from airflow_cloudact_notify.bridge.variables import VariableStateStore


def make_dag(dag_id: str, **arguments: Any) -> DAG:
    return DAG(dag_id, start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, **arguments)


def one_task(dag: DAG, error: BaseException | None = None, **arguments: Any) -> DAG:
    """Give a DAG a task ``t`` that raises what is given."""

    def work() -> None:
        if error:
            raise error

    with dag:
        task(task_id="t", **arguments)(work)()
    return dag


@pytest.fixture
def variable_calls(monkeypatch) -> list[str]:
    """List the calls that go to Airflow Variables."""
    calls: list[str] = []

    def spied(name: str) -> Any:
        original = getattr(VariableStateStore, name)

        def method(self: VariableStateStore, *arguments: Any) -> Any:
            calls.append(f"{name} {arguments[0].split(':')[1]}")
            return original(self, *arguments)

        return method

    for name in ("get", "put", "delete", "keys"):
        monkeypatch.setattr(VariableStateStore, name, spied(name))
    return calls


@pytest.fixture
def subjects(told) -> Any:
    return lambda: [mail.subject for mail in told()]


# One try of one task


@pytest.mark.parametrize("retry", [False, True], ids=["failure", "retry"])
def test_a_try_that_is_reported_twice_is_told_once(
    tell_all, subjects, make_run, set_state, run_task_callbacks, retry
):
    """Airflow does report twice when the supervisor of a task died."""
    tell_all()
    dag = one_task(make_dag("twice"), retries=1, on_failure_callback=on_failure, on_retry_callback=on_retry)
    run_id = make_run(dag)
    set_state(dag, run_id, "t", try_number=1 if retry else 2)

    run_task_callbacks(dag, run_id, "t", retry=retry)
    run_task_callbacks(dag, run_id, "t", retry=retry)

    assert len(subjects()) == 1


def test_what_the_tasks_own_process_told_is_not_told_again_by_the_dag_processor(
    tell_all, subjects, run_dag, run_task_callbacks
):
    tell_all()
    dag = one_task(make_dag("orphaned"), ValueError("no rows"), on_failure_callback=on_failure)
    run = run_dag(dag)

    run_task_callbacks(dag, run.run_id, "t")

    assert subjects() == ["Task orphaned.t failed"]


def test_another_try_another_instance_and_another_run_are_other_occasions(
    tell_all, told, make_run, set_state, run_task_callbacks
):
    tell_all()
    with make_dag("others", default_args={"retries": 1, "on_failure_callback": on_failure}) as dag:

        @task
        def t(x: int) -> None: ...

        t.expand(x=[1, 2])
    first, second = make_run(dag), make_run(dag)

    for run_id, try_number, map_index in ((first, 1, 0), (first, 1, 1), (first, 2, 0), (second, 1, 0)):
        set_state(dag, run_id, "t", try_number=try_number)
        run_task_callbacks(dag, run_id, "t", map_index=map_index)

    assert [(m.facts["Run"], m.facts["Try"], m.facts["Task"]) for m in told()] == [
        (first, "1 of 2", "t [0]"),
        (first, "1 of 2", "t [1]"),
        (first, "2 of 2", "t [0]"),
        (second, "1 of 2", "t [0]"),
    ]


def test_a_users_callback_and_another_of_ours_on_the_same_task_tell_once(tell_all, subjects, run_dag):
    tell_all()
    own = CloudActNotifier(title="The invoices could not be booked")
    dag = one_task(make_dag("chained"), ValueError("no rows"), on_failure_callback=[own, on_failure])

    run_dag(dag)

    assert subjects() == ["The invoices could not be booked"]


def test_a_notifier_that_names_its_own_event_or_destinations_tells_something_else(tell_all, told, run_dag):
    tell_all()
    alarm = CloudActNotifier(event="system_error")
    dag = one_task(make_dag("two_things"), ValueError("no rows"), on_failure_callback=[on_failure, alarm])

    run_dag(dag)

    assert [mail.event for mail in told()] == ["pipeline_failure", "system_error"]


def test_each_tenant_is_told(tell_all, told, run_dag):
    tell_all("acme")
    tell_all("platform")
    both = [CloudActNotifier(tenant_id="acme"), CloudActNotifier(tenant_id="platform")]
    dag = one_task(
        make_dag("for_two", on_failure_callback=both), ValueError("no rows"), on_failure_callback=both
    )

    run_dag(dag)

    assert [mail.to for mail in told()] == [("acme@example.com",), ("platform@example.com",)]


# A task and its run


@pytest.mark.parametrize(
    ("error", "subject"),
    [
        pytest.param(ValueError("no rows"), "Task both.t failed", id="failure"),
        pytest.param(DataQualityError("orders", ["unique"]), "Task both.t found bad data", id="data-quality"),
    ],
)
@pytest.mark.parametrize("cooldown_seconds", [0, 300])
def test_the_runs_failure_is_not_told_when_a_task_has_told(
    tell_all, subjects, run_dag, run_dag_callbacks, error, subject, cooldown_seconds
):
    tell_all(cooldown_seconds=cooldown_seconds)
    dag = one_task(make_dag("both", on_failure_callback=on_failure), error, on_failure_callback=on_failure)

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="t")

    assert subjects() == [subject]


def test_the_runs_failure_is_not_told_when_the_dag_processor_has_told_of_a_task(
    tell_all, subjects, make_run, set_state, run_task_callbacks, run_dag_callbacks
):
    tell_all()
    dag = one_task(make_dag("lost", on_failure_callback=on_failure), on_failure_callback=on_failure)
    run_id = make_run(dag)
    set_state(dag, run_id, "t", state="failed", try_number=1)

    run_task_callbacks(dag, run_id, "t")
    run_dag_callbacks(dag, run_id, success=False, reason="task_failure", last_task="t")

    assert subjects() == ["Task lost.t was lost"]


def test_the_runs_failure_is_told_when_no_task_spoke(tell_all, told, make_run, set_state, run_dag_callbacks):
    """A task that was killed on its last try, or marked as failed by a person, calls nothing."""
    tell_all()
    dag = one_task(make_dag("killed", on_failure_callback=on_failure), on_failure_callback=on_failure)
    first, second = make_run(dag), make_run(dag)

    for run_id in (first, second, first):
        set_state(dag, run_id, "t", state="failed")
        run_dag_callbacks(dag, run_id, success=False, reason="task_failure", last_task="t")

    assert [(m.subject, m.facts["Run"], m.facts["Failed tasks"]) for m in told()] == [
        ("DAG killed failed", first, "t"),
        ("DAG killed failed", second, "t"),
    ]


def test_the_runs_failure_is_told_when_the_tasks_message_reached_nobody(
    tell_all, subjects, configs, smtp, run_dag, run_dag_callbacks
):
    tell_all()
    unreachable = {"enabled": True, "smtp_host": smtp.host, "smtp_port": 1, "from_email": "a@example.com"}
    configs(
        "acme",
        email=unreachable | {"to_emails": ["acme@example.com"], "smtp_use_tls": False},
        retry_config={"max_attempts": 1},
    )
    own = CloudActNotifier(tenant_id="acme")
    dag = one_task(
        make_dag("unreached", on_failure_callback=own), ValueError("no rows"), on_failure_callback=own
    )

    run = run_dag(dag)
    tell_all("acme")
    from airflow_cloudact_notify.bridge.wiring import airflow_service

    airflow_service().clear_cache()
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="t")

    assert subjects() == ["DAG unreached failed"]


def test_a_cleared_run_begins_anew(tell_all, subjects, run_dag, run_dag_callbacks):
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    tell_all()
    dag = one_task(
        make_dag("cleared", on_failure_callback=on_failure),
        ValueError("no rows"),
        on_failure_callback=on_failure,
    )
    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="t")

    # Clearing counts; this time the task is killed and cannot speak.
    with create_session() as session:
        session.query(DagRun).filter_by(run_id=run.run_id).update({"clear_number": 1})
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="t")

    assert subjects() == ["Task cleared.t failed", "DAG cleared failed"]


def test_runs_that_end_together_each_tell_their_own_name(
    tell_all, told, make_run, set_state, run_dag_callbacks
):
    """The DAG processor runs their callbacks in one process, with the one notifier of the DAG's file."""
    tell_all()
    shared = CloudActNotifier(title="{{ dag.dag_id }} broke in {{ run_id }}")
    dag = one_task(make_dag("many", on_failure_callback=shared))
    runs = [
        make_run(dag, run_type, dated=run_type == "scheduled") for run_type in ("manual", "scheduled") * 2
    ]

    for run_id in runs:
        set_state(dag, run_id, "t", state="failed")
        run_dag_callbacks(dag, run_id, success=False, reason="task_failure", last_task="t")

    assert [(m.subject, m.facts["Run"]) for m in told()] == [(f"many broke in {r}", r) for r in runs]


# What a run's success is


def test_a_try_that_is_followed_by_another_is_a_warning_and_so_is_its_runs_success(
    tell_all, told, run_dag, run_dag_callbacks
):
    tell_all()
    with make_dag("flaky_run", on_success_callback=on_success) as dag:

        @task(retries=1, retry_delay=0, on_retry_callback=on_retry, on_failure_callback=on_failure)
        def flaky(ti: Any = None) -> None:
            if ti.try_number == 1:
                raise ValueError("once")

        flaky()

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=True, reason="success", last_task="flaky")
    quiet = run_dag(one_task(make_dag("quiet_run", on_success_callback=on_success)))
    run_dag_callbacks(
        one_task(make_dag("quiet_run", on_success_callback=on_success)),
        quiet.run_id,
        success=True,
        reason="success",
        last_task="t",
    )

    assert [(m.event, m.subject) for m in told()] == [
        ("pipeline_warning", "Task flaky_run.flaky failed and will be tried again"),
        ("pipeline_warning", "DAG flaky_run succeeded after retries"),
        ("pipeline_success", "DAG quiet_run succeeded"),
    ]


def test_a_run_that_succeeded_although_tasks_failed_names_them_and_no_more_than_a_few(
    tell_all, told, run_dag, run_dag_callbacks
):
    tell_all()
    with make_dag("tolerant", on_success_callback=on_success) as dag:

        @task
        def load(number: int) -> None:
            raise ValueError(number)

        @task(trigger_rule="all_done")
        def go_on() -> None: ...

        load.expand(number=list(range(22))) >> go_on()

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=True, reason="success", last_task="go_on")

    (mail,) = told()
    assert (mail.event, mail.subject) == (
        "pipeline_warning",
        "DAG tolerant succeeded, although tasks failed",
    )
    names = mail.facts["Failed tasks"].split(", ")
    assert (len(names), names[:2], names[-1]) == (21, ["load_0", "load_1"], "2 more")


# What it costs


@pytest.mark.parametrize("asked_for", [False, True], ids=["off", "on-without-cooldown"])
@pytest.mark.parametrize("callback", ["on_execute_callback", "on_success_callback", "on_skipped_callback"])
def test_info_costs_no_variable_but_a_look_for_silences_if_it_is_sent(
    tell_all, subjects, run_dag, variable_calls, callback, asked_for
):
    from airflow.sdk.exceptions import AirflowSkipException

    tell_all(**({} if asked_for else {"event_triggers": []}))
    error = AirflowSkipException() if callback == "on_skipped_callback" else None

    run_dag(one_task(make_dag("cheap"), error, **{callback: CloudActNotifier()}))

    assert len(subjects()) == (1 if asked_for else 0)
    assert variable_calls == (["get control"] if asked_for else [])


def test_a_runs_success_costs_two_reads_what_was_retried_and_what_was_broken(
    tell_all, subjects, run_dag, run_dag_callbacks, variable_calls
):
    tell_all(event_triggers=[])
    dag = one_task(make_dag("cheap_run", on_success_callback=on_success))

    run = run_dag(dag)
    run_dag_callbacks(dag, run.run_id, success=True, reason="success", last_task="t")

    assert subjects() == []
    assert variable_calls == ["get incident", "get outage"]


@pytest.mark.parametrize("callback", ["on_retry_callback", "on_failure_callback"])
def test_where_all_is_switched_off_no_variable_is_written(
    configs, monkeypatch, make_run, run_task_callbacks, variable_calls, callback
):
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ENABLED", "False")
    dag = one_task(make_dag("off"), retries=1, **{callback: CloudActNotifier()})
    run_id = make_run(dag)

    run_task_callbacks(dag, run_id, "t", retry=callback == "on_retry_callback")

    assert variable_calls == []
