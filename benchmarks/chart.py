"""An outcome as a picture: what each costs, in bars, one panel for each thing a person waits or pays for. Plain SVG."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from benchmarks.outcome import Outcome
from benchmarks.rows import NOT_PRELOADED, ROWS, Row

PANELS = {
    "first Slack + mail in a fresh process, imports included": "First Slack + mail of a process",
    "first, both with TLS": "The same with TLS",
    "each of 200 in one process": "Each of 200 in one process",
    "both servers take 300 ms": "Both servers take 300 ms",
    "import in a DAG file (official: Slack's alone)": "Import in a DAG file",
    "memory that a first notification adds": "Memory it adds to a task",
}
"""Titles of rows, and of their panels."""
NAMES = {
    "ours": "CloudAct",
    NOT_PRELOADED: "not forked",
    "official": "official",
    "apprise": "Apprise",
    "bare": "bare protocols",
}
COLOURS = {
    "ours": "#1b66c9",
    NOT_PRELOADED: "#6ea8e8",
    "official": "#8c959f",
    "apprise": "#b6bdc5",
    "bare": "#d8dde2",
}

WIDTH, PANEL_WIDTH, PANEL_HEIGHT, GAP = 860, 400, 164, 20
LABEL_WIDTH, VALUE_WIDTH, BAR, STEP = 104, 66, 18, 26
HEAD = 74


@dataclass(frozen=True)
class Bar:
    """One contender's figure, ``length`` as a part of the panel's longest."""

    who: str
    words: str
    length: float


def drawn(outcome: Outcome) -> str:
    """Return the picture."""
    rows = [(title, row) for row in ROWS if (title := PANELS.get(row.title))]
    lines = (len(rows) + 1) // 2
    height = HEAD + lines * (PANEL_HEIGHT + GAP) + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-label="Benchmark results; the figures are in the table below.">',
            "<style>text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
            "fill:#1f2328}.t{font-size:14px;font-weight:600}.n,.v{font-size:12px}.ours{font-weight:700}"
            ".h{font-size:19px;font-weight:700}.s{font-size:12px;fill:#59636e}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#ffffff" stroke="#d1d9e0"/>',
            '<text class="h" x="20" y="34">What a notification costs</text>',
            '<text class="s" x="20" y="55">Medians of one run, everybody in turn against the same local servers. '
            "Shorter is better.</text>",
            *(
                _panel(title, _bars(row, outcome), *_place(number))
                for number, (title, row) in enumerate(rows)
            ),
            "</svg>",
            "",
        ]
    )


def _place(number: int) -> tuple[int, int]:
    return (
        20 + (number % 2) * (PANEL_WIDTH + GAP),
        HEAD + (number // 2) * (PANEL_HEIGHT + GAP),
    )


def _bars(row: Row, outcome: Outcome) -> list[Bar]:
    samples = outcome.samples[row.experiment]
    known = {
        who: statistics.median(sample[row.figure] for sample in samples[who])
        for who in NAMES
        if who in samples
    }
    longest = max(known.values())
    return [Bar(who, f"{_short(figure)} {row.unit}", figure / longest) for who, figure in known.items()]


def _panel(title: str, bars: list[Bar], x: int, y: int) -> str:
    return f'<g transform="translate({x},{y})">{"".join(_inside(title, bars))}</g>'


def _inside(title: str, bars: list[Bar]) -> Iterator[str]:
    yield f'<text class="t" y="18">{escape(title)}</text>'
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    for number, bar in enumerate(bars):
        top, width = 30 + number * STEP, max(2.0, bar.length * room)
        middle = top + BAR - 5
        emphasis = " ours" if bar.who == "ours" else ""
        yield f'<text class="n{emphasis}" x="{LABEL_WIDTH - 8}" y="{middle}" text-anchor="end">{NAMES[bar.who]}</text>'
        yield (
            f'<rect x="{LABEL_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3" fill="{COLOURS[bar.who]}"/>'
        )
        yield f'<text class="v{emphasis}" x="{LABEL_WIDTH + width + 6:.1f}" y="{middle}">{bar.words}</text>'


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 10 else f"{figure:.2g}"
