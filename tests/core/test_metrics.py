from __future__ import annotations

import logging

import pytest

from airflow_cloudact_notify.core import metrics
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationProvider,
    Outcome,
    SuppressionReason,
)
from airflow_cloudact_notify.core.metrics import METRICS, Metric, count
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.testing import SlackInbox, make_message
from tests.core.folder import Folder

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK


class Recorded(list[tuple[str, float, tuple[str, ...]]]):
    def __call__(self, metric: Metric, value: float, *tags: str) -> None:
        assert metric in METRICS
        assert len(tags) == len(metric.tags)
        self.append((metric.name.removeprefix("cloudact_notify."), value, tags))


def counted(*results: DeliveryResult, suppressed: SuppressionReason | None = None) -> Recorded:
    recorded = Recorded()
    count(
        NotificationReport(results, message=make_message(), config_source="x", suppressed=suppressed),
        recorded,
    )
    return recorded


def test_a_delivery_is_counted_with_the_time_it_took() -> None:
    assert counted(DeliveryResult(EMAIL, Outcome.DELIVERED, attempts=2, elapsed_ms=57)) == [
        ("sent", 1, ("email",)),
        ("latency", 57, ("email",)),
    ]


@pytest.mark.parametrize("reason", list(FailureReason))
def test_a_failure_is_counted_by_its_reason(reason: FailureReason) -> None:
    assert counted(DeliveryResult(SLACK, Outcome.FAILED, reason, "why", attempts=1, elapsed_ms=9)) == [
        ("failed", 1, ("slack", reason)),
        ("latency", 9, ("slack",)),
    ]


def test_what_was_not_tried_took_no_time() -> None:
    result = DeliveryResult(SLACK, Outcome.FAILED, FailureReason.MISCONFIGURED, "no such connection")
    assert counted(result) == [("failed", 1, ("slack", "misconfigured"))]


@pytest.mark.parametrize("reason", list(SuppressionReason))
def test_what_is_held_back_is_counted_once_whatever_the_number_of_destinations(
    reason: SuppressionReason,
) -> None:
    held = [DeliveryResult(name, Outcome.SUPPRESSED, reason, "why") for name in (EMAIL, SLACK)]
    assert counted(*held, suppressed=reason) == [("suppressed", 1, (reason,))]


def test_one_destination_that_is_off_is_no_suppressed_message() -> None:
    off = DeliveryResult(SLACK, Outcome.SUPPRESSED, SuppressionReason.DESTINATION_OFF, "off")
    assert counted(DeliveryResult(EMAIL, Outcome.DELIVERED), off) == [("sent", 1, ("email",))]


def test_metrics_that_break_cost_nobody_a_message(tmp_path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(metric: Metric, value: float, *tags: str) -> None:
        raise OSError("no StatsD there")

    with SlackInbox() as inbox:
        Folder(tmp_path).write(
            None, slack={"enabled": True, "webhook_url": inbox.url}, default_provider="slack"
        )
        service = NotificationService(tmp_path, allowed_webhook_hosts=[inbox.host], metrics=broken)
        with caplog.at_level(logging.WARNING):
            assert service.send(make_message()).delivered
    assert "metrics are not counted: OSError: no StatsD there" in caplog.text


def test_a_service_counts_what_it_sends_and_what_it_does_not(tmp_path) -> None:
    recorded = Recorded()
    with SlackInbox() as inbox:
        Folder(tmp_path).write(
            None, slack={"enabled": True, "webhook_url": inbox.url}, default_provider="slack"
        )
        service = NotificationService(tmp_path, allowed_webhook_hosts=[inbox.host], metrics=recorded)
        for _ in range(2):
            service.send(make_message())
    assert [(name, tags) for name, _, tags in recorded] == [
        ("sent", ("slack",)),
        ("latency", ("slack",)),
        ("suppressed", ("cooldown",)),
    ]


def test_names_are_told_apart_and_begin_alike() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(name.startswith("cloudact_notify.") for name in names)
    assert [m for m in vars(metrics).values() if isinstance(m, Metric)] == list(METRICS)
