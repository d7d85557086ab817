"""What DAG authors write into notifiers: sandboxed, lenient, and never worth losing the notification for."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, task
from jinja2.exceptions import SecurityError

from airflow_cloudact_notify import CloudActNotifier
from airflow_cloudact_notify.bridge.templating import render

CONTEXT = {
    "dag": SimpleNamespace(dag_id="ingest", user_defined_macros=None, user_defined_filters=None),
    "ti": SimpleNamespace(task_id="load", end_date=None, dag_id="ingest", run_id="r", state="failed"),
    "run_id": "r",
    "exception": ValueError("no rows"),
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("{{ dag.dag_id }}.{{ ti.task_id }}", "ingest.load", id="known"),
        pytest.param("[{{ logical_date }}]", "[]", id="undefined"),
        pytest.param("[{{ params.table.name }}]", "[]", id="undefined-of-undefined"),
        pytest.param("[{{ ti.start_date }}]", "[]", id="no-such-attribute"),
        pytest.param("[{{ ti.end_date }}]", "[]", id="none"),
        pytest.param("[{{ params.tables[0] }}]", "[]", id="undefined-item"),
        pytest.param("{% if exception %}{{ exception }}{% endif %}", "no rows", id="statement"),
        pytest.param("{{ reason or 'unknown' }}", "unknown", id="otherwise"),
        pytest.param("<b>{{ ti.task_id }}</b> & more", "<b>load</b> & more", id="not-escaped-here"),
        pytest.param("50% {of} it", "50% {of} it", id="no-template"),
    ],
)
def test_what_the_context_does_not_know_is_empty_text(template, text):
    assert render(template, CONTEXT) == text


def test_whatever_is_nested_is_filled_in():
    details = {"task": "{{ ti.task_id }}", "more": ["{{ run_id }}", 7, {"x": "{{ dag.dag_id }}"}], "no": None}

    assert render(details, CONTEXT) == {"task": "load", "more": ["r", 7, {"x": "ingest"}], "no": None}


@pytest.mark.parametrize(
    "template",
    [
        "{{ ti.__class__.__mro__ }}",
        "{{ exception.__traceback__.tb_frame.f_globals }}",
        "{{ exception.args.__class__ }}",
        "{{ self._TemplateReference__context }}",
    ],
)
def test_the_sandbox_shows_nothing_of_what_is_inside_of_python(template):
    assert render(template, CONTEXT) == ""


def test_the_sandbox_refuses_to_call_what_is_inside_of_python():
    with pytest.raises(SecurityError):
        render("{{ ''.__class__.__base__.__subclasses__() }}", CONTEXT)


def test_rendering_leaves_the_notifier_and_the_context_as_they_were():
    notifier = CloudActNotifier(title="{{ run_id }}", details={"run": ["{{ run_id }}"]})
    before = dict(CONTEXT)

    notifier(CONTEXT)

    assert (notifier.wish.title, notifier.wish.details) == ("{{ run_id }}", {"run": ["{{ run_id }}"]})
    assert before == CONTEXT


def test_the_dags_own_macros_and_filters_can_be_used(tell_all, told, run_dag):
    tell_all()
    dag = DAG(
        "macros",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        user_defined_macros={"region": lambda: "eu", "stage": "prod"},
        user_defined_filters={"shout": lambda text: f"{text}!"},
    )
    with dag:

        @task(
            on_failure_callback=CloudActNotifier(title="{{ ti.task_id | shout }} {{ region() }} {{ stage }}")
        )
        def load() -> None:
            raise ValueError("no rows")

        load()

    run_dag(dag)

    assert [mail.subject for mail in told()] == ["load! eu prod"]


class Wordless:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("arguments", "subject", "text"),
    [
        pytest.param({"title": "{{ 1 / 0 }}"}, "Task ingest.load failed", "ValueError: no rows", id="title"),
        pytest.param({"title": "{{ oh"}, "Task ingest.load failed", "ValueError: no rows", id="syntax"),
        pytest.param({"title": "{{ ''.x.y() }}"}, "Task ingest.load failed", "ValueError: no rows", id="call"),
        pytest.param({"title": "{{ params.x }}"}, "Task ingest.load failed", "ValueError: no rows", id="empty"),
        pytest.param({"title": 7}, "7", "ValueError: no rows", id="number"),
        pytest.param({"message": "{{ 1 / 0 }}"}, "Task ingest.load failed", "ValueError: no rows", id="message"),
        pytest.param({"details": {"x": "{{ 1 / 0 }}"}}, "Task ingest.load failed", "X: {{ 1 / 0 }}", id="details"),
        pytest.param({"details": "no table"}, "Task ingest.load failed", "ValueError: no rows", id="details-text"),
        pytest.param({"details": ["a", "b"]}, "Task ingest.load failed", "ValueError: no rows", id="details-list"),
        pytest.param({"details": {7: "seven"}}, "Task ingest.load failed", "7: seven", id="details-number"),
        pytest.param({"details": {"x": Wordless()}}, "Task ingest.load failed", "ValueError: no rows", id="wordless"),
        pytest.param({"title": Wordless()}, "Task ingest.load failed", "ValueError: no rows", id="wordless-title"),
        pytest.param({"event": "{{ 1 / 0 }}"}, "Task ingest.load failed", "pipeline_failure ·", id="event"),
        pytest.param({"event": "pipeline_failed"}, "Task ingest.load failed", "pipeline_failure ·", id="no-event"),
        pytest.param({"event": "{{ params.x }}"}, "Task ingest.load failed", "pipeline_failure ·", id="empty-event"),
        pytest.param({"severity": "severe"}, "Task ingest.load failed", "ERROR: ", id="no-severity"),
        pytest.param({"providers": ["pager"]}, "Task ingest.load failed", "ValueError: no rows", id="no-provider"),
        pytest.param({"providers": "email"}, "Task ingest.load failed", "ValueError: no rows", id="one-provider"),
        pytest.param({"providers": 7}, "Task ingest.load failed", "ValueError: no rows", id="number-of-providers"),
        pytest.param({"severity": ["error"]}, "Task ingest.load failed", "ERROR: ", id="list-of-severities"),
        pytest.param({"message": Wordless()}, "Task ingest.load failed", "ValueError: no rows", id="wordless-message"),
        pytest.param({"event": 7}, "Task ingest.load failed", "pipeline_failure ·", id="number-of-event"),
    ],
)  # fmt: skip
def test_an_authors_mistake_does_not_cost_the_notification(tell_all, told, arguments, subject, text):
    tell_all("acme")

    CloudActNotifier(tenant_id="acme", **arguments)(CONTEXT)

    (mail,) = told()
    assert mail.to == ("acme@example.com",)
    assert mail.subject == subject
    assert text in mail.text


def test_a_mistake_is_said_in_the_log(tell_all, caplog):
    tell_all()

    CloudActNotifier(title="{{ 1 / 0 }}", severity="severe")(CONTEXT)

    assert "could not fill in the notifier's title: ZeroDivisionError: division by zero" in caplog.text
    assert "'severe', which is none of info, warning, error, critical" in caplog.text


# The event as a function


def never(context: Any) -> str:
    raise KeyError("severity")


def leaving(context: Any) -> str:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param("system_error", "system_error", id="text"),
        pytest.param("{{ 'system_error' if ti.task_id == 'load' }}", "system_error", id="template"),
        pytest.param(lambda c: "system_error", "system_error", id="function"),
        pytest.param(lambda c: None, "pipeline_failure", id="function-without-an-opinion"),
        pytest.param(lambda c: "no_event", "pipeline_failure", id="function-names-none"),
        pytest.param(never, "pipeline_failure", id="function-raises"),
        pytest.param(leaving, "pipeline_failure", id="function-exits"),
    ],
)
def test_the_event_can_be_a_text_a_template_or_a_function(tell_all, told, event, expected):
    tell_all()

    CloudActNotifier(event=event)(CONTEXT)

    assert [mail.event for mail in told()] == [expected]
