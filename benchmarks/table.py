"""An outcome as tables: for a terminal, and in Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.outcome import Outcome
from benchmarks.parsing import KINDS
from benchmarks.rows import COLUMNS, ROWS

BEGINS, ENDS = "<!-- what make bench wrote begins -->", "<!-- what make bench wrote ends -->"
HEADINGS = ("", "ours", "official", "Apprise", "bare", "target")


def text(outcome: Outcome, *, targets: bool = True) -> Iterator[str]:
    """Yield the lines for a terminal.

    :param targets: whether to say what ours may be, and what is missed.
    """
    yield outcome.machine
    columns = len(HEADINGS) if targets else len(HEADINGS) - 1
    yield from _aligned([row[:columns] for row in (HEADINGS, *_rows(outcome))])
    yield ""
    yield from _aligned([("servers that", "who", "seconds", "told"), *_troubles(outcome)])
    yield ""
    yield from _aligned([("what a notification asks of Variables", ""), *_calls(outcome)])
    yield ""
    yield _parsed(outcome)
    if not targets:
        return
    missed = outcome.missed()
    yield f"\n{len(missed)} missed" if missed else "\nevery target met"
    yield from (f"  {line}" for line in missed)


def put_into(page: str, outcome: Outcome) -> str:
    """Return a Markdown page with the tables in place of those between the marks."""
    before, _, rest = page.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    return "\n".join([before + BEGINS, *_markdown(outcome), ENDS + after])


def _markdown(outcome: Outcome) -> Iterator[str]:
    known = ", ".join(f"{name} {version}" for name, version in outcome.versions.items())
    yield f"Measured on {outcome.machine}."
    yield f"Versions: {known}."
    yield ""
    yield from _piped(HEADINGS, _rows(outcome))
    yield ""
    yield from _piped(("servers that", "who", "seconds", "told"), _troubles(outcome))
    yield ""
    yield from _piped(("path", "Variable calls"), _calls(outcome))
    yield ""
    yield _parsed(outcome)


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for row in ROWS:
        figures = (outcome.median(row, column) for column in COLUMNS)
        cells = ("–" if figure is None else f"{_short(figure)} {row.unit}" for figure in figures)
        yield (row.title, *cells, "; ".join(found.words for found in outcome.findings(row)))


def _troubles(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for one in sorted(outcome.troubles, key=lambda one: one.trouble.title):
        alone = {"chat": " (Slack's alone)", "mail": " (SMTP's alone)"}.get(one.trouble.only or "", "")
        yield one.trouble.title, one.trouble.who + alone, f"{one.seconds:.1f}", one.told


def _calls(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for path, asked in outcome.calls.items():
        yield path, ", ".join(f"{count} {kind}" for kind, count in asked.items()) or "none"


def _parsed(outcome: Outcome) -> str:
    none = outcome.parsed["none"]
    words = {"ours": "with ours", "official": "with the official pair, imported before the processor forks"}
    others = "; ".join(
        f"{words[kind]} {outcome.parsed[kind]:.2f} s ({outcome.parsed[kind] / none:.2f}×)"
        for kind in list(KINDS)[1:]
    )
    return f"Parsing {outcome.parsed['files']:.0f} DAG files, a process each: {none:.2f} s without callbacks; {others}."


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 100 else f"{figure:.3g}"


def _aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = [tuple(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _piped(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
