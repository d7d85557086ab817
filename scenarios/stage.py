"""Where a scenario is played: the running Airflow, the inboxes, and what can be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from demo.received import Arrival, arrivals
from demo.standalone import StandaloneAirflow
from scenarios import probe

OUR_LOGGER = "airflow_cloudact_notify."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something measured, in words; ``good`` when it is as it should be."""

    text: str
    good: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A callback that Airflow called; ``seconds`` until it returned, ``None`` while it has not."""

    callback: str
    where: str
    run_id: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Stage:
    """The running Airflow and its surroundings."""

    airflow: StandaloneAirflow
    mails: SmtpInbox
    slack: SlackInbox
    say: Callable[[str], Any]

    def notes(self, dag_id: str, kind: str, run_id: str | None = None) -> list[dict[str, Any]]:
        """Return what the DAG files have noted."""
        return [
            note
            for note in probe.notes()
            if note["dag_id"] == dag_id and note["kind"] == kind and run_id in (None, note["run_id"])
        ]

    def wait_for_note(self, dag_id: str, kind: str, run_id: str, timeout: float = 90) -> dict[str, Any]:
        """Wait until a DAG file has noted something, and return that."""
        what = f"{run_id} of {dag_id} to be {kind}"
        return self.airflow.wait_for(what, lambda: self.notes(dag_id, kind, run_id), timeout)[-1]

    def calls(self, dag_id: str) -> list[Call]:
        """Return the callbacks that were called for a DAG."""
        returned = {_key(note): note["at"] for note in self.notes(dag_id, "returned")}
        return [
            Call(
                note["callback"],
                note["where"],
                note["run_id"],
                returned[_key(note)] - note["at"] if _key(note) in returned else None,
            )
            for note in self.notes(dag_id, "called")
        ]

    def arrivals(self, dag_id: str) -> list[Arrival]:
        """Return the messages about a DAG that have arrived."""
        return [a for a in arrivals(self.mails.messages, self.slack.payloads) if a.dag_id == dag_id]

    def task(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the one task instance of a run, as the REST API tells of it."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        return self.airflow.wait_for(f"the tasks of {dag_id}", lambda: self.airflow.get(path), 60)[
            "task_instances"
        ][0]

    def our_log(self, dag_id: str, run_id: str) -> Iterator[str]:
        """Yield the lines that our package has logged about a run's tasks' messages."""
        for file in (self.airflow.home / "logs").glob(f"dag_id={dag_id}/run_id={run_id}/**/*.log"):
            for line in file.read_text(errors="replace").splitlines():
                record = json.loads(line)
                if str(record.get("logger")).startswith(OUR_LOGGER):
                    yield record["event"]


def _key(note: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(note[name] for name in ("callback", "run_id", "map_index", "pid"))
