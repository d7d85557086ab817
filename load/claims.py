"""How many of N simultaneous reporters of one incident send: ``python -m load.claims``.

Processes report one failure at one instant, round after round, through ``NotificationService`` and Airflow's own
Variable model on a real metadata database: SQLite, or PostgreSQL where ``TEST_POSTGRES`` names a server. Printed: sends
per round (wanted: 1.00 on average, never 0), how many wrote a claim, how many are counted as held back (wanted: all the
others), and what a lone reporter pays for the claim (wanted: 250 ms at most).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.testing import SlackInbox
from load.database import database_name, metadata_database
from load.reporting import BUDGET, PROCESSES, configure, failure, hush, ready_service_of, service_of

PATIENCE = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    hush()
    with metadata_database() as folder, SlackInbox() as inbox:
        configure(folder / "configs", inbox.url)
        storm = rounds(folder / "configs", arguments.processes, arguments.rounds, inbox)
        counted = len(VariableStateStore().keys("cloudact_notify:held:"))
        alone = alone_for(folder / "configs", arguments.rounds)
        print(f"database            {database_name()}")
    print(f"reporters a round   {arguments.processes}, {arguments.rounds} rounds in {storm.seconds:.0f} s")
    print(f"claims per round    {_figures(storm.claims, '.1f')}")
    print(f"sends per round     {_figures(storm.sends, '.2f')}: {storm.sends}")
    others = arguments.processes * arguments.rounds - sum(storm.sends)
    print(f"held back           {counted} counted of {others}")
    print(f"a lone reporter     {_figures(alone, '.0f')} ms more for the claim")
    for remark, times in Counter(storm.remarks).most_common():
        print(f"remarked {times:3} times  {remark}")
    return 0 if min(storm.sends) >= 1 and counted == others else 1


@dataclass(frozen=True)
class Rounds:
    """How many messages arrived and how many claims were written in each round, the seconds of all, all remarks."""

    sends: list[int]
    claims: list[int]
    seconds: float
    remarks: list[str]


def rounds(configs: Path, processes: int, rounds: int, inbox: SlackInbox) -> Rounds:
    """Let processes report a failure at one instant, round after round."""
    barrier, claims, remarks = (
        PROCESSES.Barrier(processes + 1),
        PROCESSES.Array("i", rounds),
        PROCESSES.SimpleQueue(),
    )
    reporters = [
        PROCESSES.Process(target=_report, args=(configs, part, barrier, claims, remarks))
        for part in range(processes)
    ]
    for reporter in reporters:
        reporter.start()
    barrier.wait(PATIENCE)  # all are there
    started, sends, remarked = time.monotonic(), [], []
    for _ in range(rounds):
        before = len(inbox.payloads)
        barrier.wait(PATIENCE)  # all begin
        remarked += [remarks.get() for _ in reporters]
        barrier.wait(PATIENCE)  # all have ended
        sends.append(len(inbox.payloads) - before)
    seconds = time.monotonic() - started
    for reporter in reporters:
        reporter.join(PATIENCE)
    return Rounds(sends, list(claims), seconds, [text for texts in remarked for text in texts])


def _report(configs: Path, part: int, barrier: Barrier, claims: Any, remarks: Any) -> None:
    def settle(seconds: float) -> None:
        """Wait, as whoever wrote a claim does."""
        with claims.get_lock():
            claims[number] += 1
        time.sleep(seconds)

    hush()
    service = ready_service_of(configs, settle=settle)
    barrier.wait(PATIENCE)
    for number in range(len(claims)):
        barrier.wait(PATIENCE)
        report = service.send(failure(f"incident_{number}", part), budget=Budget(BUDGET))
        remarks.put([note.replace(f"incident_{number}", "incident") for note in report.notes])
        barrier.wait(PATIENCE)


def alone_for(configs: Path, times: int) -> list[float]:
    """Return the milliseconds by which the state makes a lone reporter's notification longer, pair by pair."""
    service, more = service_of(configs), []
    for _ in range(times + 1):
        durations = []
        for remember in (True, False):
            message = failure(f"alone_{uuid.uuid4().hex}")
            started = time.perf_counter()
            service.send(message, budget=Budget(BUDGET), remember=remember)
            durations.append((time.perf_counter() - started) * 1000)
        more.append(durations[0] - durations[1])
    return more[1:]  # the first one pays for imports


def _figures(values: list[Any], form: str) -> str:
    mean, median = statistics.mean(values), statistics.median(values)
    return (
        f"least {min(values):{form}}, mean {mean:{form}}, median {median:{form}}, most {max(values):{form}}"
    )


if __name__ == "__main__":
    sys.exit(main())
