"""The demo as a test: one boot of a real Airflow, and a look at everything it left behind."""

from __future__ import annotations

import email
import email.policy
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from demo.__main__ import Outcome, compare, main
from demo.decisions import Decision
from demo.received import Arrival
from demo.story import COOLDOWN, DAG_PROCESSOR, FAILING, KILLED, TASK, TENANTS, chapters


@dataclass(frozen=True)
class Played:
    exit_code: int
    folder: Path
    outcome: dict[str, Any]

    def decided(self, chapter: str, **notice: str) -> list[dict[str, Any]]:
        """Return a chapter's decisions whose notices have these values."""
        return [d for d in self.outcome["decisions"][chapter] if notice.items() <= d["notice"].items()]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo")
    exit_code = main(["--folder", str(folder)])
    outcome = folder / "outcome.json"
    return Played(exit_code, folder, json.loads(outcome.read_text()) if outcome.exists() else {})


@pytest.mark.standalone
def test_everything_expected_arrives_once_and_nothing_else_does(played):
    assert played.outcome["problems"] == []
    assert played.exit_code == 0


@pytest.mark.standalone
def test_mails_and_slack_messages_are_left_for_each_tenant(played):
    received = played.folder / "received"
    assert {folder.name for folder in received.iterdir()} == set(TENANTS)
    for tenant in TENANTS:
        for file in (received / tenant).glob("*.eml"):
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.SMTP)
            html = mail.get_body(("html",)).get_content()
            assert tenant in mail.get_body(("plain",)).get_content()
            assert tenant in html
            assert file.with_suffix(".html").read_text() == html.replace("\r\n", "\n")
    posts = [json.loads(file.read_text()) for file in (received / "acme_corp").glob("*.slack.json")]
    assert all(post["attachments"][0]["blocks"] for post in posts)
    assert not list(received.glob("beta_customer/*.slack.json"))


@pytest.mark.standalone
def test_the_tenant_without_a_file_and_the_disabled_one_are_served_by_the_root(played):
    to = {(a["tenant"], a["to"]) for a in played.outcome["arrivals"] if a["destination"] == "email"}
    assert to == {
        ("acme_corp", "data-team@acmecorp.example, on-call@acmecorp.example"),
        ("beta_customer", "admin@cloudact.example"),
        ("internal_test", "admin@cloudact.example"),
    }


@pytest.mark.standalone
def test_a_password_in_an_error_reaches_nobody(played):
    texts = [file.read_text() for file in (played.folder / "received").rglob("*.*")]
    assert any("password=***" in text for text in texts)
    assert not any("hunter2" in text for text in texts)


@pytest.mark.standalone
@pytest.mark.parametrize("tenant", TENANTS)
def test_a_cooldown_set_by_a_task_process_holds_in_another_and_in_the_dag_processor(played, tenant):
    about = {"tenant": tenant, "dag_id": FAILING, "event": "pipeline_failure"}
    (told,) = played.decided("first", **about, told_by=TASK)
    assert told["notice"]["delivered_to"]
    (repeated,) = played.decided("repeat", **about, told_by=TASK)
    assert repeated["notice"]["held_by"] == COOLDOWN
    assert repeated["log"] != told["log"]
    for chapter in ("first", "repeat"):
        (at_dag_level,) = played.decided(chapter, **about, told_by=DAG_PROCESSOR)
        assert at_dag_level["notice"]["held_by"] == COOLDOWN
    row = json.loads(
        played.outcome["cooldowns"][f"cloudact_notify:cooldown:{tenant}:pipeline_failure:{FAILING}"]
    )
    assert row["told_at"] > 0


@pytest.mark.standalone
def test_a_killed_task_is_told_of_by_the_dag_processor_whose_cooldown_holds_too(played):
    (told,) = played.decided("first", dag_id=KILLED)
    assert told["notice"]["told_by"] == DAG_PROCESSOR
    assert told["notice"]["delivered_to"] == ["email", "slack"]
    (repeated,) = played.decided("repeat", dag_id=KILLED)
    assert repeated["notice"]["held_by"] == COOLDOWN


@pytest.mark.standalone
def test_a_statsd_server_counts_what_came_from_tasks_and_from_the_dag_processor(played):
    lines = (played.folder / "metrics.txt").read_text().splitlines()
    counted = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}
    notices = [d["notice"] for made in played.outcome["decisions"].values() for d in made]
    assert {notice["told_by"] for notice in notices} == {TASK, DAG_PROCESSOR}
    for destination in ("email", "slack"):
        delivered = sum(destination in notice["delivered_to"] for notice in notices)
        assert counted[f"c cloudact_notify.sent.{destination}"] == delivered
        assert counted[f"ms cloudact_notify.latency.{destination}"] == delivered
    held = Counter(notice["held_by"] for notice in notices if notice["held_by"])
    assert {name: counted[f"c cloudact_notify.suppressed.{name}"] for name in held} == held


@pytest.mark.standalone
def test_no_process_is_left_behind(played):
    home = str(played.folder / "airflow")
    left = [p for p in psutil.process_iter() if _environment(p).get("AIRFLOW_HOME") == home]
    assert left == []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


@pytest.fixture
def as_expected() -> Outcome:
    """An outcome in which everything is as the story wants it."""
    outcome = Outcome()
    for chapter in chapters():
        outcome.decisions[chapter.name] = [Decision(notice, "", "", "") for notice in chapter.notices]
        outcome.arrivals += [
            Arrival(n.tenant, n.dag_id, f"{chapter.name}-{n.tenant}", n.event, destination, "", {})
            for n in chapter.notices
            for destination in n.delivered_to
        ]
    return outcome


def test_the_demo_is_content_when_all_is_as_expected(as_expected):
    assert compare(chapters(), as_expected) == []


def test_the_demo_fails_when_a_message_is_missing(as_expected):
    missing = as_expected.arrivals.pop()
    (problem,) = compare(chapters(), as_expected)
    assert problem.startswith("did not arrive: ")
    assert missing.destination in problem


def test_the_demo_fails_when_a_message_came_twice(as_expected):
    as_expected.arrivals.append(as_expected.arrivals[0])
    (problem,) = compare(chapters(), as_expected)
    assert problem.startswith("arrived unexpectedly: ")


def test_the_demo_fails_when_a_repeat_was_not_held_back(as_expected):
    repeat = as_expected.decisions["repeat"]
    repeat[0] = replace(repeat[0], notice=replace(repeat[0].notice, held_by=None, delivered_to=("email",)))
    problems = Counter(problem.split(":")[1].strip() for problem in compare(chapters(), as_expected))
    assert problems == {"missing": 1, "unexpected": 1}
