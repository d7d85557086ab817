from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.claims import LONGEST_LEASE
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.maintenance import (
    MEMORY_SECONDS,
    OUTAGE_SECONDS,
    LatestSuccess,
    Maintained,
    maintain,
)
from airflow_cloudact_notify.core.policy import cooldown_key
from airflow_cloudact_notify.core.state.held import LATE_SECONDS, MANY, HeldReports
from airflow_cloudact_notify.core.state.outages import Outage
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import SlackInbox
from tests.core.relay import BY_SLACK, Relay
from tests.core.storm import LEASE, Storm, report, success

DATA_QUALITY = {"event": "data_quality_failure", "providers": ["slack"]}
SLOW = (429, "rate_limited", {"Retry-After": "600"})
CONTROL = "cloudact_notify:control:maintenance"
NOTHING = Maintained()


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as chat:
        yield chat


@pytest.fixture
def storm(tmp_path: Path, inbox: SlackInbox) -> Storm:
    return Storm(tmp_path, inbox)


def never(outage: Outage) -> datetime | None:
    return None


def maintained(storm: Storm, latest_success: LatestSuccess = never) -> Maintained:
    return maintain(storm.service, latest_success, storm.clock())


def hold(storm: Storm, count: int, **message: Any) -> None:
    for _ in range(count):
        assert storm.service.send(report(**message)).suppressed


def test_with_nothing_to_do_it_says_nothing_and_keeps_that_it_ran(storm: Storm) -> None:
    assert maintained(storm) == NOTHING
    assert storm.rows() == [CONTROL]
    assert json.loads(storm.state.get(CONTROL) or "")["ran_at"] == storm.clock()


def test_a_digest_comes_when_the_cooldown_is_over_and_nobody_has_told_of_the_repeats(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 3, title="again")
    storm.clock.advance(299)
    assert maintained(storm) == NOTHING
    storm.clock.advance(2)
    assert maintained(storm).digests == 1
    assert len(storm.told) == 2
    assert "3 more reports: Pipeline failed: sales" in storm.told[1]
    assert "Held back since 2026-01-02 03:04 UTC by the cooldown. The last one: again." in storm.told[1]
    assert maintained(storm) == NOTHING


def test_a_digest_is_no_repeat_and_starts_no_cooldown(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 1)
    storm.clock.advance(301)
    assert maintained(storm).digests == 1
    told = storm.service.send(report())
    assert told.delivered
    assert told.message.history == ("Failing since 2026-01-02 03:04 UTC (5 m 1 s)",)


def test_what_a_message_has_counted_is_deleted_and_not_told_again(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 3)
    storm.clock.advance(301)
    assert "+3 more" in storm.service.send(report()).message.history[1]
    assert maintained(storm).digests == 0
    assert storm.rows("held:") == []
    storm.clock.advance(301)
    assert maintained(storm).digests == 0


def test_a_digest_that_nobody_takes_is_sent_the_next_time_with_the_same_count(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 3)
    storm.clock.advance(301)
    storm.chat.answer(404, "no_service")
    assert maintained(storm).digests == 0
    assert maintained(storm).digests == 1
    assert "3 more reports" in storm.told[-1]


def test_a_destination_that_keeps_a_digest_waiting_keeps_no_other_tenants(storm: Storm) -> None:
    with SlackInbox() as other:
        storm.folder.write("zeta", slack={"enabled": True, "webhook_url": other.url})
        storm.configure(retry_config={"max_attempts": 3})
        storm.service = storm.make(allowed_webhook_hosts=["127.0.0.1"])
        for tenant_id, pipeline_id in (("acme", "a"), ("acme", "b"), ("zeta", "z")):
            again = report(tenant_id=tenant_id, pipeline_id=pipeline_id)
            assert storm.service.send(again).delivered
            hold(storm, 1, tenant_id=tenant_id, pipeline_id=pipeline_id)
        storm.clock.advance(301)
        storm.clock.slept.clear()
        storm.chat.payloads.clear()
        storm.chat.answer(429, "rate_limited", {"Retry-After": "600"})
        assert maintained(storm).digests == 1
        assert (len(storm.told), len(other.payloads), storm.clock.slept) == (1, 2, [])
        assert maintained(storm).digests == 2


def test_a_digest_goes_to_its_fall_back_though_its_destination_keeps_others_waiting(relay: Relay) -> None:
    relay.configure(BY_SLACK | {"fallback_providers": ["email"]}, DATA_QUALITY)
    hold_one_of_each(relay)
    for _ in range(2):
        relay.chat.answer(*SLOW)
    assert relay.maintain().digests == 1
    assert "1 more report: sales failed" in relay.mailed[-1]
    assert len(relay.chat.payloads) == 4


def test_a_destination_and_its_fall_back_keep_waiting_once(relay: Relay) -> None:
    relay.configure(BY_SLACK, DATA_QUALITY, fallback_providers=["email"])
    hold_one_of_each(relay)
    relay.chat.answer(*SLOW)
    relay.mail.answer("451 later")
    assert relay.maintain().digests == 0
    assert len(relay.chat.payloads) == 3


def test_who_was_alerted_hears_of_the_end_though_another_destination_keeps_waiting(relay: Relay) -> None:
    by_mail = {"event": "pipeline_failure", "providers": ["email"]}
    relay.configure(by_mail, DATA_QUALITY, {"event": "pipeline_success", "providers": ["slack"]})
    hold_one_of_each(relay)
    for _ in range(2):
        relay.chat.answer(*SLOW)
    done = maintain(relay.service, began_at(6), relay.clock())
    assert (done.recovered, len(relay.chat.payloads)) == (1, 3)
    assert "Recovered: sales" in relay.mailed[-1]


def hold_one_of_each(relay: Relay) -> None:
    """Let a cooldown that is over have held back a pipeline's failure, and one of its data's quality."""
    for event in ("pipeline_failure", "data_quality_failure") * 2:
        relay.send(event=event, dedup_key=None)
    relay.clock.advance(301)


def test_a_report_that_comes_while_a_digest_is_sent_is_counted_by_the_next(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 2)
    storm.clock.advance(301)
    key = cooldown_key(report(), storm.plan(report()).cooldown_scope)
    HeldReports(storm.state).add(key, report(), storm.clock() - 0.5)
    assert maintained(storm).digests == 1
    assert "2 more reports" in storm.told[1]
    storm.clock.advance(LATE_SECONDS)
    assert maintained(storm).digests == 1
    assert "1 more report:" in storm.told[2]


def test_a_digest_does_not_overwrite_the_claim_of_a_reporter(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 1)
    storm.clock.advance(301)
    key = cooldown_key(report(), storm.plan(report()).cooldown_scope)
    sending = storm.chat.payloads

    class ClaimedMeanwhile(MemoryStateStore):
        claimed = False

        def get(self, wanted: str) -> str | None:
            if len(sending) == 2 and not self.claimed:
                self.claimed = True
                storm.is_killed_while_telling(report())
            return super().get(wanted)

    state = ClaimedMeanwhile()
    for row in storm.rows():
        state.put(row, storm.state.get(row) or "")
    storm.state = state
    storm.service = storm.make()
    assert maintained(storm).digests == 1
    assert '"claim"' in (MemoryStateStore.get(state, key) or "")


def test_rows_of_which_the_newest_make_no_sense_are_told_all_the_same(storm: Storm) -> None:
    storm.service.send(report())
    for _ in range(3):
        hold(storm, 1)
        storm.clock.advance(1)
    storm.state.put(sorted(storm.rows("held:"))[-1], "nonsense")
    storm.clock.advance(301)
    assert maintained(storm).digests == 1
    assert "3 more reports" in storm.told[1]


def test_rows_that_make_no_sense_at_all_are_deleted_when_they_are_old(storm: Storm) -> None:
    storm.service.send(report())
    hold(storm, 2)
    for key in storm.rows("held:"):
        storm.state.put(key, "nonsense")
    storm.state.put("cloudact_notify:held:x:y:z", "nonsense")
    storm.clock.advance(301)
    assert maintained(storm).digests == 0
    assert len(storm.rows("held:")) == 2
    storm.clock.advance(MEMORY_SECONDS)
    maintained(storm)
    assert storm.rows("held:") == []


# --- recovery where no callback tells of success


def began_at(hour: int) -> LatestSuccess:
    return lambda outage: datetime(2026, 1, 1, hour, tzinfo=UTC) if outage.pipeline_id == "sales" else None


def test_an_outage_whose_end_no_callback_told_is_ended(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", run="r1", began=5))
    assert maintained(storm, began_at(4)) == NOTHING
    assert maintained(storm, began_at(6)).recovered == 1
    assert "Recovered: sales" in storm.told[1]
    assert storm.rows() == [CONTROL]
    assert maintained(storm, began_at(6)) == NOTHING


def test_a_newer_failure_that_was_held_back_keeps_the_outage(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", run="r1", began=5))
    hold(storm, 1, lifecycle="failure", run="r2", began=7)
    assert maintained(storm, began_at(6)).recovered == 0
    assert maintained(storm, began_at(7)).recovered == 1


def test_a_task_ends_with_its_pipelines_success(storm: Storm) -> None:
    storm.configure({"cooldown_scope": "task"})
    storm.service.send(report(lifecycle="failure", began=5))
    assert maintained(storm, began_at(6)).recovered == 1
    assert "Recovered: Task sales.load" in storm.told[1]


def test_an_outage_ends_in_silence_where_recoveries_are_off(storm: Storm) -> None:
    storm.configure({}, {"event": "pipeline_success"}, notify_recovery=False)
    storm.service.send(report(lifecycle="failure", began=5))
    assert maintained(storm, began_at(6)).recovered == 1
    assert len(storm.told) == 1
    assert storm.rows("outage:") == []


def test_a_recovery_that_nobody_takes_is_told_late(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", began=5))
    storm.chat.answer(503)
    done = maintained(storm, began_at(6))
    assert (done.recovered, done.replayed) == (1, 0)
    assert storm.rows("outage:") == []
    assert len(storm.rows("letter:")) == 1
    done = maintained(storm, began_at(6))
    assert (done.recovered, done.replayed) == (0, 1)
    assert "Recovered: sales" in storm.told[-1]
    assert "Sent late" in storm.told[-1]


def test_a_callback_that_ends_it_first_leaves_nothing_to_tell(storm: Storm) -> None:
    storm.configure({}, {"event": "pipeline_success"})
    storm.service.send(report(lifecycle="failure", began=5))

    def meanwhile(outage: Outage) -> datetime | None:
        storm.service.send(success(began=6))
        return began_at(6)(outage)

    maintained(storm, meanwhile)
    assert len(storm.told) == 2


# --- pruning


def test_what_is_over_is_deleted(storm: Storm) -> None:
    storm.service.send(report())
    assert maintained(storm).pruned == 0
    storm.clock.advance(301)
    assert maintained(storm).pruned == 1
    assert storm.rows("cooldown:") == []


def test_what_was_told_of_a_sound_pipeline_is_forgotten_after_a_week(storm: Storm) -> None:
    storm.service.send(report(event="pipeline_warning", lifecycle="retry", occasion="try 1"))
    storm.clock.advance(MEMORY_SECONDS - 1)
    maintained(storm)
    assert storm.rows("incident:")
    storm.clock.advance(2)
    maintained(storm)
    assert storm.rows() == [CONTROL]


def test_an_outage_without_an_end_is_forgotten_after_three_months(storm: Storm) -> None:
    storm.service.send(report())
    storm.clock.advance(OUTAGE_SECONDS - 1)
    maintained(storm)
    assert storm.rows("outage:")
    storm.clock.advance(2)
    maintained(storm)
    assert storm.rows() == [CONTROL]


@pytest.mark.parametrize("kind", ["outage", "incident", "cooldown"])
@pytest.mark.parametrize("row", ["nonsense", '{"v": 99}'])
def test_rows_that_make_no_sense_are_deleted(storm: Storm, kind: str, row: str) -> None:
    storm.state.put(f"cloudact_notify:{kind}:_root:sales:_none", row)
    assert maintained(storm, began_at(6)) == Maintained(pruned=1)
    assert storm.rows() == [CONTROL]


def test_a_running_claim_is_left_alone(storm: Storm) -> None:
    storm.is_killed_while_telling(report())
    assert maintained(storm) == NOTHING
    assert storm.rows("cooldown:")


class Meanwhile(MemoryStateStore):
    """Lets something happen while maintenance is about to read outages in order to prune them."""

    happens: Callable[[], object] | None = None

    def keys(self, prefix: str) -> list[str]:
        if self.happens and prefix == "cloudact_notify:incident:":
            self.happens, happens = None, self.happens
            happens()
        return super().keys(prefix)


def test_a_claim_that_comes_while_old_rows_are_deleted_is_not_deleted_with_them(storm: Storm) -> None:
    storm.state = state = Meanwhile()
    storm.configure()
    storm.service.send(report())
    storm.clock.advance(301)
    state.happens = lambda: storm.is_killed_while_telling(report(title="Failed again"))
    maintained(storm)
    storm.clock.advance(LEASE + 1)
    assert maintained(storm).retold == 1
    assert "Failed again" in storm.told[1]


def test_what_is_told_while_maintenance_runs_for_long_cools_down(storm: Storm) -> None:
    storm.configure({}, {"event": "pipeline_success"})
    storm.service.send(report(pipeline_id="broken"))
    storm.service.send(report())
    storm.clock.advance(301)

    def after_a_while(outage: Outage) -> None:
        storm.clock.advance(60)
        if outage.pipeline_id == "broken":
            storm.service.send(report())

    maintained(storm, after_a_while)
    assert len(storm.told) == 3
    storm.service.send(report())
    assert len(storm.told) == 3


def test_what_a_killed_reporter_was_telling_and_nobody_may_be_told_any_more_is_given_up_after_a_week(
    storm: Storm,
) -> None:
    storm.is_killed_while_telling(report())
    storm.configure({"enabled": False})
    storm.clock.advance(MEMORY_SECONDS)
    assert maintained(storm) == NOTHING
    storm.clock.advance(LEASE + 1)
    assert maintained(storm).pruned == 1
    assert storm.told == []


@pytest.mark.parametrize("change", [{"cooldown_seconds": None}, {"cooldown_scope": "task"}])
def test_what_a_killed_reporter_was_telling_is_told_once_although_the_cooldown_is_another_now(
    storm: Storm, change: dict[str, Any]
) -> None:
    storm.is_killed_while_telling(report())
    storm.configure(change)
    storm.clock.advance(301)
    assert maintained(storm).retold == 1
    storm.clock.advance(301)
    assert maintained(storm).retold == 0
    assert len(storm.told) == 1


def test_a_claim_from_a_clock_far_ahead_is_told(storm: Storm) -> None:
    storm.clock.advance(2 * LONGEST_LEASE)
    storm.is_killed_while_telling(report())
    storm.clock.advance(-2 * LONGEST_LEASE)
    assert maintained(storm).retold == 1


def test_a_row_of_a_tenant_that_cannot_be_does_not_stop_the_others(storm: Storm) -> None:
    storm.is_killed_while_telling(report(pipeline_id="a"))
    [key] = storm.rows("cooldown:")
    storm.state.put(
        key, (storm.state.get(key) or "").replace('"message": {', '"message": {"tenant_id": "../x", ', 1)
    )
    storm.is_killed_while_telling(report(pipeline_id="b"))
    storm.clock.advance(LEASE)
    assert maintained(storm).retold == 1


def test_ten_thousand_rows_are_brought_down_to_a_thousand_and_told_as_many(storm: Storm) -> None:
    storm.state = MemoryStateStore(max_rows=20_000)
    storm.service = storm.make()
    storm.service.send(report())
    key = cooldown_key(report(), storm.plan(report()).cooldown_scope)
    since = storm.clock()
    for number in range(10_000):
        HeldReports(storm.state).add(key, report(), since + number / 100)
    storm.clock.advance(200)
    assert maintained(storm) == Maintained(pruned=10_000 - MANY)
    assert len(storm.rows("held:")) == MANY
    storm.clock.advance(200)
    assert maintained(storm).digests == 1
    assert "1,000+ more reports" in storm.told[1]
    assert "since 2026-01-02 03:04" in storm.told[1]
    assert storm.rows("held:") == []


# --- two at once


def test_a_second_maintenance_leaves_it_to_the_first(storm: Storm) -> None:
    storm.service.send(report(lifecycle="failure", began=5))
    done: list[Maintained] = []

    def another_starts(pipeline_id: str) -> datetime | None:
        done.append(maintained(storm, began_at(6)))
        return began_at(6)(pipeline_id)

    assert maintained(storm, another_starts).recovered == 1
    assert done == [NOTHING]
    assert len(storm.told) == 2


def test_of_two_that_start_at_one_instant_the_last_writer_goes_on(
    storm: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    storm.is_killed_while_telling(report())
    storm.clock.advance(LEASE)
    done: list[Maintained] = []

    def another_starts(_: float) -> None:
        monkeypatch.setattr(time, "sleep", lambda _: None)
        storm.state.delete("cloudact_notify:control:maintaining")
        done.append(maintained(storm))
        storm.state.put("cloudact_notify:control:maintaining", json.dumps({"until": 1e18, "token": "theirs"}))

    monkeypatch.setattr(time, "sleep", another_starts)
    done.append(maintained(storm))
    assert sorted(one.retold for one in done) == [0, 1]
    assert len(storm.told) == 1


def test_maintenance_that_was_killed_is_not_waited_for_for_ever(storm: Storm) -> None:
    def killed(pipeline_id: str) -> datetime | None:
        raise StateUnavailable("read", "no database")

    storm.service.send(report())
    with pytest.raises(StateUnavailable):
        maintained(storm, killed)
    assert maintained(storm, began_at(6)).recovered == 1
    storm.state.put(
        "cloudact_notify:control:maintaining", json.dumps({"until": storm.clock() + 600, "token": "x"})
    )
    storm.is_killed_while_telling(report())
    storm.clock.advance(599)
    assert maintained(storm) == NOTHING
    storm.clock.advance(1)
    assert maintained(storm).retold == 1


@pytest.mark.parametrize("row", ["", "nonsense", "{}", '{"until": "soon"}', '{"until": 1e300, "token": "x"}'])
def test_a_control_row_that_makes_no_sense_stops_nobody(storm: Storm, row: str) -> None:
    storm.state.put("cloudact_notify:control:maintaining", row)
    storm.is_killed_while_telling(report())
    storm.clock.advance(LEASE)
    assert maintained(storm).retold == 1
