"""Kill whoever tells an incident while he tells it: ``python -m load.killed``.

Processes report one failure at one instant, through Airflow's own Variable model on a real metadata database. Slack
takes the winner's connection and says nothing; when all others have ended, held back by his claim, the winner is killed
(SIGKILL). When his lease is over the message must go out all the same, and count the others: once by the next
reporter, in a second storm by maintenance.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Self

from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.claims import LEASE_MARGIN
from airflow_cloudact_notify.core.enums import CooldownScope
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.policy import cooldown_key
from airflow_cloudact_notify.core.sending import INTERRUPTED
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.cooldowns import Cooldowns
from airflow_cloudact_notify.core.state.held import HeldReports
from airflow_cloudact_notify.testing import SlackInbox
from airflow_cloudact_notify.testing.loopback import LOOPBACK
from load.database import database_name, metadata_database
from load.reporting import BUDGET, PROCESSES, configure, failure, hush, ready_service_of

PATIENCE = 120
LEASE = BUDGET + LEASE_MARGIN


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=32)
    processes = parser.parse_args().processes
    problems = []
    hush()
    with metadata_database() as folder:
        print(f"database            {database_name()}")
        for pipeline_id, tell in TELLERS.items():
            problems += kill_the_winner(folder / "configs", pipeline_id, processes)
            time.sleep(LEASE + 1)
            found = told_then(folder / "configs", pipeline_id, tell, processes)
            print(f"{pipeline_id:19} {'; '.join(found) or 'told it, and counted all others'}")
            problems += found
    for problem in problems:
        print(f"NOT AS WANTED: {problem}")
    return 1 if problems else 0


def by_the_next_reporter(service: NotificationService, pipeline_id: str, now: float) -> int:
    """Report another failure; return how many reports wait to be counted then: this one."""
    service.send(failure(pipeline_id, 1000), budget=Budget(BUDGET))
    return 1


def by_maintenance(service: NotificationService, pipeline_id: str, now: float) -> int:
    """Do maintenance, in a world without successful runs; return how many reports wait to be counted then."""
    maintain(service, lambda _: None, now)
    return 0


TELLERS = {"the-next-reporter": by_the_next_reporter, "maintenance": by_maintenance}


def kill_the_winner(configs: Path, pipeline_id: str, processes: int) -> list[str]:
    """Let processes report a failure, and kill the last when all others have ended; return what went wrong."""
    with SilentSlack() as slack:
        configure(configs, slack.url)
        barrier = PROCESSES.Barrier(processes)
        reporters = [
            PROCESSES.Process(target=_report, args=(configs, pipeline_id, part, barrier))
            for part in range(processes)
        ]
        for reporter in reporters:
            reporter.start()
        left = _last(reporters)
        for reporter in left:
            slack.wait_for_a_connection()
            reporter.kill()
        for reporter in reporters:
            reporter.join()
        told = slack.connections
    return [] if len(left) == told == 1 else [f"{told} reporters were telling it, {len(left)} were left"]


def told_then(
    configs: Path,
    pipeline_id: str,
    tell: Callable[[NotificationService, str, float], int],
    processes: int,
    ahead: float = 0.0,
) -> list[str]:
    """Let somebody come when Slack listens again; return what is not as wanted.

    :param ahead: seconds that his clock is ahead.
    """
    with SlackInbox() as inbox:
        configure(configs, inbox.url)
        now = time.time() + ahead
        untold = tell(ready_service_of(configs, clock=lambda: time.time() + ahead), pipeline_id, now)
        texts = [json.dumps(payload) for payload in inbox.payloads]
    problems = [] if len(texts) == 1 else [f"{len(texts)} messages: {texts}"]
    others = f"+{processes - 1} more since"
    problems += [
        f"nothing of {words!r} in {t}" for t in texts for words in (INTERRUPTED, others) if words not in t
    ]
    left = uncounted(pipeline_id)
    return problems + ([f"{left} reports wait to be counted, not {untold}"] if left != untold else [])


def uncounted(pipeline_id: str) -> int:
    """Return how many reports of a pipeline's failure no message has counted."""
    store, message = VariableStateStore(), failure(pipeline_id)
    key = cooldown_key(message, CooldownScope.PIPELINE)
    counted = Cooldowns(store, print).load(key).counted
    return sum(held > counted for held in HeldReports(store).keys(key, message.tenant_id))


def _last(reporters: list[BaseProcess]) -> list[BaseProcess]:
    """Wait until at most one is left, and return it; all that are left when time is up."""
    until = time.monotonic() + PATIENCE
    while len(left := [r for r in reporters if r.is_alive()]) > 1 and time.monotonic() < until:
        time.sleep(0.02)
    return left


def _report(configs: Path, pipeline_id: str, part: int, barrier: Barrier) -> None:
    hush()
    service = ready_service_of(configs)
    barrier.wait(PATIENCE)
    service.send(failure(pipeline_id, part), budget=Budget(BUDGET))


class SilentSlack:
    """Takes connections at ``url`` and says nothing; ``connections`` says how many there were."""

    def __init__(self) -> None:
        self._server = socket.create_server((LOOPBACK, 0))
        self.url = f"http://{LOOPBACK}:{self._server.getsockname()[1]}/services/T000/B000/SECRET"
        self._taken: list[socket.socket] = []
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._take, daemon=True)

    @property
    def connections(self) -> int:
        return len(self._taken)

    def wait_for_a_connection(self) -> None:
        self._first.wait(BUDGET)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for connection in (*self._taken, self._server):
            connection.close()

    def _take(self) -> None:
        while True:
            try:
                self._taken.append(self._server.accept()[0])
            except OSError:
                return  # shut down
            self._first.set()


if __name__ == "__main__":
    sys.exit(main())
