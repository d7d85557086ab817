"""What ``[cloudact_notify] attach`` costs where it matters: parsing DAG files.

Run with ``python -m benchmarks.policy_parse`` in the environment that has Airflow; it takes some ten minutes.
``--rounds`` and ``--dags`` change its size.

Generated DAG files are parsed with the policy switched on (``attach=dag.failure,task.failure``), switched off (the
option unset), and with the package's policy taken out of Airflow altogether. Each round has three fresh processes, one
of each kind, which parse every file one right after the other, in changing order, so that what else the machine does
hits all three; of several such passes the least disturbed parse of a file counts. It is done both ways Airflow does it:
all files in one process (as ``airflow dags list`` does) and a forked process for each file (as the DAG processor does).
Beside the seconds on the clock stand those of the processor.

The benchmark fails when a DAG or a task was not covered, or was without being asked for, or when the median of the
rounds' ratios on the clock is above 1.05 in either way.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

TARGET = 1.05
TASKS = 10
ATTACH = "dag.failure,task.failure"
MODES = ("absent", "off", "on")
WAYS = {"together": "all files in one process", "apart": "a process for each file"}
PASSES = {"together": 5, "apart": 2}

DAG_FILE = '''\
"""Import of source {number}: an ordinary DAG of {tasks} tasks."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Param, TaskGroup, task


def page_somebody(context):
    print("of our own", context["run_id"])


def count_rows(table, **context):
    return len(table)


with DAG(
    "import_{number:03}",
    description="Import, check and publish source {number}",
    start_date=datetime(2026, 1, 1),
    schedule="@daily",
    catchup=False,
    tags=["imports", "tenant:tenant_{tenant}"],
    params={{"day": Param("2026-01-01", type="string")}},
    doc_md="Runbook: https://wiki.example/runbooks/import",
    default_args={{
        "owner": "data-platform",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=1),
        {task_callback}
    }},
    {dag_callback}
):
    start = EmptyOperator(task_id="start")
    done = EmptyOperator(task_id="done", trigger_rule="none_failed")

    with TaskGroup("extract") as extract:
        for table in ("orders", "customers", "invoices"):
            command = "echo {{{{ params.day }}}} {{{{ ds }}}} $TABLE"
            BashOperator(task_id=table, bash_command=command, env={{"TABLE": table}})

    count = PythonOperator(task_id="count", python_callable=count_rows, op_args=["{{{{ ds_nodash }}}}"])

    @task
    def partitions():
        return [1, 2, 3]

    @task(retries=0, pool_slots=1)
    def transform(partition):
        return partition * 2

    @task
    def check(values):
        return sum(values)

    publish = BashOperator(task_id="publish", bash_command="echo {{{{ run_id }}}}")
    checked = check(transform.expand(partition=partitions()))
    start >> extract >> count >> checked >> publish >> done
'''


def write_dags(folder: Path, count: int) -> None:
    """Write DAG files; of some the author has callbacks already, on the DAG or on all tasks."""
    for number in range(count):
        text = DAG_FILE.format(
            number=number,
            tasks=TASKS,
            tenant=number % 20,
            task_callback='"on_failure_callback": [page_somebody],' if number % 3 == 0 else "",
            dag_callback="on_failure_callback=page_somebody," if number % 4 == 0 else "",
        )
        (folder / f"import_{number:03}.py").write_text(text)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock, and of the processor."""

    wall: float
    cpu: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


class Parser:
    """A fresh process that parses the files it is told to, with the policy as ``mode`` says."""

    def __init__(self, mode: str, home: Path) -> None:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
        if mode == "on":
            env["AIRFLOW__CLOUDACT_NOTIFY__ATTACH"] = ATTACH
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.policy_parse", "--serve", mode],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self._ask("together")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def parse(self, way: str, file: Path) -> Cost:
        return Cost(*map(float, self._ask(f"{way} {file}").split()))

    def _ask(self, question: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(question, file=self._process.stdin, flush=True)
        # Airflow may print something of its own.
        for answer in self._process.stdout:
            if answer.startswith("cost "):
                return answer.removeprefix("cost ")
        raise SystemExit(f"it was not answered: {question}")


def serve(mode: str) -> None:
    """Be the process of a ``Parser``: parse what standard input names, and answer with what it cost."""
    # What Airflow's own processes have long imported when they come to a DAG file.
    import airflow.providers.standard.operators.bash
    import airflow.providers.standard.operators.empty
    import airflow.providers.standard.operators.python
    import airflow.sdk
    from airflow import settings
    from airflow.dag_processing.dagbag import DagBag

    assert airflow
    if mode == "absent":
        assert settings.get_policy_plugin_manager().unregister(name="cloudact_notify")
    ways = {"together": _in_this_process, "apart": _in_a_child}
    for line in sys.stdin:
        way, _, file = line.strip().partition(" ")
        cost = ways[way](DagBag, file, mode) if file else Cost(0, 0)
        print("cost", cost.wall, cost.cpu, flush=True)


def _in_this_process(parse: Callable[[str], Any], file: str, mode: str) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    bag = parse(file)
    cost = Cost(time.perf_counter() - wall, time.process_time() - cpu)
    _check(bag, mode)
    return cost


def _in_a_child(parse: Callable[[str], Any], file: str, mode: str) -> Cost:
    """Parse a file in a forked process; what the fork and the process's end cost is part of it."""
    wall, cpu = time.perf_counter(), time.process_time()
    if (pid := os.fork()) == 0:
        try:
            _check(parse(file), mode)
        except BaseException as error:  # noqa: BLE001 - the child must end here
            print(f"{file}: {type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, f"{file} was not parsed as expected"
    own = time.process_time() - cpu
    return Cost(time.perf_counter() - wall, own + usage.ru_utime + usage.ru_stime)


def _check(bag: Any, mode: str) -> None:
    """Raise unless all is covered when the policy is on, and nothing when it is not."""
    assert not bag.import_errors, bag.import_errors
    assert len(bag.dags) == 1, f"{len(bag.dags)} DAGs instead of one"
    for dag in bag.dags.values():
        assert len(dag.tasks) == TASKS, f"{dag.dag_id} has {len(dag.tasks)} tasks"
        for thing in (dag, *dag.tasks):
            assert _is_covered(thing) == (mode == "on"), f"{thing} is covered: {_is_covered(thing)}"
        assert dag.has_on_failure_callback == bool(dag.on_failure_callback), dag.dag_id


def _is_covered(thing: Any) -> bool:
    callbacks = thing.on_failure_callback or []
    ours = [c for c in (callbacks if isinstance(callbacks, list) else [callbacks]) if hasattr(c, "lifecycle")]
    assert len(ours) < 2, f"{thing} is covered twice"
    return bool(ours)


def rounds(count: int, files: list[Path], home: Path) -> Iterator[dict[tuple[str, str], Cost]]:
    """Yield for each way and mode what all files cost in it."""
    for number in range(count):
        with ExitStack() as stack:
            parsers = {mode: stack.enter_context(Parser(mode, home)) for mode in MODES}
            measured = {way: _taking_turns(parsers, way, files, number) for way in WAYS}
        yield {(way, mode): cost for way, costs in measured.items() for mode, cost in costs.items()}


def _taking_turns(parsers: dict[str, Parser], way: str, files: list[Path], first: int) -> dict[str, Cost]:
    parses: dict[tuple[str, Path], list[Cost]] = {(mode, file): [] for mode in MODES for file in files}
    turn = first
    for _ in range(PASSES[way]):
        for file in files:
            turn += 1
            for mode in MODES[turn % 3 :] + MODES[: turn % 3]:
                parses[mode, file].append(parsers[mode].parse(way, file))
    return {mode: sum((_least(parses[mode, file]) for file in files), start=Cost(0, 0)) for mode in MODES}


def _least(costs: list[Cost]) -> Cost:
    return Cost(min(cost.wall for cost in costs), min(cost.cpu for cost in costs))


def report(way: str, measured: list[dict[tuple[str, str], Cost]]) -> bool:
    """Print a way's figures and return whether the target holds."""
    print(f"\n{f'{WAYS[way]}, {len(measured)} rounds':40}{'seconds on the clock':29}of the processor")
    for mode in MODES:
        print(f"  policy {mode:30}", *(_median(cost(m[way, mode]) for m in measured)[1] for cost in KINDS))
    holds = True
    for mode, base in (("on", "off"), ("on", "absent"), ("off", "absent")):
        (ratio, wall), (_, cpu) = (
            _median(cost(m[way, mode]) / cost(m[way, base]) for m in measured) for cost in KINDS
        )
        print(f"  {f'{mode} / {base}':37}", wall, cpu)
        holds = holds and (mode != "on" or ratio <= TARGET)
    return holds


KINDS: tuple[Callable[[Cost], float], ...] = (lambda cost: cost.wall, lambda cost: cost.cpu)


def _median(figures: Iterable[float]) -> tuple[float, str]:
    values = sorted(figures)
    median = statistics.median(values)
    return median, f"{median:6.3f}  ({values[0]:.3f} to {values[-1]:.3f})".ljust(28)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dags", type=int, default=200)
    parser.add_argument("--serve", choices=MODES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    with tempfile.TemporaryDirectory(prefix="policy-parse-") as temporary:
        folder, home = Path(temporary, "dags"), Path(temporary, "home")
        folder.mkdir()
        write_dags(folder, arguments.dags)
        measured = list(rounds(arguments.rounds, sorted(folder.glob("*.py")), home))
    print(f"{arguments.dags} DAG files of {TASKS} tasks, attach={ATTACH}")
    held = [report(way, measured) for way in WAYS]
    print(f"\nno slower than {TARGET}×: {'yes' if all(held) else 'NO'}; every DAG and task covered: yes")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
