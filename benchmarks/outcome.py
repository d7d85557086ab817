"""What a benchmark has found, as it is kept in docs/benchmarks.json."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.rows import BUDGET, COLUMNS, ROWS, Limit, Row, Sample, Trouble

DISTRIBUTIONS = (
    "apache-airflow",
    "apache-airflow-providers-slack",
    "apache-airflow-providers-smtp",
    "apache-airflow-providers-apprise",
    "apprise",
    "requests",
    "airflow-provider-cloudact-notify",
)


@dataclass(frozen=True)
class Troubled:
    """What came of telling servers in trouble: how long it took, and how many messages they took."""

    trouble: Trouble
    seconds: float
    chats: int
    mails: int

    @property
    def told(self) -> str:
        """Who was told."""
        wanted = {"chat": ("Slack",), "mail": ("mail",)}.get(self.trouble.only or "", ("Slack", "mail"))
        taken = {"Slack": self.chats, "mail": self.mails}
        return ", ".join(f"{name} {'told' if taken[name] else 'lost'}" for name in wanted)


@dataclass(frozen=True)
class Finding:
    """A limit, and whether it is kept."""

    row: Row
    limit: Limit
    figure: float

    @property
    def kept(self) -> bool:
        return self.figure <= self.limit.at_most

    @property
    def words(self) -> str:
        return f"{'✓' if self.kept else '✗'} {self.limit.words(self.figure, self.row.unit)}"


@dataclass(frozen=True)
class Outcome:
    """All that was measured.

    :param samples: by experiment and contender.
    :param calls: by path of a notification, what it asked of the supervisor.
    :param parsed: seconds that it took to parse DAG files, by kind.
    """

    machine: str
    versions: Mapping[str, str]
    samples: Mapping[str, Mapping[str, Sequence[Sample]]]
    calls: Mapping[str, Mapping[str, int]]
    troubles: Sequence[Troubled]
    parsed: Mapping[str, float]
    when: str = ""

    def findings(self, row: Row) -> list[Finding]:
        """Return what a row's limits say."""
        samples = self.samples[row.experiment]
        return [Finding(row, limit, limit.of(row, samples)) for limit in row.limits]

    def median(self, row: Row, column: str) -> float | None:
        """Return a column's figure, ``None`` when nobody took part."""
        figures = row.figures(self.samples[row.experiment], column) if column in row.shown else ()
        return statistics.median(figures) if figures else None

    def missed(self) -> list[str]:
        """Return what is not as it should be."""
        return [*self._missed()]

    def _missed(self) -> Iterator[str]:
        for row in ROWS:
            yield from (f"{row.title}: {found.words}" for found in self.findings(row) if not found.kept)
        for troubled in self.troubles:
            # A little more: a thread has to be waited for, and to be told.
            if troubled.trouble.who == "ours" and troubled.seconds > BUDGET * 1.05:
                yield f"{troubled.trouble.title}: {troubled.seconds:.1f} s"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready data: medians, limits, and the samples behind them."""
        return {
            "when": self.when or f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": self.machine,
            "versions": dict(self.versions),
            "rows": [
                {
                    "title": row.title,
                    "unit": row.unit,
                    **{column: self.median(row, column) for column in COLUMNS},
                    "targets": [found.words for found in self.findings(row)],
                }
                for row in ROWS
            ],
            "samples": self.samples,
            "calls": self.calls,
            "troubles": [asdict(troubled) for troubled in self.troubles],
            "parsed": self.parsed,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Outcome:
        """Return what was kept."""
        kept = {
            name: document[name] for name in ("machine", "versions", "samples", "calls", "parsed", "when")
        }
        troubles = [
            Troubled(**{**fields, "trouble": Trouble(**fields["trouble"])}) for fields in document["troubles"]
        ]
        return cls(**kept, troubles=troubles)


def machine() -> str:
    """Return what the figures were taken on."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    cpu = found[1] if found else platform.processor()
    load = os.getloadavg()[0]
    return (
        f"{cpu}, {os.cpu_count()} cores, {platform.system()} {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}; load when it ended {load:.1f}"
    )


def versions() -> dict[str, str]:
    """Return the versions of who was measured."""
    return {name: version(name) for name in DISTRIBUTIONS}
