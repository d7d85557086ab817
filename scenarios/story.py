"""What the scenarios do, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scenarios import play
from scenarios.stage import Finding, Stage

TASK_FAILURE, TASK_RETRY = "task on_failure", "task on_retry"
DAG_FAILURE, DAG_SUCCESS = "DAG on_failure", "DAG on_success"
TASK, DAG_PROCESSOR = "task process", "DAG processor"
BOTH, SLACK = ("email", "slack"), ("slack",)


@dataclass(frozen=True, slots=True)
class Told:
    """A message that must arrive once at each destination.

    :param says: words its title or its text must hold.
    """

    event: str
    says: str
    run_id: str = play.RUN
    destinations: tuple[str, ...] = BOTH


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that goes wrong.

    :param what: for a person.
    :param dag_id: whose messages count.
    :param expected: the messages, in words.
    :param called: callbacks and processes, once for each time Airflow calls.
    :param told: the messages.
    :param act: does it, and returns what else was seen.
    """

    what: str
    dag_id: str
    expected: str
    called: tuple[tuple[str, str], ...]
    told: tuple[Told, ...]
    act: Callable[[Stage, str], list[Finding]] = play.one_run


def scenarios() -> tuple[Scenario, ...]:
    """Return all of them, in the order in which they are played."""
    return (*_killed(), *_ended_from_outside(), *_told_once(), *_servers_that_do_not_answer())


def _killed() -> tuple[Scenario, ...]:
    return (
        Scenario(
            "kill -9 of a task process, last try",
            "killed_on_last_try",
            "one: only the DAG's callback is left to tell",
            ((DAG_FAILURE, DAG_PROCESSOR),),
            (Told("pipeline_failure", "At least one task failed"),),
        ),
        Scenario(
            "kill -9 of a task process, a retry left",
            "killed_with_retry_left",
            "one warning, which says that contact was lost",
            ((TASK_RETRY, DAG_PROCESSOR),),
            (Told("pipeline_warning", "Airflow lost contact with the task"),),
        ),
        Scenario(
            "kill -9 of the task's supervisor",
            "supervisor_dies",
            "one: Airflow calls the task's callback twice, and then the DAG's",
            (
                (TASK_FAILURE, DAG_PROCESSOR),
                (TASK_FAILURE, DAG_PROCESSOR),
                (DAG_FAILURE, DAG_PROCESSOR),
            ),
            (Told("system_error", "Airflow lost contact with the task"),),
            play.supervisor_dies,
        ),
    )


def _ended_from_outside() -> tuple[Scenario, ...]:
    return (
        Scenario(
            "a person marks the task as failed",
            "marked_failed",
            "one, by the DAG: Airflow calls nothing for the task",
            ((DAG_FAILURE, DAG_PROCESSOR),),
            (Told("pipeline_failure", "At least one task failed"),),
            play.marked_failed,
        ),
        Scenario(
            "`dagrun_timeout`",
            "run_times_out",
            "one, with the reason in words",
            ((DAG_FAILURE, DAG_PROCESSOR),),
            (Told("pipeline_failure", "The run took longer than its dagrun_timeout"),),
        ),
        Scenario(
            "`execution_timeout`",
            "task_times_out",
            "one, by the task, with its exception",
            ((TASK_FAILURE, TASK), (DAG_FAILURE, DAG_PROCESSOR)),
            (Told("pipeline_failure", "AirflowTaskTimeout"),),
        ),
    )


def _told_once() -> tuple[Scenario, ...]:
    runs = tuple(f"run-{number}" for number in range(1, 5))
    return (
        Scenario(
            "four runs of one DAG end together; one notifier, no cooldown",
            "runs_end_together",
            "four, each with its own run's title",
            ((DAG_FAILURE, DAG_PROCESSOR),) * 4,
            tuple(Told("pipeline_failure", f"Run {run} of", run) for run in runs),
            play.runs_end_together,
        ),
        Scenario(
            "the same, with the notifier on the task too",
            "runs_end_together_both",
            "four, by the tasks",
            ((TASK_FAILURE, TASK), (DAG_FAILURE, DAG_PROCESSOR)) * 4,
            tuple(Told("pipeline_failure", "RuntimeError: the source is gone", run) for run in runs),
            play.runs_end_together,
        ),
        Scenario(
            "a task fails; task and DAG have the callback, no cooldown",
            "task_and_dag",
            "one, by the task, which knows the cause",
            ((TASK_FAILURE, TASK), (DAG_FAILURE, DAG_PROCESSOR)),
            (Told("pipeline_failure", "ConnectionError"),),
        ),
        Scenario(
            "a task fails, and succeeds at its second try",
            "second_try_succeeds",
            "two warnings: the retry, and that the run succeeded after retries",
            ((TASK_RETRY, TASK), (DAG_SUCCESS, DAG_PROCESSOR)),
            (
                Told("pipeline_warning", "failed and will be tried again"),
                Told("pipeline_warning", "succeeded after retries"),
            ),
        ),
        Scenario(
            "three mapped instances fail, one after the other; default cooldown",
            "mapped",
            "one: the cooldown holds the others",
            ((TASK_FAILURE, TASK),) * 3 + ((DAG_FAILURE, DAG_PROCESSOR),),
            (Told("pipeline_failure", "ConnectionError: the source of"),),
        ),
        Scenario(
            "three mapped instances fail side by side; no cooldown",
            "mapped_at_once",
            "three, one for each instance, and none by the DAG",
            ((TASK_FAILURE, TASK),) * 3 + ((DAG_FAILURE, DAG_PROCESSOR),),
            tuple(Told("pipeline_failure", f"the source of {name}") for name in ("eu", "us", "asia")),
        ),
    )


def _servers_that_do_not_answer() -> tuple[Scenario, ...]:
    return (
        Scenario(
            "the mail server accepts and never answers",
            "mail_server_is_silent",
            "one, by Slack; the task ends within its time and the budget",
            ((TASK_FAILURE, TASK),),
            (Told("pipeline_failure", "ConnectionError", destinations=SLACK),),
            play.mail_server_is_silent,
        ),
        Scenario(
            "the API server hangs for 15 s while the callback runs",
            "api_server_stops",
            "one; no state call after the first time-out; the state as without us",
            ((TASK_FAILURE, TASK),),
            (Told("pipeline_failure", "ConnectionError", play.HANGS),),
            play.api_server_hangs,
        ),
        Scenario(
            "the API server is killed while the callback runs, and stays away until Airflow gives up",
            "api_server_stops",
            "two: Airflow calls again, and nothing could be kept of the first; the state as without us",
            ((TASK_FAILURE, TASK), (TASK_FAILURE, DAG_PROCESSOR)),
            (
                Told("pipeline_failure", "ConnectionError", play.DIES),
                Told("system_error", "Airflow lost contact with the task", play.DIES),
            ),
            play.api_server_dies,
        ),
    )
