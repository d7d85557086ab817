"""For the DAG files: notes of what Airflow calls, when, and in which kind of process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

FILE_VARIABLE = "SCENARIOS_NOTES"


def note(kind: str, context: Any, **more: Any) -> None:
    """Append a note about what a context is the context of."""
    ti = context.get("ti")
    about = {
        "kind": kind,
        "dag_id": context["dag"].dag_id,
        "run_id": context["run_id"],
        "task_id": getattr(ti, "task_id", None),
        "map_index": getattr(ti, "map_index", None),
        "pid": os.getpid(),
        "parent": os.getppid(),
        "at": time.time(),
    }
    # One write of few bytes at the end of a file: many processes may do so at once.
    with Path(os.environ[FILE_VARIABLE]).open("a") as file:
        file.write(json.dumps({**about, **more}) + "\n")


def notes() -> Iterator[dict[str, Any]]:
    """Yield the notes there are."""
    file = Path(os.environ[FILE_VARIABLE])
    lines = file.read_text().splitlines() if file.exists() else []
    return map(json.loads, lines)


def watched(name: str, *callbacks: Callable[[Any], Any]) -> list[Callable[[Any], Any]]:
    """Return callbacks for Airflow that leave a note when they are called, and another when they have returned."""

    def called(context: Any) -> None:
        note("called", context, callback=name, where=_where())

    def returned(context: Any) -> None:
        note("returned", context, callback=name)

    return [called, *callbacks, returned]


def _where() -> str:
    """Return the kind of process, told by what it and those above it are called."""
    process = psutil.Process()
    names = [" ".join(p.cmdline()) for p in (process, *process.parents())]
    return "DAG processor" if any("dag-processor" in name for name in names) else "task process"
