"""The outcomes as a table: for a terminal, and in Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scenarios.outcome import Outcome

COLUMNS = ("scenario", "what Airflow called, where", "told", "expected")
HEADING = "## Seen on a real Airflow"
WIDTH_OF_FILES = 180
"""Characters of a line where the output is no terminal."""


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the table, what was measured, and what is not as it should be."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_OF_FILES)
    table = Table(*COLUMNS, show_lines=True)
    for outcome in outcomes:
        colour = "red" if outcome.problems else "green"
        first, *others = _cells(outcome, "\n")
        table.add_row(f"[{colour}]{escape(first)}[/]", *map(escape, others))
    console.print(table)
    for line in _measured(outcomes):
        console.print(escape(line))
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    for problem in problems:
        console.print(f"[bold red]NOT AS IT SHOULD BE[/] {escape(problem)}")
    if not problems:
        console.print("[bold green]Everything was told as expected, and nothing twice.[/]")


def markdown(outcomes: Iterable[Outcome], airflow_version: str) -> str:
    """Return the table and what was measured, as the text under the heading."""
    outcomes = list(outcomes)
    rows = [" | ".join(_cells(outcome, "<br>")) for outcome in outcomes]
    lines = [
        f"`make scenarios` does this to Airflow {airflow_version} (`airflow standalone`: LocalExecutor, SQLite) and",
        "writes this section. Each message went to a mail server and to Slack's webhook, and was counted there.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|{' --- |' * len(COLUMNS)}",
        *(f"| {row} |" for row in rows),
        "",
        *(f"- {line}" for line in _measured(outcomes)),
    ]
    return "\n".join(lines)


def write(file: Path, text: str) -> bool:
    """Put a text under the heading of a Markdown file, in place of what is there; say whether there is one."""
    lines = file.read_text().splitlines() if file.exists() else []
    if HEADING not in lines:
        return False
    start = lines.index(HEADING) + 1
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("## ")), len(lines))
    rest = ["", *lines[end:]] if end < len(lines) else []
    file.write_text("\n".join([*lines[:start], "", text, *rest]) + "\n")
    return True


def _cells(outcome: Outcome, line_break: str) -> Iterator[str]:
    scenario = outcome.scenario
    yield scenario.what
    yield line_break.join(outcome.called) or "nothing"
    yield line_break.join(outcome.told) or "nothing"
    yield scenario.expected


def _measured(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.findings:
            yield f"{outcome.scenario.what}: {'; '.join(f.text for f in outcome.findings)}."
