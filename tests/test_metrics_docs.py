"""The page on metrics, the dashboard and the alert rules name the metrics there are, and no others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from airflow_cloudact_notify.core.enums import FailureReason, SuppressionReason
from airflow_cloudact_notify.core.metrics import METRICS, MetricKind

DOCS = Path(__file__).parent.parent / "docs"
SERIES = {f"airflow_{metric.name.replace('.', '_')}": metric for metric in METRICS}
SUFFIXES = {MetricKind.TIMER: {"_sum", "_count"}, MetricKind.COUNTER: {""}, MetricKind.GAUGE: {""}}
USE = re.compile(r"(airflow_cloudact_notify_\w+?)(_sum|_count|)(?:\{([^}]*)\})?(?=[\[)\s]|$)")


def dashboard() -> dict:
    return json.loads((DOCS / "grafana-dashboard.json").read_text())


def rules() -> list[dict]:
    groups = yaml.safe_load((DOCS / "prometheus-alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


@pytest.mark.parametrize("expression", [*expressions()])
def test_an_expression_names_metrics_and_tags_that_there_are(expression: str) -> None:
    used = list(USE.finditer(expression))
    assert len(used) == expression.count("airflow_") > 0
    for use in used:
        metric = SERIES[use[1]]
        assert use[2] in SUFFIXES[metric.kind]
        tags = set(re.findall(r"(\w+)(?:=|!=|=~|!~)", use[3] or ""))
        for names in re.findall(r"by \(([\w, ]+)\)", expression):
            tags |= set(names.split(", "))
        assert tags <= set(metric.tags), use[0]
    for value in re.findall(r'reason\S{1,2}"([^"]+)"', expression):
        assert set(value.split("|")) <= set(FailureReason)


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(target["expr"] for panel in dashboard()["panels"] for target in panel["targets"])
    assert {use[1] for use in USE.finditer(shown)} == SERIES.keys()


def test_the_dashboards_panels_have_their_own_place_and_number() -> None:
    panels = dashboard()["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_rule_says_what_it_is_about() -> None:
    for rule in rules():
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_the_page_lists_every_metric_with_its_kind_and_its_tags() -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| (\w+) \| (.*?) ?\| \w", (DOCS / "metrics.md").read_text(), re.MULTILINE
    )
    listed = {name: (kind, tuple(re.findall(r"`(\w+)`", tags))) for name, kind, tags in rows}
    assert listed == {metric.name: (metric.kind, metric.tags) for metric in METRICS}


def test_the_page_lists_every_reason() -> None:
    words = set(re.findall(r"`(\w+)`", (DOCS / "metrics.md").read_text()))
    assert set(FailureReason) <= words
    assert not set(SuppressionReason) & set(FailureReason)
