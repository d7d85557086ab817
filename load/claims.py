"""How many of N simultaneous reporters of one incident send: ``python -m load.claims``.

Processes report one failure at one instant, round after round, through ``NotificationService`` and Airflow's own
Variable model on a real metadata database: SQLite in a folder of its own, or the PostgreSQL that ``TEST_POSTGRES``
names (an SQLAlchemy URL). Printed: sends per round (wanted: 1.00 on average, never 0), and what a lone reporter pays.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.testing import SlackInbox


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="cloudact-notify-load-") as folder, SlackInbox() as inbox:
        _prepare(Path(folder), inbox)
        sends = _rounds(arguments.processes, arguments.rounds, folder, inbox)
        alone = _alone(arguments.rounds, folder, inbox)
    print(f"database            {os.environ['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN'].partition(':')[0]}")
    print(f"reporters a round   {arguments.processes}")
    print(
        f"sends per round     mean {statistics.mean(sends):.2f}, least {min(sends)}, most {max(sends)}: {sends}"
    )
    print(
        f"a lone reporter     median {statistics.median(alone):.0f} ms, most {max(alone):.0f} ms more for the claim"
    )
    return 0 if min(sends) >= 1 else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--processes", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=20)
    return parser.parse_args()


def _prepare(folder: Path, inbox: SlackInbox) -> None:
    config = {
        "default_provider": "slack",
        "slack": {"enabled": True, "webhook_url": inbox.url},
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": 300}],
    }
    file = folder / "configs" / "notifications" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(config))
    os.environ.update(
        AIRFLOW_HOME=str(folder),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=os.environ.get("TEST_POSTGRES")
        or f"sqlite:///{folder}/airflow.db",
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
    )
    subprocess.run(
        [sys.executable, "-c", "from airflow.utils import db; db.initdb()"],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _rounds(processes: int, rounds: int, folder: str, inbox: SlackInbox) -> list[int]:
    """Return how many messages arrived in each round."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    reporters = [
        context.Process(target=_report, args=(folder, inbox.host, rounds, barrier)) for _ in range(processes)
    ]
    for reporter in reporters:
        reporter.start()
    sends = []
    for _ in range(rounds):
        before = len(inbox.payloads)
        barrier.wait(timeout=300)  # all begin
        barrier.wait(timeout=300)  # all have ended
        sends.append(len(inbox.payloads) - before)
    for reporter in reporters:
        reporter.join(timeout=60)
    return sends


def _report(folder: str, host: str, rounds: int, barrier: Barrier) -> None:
    service, message = _service(folder, host, state=True)
    for number in range(rounds):
        barrier.wait(timeout=300)
        service.send(message(f"incident_{number}"))
        barrier.wait(timeout=300)


def _alone(rounds: int, folder: str, inbox: SlackInbox) -> list[float]:
    """Return the milliseconds by which the state makes a lone reporter's notification longer, pair by pair."""
    with_state, message = _service(folder, inbox.host, state=True)
    without, _ = _service(folder, inbox.host, state=False)
    more = []
    for number in range(rounds + 1):
        durations = []
        for service, remember in ((with_state, True), (without, False)):
            started = time.perf_counter()
            service.send(message(f"alone_{number}"), remember=remember)
            durations.append(time.perf_counter() - started)
        more.append((durations[0] - durations[1]) * 1000)
    return more[1:]  # the first one pays for imports


def _service(folder: str, host: str, *, state: bool) -> Any:
    import logging

    logging.disable(logging.CRITICAL)
    from airflow_cloudact_notify.bridge.variables import VariableStateStore
    from airflow_cloudact_notify.core.message import NotificationMessage
    from airflow_cloudact_notify.core.service import NotificationService

    service = NotificationService(
        f"{folder}/configs", allowed_webhook_hosts=[host], state=VariableStateStore() if state else None
    )

    def message(pipeline_id: str) -> NotificationMessage:
        return NotificationMessage(event="pipeline_failure", tenant_id="acme", pipeline_id=pipeline_id)

    return service, message


if __name__ == "__main__":
    sys.exit(main())
