"""The engine's metrics as Airflow's: StatsD, Datadog or OpenTelemetry, whatever ``[metrics]`` switches on."""

from __future__ import annotations

import functools

from airflow.providers.common.compat.sdk import Stats, conf

from airflow_cloudact_notify.core.metrics import Metric, MetricKind


def emit(metric: Metric, value: float, *tags: str) -> None:
    """Hand a value to Airflow.

    As with Airflow's own metrics there are two names: one with tags, and, while ``[metrics] legacy_names_on``, one that
    has the tags' values in it, for StatsD servers without tags.
    """
    named = {name: str(tag) for name, tag in zip(metric.tags, tags, strict=True)}
    _hand_over(metric.kind, metric.name, value, named)
    if tags and _legacy_names_on():
        _hand_over(metric.kind, ".".join((metric.name, *tags)), value, {})


def _hand_over(kind: MetricKind, name: str, value: float, tags: dict[str, str]) -> None:
    if kind is MetricKind.COUNTER:
        Stats.incr(name, int(value), tags=tags)
    elif kind is MetricKind.GAUGE:
        Stats.gauge(name, value, tags=tags)
    else:
        Stats.timing(name, value, tags=tags)


@functools.cache
def _legacy_names_on() -> bool:
    return bool(conf.getboolean("metrics", "legacy_names_on", fallback=True))
