from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_cloudact_notify.core import decisions
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationProvider,
    Outcome,
    SuppressionReason,
)
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.testing import SlackInbox, make_message
from tests.core.folder import SECRET, Folder

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')


def report(*results: DeliveryResult, **about: Any) -> NotificationReport:
    suppressed = about.pop("suppressed", None)
    return NotificationReport(
        results, message=make_message(**about), config_source="x", suppressed=suppressed
    )


def lines(of: NotificationReport) -> list[str]:
    return [line for _, line in decisions._lines(of)]


def parsed(line: str) -> dict[str, str]:
    """Read a line as a log collector does."""
    pairs = PAIR.findall(line)
    assert "".join(f"{key}={value} " for key, value in pairs).strip() == line
    return {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}


def test_each_destination_has_its_line() -> None:
    sent = DeliveryResult(EMAIL, Outcome.DELIVERED, attempts=1, elapsed_ms=57)
    lost = DeliveryResult(
        SLACK, Outcome.FAILED, FailureReason.NOT_FOUND, "Slack answered 404", attempts=2, elapsed_ms=93
    )
    about = "tenant=acme event=pipeline_failure pipeline=sales run=manual__2026-01-02"
    assert lines(report(sent, lost)) == [
        f"{about} destination=email outcome=delivered reason=- attempts=1 milliseconds=57",
        f"{about} destination=slack outcome=failed reason=not_found attempts=2 milliseconds=93",
    ]


def test_what_was_meant_for_nobody_has_a_line_too() -> None:
    nothing = report(suppressed=SuppressionReason.NOTHING_ENABLED, tenant_id=None, pipeline_id=None)
    assert lines(nothing) == [
        "tenant=- event=pipeline_failure pipeline=- run=manual__2026-01-02 "
        "destination=- outcome=suppressed reason=nothing_enabled attempts=0 milliseconds=0"
    ]


@example("-", "a b")
@given(st.text(min_size=1), st.text(min_size=1))
def test_a_line_is_one_line_with_the_same_keys_whatever_a_pipeline_is_called(pipeline: str, run: str) -> None:
    message = make_message(pipeline_id=pipeline, pipeline_logging_id=run)
    result = DeliveryResult(EMAIL, Outcome.DELIVERED, attempts=1)
    [line] = lines(NotificationReport([result], message=message, config_source="x"))
    assert len(line.splitlines()) == 1
    assert " pipeline=- " not in line or not message.pipeline_id
    assert line.isascii()
    values = parsed(line)
    assert tuple(values) == decisions.KEYS
    assert values["pipeline"] == (message.pipeline_id or decisions.NOTHING)
    assert values["run"] == (message.pipeline_logging_id or decisions.NOTHING)


def test_a_failure_is_a_warning_and_the_lines_have_a_logger_of_their_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    decisions.tell(
        report(
            DeliveryResult(EMAIL, Outcome.DELIVERED), DeliveryResult(SLACK, Outcome.FAILED, FailureReason.TLS)
        )
    )
    assert [(r.name, r.levelname) for r in caplog.records] == [
        ("airflow_cloudact_notify.decisions", "INFO"),
        ("airflow_cloudact_notify.decisions", "WARNING"),
    ]


# --- step by step


@pytest.fixture
def steps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Return a function that sends a message and returns what the package logged of it."""
    with SlackInbox() as inbox:
        folder = Folder(tmp_path)
        service = NotificationService(tmp_path, allowed_webhook_hosts=[inbox.host], sleep=lambda _: None)
        section = {"enabled": True, "webhook_url": inbox.url}

        folder.write(None, {"slack": section, "default_provider": "slack"})

        def send(answers: tuple[tuple[int, str], ...] = (), **tenant: Any) -> str:
            if tenant:
                folder.write("acme", {"slack": section, "default_provider": "slack"} | tenant)
            for answer in answers:
                inbox.answer(*answer)
            caplog.clear()
            with caplog.at_level(logging.DEBUG, "airflow_cloudact_notify"):
                service.send(make_message())
            assert "SECRET" not in caplog.text
            assert SECRET not in caplog.text
            return "\n".join(record.getMessage() for record in caplog.records)

        yield send


def in_order(text: str, *wanted: str) -> None:
    place = 0
    for words in wanted:
        found = text.find(words, place)
        assert found >= 0, f"{words!r} does not come next in\n{text}"
        place = found + len(words)


def test_debug_tells_the_way_of_a_message_step_by_step(steps: Any) -> None:
    text = steps(answers=((500, "rollup_error"),))
    in_order(
        text,
        "acme/notifications.json: there is none",
        "notifications/config.json: read, ",
        "configuration of acme: ",
        "no trigger: send to slack; severity error; cooldown 300 s by pipeline",
        "state: read cloudact_notify:cooldown:acme:pipeline_failure:sales: nothing",
        "state: write cloudact_notify:cooldown:acme:pipeline_failure:sales",
        "claim: cloudact_notify:cooldown:acme:pipeline_failure:sales written",
        "destinations ready: slack",
        "slack: attempt 1, waiting for at most 30 s",
        "slack: attempt 1 failed: server_error: Slack answered 500 rollup_error",
        "slack: trying again in ",
        "slack: attempt 2 was answered",
        "state: write cloudact_notify:cooldown:acme:pipeline_failure:sales",
        "pipeline_failure of tenant acme, pipeline sales: slack delivered after 2 attempts",
        "tenant=acme event=pipeline_failure",
    )


def test_debug_tells_which_file_was_used_and_why(steps: Any) -> None:
    trigger = {"event": "pipeline_failure", "cooldown_seconds": 0}
    text = steps(enabled=False, event_triggers=[trigger])
    in_order(text, "acme/notifications.json: enabled is false, so the root's settings apply", "config.json")
    text = steps(enabled=True, event_triggers=[trigger])
    in_order(
        text,
        "acme/notifications.json: read, ",
        "configuration of acme: ",
        "acme/notifications.json",
        "trigger pipeline_failure: send to slack; severity error; no cooldown",
        "claim: none is needed",
    )
    text = steps(enabled=True, event_triggers=[trigger | {"enabled": False}])
    in_order(text, "trigger pipeline_failure: held back (event_off: ", "claim: held back (event_off: ")


def test_debug_tells_that_a_cooldown_holds_a_message_back(steps: Any) -> None:
    steps()
    in_order(
        steps(), "config.json: unchanged", "as before", "characters", "claim: held back (cooldown: told "
    )
