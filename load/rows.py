"""What thousands of our Variables cost a callback: ``python -m load.rows``.

A lone reporter's claim is measured with an empty table and with ``--rows`` rows of other tenants' incidents in it
(wanted: no difference beyond the noise), on SQLite, or on PostgreSQL where ``TEST_POSTGRES`` names a server. Beside it
stands what each of the store's calls takes; ``list`` is the only one that does not go by a whole key.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.state.held import HeldReports
from airflow_cloudact_notify.testing import SlackInbox
from load.claims import alone_for
from load.database import database_name, metadata_database
from load.reporting import configure, failure, hush

CALLS = 200
PER_INCIDENT = 100
"""Held reports of one incident among the rows."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=40)
    arguments = parser.parse_args()
    hush()
    with metadata_database() as folder, SlackInbox() as inbox:
        configure(folder / "configs", inbox.url)
        print(f"database            {database_name()}")
        without = _measure(folder / "configs", 0, arguments.times)
        _fill(arguments.rows)
        with_rows = _measure(folder / "configs", arguments.rows, arguments.times)
    ratio = with_rows / without
    print(f"ratio               {ratio:.2f}")
    return 0 if ratio < 1.25 else 1


def _measure(configs: Path, rows: int, times: int) -> float:
    """Return the median milliseconds of a lone reporter's claim, and print it with those of the store's calls."""
    claim = statistics.median(alone_for(configs, times))
    store, key = VariableStateStore(), "cloudact_notify:cooldown:acme:pipeline_failure:alone_1"
    calls: dict[str, Callable[[], object]] = {
        "read": lambda: store.get(key),
        "write": lambda: store.put("cloudact_notify:measured", "x" * 300),
        "list": lambda: store.keys("cloudact_notify:held:acme:0123456789abcdef01234567:"),
    }
    took = {
        name: statistics.median(_milliseconds(call) for _ in range(CALLS)) for name, call in calls.items()
    }
    store.delete("cloudact_notify:measured")
    words = ", ".join(f"{name} {value:.1f}" for name, value in took.items())
    print(f"{rows:6,} rows         a claim {claim:.0f} ms; {words} ms")
    return claim


def _milliseconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def _fill(rows: int) -> None:
    """Write held reports of other tenants' pipelines, as a storm leaves them."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session

    made: dict[str, str] = {}

    class Collected(VariableStateStore):
        def put(self, key: str, value: str) -> None:
            made[key] = value

    held = HeldReports(Collected())
    for number in range(rows):
        incident = number // PER_INCIDENT
        message = failure(f"pipeline_{incident}", number % PER_INCIDENT).model_copy(
            update={"tenant_id": f"tenant_{incident % 50}"}
        )
        held.add(f"cloudact_notify:cooldown:other:{incident}", message, time.time())
    with create_session() as session:
        session.add_all(Variable(key=key, val=value) for key, value in made.items())


if __name__ == "__main__":
    sys.exit(main())
