"""``python -m scenarios``: make things go wrong on a real Airflow, and compare who was told with who must be."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import airflow

from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from demo.preparation import Progress, make_anew
from demo.standalone import AirflowTrouble, StandaloneAirflow
from scenarios import probe, table
from scenarios.outcome import Outcome, outcome_of
from scenarios.stage import Finding, Stage
from scenarios.story import Scenario, scenarios

HERE = Path(__file__).parent
ROOT = HERE.parent
WARM_UP = "warm_up"
LATE = 20.0
"""Seconds after the last scenario in which a message too many may still come."""


def main(arguments: list[str] | None = None) -> int:
    """Play the scenarios and return the exit code: 0 when all was as expected."""
    parser = argparse.ArgumentParser(prog="python -m scenarios", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".scenarios", help="made anew (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", metavar="DAG", help="play only these DAGs' scenarios")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/callbacks.md")
    options = parser.parse_args(arguments)
    folder: Path = options.folder.resolve()
    make_anew(folder)
    # aiosmtpd calls its own attributes deprecated.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    chosen = [s for s in scenarios() if not options.only or s.dag_id in options.only]
    try:
        outcomes = perform(chosen, folder, Progress())
    except AirflowTrouble as trouble:
        print(f"The scenarios broke off: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    table.show(outcomes)
    text = table.markdown(outcomes, airflow.__version__)
    (folder / "table.md").write_text(text + "\n")
    if options.write_docs and not table.write(ROOT / "docs" / "callbacks.md", text):
        print(f"docs/callbacks.md has no heading {table.HEADING!r}; the table is in {folder / 'table.md'}.")
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def perform(chosen: list[Scenario], folder: Path, say: Progress) -> list[Outcome]:
    """Start inboxes and Airflow, play the scenarios one after the other, and stop everything."""
    os.environ[probe.FILE_VARIABLE] = str(folder / "notes.jsonl")
    findings: list[list[Finding]] = []
    with ExitStack() as running:
        mails, slack = running.enter_context(SmtpInbox()), running.enter_context(SlackInbox())
        # Never accepted, so never answered: the system takes the connection all the same.
        silent = running.enter_context(socket.create_server((mails.host, 0)))
        settings = _settings(mails, slack, silent.getsockname()[1])
        running.enter_context(real := StandaloneAirflow(folder / "airflow", HERE / "dags", settings, say))
        stage = Stage(real, mails, slack, say)
        _warm_up(stage, chosen)
        for scenario in chosen:
            say(f"{scenario.what} ({scenario.dag_id})")
            findings.append(scenario.act(stage, scenario.dag_id))
            _wait_for_all(scenario, stage)
        time.sleep(LATE)
        return [outcome_of(scenario, stage, found) for scenario, found in zip(chosen, findings, strict=True)]


def _warm_up(stage: Stage, chosen: list[Scenario]) -> None:
    """Wait until a DAG processor that has just started can answer within a callback's time."""
    for dag_id in (WARM_UP, *(scenario.dag_id for scenario in chosen)):
        stage.airflow.wait_for_dag(dag_id)
    stage.say("warming up: Airflow's first DAG callback takes it some seconds longer")
    stage.airflow.trigger(WARM_UP, "run", {})
    stage.airflow.wait_for(
        "the first DAG callback", lambda: stage.airflow.variables("scenarios_are_warm"), timeout=90
    )


def _wait_for_all(scenario: Scenario, stage: Stage) -> None:
    """Wait until all that is expected has been called and has arrived; what is missing is told at the end."""

    def complete() -> bool:
        return not list(outcome_of(scenario, stage, ()).missing())

    try:
        stage.airflow.wait_for(f"all of {scenario.dag_id}", complete, timeout=60)
    except AirflowTrouble as trouble:
        stage.say(f"  {str(trouble).partition(';')[0]}")


def _settings(mails: SmtpInbox, slack: SlackInbox, silent_port: int) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(HERE / "configs"),
        "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": slack.host,
        "CLOUDACT_NOTIFY_SMTP_HOST": mails.host,
        "CLOUDACT_NOTIFY_SMTP_PORT": str(mails.port),
        "CLOUDACT_NOTIFY_SILENT_PORT": str(silent_port),
        "CLOUDACT_NOTIFY_SLACK_URL": slack.url,
        # A dead supervisor is noticed by its heartbeats: after 40 s instead of 300 s.
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    }


if __name__ == "__main__":
    sys.exit(main())
