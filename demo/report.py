"""The outcome, as a table for a person and as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.decisions import Decision
from demo.received import Arrival
from demo.story import DAGS, TENANTS

COLUMNS = ("tenant", "event", "DAG, run", "told from", "destination", "outcome")
WIDTH_OF_FILES = 160
"""Characters of a line where the output is no terminal."""


def show(
    decisions: Mapping[str, Iterable[Decision]],
    arrivals: Sequence[Arrival],
    cooldowns: Mapping[str, str],
    problems: Sequence[str],
) -> None:
    """Print who was told what, the cooldowns, and what is not as it should be."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH_OF_FILES)
    table = Table(*COLUMNS)
    for tenant in TENANTS:
        table.add_section()
        for row in _rows(tenant, decisions, arrivals):
            table.add_row(*row)
    console.print()
    console.print(table)
    for tenant, meaning in TENANTS.items():
        console.print(f"{tenant} {meaning}")
    console.print(f"\n{len(cooldowns)} cooldowns are kept in Airflow Variables, such as")
    for key, value in sorted(cooldowns.items())[:1]:
        console.print(f"  {key} = {value}", markup=False)
    console.print()
    for problem in problems:
        console.print(f"[bold red]NOT AS IT SHOULD BE[/] {escape(problem)}")
    if not problems:
        console.print("[bold green]All that was expected arrived, once, and nothing else did.[/]")


def _rows(
    tenant: str, decisions: Mapping[str, Iterable[Decision]], arrivals: Sequence[Arrival]
) -> Iterator[tuple[str, ...]]:
    for chapter, made in decisions.items():
        own = [decision for decision in made if decision.notice.tenant == tenant]
        for decision in sorted(own, key=lambda decision: DAGS.index(decision.notice.dag_id)):
            notice = decision.notice
            about = (tenant, notice.event, f"{notice.dag_id}, {chapter}", notice.told_by)
            for destination in notice.delivered_to:
                to = next((a.to for a in arrivals if _belongs(a, decision, destination, chapter)), None)
                outcome = f"[green]delivered[/] to {to}" if to else "[red]delivered, but did not arrive[/]"
                yield (*about, destination, outcome)
            if not notice.delivered_to:
                yield (*about, "all", f"[yellow]{escape(decision.what)}[/]")


def _belongs(arrival: Arrival, decision: Decision, destination: str, chapter: str) -> bool:
    notice = decision.notice
    return (arrival.tenant, arrival.dag_id, arrival.event, arrival.destination, arrival.run_id) == (
        notice.tenant,
        notice.dag_id,
        notice.event,
        destination,
        f"{chapter}-{notice.tenant}",
    )


def write(
    file: Path,
    decisions: Mapping[str, Iterable[Decision]],
    arrivals: Iterable[Arrival],
    cooldowns: Mapping[str, str],
    problems: Iterable[str],
) -> None:
    """Write everything but the messages' contents."""
    content = {
        "decisions": {chapter: [asdict(d) for d in made] for chapter, made in decisions.items()},
        "arrivals": [
            {key: getattr(a, key) for key in ("tenant", "dag_id", "run_id", "event", "destination", "to")}
            for a in arrivals
        ],
        "cooldowns": dict(cooldowns),
        "problems": list(problems),
    }
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False))
