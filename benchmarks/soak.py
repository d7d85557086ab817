"""Ten thousand notifications in one process: does anything grow? ``python -m benchmarks.soak``.

The triggerer lives for weeks. Mixed here are destinations (plain and TLS, both at once), servers in trouble, events
that are told, held back by cooldowns and off, tenants with and without a file, and texts that differ every time. After
each tenth the process is weighed: memory, threads, open files and sockets, and entries of our caches. The run fails
when one of them is higher at the end than after the first fifth, by more than its allowance.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from benchmarks import world
from benchmarks.servers import Servers

ALLOWED = {"memory_mb": 4.0, "threads": 2, "files": 4, "cached": 0}
"""How much higher each may be at the end than after the first fifth."""


@dataclass(frozen=True)
class Weight:
    """What the process holds. ``cached`` counts the entries of our caches, the Variables in memory left out."""

    told: int
    memory_mb: float
    threads: int
    files: int
    cached: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="cloudact-notify-soak-") as temporary,
        Servers(Path(temporary)) as servers,
    ):
        os.environ.update(world.environment(Path(temporary), servers), _AIRFLOW_PROCESS_CONTEXT="client")
        # The servers that hang and that are busy are met often: a second is enough.
        os.environ["AIRFLOW__CLOUDACT_NOTIFY__CALLBACK_BUDGET_SECONDS"] = "1"
        weights = list(soak(options.count))
        taken = sum(servers.taken().values())
    print("  ".join(f"{field.name:>10}" for field in fields(Weight)))
    for weight in weights:
        print("  ".join(f"{value:>10}" for value in astuple(weight)))
    print(f"{taken:,} messages were taken by the servers")
    grown = growth(weights)
    print("\n".join(f"{name} grew by {by:g}" for name, by in grown.items()) or "nothing grew")
    return 1 if grown else 0


def soak(count: int) -> Iterator[Weight]:
    """Notify so many times, and yield what the process weighs, every tenth of the way."""
    from airflow_cloudact_notify import CloudActNotifier
    from benchmarks.contenders import context_of, of_run
    from benchmarks.supervisor import Supervisor

    logging.disable(logging.ERROR)
    chance = random.Random(1)
    for number in range(1, count + 1):
        if number % 1000 == 1:
            # Variables are kept by Airflow, not by a process.
            Supervisor(call_seconds=0.0).install()
        # Each tenant once at first: what is kept for each is no growth.
        of_all = chance.choices(*zip(*TENANTS.items(), strict=True))[0]
        tenant = dict(enumerate(TENANTS, 1)).get(number, of_all)
        lifecycle = chance.choice(("execute", "success", "failure", "failure", "retry"))
        context = context_of(number) | {"error": f"{number}: " + "x" * chance.randrange(3000)}
        if lifecycle == "success":
            context = of_run(context, "success")
        CloudActNotifier(tenant_id=tenant, lifecycle=lifecycle, details={"error": "{{ error }}"})(context)
        if number % (count // 10) == 0:
            yield weighed(number)


TENANTS = {"usual": 30, "tls": 20, "claimed": 30, "busy": 6, "limited": 6, "no_file": 7.9, "hang": 0.1}
"""How often each is chosen; the last ones have no file, and servers that hang."""


def weighed(told: int) -> Weight:
    """Return what this process holds now."""
    from airflow_cloudact_notify.bridge import templating, wiring

    gc.collect()
    status = Path("/proc/self/status").read_text()
    memory = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    service = wiring.airflow_service("cloudact_notify_default")
    configs = service.configs
    cached = (
        len(configs._resolved)
        + len(configs._last_good)
        + len(configs.files._seen)
        + len(service.destinations._made)
        + templating._compiled.cache_info().currsize
    )
    return Weight(
        told, round(memory, 1), threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), cached
    )


def growth(weights: list[Weight]) -> dict[str, float]:
    """Return what is higher at the end than after the first fifth, by more than its allowance."""
    early, late = weights[1], weights[-1]
    grown: Mapping[str, float] = {name: getattr(late, name) - getattr(early, name) for name in ALLOWED}
    return {name: by for name, by in grown.items() if by > ALLOWED[name]}


if __name__ == "__main__":
    sys.exit(main())
