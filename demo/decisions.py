"""What the provider decided in Airflow's many processes, read from Airflow's log files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.story import DAG_PROCESSOR, TASK, Notice

_SUMMARY = re.compile(
    r"(?P<event>\w+) of tenant (?P<tenant>\S+), pipeline (?P<dag_id>\S+): (?P<what>.*) \[(?P<source>.*)\]"
)
_DELIVERED = re.compile(r"(?:^|; )(\w+) delivered\b")
_HELD = re.compile(r"not sent \((\w+): .*\)")


@dataclass(frozen=True, slots=True)
class Decision:
    """One summary line of the provider.

    :param what: the line's own words about what was done.
    :param source: the configuration that applied.
    :param log: the file it stands in, relative to the log folder.
    """

    notice: Notice
    what: str
    source: str
    log: str


def decisions(logs: Path) -> Iterator[Decision]:
    """Yield the decisions found in a folder of Airflow's logs."""
    for file in sorted(logs.rglob("*.log")):
        name = str(file.relative_to(logs))
        told_by = DAG_PROCESSOR if name.startswith("dag_processor") else TASK
        for line in file.read_text(errors="replace").splitlines():
            if (decision := _decision(line, told_by, name)) is not None:
                yield decision


def _decision(line: str, told_by: str, log: str) -> Decision | None:
    try:
        record = json.loads(line)
    except ValueError:  # a line that is still being written
        return None
    if record.get("logger") != "airflow_cloudact_notify.core.service":
        return None
    summary = _SUMMARY.fullmatch(record["event"])
    if summary is None:
        return None
    held = _HELD.fullmatch(summary["what"])
    notice = Notice(
        tenant=summary["tenant"],
        dag_id=summary["dag_id"],
        event=summary["event"],
        told_by=told_by,
        delivered_to=tuple(_DELIVERED.findall(summary["what"])),
        held_by=held[1] if held else None,
    )
    return Decision(notice, summary["what"], summary["source"], log)
