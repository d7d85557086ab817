"""Measure us beside the official notifiers, Apprise's and the bare protocols: ``python -m benchmarks``.

Everybody tells the same servers the same thing, in turn, each time in a fresh process; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import chart, parsing, table, world
from benchmarks.outcome import Outcome, Troubled, machine, versions
from benchmarks.processes import TaskProcesses
from benchmarks.rows import PRELOADED, TENANTS, TROUBLES, Experiment, Sample, Trouble, experiments
from benchmarks.servers import Servers

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
KEPT = DOCS / "benchmarks.json"
NO_PRELOAD = {"AIRFLOW__CLOUDACT_NOTIFY__PRELOAD": "False"}


def main() -> int:
    options = _options()
    if options.redraw:
        write_docs(Outcome.from_dict(json.loads(KEPT.read_text())))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="cloudact-notify-bench-") as temporary,
        Servers(Path(temporary)) as servers,
    ):
        outcome = measured(Path(temporary), servers, smoke=options.smoke)
    print("\n".join(table.text(outcome, targets=not options.smoke)))
    if options.json:
        options.json.write_text(json.dumps(outcome.to_dict(), indent=1) + "\n")
    if options.write_docs:
        write_docs(outcome)
    return 0 if options.smoke or not outcome.missed() else 1


def write_docs(outcome: Outcome) -> None:
    """Keep the outcome beside the page that shows it, and draw the page's chart and tables anew."""
    KEPT.write_text(json.dumps(outcome.to_dict(), indent=1) + "\n")
    (DOCS / "benchmarks.svg").write_text(chart.drawn(outcome))
    page = DOCS / "benchmarks.md"
    page.write_text(table.put_into(page.read_text(), outcome))


def measured(folder: Path, servers: Servers, *, smoke: bool) -> Outcome:
    """Run every experiment.

    :param smoke: once each, with fewer tenants and DAG files: it shows that all of it works, and measures nothing.
    """
    folders = {
        "few": world.tenants(folder / "few", 100, servers),
        "many": world.tenants(folder / "many", 100 if smoke else TENANTS, servers),
    }
    env = world.environment(folder, servers)
    if smoke:
        env["AIRFLOW__CLOUDACT_NOTIFY__CALLBACK_BUDGET_SECONDS"] = "5"
    with TaskProcesses(env | NO_PRELOAD) as processes, TaskProcesses(env) as preloaded:
        slowest = None if smoke else _Running(TROUBLES[-1], processes)
        samples = {}
        for name, experiment in experiments(folders).items():
            _say(name)
            samples[name] = _samples(
                _short(experiment) if smoke else experiment, processes, preloaded, servers
            )
        _say("calls")
        calls = preloaded.run("calls")
        _say("servers in trouble")
        troubles = _troubles(processes, preloaded, servers, slowest, smoke=smoke)
    _say("parsing")
    parsed = parsing.seconds(env, folder / "dags", 4 if smoke else parsing.FILES)
    return Outcome(machine(), versions(), samples, calls, troubles, parsed)


def _samples(
    experiment: Experiment, processes: TaskProcesses, preloaded: TaskProcesses, servers: Servers
) -> dict[str, list[Sample]]:
    """Let the contenders take turns, another one first in each round; what they tell has to arrive."""
    names = list(experiment.contenders)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(experiment.warm_up + experiment.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            arguments = {**experiment.arguments, **experiment.contenders[name]}
            chosen = preloaded if arguments.pop(PRELOADED, False) else processes
            before = servers.taken().total()
            sample = chosen.run(experiment.job, **arguments)
            arrived, told = servers.taken().total() - before, 2 * experiment.tells * arguments.get("count", 1)
            if experiment.tells and arrived != told:
                raise SystemExit(f"{experiment.job} by {name}: {told} messages were told, {arrived} arrived")
            if number >= experiment.warm_up:
                samples[name].append(sample)
    return samples


def _short(experiment: Experiment) -> Experiment:
    def fewer(name: str, value: object) -> object:
        return {"count": 3, "tenants": 100}.get(name, value)

    return replace(
        experiment,
        arguments={k: fewer(k, v) for k, v in experiment.arguments.items()},
        contenders={
            name: {k: fewer(k, v) for k, v in own.items()} for name, own in experiment.contenders.items()
        },
        rounds=1,
        warm_up=0,
    )


class _Running:
    """A job that mostly waits, beside others."""

    def __init__(self, trouble: Trouble, processes: TaskProcesses) -> None:
        self.trouble = trouble
        self._future = processes.start("troubled", who=trouble.who, place=trouble.place, only=trouble.only)

    def ended(self, servers: Servers) -> Troubled:
        seconds = self._future.result(400)
        taken = servers.taken()
        name = f"{self.trouble.place}-{self.trouble.who}"
        return Troubled(self.trouble, seconds, taken[f"http {name}"], taken[f"smtp {name}"])


def _troubles(
    processes: TaskProcesses,
    preloaded: TaskProcesses,
    servers: Servers,
    slowest: _Running | None,
    *,
    smoke: bool,
) -> list[Troubled]:
    """Let everybody tell servers in trouble, all at once: it is waiting."""
    wanted = [t for t in TROUBLES[:-1] if not (smoke and t.place == "hang" and t.who != "ours")]
    running = [_Running(t, preloaded if t.who == "ours" else processes) for t in wanted]
    return [one.ended(servers) for one in [*running, *([slowest] if slowest else [])]]


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="once each, no targets: does all of it work?")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--write-docs", action="store_true", help="put tables and chart into docs/")
    parser.add_argument("--redraw", action="store_true", help="make those anew from docs/benchmarks.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
