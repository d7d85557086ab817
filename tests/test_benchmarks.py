"""What docs/benchmarks.md shows is what was measured; ``make bench-smoke`` sees that the measuring works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import chart, table
from benchmarks.outcome import Outcome
from benchmarks.rows import ROWS, Limit, Row

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def kept() -> Outcome:
    return Outcome.from_dict(json.loads((DOCS / "benchmarks.json").read_text()))


def test_the_page_shows_the_figures_that_are_kept(kept):
    page = (DOCS / "benchmarks.md").read_text()

    assert table.put_into(page, kept) == page


def test_the_chart_shows_the_figures_that_are_kept(kept):
    assert (DOCS / "benchmarks.svg").read_text() == chart.drawn(kept)


def test_every_panel_of_the_chart_is_a_row():
    assert set(chart.PANELS) <= {row.title for row in ROWS}


@pytest.mark.parametrize(
    ("limit", "figure"),
    [
        pytest.param(Limit(1.0), 4.0, id="value"),
        pytest.param(Limit(1.0, "ratio", "official"), 0.5, id="ratio of each pair"),
        pytest.param(Limit(1.0, "difference", "official"), -4.0, id="difference of each pair"),
    ],
)
def test_a_limit_is_for_the_median_of_the_pairs(limit, figure):
    samples = {
        "ours": [{"ms": 2.0}, {"ms": 4.0}, {"ms": 6.0}],
        "official": [{"ms": 4.0}, {"ms": 8.0}, {"ms": 60.0}],
    }

    assert limit.of(Row("r", "e", "ms", "ms", (limit,)), samples) == figure
