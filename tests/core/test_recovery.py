"""From the first failure to the recovery: who hears that it is over, when it is, and what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import NotificationEvent, SuppressionReason
from airflow_cloudact_notify.core.health import PROBE_SECONDS
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.policy import cooldown_key
from airflow_cloudact_notify.core.state.held import HeldReports
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from tests.core.storm import LEASE, Flaky, Racing, Storm, refuse, report, success

COOLDOWN, NOT_ROUTED = SuppressionReason.COOLDOWN, SuppressionReason.NOT_ROUTED


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as chat:
        yield chat


@pytest.fixture
def storm(tmp_path: Path, inbox: SlackInbox) -> Storm:
    return Storm(tmp_path, inbox)


def failure(**overrides: Any) -> Any:
    return report(**({"lifecycle": "failure"} | overrides))


def test_fail_fail_success_is_one_alert_and_one_recovery_and_leaves_no_row(storm: Storm) -> None:
    assert storm.service.send(failure(run="r1", began=1, occasion="r1 load 1")).delivered
    assert storm.service.send(failure(run="r1", began=1, task_id=None, occasion="r1 end")).suppressed
    storm.clock.advance(60)
    assert storm.service.send(failure(run="r2", began=2, occasion="r2 load 1")).suppressed is COOLDOWN
    storm.clock.advance(3 * 3600 + 11 * 60)
    recovered = storm.service.send(success(run="r3", began=3))
    assert recovered.delivered
    assert recovered.message.kind == "recovery"
    assert len(storm.told) == 2
    assert "Recovered: sales" in storm.told[1]
    assert "Recovered after 3 h 12 m, 2 failed runs." in storm.told[1]
    assert "+1 more since" in storm.told[1]
    assert storm.rows() == []
    assert storm.service.send(success(run="r4", began=4)).suppressed is NOT_ROUTED
    assert storm.service.send(failure(run="r5", began=5)).delivered


def test_explicit_calls_recover_too(storm: Storm) -> None:
    storm.service.send(report())
    told = storm.service.send(report(event="pipeline_success", task_id="notify"))
    assert told.message.title == "Recovered: sales"
    assert "1 failed run." in told.message.message
    assert storm.rows() == []


def test_what_was_counted_before_is_not_counted_again_by_the_recovery(storm: Storm) -> None:
    storm.service.send(failure(run="r1", began=1))
    storm.service.send(failure(run="r2", began=2))
    storm.clock.advance(301)
    assert storm.service.send(failure(run="r3", began=3)).message.history
    told = storm.service.send(success(run="r4", began=4))
    assert told.message.history == ()
    assert "3 failed runs" in told.message.message
    assert storm.rows() == []


def test_runs_that_maintenance_has_counted_and_deleted_are_still_failed_runs(storm: Storm) -> None:
    storm.service.send(failure(run="r1", began=1))
    for number in (2, 3, 4):
        storm.service.send(failure(run=f"r{number}", began=number))
    storm.clock.advance(301)
    assert maintain(storm.service, lambda _: None, storm.clock()).digests == 1
    assert storm.rows("held:") == []
    assert storm.service.send(success(run="r0", began=3)).suppressed is NOT_ROUTED
    assert "4 failed runs" in storm.service.send(success(run="r5", began=5)).message.message


@pytest.mark.parametrize("held", [False, True], ids=["told", "held back"])
def test_the_success_of_an_older_run_ends_nothing(storm: Storm, held: bool) -> None:
    storm.service.send(failure(run="r2", began=1 if held else 2))
    if held:
        assert storm.service.send(failure(run="r2", began=2)).suppressed is COOLDOWN
    assert storm.service.send(success(run="r1", began=1)).suppressed is NOT_ROUTED
    assert storm.service.send(success(run="r2", began=2)).delivered, "the same run, tried again"


@pytest.mark.parametrize(
    "other",
    [{"pipeline_id": "stock"}, {"tenant_id": "beta"}, {"task_id": "load"}, {"lifecycle": "skipped"}],
)
def test_the_success_of_something_else_ends_nothing(storm: Storm, other: dict[str, Any]) -> None:
    storm.service.send(failure())
    assert storm.service.send(success(**other)).suppressed is NOT_ROUTED
    assert storm.rows("outage:")


@pytest.mark.parametrize("event", ["pipeline_warning", "data_quality_warning"])
def test_what_is_no_failure_needs_no_recovery(storm: Storm, event: str) -> None:
    storm.service.send(report(event=event))
    assert storm.service.send(success()).suppressed is NOT_ROUTED


def test_with_scope_task_each_task_recovers_by_its_own_success(storm: Storm) -> None:
    storm.configure({"cooldown_scope": "task"})
    for task in ("load", "extract"):
        assert storm.service.send(failure(run="r1", began=1, task_id=task)).delivered
    assert storm.service.send(failure(run="r2", began=2, task_id="load")).suppressed is COOLDOWN
    told = storm.service.send(success(run="r3", began=3, task_id="load"))
    assert told.message.title == "Recovered: Task sales.load"
    assert "2 failed runs" in told.message.message
    assert storm.service.send(success(run="r3", began=3)).suppressed is NOT_ROUTED
    told = storm.service.send(success(run="r3", began=3, task_id="extract"))
    assert told.message.title == "Recovered: Task sales.extract"
    assert storm.rows() == []


def test_with_scope_task_a_mapped_task_recovers_by_the_instance_that_failed(storm: Storm) -> None:
    storm.configure({"cooldown_scope": "task"})
    for index in range(6):
        of = {"run": "r1", "began": 5, "map_index": index, "task_id": "load"}
        storm.service.send(success(**of) if index % 2 else report(lifecycle="failure", **of))
    assert len(storm.told) == 1

    storm.service.send(success(run="r2", began=6, map_index=1, task_id="load"))
    assert len(storm.told) == 1
    storm.service.send(success(run="r2", began=6, map_index=0, task_id="load"))
    assert "Recovered: Task sales.load" in storm.told[1]
    assert storm.rows() == []


def test_with_scope_event_a_recovery_leaves_the_cooldown_and_the_counts_of_other_pipelines(
    storm: Storm,
) -> None:
    storm.configure({"cooldown_scope": "event"})
    assert storm.service.send(failure()).delivered
    for pipeline in ("sales", "stock", "stock"):
        assert storm.service.send(failure(pipeline_id=pipeline, title=pipeline, run=pipeline)).suppressed
        storm.clock.advance(0.01)
    storm.clock.advance(10)
    told = storm.service.send(success())
    assert "2 failed runs" in told.message.message
    assert "+1 more since" in told.message.history[0]
    assert len(storm.rows("held:")) == 2
    storm.clock.advance(301)
    assert "+2 more" in storm.service.send(failure(pipeline_id="stock")).message.history[0]


def test_with_more_held_back_than_a_callback_deletes_maintenance_deletes_the_rest_and_tells_nothing(
    storm: Storm,
) -> None:
    storm.service.send(failure())
    for _ in range(50):
        storm.service.send(failure())
    storm.clock.advance(10)
    assert "+50 more" in storm.service.send(success()).message.history[0]
    assert 0 < len(storm.rows("held:")) < 50
    storm.clock.advance(400)
    maintain(storm.service, lambda _: None, storm.clock())
    assert len(storm.told) == 2
    assert storm.rows("held:") + storm.rows("cooldown:") == []


def test_a_failure_at_once_after_such_a_recovery_is_told(storm: Storm) -> None:
    for _ in range(50):
        storm.service.send(failure())
    storm.clock.advance(10)
    storm.service.send(success())
    assert storm.service.send(failure()).delivered


def test_without_recoveries_the_outage_ends_in_silence(storm: Storm) -> None:
    storm.configure({}, notify_recovery=False)
    storm.service.send(failure())
    assert storm.service.send(success()).suppressed is NOT_ROUTED
    assert len(storm.told) == 1
    assert storm.rows() == []


def test_without_recoveries_a_success_that_is_asked_for_is_told_as_such(storm: Storm) -> None:
    storm.configure({}, {"event": "pipeline_success"}, notify_recovery=False)
    storm.service.send(failure())
    assert storm.service.send(success()).message.title == "DAG sales succeeded"
    storm.service.send(failure(run="r2"))
    storm.chat.answer(404, "no_service")
    storm.service.send(success())
    assert storm.rows("outage:") == []


def test_a_recovery_that_nobody_takes_is_told_late(storm: Storm) -> None:
    storm.service.send(failure())
    storm.chat.answer(404, "no_service")
    assert storm.service.send(success()).dead_letter
    assert storm.rows("outage:") == []
    assert storm.service.send(success()).suppressed is NOT_ROUTED
    storm.clock.advance(PROBE_SECONDS)
    assert maintain(storm.service, lambda _: None, storm.clock()).replayed == 1
    assert "Recovered: sales" in storm.told[-1]


def test_a_killed_recovery_is_told_after_its_lease(storm: Storm) -> None:
    storm.service.send(failure())
    books = storm.books()
    ended = books.outages.ended_by(success())
    assert ended is not None
    message = success(kind="recovery", event=NotificationEvent.PIPELINE_SUCCESS, severity="info")
    plan = storm.plan(message)
    books.claim(message, plan.__class__(plan.severity, plan.send_to, cooldown_seconds=300), LEASE)
    assert storm.service.send(success()).suppressed is SuppressionReason.BEING_TOLD
    storm.clock.advance(LEASE)
    assert maintain(storm.service, lambda _: None, storm.clock()).retold == 0
    assert storm.service.send(success()).delivered
    assert storm.rows("outage:") + storm.rows("cooldown:") == []


def test_a_success_that_has_something_of_its_own_to_say_still_says_it(storm: Storm) -> None:
    storm.service.send(failure())
    own = success(event="pipeline_warning", title="DAG sales succeeded, although tasks failed")
    told = storm.service.send(own)
    assert told.message.title == "DAG sales succeeded, although tasks failed"
    assert told.message.history[0].startswith("Recovered after")
    assert told.message.effective_severity == "warning"


class AllSeeTheEnd(Racing):
    """Lets all reporters read an outage before any goes on."""

    watched = ":cooldown:_root:recovery"

    def __init__(self, reporters: int) -> None:
        super().__init__(reporters)
        self.all_have_seen = threading.Barrier(reporters, timeout=30)
        self.seen = threading.local()

    def get(self, key: str) -> str | None:
        row = super().get(key)
        if ":outage:" in key and not hasattr(self.seen, "done"):
            self.seen.done = True
            self.all_have_seen.wait()
        return row


def test_of_many_that_see_the_end_at_one_instant_one_tells(storm: Storm) -> None:
    reporters = 8
    storm.configure({"cooldown_scope": "task"})
    storm.service.send(failure(task_id="mapped"))
    rows, storm.state = storm.state, AllSeeTheEnd(reporters)
    for key in rows.keys(""):
        storm.state.put(key, rows.get(key) or "")
    service = storm.make(settle=lambda _: storm.state.all_have_written.wait())
    with ThreadPoolExecutor(reporters) as pool:
        done = list(
            pool.map(service.send, [success(task_id="mapped", map_index=n) for n in range(reporters)])
        )
    assert sum(r.delivered for r in done) == 1
    assert len(storm.told) == 2
    assert storm.rows() == []


def test_a_recovery_that_finds_the_outage_ended_meanwhile_is_not_told(storm: Storm) -> None:
    storm.service.send(failure())
    ended = storm.books().outages.ended_by(success())
    assert ended is not None
    late = storm.make(settle=lambda _: storm.books().outages.close(ended)).send(success())
    assert late.suppressed is SuppressionReason.ALREADY_TOLD
    assert len(storm.told) == 1
    assert storm.rows() == []


@pytest.mark.parametrize("before", [0, 3, 30])
def test_what_is_held_back_while_the_recovery_is_on_its_way_is_counted_by_a_digest(
    storm: Storm, before: int
) -> None:
    for number in range(before + 1):
        storm.service.send(report(lifecycle="failure", run=f"r{number}", began=5))
    storm.clock.advance(60)

    def meanwhile(seconds: float) -> None:
        storm.clock.advance(seconds)
        assert storm.service.send(report(lifecycle="failure", run="newer", began=7)).suppressed

    storm.make(settle=meanwhile).send(success(began=6))
    assert "Recovered" in storm.told[1]
    storm.clock.advance(60)
    assert maintain(storm.service, lambda _: None, storm.clock()).digests == 1
    assert " 1 more report:" in storm.told[2]
    assert storm.rows("held:") == []


def test_a_held_report_whose_row_comes_after_the_recovery_is_counted_by_a_digest(storm: Storm) -> None:
    for number in range(31):
        storm.clock.advance(1)
        storm.service.send(report(lifecycle="failure", run=f"r{number}", began=5))
    books, late = storm.books(), report(lifecycle="failure", run="late", began=5)
    ended = books.outages.ended_by(success(began=6))
    assert ended is not None
    plan = storm.plan(late)
    key, mark = cooldown_key(late, plan.cooldown_scope), books.outages.mark(late, plan)
    HeldReports(storm.state).add(key, late, storm.clock() - 1.5, mark=mark)
    books.outages.close(ended)
    storm.clock.advance(60)
    assert maintain(storm.service, lambda _: None, storm.clock()).digests == 1
    assert " 1 more report:" in storm.told[1]
    assert storm.rows("held:") == []


def test_a_newer_failure_that_is_told_while_a_recovery_is_claimed_keeps_the_outage(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", run="r1", began=5))
    storm.clock.advance(301)
    newer = report(lifecycle="failure", run="r3", began=7)
    late = storm.make(settle=lambda _: storm.service.send(newer)).send(success(run="r2", began=6))
    assert late.suppressed is SuppressionReason.ALREADY_TOLD
    assert storm.service.send(success(run="r4", began=8)).delivered
    assert len(storm.told) == 3
    assert storm.rows() == []


def test_a_newer_failure_that_is_told_while_a_recovery_is_sent_keeps_the_outage(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", run="r1", began=5))
    storm.clock.advance(301)
    ended = storm.books().outages.ended_by(success(run="r2", began=6))
    assert ended is not None
    storm.service.send(report(lifecycle="failure", run="r3", began=7))
    storm.books().outages.close(ended)
    assert storm.service.send(success(run="r4", began=8)).delivered
    assert storm.rows() == []


def test_a_claim_on_a_recovery_that_was_told_meanwhile_is_taken_back(storm: Storm) -> None:
    storm.service.send(failure())
    [outage] = storm.rows("outage:")
    late = storm.make(settle=lambda _: storm.state.delete(outage)).send(success())
    assert late.suppressed is SuppressionReason.ALREADY_TOLD
    assert storm.rows("cooldown:_root:recovery") == []


def test_the_destinations_that_were_alerted_hear_of_the_recovery(storm: Storm) -> None:
    with SmtpInbox() as mail:
        email = {
            "enabled": True,
            "smtp_host": mail.host,
            "smtp_port": mail.port,
            "smtp_use_tls": False,
            "from_email": "a@example.com",
            "to_emails": ["b@example.com"],
        }
        storm.configure({"providers": ["email"]}, {"event": "pipeline_warning"}, email=email)
        storm.service.send(failure())
        storm.service.send(report(event="pipeline_warning"))
        assert list(storm.service.send(success())) == ["email"]
        assert [m.mail["Subject"] for m in mail.messages][1].endswith("Recovered: sales")
        assert len(storm.told) == 1


# --- a state that fails


RECOVERY_CALLS = 21
"""State calls of a recovery with one held report."""


def with_flaky_state(storm: Storm, nth: int) -> Flaky:
    storm.service.send(failure(run="r1", occasion="try 1"))
    storm.service.send(failure(run="r2", occasion="try 2"))
    rows, storm.state = storm.state, Flaky(nth, refuse)
    for key in rows.keys(""):
        MemoryStateStore.put(storm.state, key, rows.get(key) or "")
    storm.service = storm.make()
    return storm.state


def test_how_many_calls_a_recovery_costs(storm: Storm) -> None:
    state = with_flaky_state(storm, 0)
    assert storm.service.send(success()).notes == ()
    assert len(state.calls) == RECOVERY_CALLS, state.calls


@pytest.mark.parametrize("nth", range(1, RECOVERY_CALLS + 1))
def test_a_state_that_fails_at_any_call_of_a_recovery_is_remarked_and_the_recovery_told_now_or_later(
    storm: Storm, nth: int
) -> None:
    state = with_flaky_state(storm, nth)
    first = storm.service.send(success())
    assert any(state.calls[nth - 1] in note for note in first.notes), first.notes
    second = storm.service.send(success())
    assert first.delivered or second.delivered
    assert storm.rows("outage:") == []


def test_a_state_that_fails_does_not_count_an_echo_out(storm: Storm) -> None:
    storm.service.send(failure(occasion="try 1"))
    rows, storm.state = storm.state, Flaky(2, refuse)
    for key in rows.keys(""):
        MemoryStateStore.put(storm.state, key, rows.get(key) or "")
    assert storm.make(state=storm.state).send(failure(task_id=None)).suppressed is COOLDOWN
    assert len(storm.rows("held:")) == 1


def test_one_occasion_is_told_once_and_a_run_only_when_none_of_its_tasks_was(storm: Storm) -> None:
    storm.configure({"cooldown_seconds": 0})
    assert storm.service.send(failure(run="r1", occasion="r1 load 1")).delivered
    for again in ({"occasion": "r1 load 1"}, {"occasion": "r1 end", "task_id": None}):
        assert storm.service.send(failure(run="r1", **again)).suppressed is SuppressionReason.ALREADY_TOLD
    assert storm.service.send(failure(run="r2", occasion="r2 end", task_id=None)).delivered
    assert storm.rows("held:") == []


def test_a_run_whose_task_was_tried_again_is_known_as_such(storm: Storm) -> None:
    retry = report(event="pipeline_warning", lifecycle="retry", run="r1")
    storm.service.send(retry)
    budget = Budget()
    assert storm.service.has_retried(success(run="r1"), budget)
    assert not storm.service.has_retried(success(run="r2"), budget)


def test_a_retry_that_cannot_be_kept_or_asked_for_is_remarked(storm: Storm) -> None:
    remarks: list[str] = []
    storm.state = Flaky(1, refuse)
    retry = report(lifecycle="retry")
    storm.books(remarks).occasions.retried(retry, storm.plan(retry))
    storm.state.nth = 2
    assert not storm.books(remarks).occasions.has_retried(report())
    assert [remark.partition(":")[0] for remark in remarks] == [
        "the retry could not be kept for the end of the run",
        "whether tasks were retried is not known",
    ]


def test_the_end_of_an_outage_that_is_failing_again_leaves_the_new_claim_alone(storm: Storm) -> None:
    storm.service.send(failure())
    storm.clock.advance(301)
    claimed = storm.is_killed_while_telling(failure())
    storm.service.send(success())
    assert claimed.claim.token in (storm.state.get(claimed.key) or "")


# --- escalation


def test_the_third_run_that_fails_is_critical_although_the_cooldown_runs(storm: Storm) -> None:
    storm.configure({"escalate_after": 3})
    assert storm.service.send(failure(run="r1")).delivered
    assert storm.service.send(failure(run="r1", task_id="extract")).suppressed is COOLDOWN
    assert storm.service.send(failure(run="r2")).suppressed is COOLDOWN
    third = storm.service.send(failure(run="r3"))
    assert third.delivered
    assert third.message.effective_severity == "critical"
    assert storm.service.send(failure(run="r4")).suppressed is COOLDOWN


def test_a_success_begins_the_count_anew(storm: Storm) -> None:
    storm.configure({"escalate_after": 2})
    storm.service.send(failure(run="r1"))
    storm.service.send(success(run="r2"))
    assert storm.service.send(failure(run="r3")).message.effective_severity == "error"


def test_without_a_cooldown_failures_are_counted_too(storm: Storm) -> None:
    storm.configure({"escalate_after": 2, "cooldown_seconds": 0})
    severities = [storm.service.send(failure(run=f"r{n}")).message.effective_severity for n in range(3)]
    assert severities == ["error", "critical", "critical"]
    assert "3 failed runs" in storm.service.send(success(run="r9")).message.message
    assert storm.rows() == []


@pytest.mark.parametrize("scope", ["task", "event"])
def test_failures_are_counted_where_the_cooldown_is_kept(storm: Storm, scope: str) -> None:
    storm.configure({"escalate_after": 2, "cooldown_scope": scope})
    storm.service.send(failure(run="r1", task_id="load"))
    elsewhere = {"task_id": "extract"} if scope == "task" else {"pipeline_id": "stock"}
    storm.service.send(failure(run="r2", **elsewhere))
    assert all("critical" not in text for text in storm.told)
    assert storm.service.send(failure(run="r3", task_id="load")).message.effective_severity == "critical"


def test_a_recovery_leaves_the_claim_of_a_killed_reporter_of_a_newer_run(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", run="r1", began=5))
    storm.clock.advance(301)
    storm.is_killed_while_telling(report(lifecycle="failure", run="r3", began=7, title="r3 failed"))
    storm.clock.advance(LEASE + 1)
    assert storm.service.send(success(run="r2", began=6)).delivered
    assert maintain(storm.service, lambda _: None, storm.clock()).retold == 1
    assert "r3 failed" in storm.told[-1]
