"""Claims: who of several reporters sends, and what becomes of the row when something comes between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_cloudact_notify.core.bookkeeping import LONGEST_SETTLE, Bookkeeping
from airflow_cloudact_notify.core.claims import LONGEST_LEASE, Claimed
from airflow_cloudact_notify.core.enums import NotificationProvider, NotificationSeverity, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan, cooldown_key
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.held import HeldReports
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.testing import FrozenClock
from tests.core.storm import LEASE, report

ERROR, CRITICAL = NotificationSeverity.ERROR, NotificationSeverity.CRITICAL
SLACK = [NotificationProvider.SLACK]
PATIENT = float("inf")
KEY = cooldown_key(report(), Plan(ERROR).cooldown_scope)


class Process:
    """One reporter's bookkeeping; all share a store and a clock."""

    def __init__(self, world: World, **message: Any) -> None:
        severity = NotificationSeverity(message.pop("severity", ERROR))
        self.message = report(severity=severity, **message)
        self.plan = Plan(severity, cooldown_seconds=300)
        self.remarks: list[str] = []
        self.books = Bookkeeping(world.state, self.remarks.append, world.clock, world.clock.sleep)

    def claim(self) -> Held | Claimed | None:
        self.claimed = self.books.claim(self.message, self.plan, LEASE)
        return self.claimed

    def settle(self) -> Held | None:
        assert isinstance(self.claimed, Claimed)
        return self.books.settle(self.claimed, self.plan, PATIENT)

    def finish(self, told: NotificationMessage | None = None) -> None:
        claimed = self.claimed if isinstance(self.claimed, Claimed) else None
        self.books.delivered(told or self.message, self.plan, claimed, SLACK)

    def fail(self) -> None:
        assert isinstance(self.claimed, Claimed)
        self.books.failed(self.claimed, self.plan)

    def claims(self) -> Process:
        assert isinstance(self.claim(), Claimed)
        return self

    def tells(self) -> Process:
        self.claims()
        assert self.settle() is None
        self.finish()
        return self


class World:
    def __init__(self) -> None:
        self.state = MemoryStateStore()
        self.clock = FrozenClock()

    def process(self, **message: Any) -> Process:
        return Process(self, **message)

    @property
    def row(self) -> Cooldown:
        return Cooldowns(self.state, pytest.fail).load(KEY)

    @row.setter
    def row(self, row: Cooldown) -> None:
        Cooldowns(self.state, pytest.fail).save(KEY, row)

    def held(self) -> int:
        return len(HeldReports(self.state).keys(KEY, None))

    def claim_of_another(self, until: float, severity: NotificationSeverity = ERROR) -> Claim:
        return Claim("theirs", self.clock() + until, severity, report(severity=severity))


@pytest.fixture
def world() -> World:
    return World()


def reason(held: Held | Claimed | None) -> SuppressionReason:
    assert isinstance(held, Held)
    return held.reason


# --- alone


def test_a_claim_holds_a_token_a_lease_the_severity_and_the_message(world: World) -> None:
    process = world.process().claims()
    claim = world.row.claim
    assert claim is not None
    assert len(claim.token) == 16
    assert claim.until == pytest.approx(world.clock() + LEASE)
    assert (claim.severity, claim.message) == (ERROR, process.message)


def test_whoever_reads_his_own_token_sends(world: World) -> None:
    process = world.process().claims()
    assert process.settle() is None
    assert process.remarks == []


def test_a_reporter_waits_as_long_as_the_store_says_before_he_reads_back(world: World) -> None:
    world.state.settle_seconds = 3.0
    world.process().tells()
    [waited] = world.clock.slept
    assert 2.0 < waited <= 3.1


def test_nobody_waits_longer_than_he_may_nor_for_ever(world: World) -> None:
    world.state.settle_seconds = 99.0
    process = world.process().claims()
    assert isinstance(process.claimed, Claimed)
    assert process.books.settle(process.claimed, process.plan, 0.25) is None
    assert process.books.settle(process.claimed, process.plan, 0.0) is None
    assert process.settle() is None
    assert world.clock.slept == [0.25, 0.0, LONGEST_SETTLE]


def test_the_cooldown_starts_with_the_delivery_not_with_the_claim(world: World) -> None:
    process = world.process().claims()
    world.clock.advance(9)
    process.finish()
    assert world.row == Cooldown(process.message, world.clock(), 300)


def test_a_claim_that_is_given_up_leaves_what_was_told_before(world: World) -> None:
    world.process().claims().fail()
    assert world.state.keys("") == []
    world.process().tells()
    before = world.row
    world.clock.advance(301)
    world.process().claims().fail()
    assert world.row == before


# --- against others


def test_the_last_writer_sends_and_the_others_are_held_back(world: World) -> None:
    processes = [world.process() for _ in range(5)]
    for process in processes:
        process.claims()
        world.row = Cooldown() if process is not processes[-1] else world.row
    *losers, winner = processes
    assert [reason(process.settle()) for process in losers] == [SuppressionReason.BEING_TOLD] * 4
    assert winner.settle() is None


def test_an_unexpired_claim_of_another_holds_back(world: World) -> None:
    world.row = Cooldown(claim=world.claim_of_another(0.1))
    assert reason(world.process().claim()) is SuppressionReason.BEING_TOLD
    assert reason(world.process(severity="warning").claim()) is SuppressionReason.BEING_TOLD


@pytest.mark.parametrize("until", [0.0, -1.0, -1e9, LONGEST_LEASE + 1, 1e9, float("nan")])
def test_a_claim_that_is_expired_or_ends_too_far_ahead_is_taken_over_with_its_message(
    world: World, until: float
) -> None:
    left_behind = world.claim_of_another(until)
    world.row = Cooldown(claim=left_behind)
    process = world.process().claims()
    assert isinstance(process.claimed, Claimed)
    assert process.claimed.told == left_behind.message
    assert process.claimed.interrupted
    assert world.held() == 0
    assert process.settle() is None
    assert world.held() == 1, "its own report is counted, once it has won"


def test_a_clock_set_back_holds_nothing_back(world: World) -> None:
    world.process().tells()
    world.clock.advance(-3600)
    world.process().tells()
    for _ in range(2):
        world.clock.advance(-3600)
        assert isinstance(world.process().claims().claimed, Claimed)
    assert world.held() == 0


def test_a_reporter_that_takes_over_and_loses_is_counted_once(world: World) -> None:
    world.row = Cooldown(claim=world.claim_of_another(-1))
    found = world.row
    first = world.process().claims()
    world.row = found
    second = world.process().claims()
    lost = first.settle()
    assert isinstance(lost, Held)
    first.books.held(first.message, first.plan, lost)
    assert world.held() == 1
    assert second.settle() is None
    assert world.held() == 2


def test_what_is_less_severe_and_was_left_behind_is_counted_not_told(world: World) -> None:
    world.row = Cooldown(claim=world.claim_of_another(-1))
    process = world.process(severity="critical").claims()
    assert isinstance(process.claimed, Claimed)
    assert process.claimed.told == process.message
    assert process.settle() is None
    assert world.held() == 1


def test_what_was_left_behind_is_counted_when_something_severer_breaks_in(world: World) -> None:
    world.row = Cooldown(claim=world.claim_of_another(-1))
    process = world.process().claims()
    severer = world.process(severity="critical").claims()
    lost = process.settle()
    assert isinstance(lost, Held)
    process.books.held(process.message, process.plan, lost)
    assert world.held() == 2
    assert severer.settle() is None


def test_what_was_left_behind_is_counted_when_nobody_takes_it(world: World) -> None:
    world.row = Cooldown(claim=world.claim_of_another(-1))
    process = world.process().claims()
    process.settle()
    process.fail()
    assert world.held() == 2
    assert world.row == Cooldown()


def test_a_message_is_no_repeat_of_itself(world: World) -> None:
    process = world.process().tells()
    held = process.claim()
    assert isinstance(held, Held)
    assert held.reason is SuppressionReason.COOLDOWN
    process.books.held(process.message, process.plan, held)
    assert world.held() == 0


# --- what is read back


SHADOWED = "is the key shadowed?"


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        pytest.param(None, SHADOWED, id="nothing"),
        pytest.param("nonsense", "its content is not a cooldown", id="garbage"),
        pytest.param('{"v": 99}', "another version", id="another version"),
        pytest.param(json.dumps({"v": 2}), SHADOWED, id="an empty row"),
    ],
)
def test_whatever_is_read_back_but_anothers_claim_sends_with_a_remark(
    world: World, text: str | None, remark: str
) -> None:
    process = world.process().claims()
    world.state.delete(KEY)
    if text is not None:
        world.state.put(KEY, text)
    assert process.settle() is None
    assert any(remark in said for said in process.remarks)


@pytest.mark.parametrize("until", [-1.0, LONGEST_LEASE + 1])
def test_a_claim_read_back_that_is_not_running_loses_to_nobody(world: World, until: float) -> None:
    process = world.process().claims()
    world.row = Cooldown(claim=world.claim_of_another(until))
    assert process.settle() is None


def test_a_key_that_is_shadowed_by_an_old_row_sends_with_a_remark(world: World) -> None:
    world.process().tells()
    world.clock.advance(301)
    shadow = world.row
    process = world.process().claims()
    world.row = shadow
    assert process.settle() is None
    assert any(SHADOWED in said for said in process.remarks)


def test_a_delivery_of_another_that_is_read_back_holds_back(world: World) -> None:
    slow, quick = world.process().claims(), world.process()
    world.state.delete(KEY)
    quick.tells()
    assert reason(slow.settle()) is SuppressionReason.COOLDOWN


class Broken(MemoryStateStore):
    """Fails at one sort of call."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation

    def _check(self, operation: str, key: str) -> None:
        if operation == self.operation:
            raise StateUnavailable(f"{operation} {key}", "out of order")

    def get(self, key: str) -> str | None:
        self._check("get", key)
        return super().get(key)

    def put(self, key: str, value: str) -> None:
        self._check("put", key)
        super().put(key, value)

    def delete(self, key: str) -> None:
        self._check("delete", key)
        super().delete(key)

    def keys(self, prefix: str) -> list[str]:
        self._check("keys", prefix)
        return super().keys(prefix)


@pytest.mark.parametrize(
    ("operation", "act", "remark"),
    [
        ("get", Process.claim, "sent without looking at what was told before"),
        ("put", Process.claim, "sent without a claim, so another process may send it too"),
        ("get", Process.settle, "sent without knowing whether another process does so too"),
        (
            "keys",
            lambda p: p.books.history(p.claimed, Times()),
            "how many repeats were held back is not known",
        ),
        ("get", Process.finish, "what others told meanwhile is not known"),
        ("put", Process.finish, "what was told could not be kept, so it may be told again"),
        ("get", Process.fail, "the claim could not be given up"),
        ("delete", Process.fail, "the claim could not be given up"),
    ],
)
def test_a_state_that_does_not_answer_is_remarked_and_holds_nothing_back(
    world: World, operation: str, act: Callable[[Process], Any], remark: str
) -> None:
    world.state = Broken("")
    process = world.process(event="pipeline_warning")
    if act is not Process.claim:
        process.claims()
    world.state.operation = operation
    assert not isinstance(act(process), Held)
    assert [said.partition(": ")[0] for said in set(process.remarks)] == [remark]
    assert operation in process.remarks[0]


def test_a_held_report_that_cannot_be_kept_is_remarked(world: World) -> None:
    world.state = Broken("put")
    process = world.process()
    process.books.held(process.message, process.plan, Held(SuppressionReason.COOLDOWN, "", counts=True))
    [remark] = process.remarks
    assert remark.startswith("that it was held back could not be kept")


# --- who overwrites whom


def test_a_sender_that_fails_does_not_delete_the_claim_of_another(world: World) -> None:
    failing, other = world.process().claims(), world.process(severity="critical").claims()
    failing.fail()
    assert other.settle() is None
    assert other.remarks == []


def test_a_sender_that_fails_does_not_undo_the_cooldown_of_another(world: World) -> None:
    failing = world.process().claims()
    other = world.process(severity="critical").tells()
    failing.fail()
    assert world.row.told == other.message


def test_a_delivery_leaves_the_claim_of_something_severer_in_place(world: World) -> None:
    first = world.process().claims()
    assert first.settle() is None
    severer = world.process(severity="critical").claims()
    first.finish()
    assert severer.settle() is None
    assert severer.remarks == []
    severer.finish()
    assert world.row == Cooldown(severer.message, world.clock(), 300)


def test_a_delivery_after_that_of_something_severer_does_not_let_its_repeats_through(world: World) -> None:
    first = world.process().claims()
    assert first.settle() is None
    world.process(severity="critical").tells()
    first.finish()
    assert reason(world.process(severity="critical").claim()) is SuppressionReason.COOLDOWN
    assert reason(world.process().claim()) is SuppressionReason.COOLDOWN


def test_a_claim_that_was_overwritten_by_something_less_severe_is_sent_without_talk_of_shadows(
    world: World,
) -> None:
    severer = world.process(severity="critical").claims()
    world.row = Cooldown()
    world.process().claims()
    assert severer.settle() is None
    assert severer.remarks == []


# --- counts


def test_what_a_failed_delivery_would_have_counted_is_not_counted(world: World) -> None:
    world.process().tells()
    repeat = world.process()
    held = repeat.claim()
    assert isinstance(held, Held)
    repeat.books.held(repeat.message, repeat.plan, held)
    for _ in range(2):
        world.clock.advance(301)
        process = world.process().claims()
        assert isinstance(process.claimed, Claimed)
        process.claimed, words = process.books.history(process.claimed, Times())
        assert [text.partition(" since")[0] for text in words] == ["+1 more"]
        process.fail()
    process.claims()
    assert isinstance(process.claimed, Claimed)
    process.claimed, _ = process.books.history(process.claimed, Times())
    process.finish()
    world.clock.advance(301)
    last = world.process().claims()
    assert isinstance(last.claimed, Claimed)
    assert last.books.history(last.claimed, Times())[1] == ()


def test_who_breaks_in_does_not_count_what_the_other_is_counting(world: World) -> None:
    world.process().tells()
    world.process().books.held(
        world.process().message, Plan(ERROR), Held(SuppressionReason.COOLDOWN, "", True)
    )
    world.clock.advance(301)
    first = world.process().claims()
    severer = world.process(severity="critical").claims()
    assert isinstance(first.claimed, Claimed)
    assert isinstance(severer.claimed, Claimed)
    assert first.books.history(first.claimed, Times())[1]
    assert severer.books.history(severer.claimed, Times())[1] == ()


def test_maintenance_that_does_not_run_is_remarked_where_something_waits(world: World) -> None:
    remark = "which has not run for an hour"
    process = world.process()
    process.books.held(process.message, process.plan, Held(SuppressionReason.COOLDOWN, "", counts=True))
    for seconds, told in ((3000, False), (3000, True)):
        world.clock.advance(seconds)
        reporter = world.process().claims()
        assert isinstance(reporter.claimed, Claimed)
        reporter.books.history(reporter.claimed, Times())
        assert any(remark in said for said in reporter.remarks) is told
        world.state.delete(KEY)
    world.state.put("cloudact_notify:control:maintenance", json.dumps({"v": 1, "ran_at": world.clock() - 60}))
    reporter = world.process().claims()
    assert isinstance(reporter.claimed, Claimed)
    reporter.books.history(reporter.claimed, Times())
    assert reporter.remarks == []
