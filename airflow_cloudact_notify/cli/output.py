"""What commands print: text with colour and tables where the terminal can, plain text elsewhere, or JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_cloudact_notify.core.texts import one_line

HIDDEN = "•••"
"""Stands for a secret."""
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def say(text: str = "") -> None:
    """Print a line."""
    print(text)  # noqa: T201


def flush() -> None:
    """Let a reader of our output, such as ``tee``, see what was printed so far."""
    print(end="", flush=True)  # noqa: T201


def complain(text: str) -> None:
    """Print a line to the error output."""
    print(text, file=sys.stderr)  # noqa: T201


def say_json(value: Any) -> None:
    """Print JSON."""
    say(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def styled(text: str, style: str) -> str:
    """Return text in a colour, where colours are shown."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if _has_colours() else text


def heading(text: str) -> None:
    """Print a heading, set apart from what went before."""
    say(f"\n{styled(text, 'bold')}")


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], styles: Mapping[str, str] | None = None
) -> None:
    """Print rows below a head.

    :param styles: the colour of a cell, by its text.
    """
    # Names come from pipelines: what they say to a terminal is not for it.
    texts = [[one_line(str(cell)) for cell in row] for row in rows]
    if _has_colours():
        try:
            return _rich_table(head, texts, styles or {})
        except ImportError:
            pass
    widths = [max(map(len, column)) for column in zip(head, *texts, strict=True)]
    for row in (head, *texts):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(padded).rstrip())
    return None


def _rich_table(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[str, str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in head:
        # An id or a line number that is cut off is none; an id is copied by a double click.
        drawn.add_column(name, overflow="fold", no_wrap=name == "ID")
    for row in rows:
        drawn.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    Console().print(drawn)


def _has_colours() -> bool:
    # https://no-color.org
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
