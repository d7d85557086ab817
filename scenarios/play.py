"""What is done to Airflow in each scenario."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from scenarios.stage import Finding, Stage

RUN, HANGS, DIES = "run", "hangs", "dies"
OUTAGE = 15.0
"""Seconds that the API server hangs: longer than a callback's budget, shorter than Airflow tries to reach it."""
BUDGET = 10.0
LEEWAY = 3.0
"""Seconds that a busy machine may add."""
WITHOUT_US = "_without_us"


def one_run(stage: Stage, dag_id: str) -> list[Finding]:
    """Start one run and wait until it has ended."""
    stage.airflow.trigger(dag_id, RUN, {})
    stage.airflow.wait_for_run(dag_id, RUN)
    return []


def supervisor_dies(stage: Stage, dag_id: str) -> list[Finding]:
    """Kill the process that watches over the task, and wait until Airflow has noticed."""
    stage.airflow.trigger(dag_id, RUN, {})
    os.kill(stage.wait_for_note(dag_id, "working", RUN)["parent"], signal.SIGKILL)
    stage.airflow.wait_for_run(dag_id, RUN, timeout=240)
    return []


def marked_failed(stage: Stage, dag_id: str) -> list[Finding]:
    """Mark the running task as failed."""
    stage.airflow.trigger(dag_id, RUN, {})
    stage.wait_for_note(dag_id, "working", RUN)
    stage.airflow.mark_failed(dag_id, RUN, "work")
    stage.airflow.wait_for_run(dag_id, RUN)
    return []


def runs_end_together(stage: Stage, dag_id: str) -> list[Finding]:
    """Start four runs, whose tasks wait for each other."""
    runs = [f"{RUN}-{number}" for number in range(1, 5)]
    for run_id in runs:
        stage.airflow.trigger(dag_id, run_id, {})
    for run_id in runs:
        stage.airflow.wait_for_run(dag_id, run_id)
    return []


def mail_server_is_silent(stage: Stage, dag_id: str) -> list[Finding]:
    """Compare how long the task takes with how long it takes without a notifier."""
    seconds = {}
    for which in (dag_id + WITHOUT_US, dag_id):
        one_run(stage, which)
        task = stage.task(which, RUN)
        start, end = (datetime.fromisoformat(task[name]) for name in ("start_date", "end_date"))
        seconds[which] = (end - start).total_seconds()
    ours, usual = seconds[dag_id], seconds[dag_id + WITHOUT_US]
    text = f"the task took {ours:.1f} s, without a notifier {usual:.1f} s, the budget is {BUDGET:.0f} s"
    return [Finding(text, ours <= usual + BUDGET + LEEWAY)]


def api_server_hangs(stage: Stage, dag_id: str) -> list[Finding]:
    """Hold the API server for a while: it accepts connections and does not answer."""

    def release(which: str, pids: list[int]) -> None:
        stopped = stage.wait_for_note(which, "stopped", HANGS)
        time.sleep(max(0.0, stopped["at"] + OUTAGE - time.time()))
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    return _api_server_stops(stage, dag_id, HANGS, "SIGSTOP", release)


def api_server_dies(stage: Stage, dag_id: str) -> list[Finding]:
    """End the API server by force; start another when Airflow has called a second time for the task."""

    def replace(which: str, _: list[int]) -> None:
        def called_twice() -> bool:
            return len(stage.notes(which, "returned", DIES)) == 2

        stage.airflow.wait_for("Airflow to give the task up", called_twice, timeout=150)
        stage.airflow.restart_api_server()

    return _api_server_stops(stage, dag_id, DIES, "SIGKILL", replace)


def _api_server_stops(
    stage: Stage, dag_id: str, run_id: str, by: str, bring_back: Callable[[str, list[int]], None]
) -> list[Finding]:
    ends = {}
    for which in (dag_id + WITHOUT_US, dag_id):
        pids = stage.airflow.api_server()
        stage.airflow.trigger(which, run_id, {"pids": pids, "signal": by})
        bring_back(which, pids)
        stage.airflow.wait_until_healthy()
        ends[which] = stage.airflow.wait_for_run(which, run_id, timeout=240), _end_of(stage, which, run_id)
    ours, usual = ends[dag_id], ends[dag_id + WITHOUT_US]
    return [
        Finding(f"task and run ended {_words(ours)}, without us {_words(usual)}", ours == usual),
        *_within_budget(stage, dag_id, run_id),
        *_one_time_out(stage, dag_id, run_id),
    ]


def _end_of(stage: Stage, dag_id: str, run_id: str) -> tuple[str, int]:
    task = stage.task(dag_id, run_id)
    return task["state"], task["try_number"]


def _words(end: tuple[str, tuple[str, int]]) -> str:
    run, (task, tries) = end
    return f"{task}/{run} at try {tries}"


def _within_budget(stage: Stage, dag_id: str, run_id: str) -> list[Finding]:
    seconds: Any = [call.seconds for call in stage.calls(dag_id) if call.run_id == run_id]
    good = bool(seconds) and all(s is not None and s <= BUDGET + LEEWAY for s in seconds)
    took = ", then ".join("for ever" if s is None else f"{s:.1f} s" for s in seconds)
    return [Finding(f"our callback took {took}", good)]


def _one_time_out(stage: Stage, dag_id: str, run_id: str) -> list[Finding]:
    lines = list(stage.our_log(dag_id, run_id))
    timed_out = [line for line in lines if "no answer within" in line]
    refused = [line for line in lines if "not tried, since" in line]
    text = f"{len(timed_out)} call to Airflow timed out, {len(refused)} were not tried any more"
    return [Finding(text, len(timed_out) == 1 and bool(refused))]
