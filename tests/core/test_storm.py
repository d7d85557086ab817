"""Storms, through the service and a real inbox: one message an incident, and nothing swallowed without a count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.claims import LONGEST_LEASE
from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.maintenance import Maintained, maintain
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import SlackInbox
from tests.core.storm import LEASE, Flaky, Racing, Storm, crash, refuse, report

COOLDOWN, BEING_TOLD = SuppressionReason.COOLDOWN, SuppressionReason.BEING_TOLD
REPEAT = "it may repeat"


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as chat:
        yield chat


@pytest.fixture
def storm(tmp_path: Path, inbox: SlackInbox) -> Storm:
    return Storm(tmp_path, inbox)


# --- many at one instant


def race(service: NotificationService, reporters: int, round_: int) -> list[NotificationReport]:
    with ThreadPoolExecutor(reporters) as pool:
        messages = [report(pipeline_id=f"sales{round_}", task_id=f"t{n}") for n in range(reporters)]
        return list(pool.map(service.send, messages))


def test_of_many_reporters_at_one_instant_one_sends_and_the_others_are_counted(storm: Storm) -> None:
    reporters, rounds = 8, 25
    storm.state = Racing(reporters)
    # What settle_seconds promises, whatever the machine is busy with: all writes have arrived.
    service = storm.make(settle=lambda _: storm.state.all_have_written.wait())
    for round_ in range(rounds):
        reports = race(service, reporters, round_)
        assert sum(r.delivered for r in reports) == 1
        assert {r.suppressed for r in reports if not r.delivered} <= {BEING_TOLD, COOLDOWN}
        assert not any(r.notes for r in reports)
    assert len(storm.told) == rounds
    assert len(storm.rows("held:")) == rounds * (reporters - 1)


def test_without_the_wait_more_than_one_would_send(storm: Storm) -> None:
    reporters = 8
    storm.state = Racing(reporters)
    service = storm.make(settle=lambda _: None)
    assert any(sum(r.delivered for r in race(service, reporters, round_)) > 1 for round_ in range(10))


def test_real_waiting_does_it_too(storm: Storm) -> None:
    storm.state = Racing(4)
    storm.state.settle_seconds = 0.5
    service = storm.make(settle=time.sleep)
    assert sum(r.delivered for r in race(service, 4, 0)) == 1


@pytest.mark.parametrize(
    "other",
    [{"pipeline_id": "stock"}, {"event": "system_error"}, {"tenant_id": "beta"}, {"dedup_key": "orders"}],
)
def test_a_claim_on_one_incident_holds_back_no_other(storm: Storm, other: dict[str, Any]) -> None:
    storm.is_killed_while_telling(report())
    assert storm.service.send(report(**other)).delivered


# --- killed, failed


def test_while_a_claim_runs_its_repeats_are_held_back_and_counted(storm: Storm) -> None:
    storm.is_killed_while_telling(report())
    assert storm.service.send(report()).suppressed is BEING_TOLD
    assert storm.told == []
    assert len(storm.rows("held:")) == 1


def test_the_next_reporter_tells_what_a_killed_one_was_telling_and_is_itself_counted(storm: Storm) -> None:
    storm.is_killed_while_telling(report(title="first words", task_id="t1"))
    for _ in range(31):
        storm.service.send(report(title="later words"))
    storm.clock.advance(LEASE)
    taken = storm.service.send(report(title="next words"))
    assert taken.delivered
    assert taken.message.title == "first words"
    assert any("told in place of a process that was killed" in note for note in taken.notes)
    [text] = storm.told
    assert REPEAT in text
    assert "+31 more since" in text
    assert "next words" not in text
    storm.clock.advance(301)
    storm.service.send(report())
    assert "+1 more since" in storm.told[1]
    assert "last: next words" in storm.told[1]
    assert REPEAT not in storm.told[1]


def test_maintenance_tells_it_when_nobody_else_reports(storm: Storm) -> None:
    storm.is_killed_while_telling(report(title="first words"))
    assert maintained(storm).retold == 0
    storm.clock.advance(LEASE)
    assert maintained(storm) == Maintained(retold=1)
    [text] = storm.told
    assert "first words" in text
    assert REPEAT in text
    assert maintained(storm) == Maintained()
    assert storm.rows("held:") == []
    assert storm.service.send(report()).suppressed is COOLDOWN


def test_of_two_that_tell_what_a_killed_one_was_telling_neither_is_a_repeat(storm: Storm) -> None:
    killed = report()
    storm.is_killed_while_telling(killed)
    storm.clock.advance(LEASE)
    assert storm.service.send(killed).delivered
    assert storm.service.send(killed).suppressed is COOLDOWN
    assert storm.rows("held:") == []


def test_a_claim_from_a_clock_far_ahead_silences_nobody(storm: Storm) -> None:
    storm.clock.advance(2 * LONGEST_LEASE)
    storm.is_killed_while_telling(report())
    storm.clock.advance(-2 * LONGEST_LEASE)
    assert storm.service.send(report()).delivered


def test_a_delivery_that_fails_gives_its_claim_up_at_once(storm: Storm) -> None:
    storm.chat.answer(404, "no_service")
    assert not storm.service.send(report()).delivered
    assert storm.service.send(report()).delivered
    assert storm.service.send(report()).suppressed is COOLDOWN


def test_who_was_held_back_by_a_sender_that_failed_is_told_of_by_maintenance(storm: Storm) -> None:
    claimed = storm.is_killed_while_telling(report())
    storm.service.send(report(title="held words"))
    storm.books().failed(claimed, storm.plan(report()))
    storm.clock.advance(10)
    assert maintained(storm).digests == 1
    assert "1 more report: held words" in storm.told[0]


def test_who_was_held_back_by_a_sender_that_failed_is_counted_by_the_next(storm: Storm) -> None:
    claimed = storm.is_killed_while_telling(report())
    storm.service.send(report())
    storm.books().failed(claimed, storm.plan(report()))
    storm.clock.advance(10)
    storm.service.send(report())
    assert "+1 more since" in storm.told[0]


# --- severity


def test_a_higher_severity_breaks_through_a_cooldown_and_then_holds_its_own_repeats(storm: Storm) -> None:
    assert storm.service.send(report(severity="warning")).delivered
    assert storm.service.send(report(severity="error")).delivered
    assert storm.service.send(report(severity="critical")).delivered
    for severity in ("warning", "error", "critical"):
        assert storm.service.send(report(severity=severity)).suppressed is COOLDOWN
    assert len(storm.told) == 3


def test_a_higher_severity_breaks_in_on_a_claim(storm: Storm) -> None:
    storm.is_killed_while_telling(report())
    told = storm.service.send(report(severity="critical", title="worse"))
    assert told.delivered
    assert told.message.title == "worse"
    assert told.notes == ()


# --- counts


def test_the_next_message_tells_how_many_were_held_back_since_when_and_the_last(storm: Storm) -> None:
    storm.service.send(report())
    storm.clock.advance(60)
    for number in range(37):
        assert storm.service.send(report(title=f"words {number}")).suppressed is COOLDOWN
        storm.clock.advance(0.001)
    storm.clock.advance(300)
    told = storm.service.send(report())
    assert told.message.history == (
        "Failing since 2026-01-02 03:04 UTC (6 m)",
        "+37 more since 2026-01-02 03:05 UTC, last: words 36",
    )
    assert "+37 more since 2026-01-02 03:05 UTC, last: words 36" in storm.told[1]


def test_nothing_is_counted_twice_and_nothing_left_out(storm: Storm) -> None:
    counted = 0
    for held in (3, 0, 5, 1):
        for _ in range(held):
            storm.service.send(report())
        storm.clock.advance(301)
        told = storm.service.send(report())
        counted += sum(int(said.partition(" more")[0]) for said in told.message.history if "more" in said)
        assert told.delivered
    assert counted == len(storm.rows("held:"))
    assert counted + len(storm.told) == (3 + 1) + (0 + 1) + (5 + 1) + (1 + 1)


def test_a_report_that_comes_while_another_counts_is_counted_by_the_next(storm: Storm) -> None:
    storm.service.send(report())
    storm.clock.advance(299)
    storm.service.send(report(title="at the last moment"))
    storm.clock.advance(1.5)
    assert storm.service.send(report()).message.history == ("Failing since 2026-01-02 03:04 UTC (5 m)",)
    storm.clock.advance(301)
    _, words = storm.service.send(report()).message.history
    assert words.startswith("+1 more since")


def test_machines_whose_clocks_differ_by_seconds_tell_once_and_count_all(storm: Storm) -> None:
    behind = storm.make(clock=lambda: storm.clock() - 4.5)
    storm.service.send(report())
    assert behind.send(report()).suppressed is COOLDOWN
    storm.clock.advance(298)
    assert storm.service.send(report()).suppressed is COOLDOWN
    storm.clock.advance(4)
    told = [storm.service.send(report())]
    assert behind.send(report()).suppressed is COOLDOWN
    storm.clock.advance(301)
    told.append(storm.service.send(report()))
    counted = [
        int(said.partition(" more")[0]) for one in told for said in one.message.history if "more" in said
    ]
    assert (sum(counted), len(storm.told)) == (3, 3)


def test_what_is_held_back_after_a_clock_was_set_back_is_counted(storm: Storm) -> None:
    for _ in range(2):
        storm.service.send(report())
    storm.clock.advance(301)
    assert "+1 more" in storm.service.send(report()).message.history[1]
    storm.clock.advance(-3600)
    for _ in range(4):
        storm.service.send(report())
    storm.clock.advance(301)
    assert maintain(storm.service, lambda _: None, storm.clock()).digests == 1
    assert "3 more reports" in storm.told[-1]


def test_many_are_told_as_many(storm: Storm) -> None:
    storm.service.send(report())
    storm.state = MemoryStateStore(max_rows=20_000)
    storm.service = storm.make()
    storm.service.send(report())
    for _ in range(1500):
        storm.service.send(report())
    storm.clock.advance(301)
    _, words = storm.service.send(report()).message.history
    assert words.startswith("1,000+ more since")


def test_each_of_500_mapped_tasks_but_the_first_is_counted_in_one_digest(storm: Storm) -> None:
    for index in range(500):
        storm.service.send(report(lifecycle="failure", map_index=index, occasion=f"map {index}"))
    assert len(storm.told) == 1
    assert maintained(storm).digests == 0
    storm.clock.advance(301)
    assert maintained(storm).digests == 1
    assert "499 more reports: Pipeline failed: sales" in storm.told[1]
    assert storm.rows("held:") == []
    assert maintained(storm).digests == 0
    assert len(storm.told) == 2


# --- scope


SAME = {"run": "next"}


@pytest.mark.parametrize(
    ("scope", "other", "is_held"),
    [
        pytest.param("pipeline", {"task_id": "extract"}, True, id="pipeline: another task"),
        pytest.param("pipeline", {"pipeline_id": "stock"}, False, id="pipeline: another pipeline"),
        pytest.param("task", SAME, True, id="task: the same"),
        pytest.param("task", {"map_index": 3}, True, id="task: a mapped instance"),
        pytest.param("task", {"task_id": "extract"}, False, id="task: another task"),
        pytest.param("event", {"pipeline_id": "stock", "task_id": "x"}, True, id="event: another pipeline"),
        pytest.param("event", {"event": "pipeline_warning"}, False, id="event: another event"),
    ],
)
def test_the_scope_says_what_shares_a_cooldown(
    storm: Storm, scope: str, other: dict[str, Any], is_held: bool
) -> None:
    storm.configure({"cooldown_scope": scope})
    assert storm.service.send(report()).delivered
    assert (storm.service.send(report(**other)).suppressed is COOLDOWN) is is_held


# --- a state that fails


class Impatient(Budget):
    """Gives a moment to the state's call that will not answer, and to each other what it needs."""

    def __init__(self, state: Flaky) -> None:
        super().__init__(60)
        self._state = state

    def remaining_for_state(self) -> float:
        is_next = len(self._state.calls) == self._state.nth - 1
        return 0.2 if is_next else super().remaining_for_state()


CALLS = 15
"""State calls that the first failure of a trigger that escalates costs."""
FAILURE = {"lifecycle": "failure", "occasion": "try 1"}


def test_how_many_calls_a_first_failure_costs(storm: Storm) -> None:
    storm.state = Flaky(0, refuse)
    storm.configure({"escalate_after": 3})
    assert storm.service.send(report(**FAILURE)).notes == ()
    assert len(storm.state.calls) == CALLS, storm.state.calls


@pytest.mark.parametrize("nth", range(1, CALLS + 1))
@pytest.mark.parametrize("what", [refuse, crash])
def test_a_state_that_fails_at_any_call_costs_no_message_and_says_at_which(
    storm: Storm, nth: int, what: Callable[[str], None]
) -> None:
    storm.state = Flaky(nth, what)
    storm.configure({"escalate_after": 3})
    sent = storm.service.send(report(**FAILURE))
    assert sent.delivered
    assert len(storm.told) == 1
    assert any(storm.state.calls[nth - 1] in note for note in sent.notes), sent.notes


@pytest.mark.parametrize("nth", range(1, CALLS + 1))
def test_a_state_that_does_not_answer_at_any_call_costs_no_message_and_says_at_which(
    storm: Storm, nth: int
) -> None:
    is_over = threading.Event()
    storm.state = Flaky(nth, lambda _: bool(is_over.wait(30)) and None)
    storm.configure({"escalate_after": 3})
    sent = storm.service.send(report(**FAILURE), budget=Impatient(storm.state))
    is_over.set()
    assert sent.delivered
    assert len(storm.told) == 1
    assert any(storm.state.calls[nth - 1] in note for note in sent.notes), sent.notes


class ReadOnly(MemoryStateStore):
    def put(self, key: str, value: str) -> None:
        raise StateUnavailable(f"write {key}", "read-only")

    def delete(self, key: str) -> None:
        raise StateUnavailable(f"delete {key}", "read-only")


def test_a_read_only_state_lets_every_report_through(storm: Storm) -> None:
    storm.state = ReadOnly()
    storm.service = storm.make()
    for _ in range(3):
        sent = storm.service.send(report())
        assert sent.delivered
        assert any("read-only" in note for note in sent.notes)


def test_maintenance_of_a_read_only_state_says_so_and_tells_nothing(storm: Storm) -> None:
    storm.is_killed_while_telling(report())
    storm.clock.advance(LEASE)
    left_behind, storm.state = storm.state, ReadOnly()
    for key in left_behind.keys(""):
        MemoryStateStore.put(storm.state, key, left_behind.get(key) or "")
    storm.service = storm.make()
    with pytest.raises(StateUnavailable):
        maintained(storm)
    assert storm.told == []


class Shadowed(MemoryStateStore):
    """Reads from a secrets backend that has a row of its own."""

    def __init__(self, row: str) -> None:
        super().__init__()
        self.row = row

    def get(self, key: str) -> str | None:
        return self.row if ":cooldown:" in key else super().get(key)


@pytest.mark.parametrize("row", ["nonsense", '{"v": 99}', '{"v": 2}'])
def test_a_key_that_a_secrets_backend_shadows_silences_nobody(storm: Storm, row: str) -> None:
    storm.state = Shadowed(row)
    storm.service = storm.make()
    for _ in range(2):
        sent = storm.service.send(report())
        assert sent.delivered
        assert any("shadowed" in note for note in sent.notes)


def test_a_budget_that_ends_between_claim_and_reading_back_still_sends(storm: Storm) -> None:
    storm.state.settle_seconds = 1000.0
    countdown = 0.0

    class Spent(Budget):
        def remaining_for_state(self) -> float:
            return 0.0 if storm.rows("cooldown:") else 1.0

    slept: list[float] = []
    service = storm.make(settle=slept.append)
    sent = service.send(report(), budget=Spent(10, lambda: countdown))
    assert sent.delivered
    assert slept == [0.0]
    assert any("sent without knowing whether another process does so too" in note for note in sent.notes)


def test_what_is_not_to_be_remembered_is_sent_whatever_the_state_says(storm: Storm) -> None:
    storm.service.send(report())
    rows = {key: storm.state.get(key) for key in storm.rows()}
    assert storm.service.send(report(), remember=False).delivered
    assert {key: storm.state.get(key) for key in storm.rows()} == rows


def maintained(storm: Storm) -> Maintained:
    return maintain(storm.service, lambda _: None, storm.clock())


class Waiting(MemoryStateStore):
    """Lets its first write of a cooldown wait for as long as ``meanwhile`` takes, as a locked database does."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []

    def put(self, key: str, value: str) -> None:
        if self.meanwhile and ":cooldown:" in key:
            self.meanwhile.pop()()
            time.sleep(2 * self.settle_seconds)
        super().put(key, value)


def test_a_claim_that_was_long_in_the_writing_does_not_tell_what_another_has_told(storm: Storm) -> None:
    storm.state = Waiting()
    service = storm.make()
    storm.state.meanwhile.append(lambda: service.send(report(**FAILURE | {"occasion": "first"})))
    assert service.send(report(**FAILURE | {"occasion": "late"})).suppressed is SuppressionReason.COOLDOWN
    assert len(storm.told) == 1
    assert len(storm.rows("held:")) == 1
    storm.clock.advance(60)
    assert service.send(report(**FAILURE | {"occasion": "later"})).suppressed is SuppressionReason.COOLDOWN


@pytest.mark.parametrize("of", [{"event": "data_quality_failure"}, {"severity": "critical"}])
def test_nor_does_it_hold_back_anything_else(storm: Storm, of: dict[str, str]) -> None:
    storm.state = Waiting()
    service = storm.make()
    storm.state.meanwhile.append(lambda: service.send(report(**FAILURE | {"occasion": "first"})))
    assert service.send(report(**FAILURE | {"occasion": "late"} | of)).delivered
    assert len(storm.told) == 2
