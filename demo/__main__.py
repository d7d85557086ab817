"""``python -m demo``: run the story on a real Airflow, show what came of it, and say whether it is what should."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from airflow_cloudact_notify.core.smtp import SmtpSecurity
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from demo import received, report
from demo.decisions import Decision, decisions
from demo.preparation import Progress, make_anew
from demo.received import Arrival
from demo.standalone import AirflowTrouble, StandaloneAirflow
from demo.statsd import StatsdListener
from demo.story import DAGS, WARM_UP, Chapter, Notice, chapters

HERE = Path(__file__).parent
LOGIN = ("airflow@cloudact.example", "demo-password")
COOLDOWN_KEYS = "cloudact_notify:cooldown:"


@dataclass(slots=True)
class Outcome:
    """What a run of the story came to; ``decisions`` by chapter, ``metrics`` as a StatsD server got them."""

    decisions: dict[str, list[Decision]] = field(default_factory=dict)
    arrivals: list[Arrival] = field(default_factory=list)
    cooldowns: dict[str, str] = field(default_factory=dict)
    metrics: Counter[str] = field(default_factory=Counter)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=HERE.parent / ".demo", help="made anew (default: %(default)s)"
    )
    folder: Path = parser.parse_args(arguments).folder.resolve()
    make_anew(folder)
    # aiosmtpd calls its own attributes deprecated.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    say = Progress()
    try:
        outcome = play(folder, say)
    except AirflowTrouble as trouble:
        print(f"The demo broke off: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    problems = compare(chapters(), outcome)
    received.save(outcome.arrivals, folder / "received")
    lines = (f"{name} {count}\n" for name, count in sorted(outcome.metrics.items()))
    (folder / "metrics.txt").write_text("".join(lines))
    report.write(folder / "outcome.json", outcome.decisions, outcome.arrivals, outcome.cooldowns, problems)
    report.show(outcome.decisions, outcome.arrivals, outcome.cooldowns, problems)
    print(
        f"What arrived is in {folder / 'received'}, Airflow's logs in {folder / 'airflow' / 'logs'}, "
        f"what was counted in {folder / 'metrics.txt'}."
    )
    print(f"{say.elapsed:.0f} s in all.")
    return 1 if problems else 0


def play(folder: Path, say: Progress) -> Outcome:
    """Start inboxes and Airflow, go through the chapters, and stop everything."""
    outcome = Outcome()
    with ExitStack() as running:
        mails = running.enter_context(SmtpInbox(security=SmtpSecurity.STARTTLS, login=LOGIN))
        slack = running.enter_context(SlackInbox())
        statsd = running.enter_context(StatsdListener())
        say(
            f"inboxes are open: SMTP with STARTTLS and login on port {mails.port}, Slack webhook on {slack.host}"
        )
        settings = _settings(mails, slack) | statsd.env
        airflow = StandaloneAirflow(folder / "airflow", HERE / "dags", settings, say)
        with airflow:
            _warm_up(airflow, say)
            for chapter in chapters():
                outcome.decisions[chapter.name] = _live(chapter, airflow, outcome, say)
            outcome.cooldowns = airflow.variables(COOLDOWN_KEYS)
        # Whatever came until Airflow had ended counts.
        outcome.arrivals = received.arrivals(mails.messages, slack.payloads)
        outcome.metrics = statsd.received
    return outcome


def _warm_up(airflow: StandaloneAirflow, say: Progress) -> None:
    """Wait until a DAG processor that has just started can answer within a callback's time."""
    for dag_id in (WARM_UP, *DAGS):
        airflow.wait_for_dag(dag_id)
    say("warming up: Airflow's first DAG callback takes it some seconds longer")
    airflow.trigger(WARM_UP, "warm-up", {})
    airflow.wait_for("the first DAG callback", lambda: airflow.variables("demo_is_warm"), timeout=90)


def _settings(mails: SmtpInbox, slack: SlackInbox) -> dict[str, str]:
    """Return what tells Airflow, and the configuration files in ``demo/configs``, where the inboxes are."""
    username, password = LOGIN
    return {
        "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(HERE / "configs"),
        "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": slack.host,
        "CLOUDACT_NOTIFY_SMTP_HOST": mails.host,
        "CLOUDACT_NOTIFY_SMTP_PORT": str(mails.port),
        "CLOUDACT_NOTIFY_SMTP_USERNAME": username,
        "CLOUDACT_NOTIFY_SMTP_PASSWORD": password,
        "ACME_CORP_SLACK_WEBHOOK_URL": slack.url,
        # The inbox's certificate is checked as any: against the authorities of the system, here one of our own.
        "SSL_CERT_FILE": str(mails.ca_file),
    }


def _live(chapter: Chapter, airflow: StandaloneAirflow, outcome: Outcome, say: Progress) -> list[Decision]:
    """Start a chapter's runs, and wait for their end and for what is told of them."""
    say(f"{chapter.name}: {chapter.what} ({len(chapter.runs)} DAG runs)")
    logs = airflow.home / "logs"
    before = Counter(decision for earlier in outcome.decisions.values() for decision in earlier)

    def since() -> list[Decision]:
        return list((Counter(decisions(logs)) - before).elements())

    for run in chapter.runs:
        airflow.trigger(run.dag_id, run.run_id, {"tenant_id": run.tenant})
    for run in chapter.runs:
        say(f"  {run.dag_id} for {run.tenant}: {airflow.wait_for_run(run.dag_id, run.run_id)}")
    wanted = len(chapter.notices)
    say(f"  waiting for the DAG processor's callbacks ({len(since())} of {wanted} notices decided)")
    try:
        airflow.wait_for(f"{wanted} notices", lambda: len(since()) >= wanted, timeout=60)
    except AirflowTrouble as trouble:
        say(f"  {str(trouble).partition(';')[0]}, but only {len(since())} came")
    return since()


def compare(story: Iterable[Chapter], outcome: Outcome) -> list[str]:
    """Return what is not as it should be: decisions that differ, messages that are missing or came unexpectedly."""
    problems = []
    delivered: Counter[tuple[str, ...]] = Counter()
    for chapter in story:
        wanted = Counter(chapter.notices)
        found = Counter(decision.notice for decision in outcome.decisions[chapter.name])
        problems += [f"{chapter.name}: missing: {_words(notice)}" for notice in (wanted - found).elements()]
        problems += [
            f"{chapter.name}: unexpected: {_words(notice)}" for notice in (found - wanted).elements()
        ]
        for notice in chapter.notices:
            run_id = f"{chapter.name}-{notice.tenant}"
            for destination in notice.delivered_to:
                delivered[notice.tenant, notice.dag_id, run_id, notice.event, destination] += 1
    arrived = Counter((a.tenant, a.dag_id, a.run_id, a.event, a.destination) for a in outcome.arrivals)
    problems += [f"did not arrive: {', '.join(what)}" for what in (delivered - arrived).elements()]
    problems += [f"arrived unexpectedly: {', '.join(what)}" for what in (arrived - delivered).elements()]
    return problems


def _words(notice: Notice) -> str:
    told = " and ".join(notice.delivered_to) or f"held back by {notice.held_by}"
    return f"{notice.tenant}, {notice.dag_id}, {notice.event} from the {notice.told_by}: {told}"


if __name__ == "__main__":
    sys.exit(main())
