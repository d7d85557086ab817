from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_cloudact_notify.core.message import NotificationMessage

SECRET = "hunter2"
DSN = f"postgresql://bob:{SECRET}@db/x"


def message(**fields: Any) -> NotificationMessage:
    return NotificationMessage.model_validate({"event": "pipeline_failure", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"title": DSN}, id="title"),
        pytest.param({"message": DSN}, id="message"),
        pytest.param({"details": {"error": DSN}}, id="details"),
        pytest.param({"details": {"nested": [{"password": SECRET}]}}, id="nested details"),
        pytest.param({"details": DSN}, id="details that are a text"),
        pytest.param({"log_url": f"https://bob:{SECRET}@logs/x"}, id="log URL"),
        pytest.param({"pipeline_id": DSN}, id="pipeline"),
        pytest.param({"pipeline_id": DSN, "title": ""}, id="title made of the pipeline"),
        pytest.param({"pipeline_logging_id": DSN}, id="run"),
        pytest.param({"task_id": DSN}, id="task"),
        pytest.param({"dedup_key": DSN}, id="dedup key"),
    ],
)
def test_a_message_holds_no_secret_from_the_moment_it_exists(fields: dict[str, Any]) -> None:
    told = message(**fields)
    assert SECRET not in repr(told)
    assert SECRET not in told.model_dump_json()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"severity": SECRET}, id="severity"),
        pytest.param({"duration_ms": [SECRET]}, id="field of another type"),
        pytest.param({"event": "nonsense", "details": {"password": SECRET}}, id="beside another mistake"),
        pytest.param({"surprise": SECRET}, id="unknown field"),
    ],
)
def test_a_message_that_cannot_be_is_an_error_that_quotes_nothing(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        message(**fields)
    assert SECRET not in str(caught.value)


def test_a_message_without_a_title_is_given_one() -> None:
    assert message(title="", pipeline_id="sales").title == "Pipeline failed: sales"
    assert message(title=None).title == "Pipeline failed"
    assert message(title="Mine").title == "Mine"


def test_the_severity_is_the_events_own_until_somebody_names_one() -> None:
    assert message().severity is None
    assert message().effective_severity == "error"
    assert message(severity="info").effective_severity == "info"


@pytest.mark.parametrize(
    "duration", [pytest.param(x, id=str(x)) for x in (-1, float("nan"), float("inf"), float("-inf"))]
)
def test_a_duration_that_cannot_be_costs_the_duration_and_not_the_message(duration: float) -> None:
    assert message(duration_ms=duration).duration_ms is None


def test_a_time_without_a_zone_is_utc() -> None:
    assert message(occurred_at="2026-01-02T00:00:00").occurred_at == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("details", "kept"),
    [
        pytest.param(None, {}, id="none"),
        pytest.param({}, {}, id="empty"),
        pytest.param({"rows": 5}, {"rows": 5}, id="mapping"),
        pytest.param(["a"], {"details": ["a"]}, id="list"),
        pytest.param("a", {"details": "a"}, id="text"),
    ],
)
def test_details_of_any_kind_are_kept(details: Any, kept: dict[str, Any]) -> None:
    assert message(details=details).details == kept


def test_a_message_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        message().title = "x"  # type: ignore[misc]


def test_a_message_survives_json() -> None:
    told = message(details={"when": datetime(2026, 1, 2, tzinfo=UTC), "rows": [1, 2]}, duration_ms=5)
    assert NotificationMessage.model_validate(json.loads(told.model_dump_json())) == told
