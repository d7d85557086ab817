"""What is counted: every metric there is, with its name, kind and tags, and the counting of a report.

No tag holds a tenant, a pipeline or a text: their values are words of enums, so that there are few of them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from airflow_cloudact_notify.core.enums import NotificationProvider, Outcome
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport, unserved

log = logging.getLogger(__name__)


class MetricKind(StrEnum):
    """How values of a metric are added up. A timer's are milliseconds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMER = "timer"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric; ``tags`` names the tags that each of its values has."""

    name: str
    kind: MetricKind
    tags: tuple[str, ...] = ()


SENT = Metric("cloudact_notify.sent", MetricKind.COUNTER, ("destination",))
FAILED = Metric("cloudact_notify.failed", MetricKind.COUNTER, ("destination", "reason"))
SUPPRESSED = Metric("cloudact_notify.suppressed", MetricKind.COUNTER, ("reason",))
LATENCY = Metric("cloudact_notify.latency", MetricKind.TIMER, ("destination",))
DEAD_LETTERS_KEPT = Metric("cloudact_notify.dead_letters_kept", MetricKind.COUNTER, ("destination",))
DEAD_LETTERS_LOST = Metric("cloudact_notify.dead_letters_lost", MetricKind.COUNTER, ("destination",))
DEAD_LETTERS = Metric("cloudact_notify.dead_letters", MetricKind.GAUGE)
UNHEALTHY = Metric("cloudact_notify.unhealthy_destinations", MetricKind.GAUGE, ("destination",))

METRICS = (
    SENT,
    FAILED,
    SUPPRESSED,
    LATENCY,
    DEAD_LETTERS_KEPT,
    DEAD_LETTERS_LOST,
    DEAD_LETTERS,
    UNHEALTHY,
)


Value = tuple[Metric, float, tuple[str, ...]]
"""A value of a metric, with a text for each of its tags."""


class Metrics(Protocol):
    """Takes a value of a metric, with a text for each of the metric's tags, in their order."""

    def __call__(self, metric: Metric, value: float, *tags: str) -> None: ...


def nowhere(metric: Metric, value: float, *tags: str) -> None:
    """Count nothing."""


def count(report: NotificationReport, metrics: Metrics) -> None:
    """Count what became of a message."""
    hand_over(_values(report), metrics)


def hand_over(values: Iterable[Value], metrics: Metrics) -> None:
    """Count values. What goes wrong in counting costs nobody a message."""
    try:
        for metric, value, tags in values:
            metrics(metric, value, *tags)
    except Exception as error:  # noqa: BLE001 - whatever Airflow's metrics or their libraries raise
        log.warning("metrics are not counted: %s: %s", type(error).__name__, error)


def _values(report: NotificationReport) -> Iterator[Value]:
    if report.suppressed:
        yield SUPPRESSED, 1, (report.suppressed,)
    for destination, result in report.items():
        yield from _of_result(destination, result)
    if report.dead_letter:
        yield from ((DEAD_LETTERS_KEPT, 1, (result.destination,)) for result in unserved(report.values()))


def _of_result(destination: NotificationProvider, result: DeliveryResult) -> Iterator[Value]:
    if result.outcome is Outcome.DELIVERED:
        yield SENT, 1, (destination,)
    elif result.outcome is Outcome.FAILED:
        yield FAILED, 1, (destination, result.reason or "")
    if result.attempts:
        yield LATENCY, result.elapsed_ms, (destination,)
