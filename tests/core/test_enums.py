from __future__ import annotations

import itertools

import pytest

from airflow_cloudact_notify.core.config import NotificationConfig, destinations
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
)
from airflow_cloudact_notify.core.message import default_title
from airflow_cloudact_notify.core.providers import PROVIDERS

ASCENDING = [
    NotificationSeverity.INFO,
    NotificationSeverity.WARNING,
    NotificationSeverity.ERROR,
    NotificationSeverity.CRITICAL,
]


@pytest.mark.parametrize(
    ("lower", "higher"), [pytest.param(a, b, id=f"{a}<{b}") for a, b in itertools.combinations(ASCENDING, 2)]
)
def test_severities_compare_by_how_bad_they_are(
    lower: NotificationSeverity, higher: NotificationSeverity
) -> None:
    assert lower < higher
    assert lower <= higher
    assert higher > lower
    assert higher >= lower
    assert not higher < lower
    assert max(lower, higher) is higher


def test_severities_sort_by_how_bad_they_are() -> None:
    words = ["critical", "info", "error", "warning"]
    assert sorted(map(NotificationSeverity, words)) == ASCENDING


def test_a_severity_compares_with_the_words_of_a_file() -> None:
    assert NotificationSeverity.CRITICAL > "error"
    assert NotificationSeverity.INFO == "info"
    with pytest.raises(ValueError, match="fatal"):
        _ = NotificationSeverity.INFO < "fatal"


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        pytest.param("pipeline_started", "info", id="pipeline_started"),
        pytest.param("pipeline_success", "info", id="pipeline_success"),
        pytest.param("pipeline_failure", "error", id="pipeline_failure"),
        pytest.param("pipeline_warning", "warning", id="pipeline_warning"),
        pytest.param("data_quality_failure", "warning", id="data_quality_failure"),
        pytest.param("data_quality_warning", "warning", id="data_quality_warning"),
        pytest.param("rate_limit_exceeded", "warning", id="rate_limit_exceeded"),
        pytest.param("system_error", "critical", id="system_error"),
    ],
)
def test_every_event_has_the_original_systems_severity(event: str, severity: str) -> None:
    assert NotificationEvent(event).default_severity == severity


def test_there_are_eight_events_each_with_a_title() -> None:
    assert len(NotificationEvent) == 8
    assert len({default_title(event, None) for event in NotificationEvent}) == 8


def test_both_stands_for_email_and_slack() -> None:
    assert NotificationProvider.BOTH.expand() == (NotificationProvider.EMAIL, NotificationProvider.SLACK)
    assert NotificationProvider.SLACK.expand() == (NotificationProvider.SLACK,)


def test_every_single_provider_has_a_class_and_a_section() -> None:
    assert set(destinations()) == set(PROVIDERS)
    assert NotificationProvider.BOTH not in destinations()
    assert {name.value for name in destinations()} <= set(NotificationConfig.model_fields)


def test_a_destination_named_twice_counts_once() -> None:
    names = [NotificationProvider.SLACK, NotificationProvider.BOTH, NotificationProvider.SLACK]
    assert destinations(names) == (NotificationProvider.SLACK, NotificationProvider.EMAIL)


def test_waiting_helps_only_against_what_may_pass() -> None:
    assert {reason for reason in FailureReason if reason.retryable} == {
        "unreachable",
        "timeout",
        "server_error",
        "rate_limited",
    }
