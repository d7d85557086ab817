"""Silences, quiet hours and the cap of an hour: what they hold back, what passes, and what is told when they end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.gates import FRESH_SECONDS
from airflow_cloudact_notify.core.maintenance import LatestSuccess, Maintained, maintain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.silences import SILENCES, Silences
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from tests.core.storm import LEASE, Flaky, Racing, Storm, crash, refuse, report, success

SILENCED = SuppressionReason.SILENCED
QUIET = SuppressionReason.QUIET_HOURS
CAPPED = SuppressionReason.MAX_PER_HOUR
WHO = {"created_by": "ann", "comment": "warehouse upgrade"}
UNTIL_SIX = {"ends_at": "2026-01-02T06:00:00Z"} | WHO
HOUR = 3600.0
# The clock of the tests begins at 2026-01-02 03:04:05 UTC, a Friday.
NIGHT = {"timezone": "UTC", "times": [{"start": "22:00", "end": "07:00"}]}


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as chat:
        yield chat


@pytest.fixture
def storm(tmp_path: Path, inbox: SlackInbox) -> Storm:
    return Storm(tmp_path, inbox)


def failure(**overrides: Any) -> NotificationMessage:
    return report(**({"lifecycle": "failure"} | overrides))


def send(storm: Storm, **overrides: Any) -> NotificationReport:
    return storm.service.send(failure(**overrides))


def maintained(storm: Storm, latest_success: LatestSuccess = lambda _: None) -> Maintained:
    return maintain(storm.service, latest_success, storm.clock())


def add(storm: Storm, **silence: Any) -> None:
    Silences(storm.state, pytest.fail).add(SilenceConfig.model_validate(UNTIL_SIX | silence))


# --- silences


def test_a_silence_of_the_root_file_holds_for_all_who_fit_and_says_whose_it_is(storm: Storm) -> None:
    storm.configure(silences=[{"pipeline": "sales", "max_severity": "error"} | UNTIL_SIX])
    held = send(storm)
    assert held.suppressed is SILENCED
    assert held.reason == "silenced by ann until 2026-01-02 06:00 UTC: warehouse upgrade"
    assert send(storm, pipeline_id="stock").delivered
    assert send(storm, severity="critical").delivered


@pytest.mark.parametrize("extends", [None, "root"])
def test_a_tenant_hears_neither_what_its_own_file_silences_nor_what_the_roots_does(
    storm: Storm, extends: str | None
) -> None:
    storm.configure(silences=[{"pipeline": "sales"} | UNTIL_SIX])
    slack = {"enabled": True, "webhook_url": storm.chat.url}
    own = {"default_provider": "slack", "slack": slack, "silences": [{"pipeline": "stock"} | UNTIL_SIX]}
    storm.folder.write("acme", own | {"extends": extends})
    assert send(storm, tenant_id="acme", pipeline_id="sales").suppressed is SILENCED
    assert send(storm, tenant_id="acme", pipeline_id="stock").suppressed is SILENCED
    assert send(storm, tenant_id="beta", pipeline_id="stock").delivered
    assert send(storm, tenant_id="acme", pipeline_id="returns").delivered


def test_a_silence_made_while_airflow_runs_holds_and_ends_by_itself(storm: Storm) -> None:
    assert send(storm).delivered
    add(storm, tenant="acme")
    # Another process's first look is its own; one that has just looked does so again soon.
    assert storm.make().send(failure(tenant_id="acme")).suppressed is SILENCED
    storm.clock.advance(FRESH_SECONDS)
    assert send(storm, tenant_id="acme").suppressed is SILENCED
    assert send(storm, tenant_id="beta").delivered
    storm.clock.advance(3 * HOUR)
    assert send(storm, tenant_id="acme").delivered
    maintained(storm)
    assert storm.state.get(SILENCES) is None


def test_a_process_that_tells_much_reads_silences_once_in_a_while(storm: Storm) -> None:
    storm.configure({"event": "pipeline_started"})
    storm.state = Flaky(0, refuse)
    service = storm.make()

    def tell(count: int) -> list[str]:
        for _ in range(count):
            assert service.send(report(event="pipeline_started")).delivered
        calls, storm.state.calls = storm.state.calls, []
        return calls

    assert tell(5) == [f"read {SILENCES}"]
    storm.clock.advance(FRESH_SECONDS - 0.1)
    assert tell(5) == []
    storm.clock.advance(0.1)
    assert tell(5) == [f"read {SILENCES}"]
    # A clock that was set back must not make them last.
    storm.clock.advance(-HOUR)
    assert tell(5) == [f"read {SILENCES}"]
    service.clear_cache()
    assert tell(5) == [f"read {SILENCES}"]


def test_who_may_not_ask_the_state_does_not_take_it_for_empty(storm: Storm) -> None:
    storm.configure({"event": "pipeline_started"})
    add(storm, tenant="acme")
    start = report(event="pipeline_started", tenant_id="acme")
    assert storm.service.send(start, remember=False).delivered
    assert storm.service.send(start).suppressed is SILENCED


def test_silences_that_could_not_be_read_are_looked_for_again_with_the_next_message(storm: Storm) -> None:
    storm.configure({"event": "pipeline_started"})
    storm.state = Flaky(3, refuse)
    service = storm.make()
    add(storm, tenant="acme")
    assert len(storm.state.calls) == 2
    assert service.send(report(event="pipeline_started", tenant_id="acme")).delivered
    assert service.send(report(event="pipeline_started", tenant_id="acme")).suppressed is SILENCED


def test_what_costs_no_other_state_is_silenced_too(storm: Storm) -> None:
    storm.configure({"event": "pipeline_started"})
    add(storm, event="pipeline_started")
    assert storm.service.send(report(event="pipeline_started")).suppressed is SILENCED


def test_the_silenced_are_counted_and_summed_up_when_the_silence_is_over(storm: Storm) -> None:
    add(storm, pipeline="s*")
    for _ in range(3):
        send(storm, pipeline_id="sales", title="sales failed")
        send(storm, pipeline_id="stock", title="stock failed", severity="critical")
        storm.clock.advance(60)
    assert maintained(storm) == Maintained()
    storm.clock.advance(3 * HOUR)
    assert maintained(storm).digests == 1
    [digest] = storm.told
    assert "6 reports were held back" in digest
    assert "3 \\u00d7 sales failed, last 2026-01-02 03:06 UTC" in digest
    assert digest.index("stock failed") < digest.index("sales failed")
    assert storm.rows("held:") == []
    assert maintained(storm) == Maintained()


def test_the_next_message_of_an_incident_tells_of_the_silenced_ones_and_no_digest_repeats_it(
    storm: Storm,
) -> None:
    add(storm, pipeline="sales")
    send(storm)
    send(storm)
    storm.clock.advance(3 * HOUR)
    assert send(storm).message.history == (
        "Failing since 2026-01-02 03:04 UTC (3 h)",
        "+2 more since 2026-01-02 03:04 UTC, last: Pipeline failed: sales",
    )
    storm.clock.advance(HOUR)
    assert maintained(storm).digests == 0


def test_a_silence_of_a_file_needs_no_state_and_one_in_the_state_fails_open(storm: Storm) -> None:
    storm.configure(silences=[{"pipeline": "sales"} | UNTIL_SIX])
    storm.state = Flaky(1, crash)
    assert storm.make().send(failure()).suppressed is SILENCED
    add(storm, pipeline="stock")
    storm.state = Flaky(2, refuse)
    sent = storm.make().send(failure(pipeline_id="stock"))
    assert sent.delivered
    assert any("sent without looking at silences" in note for note in sent.notes)


# --- quiet hours


def test_what_is_critical_passes_and_the_rest_comes_as_one_digest_when_they_end(storm: Storm) -> None:
    with SmtpInbox() as mail:
        email = {"enabled": True, "smtp_host": mail.host, "smtp_port": mail.port, "smtp_use_tls": False}
        storm.configure(
            {"event": "pipeline_failure"},
            {"event": "pipeline_success", "providers": ["email"]},
            quiet_hours=NIGHT,
            email=email | {"from_email": "a@example.com", "to_emails": ["b@example.com"]},
        )
        assert send(storm, severity="critical", pipeline_id="billing").delivered
        held = send(storm, title="sales failed")
        assert held.suppressed is QUIET
        assert held.reason == "quiet hours until 07:00 (UTC)"
        send(storm, pipeline_id="stock", title="stock failed")
        storm.service.send(success(pipeline_id="staff", title="staff succeeded"))
        assert len(storm.told) == 1
        storm.clock.advance(3 * HOUR)
        assert maintained(storm).digests == 0
        storm.clock.advance(HOUR)
        assert maintained(storm).digests == 1
        digest = storm.told[-1]
        assert all(
            f"1 \\u00d7 {what}" in digest for what in ("sales failed", "stock failed", "staff succeeded")
        )
        assert "3 reports were held back" in mail.messages[-1].mail["Subject"]
    assert storm.rows("held:") == []


def test_quiet_hours_let_go_what_could_not_be_told_later(storm: Storm) -> None:
    storm.configure(quiet_hours=NIGHT)
    storm.state = Flaky(2, refuse)
    sent = storm.make().send(failure())
    assert sent.delivered
    assert any("that it was held back could not be kept" in note for note in sent.notes), sent.notes


def test_the_third_failure_of_a_night_is_critical_and_passes(storm: Storm) -> None:
    storm.configure({"escalate_after": 3}, quiet_hours=NIGHT)
    outcomes = []
    for hour in range(3):
        outcomes.append(send(storm, run=f"r{hour}", began=hour).delivered)
        storm.clock.advance(HOUR)
    assert outcomes == [False, False, True]
    assert "+2 more since" in storm.told[0]


def test_a_success_between_failures_of_a_night_begins_the_count_anew(storm: Storm) -> None:
    storm.configure({"escalate_after": 3}, quiet_hours=NIGHT)
    send(storm, run="r0", began=0)
    send(storm, run="r1", began=1)
    assert not storm.service.send(success(run="r2", began=2)).delivered
    assert send(storm, run="r3", began=3).suppressed is QUIET
    storm.clock.advance(5 * HOUR)
    maintained(storm)
    assert len(storm.told) == 1
    assert "3 reports were held back" in storm.told[0]


def test_what_a_digest_told_of_is_recovered_from_aloud(storm: Storm) -> None:
    storm.configure(quiet_hours=NIGHT)
    send(storm, run="r1", began=1)
    storm.clock.advance(5 * HOUR)
    maintained(storm)
    assert storm.service.send(success(run="r2", began=2)).delivered
    assert "Recovered: sales" in storm.told[-1]


def test_a_recovery_in_quiet_hours_is_told_when_they_end(storm: Storm) -> None:
    storm.clock.advance(-6 * HOUR)
    storm.configure(quiet_hours=NIGHT)
    assert send(storm, run="r1", began=1).delivered
    storm.clock.advance(6 * HOUR)
    assert storm.service.send(success(run="r2", began=2)).suppressed is QUIET
    began = datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert maintained(storm, lambda _: began).recovered == 0
    storm.clock.advance(5 * HOUR)
    assert maintained(storm, lambda _: began).recovered == 1
    assert "Recovered: sales" in storm.told[-1]
    assert storm.rows("outage:") == []


def test_a_killed_reporters_message_waits_through_quiet_hours_and_is_counted_nowhere(storm: Storm) -> None:
    storm.clock.advance(-6 * HOUR)
    storm.configure(quiet_hours=NIGHT)
    storm.is_killed_while_telling(failure())
    storm.clock.advance(6 * HOUR + LEASE)
    assert maintained(storm).retold == 0
    assert storm.rows("held:") == []
    storm.clock.advance(5 * HOUR)
    assert maintained(storm).retold == 1
    assert len(storm.told) == 1


# --- the cap of an hour


def fill(storm: Storm, count: int, **message: Any) -> list[NotificationReport]:
    return [
        send(storm, pipeline_id=f"p{number}", title=f"p{number} failed", **message) for number in range(count)
    ]


def test_no_more_than_so_many_an_hour_and_one_summary_of_the_rest(storm: Storm) -> None:
    storm.configure(max_per_hour=3)
    sent = fill(storm, 5)
    assert [bool(one.delivered) for one in sent] == [True, True, True, False, False]
    assert sent[3].suppressed is CAPPED
    assert (
        sent[3].reason == "the limit of 3 an hour is reached; what is held back is summed up after 04:00 UTC"
    )
    assert sent[1].message.history == ()
    assert sent[2].message.history[0].startswith("This is number 3 of this hour")
    assert maintained(storm).digests == 0
    storm.clock.advance(HOUR)
    assert maintained(storm).digests == 1
    assert "2 reports were held back" in storm.told[-1]
    assert len(storm.told) == 4
    assert storm.rows("sent:") == []


def test_messages_without_a_cooldown_take_a_place_each(storm: Storm) -> None:
    storm.configure({"cooldown_seconds": 0}, max_per_hour=2)
    reports = [storm.service.send(report()) for _ in range(3)]
    assert [bool(r.delivered) for r in reports] == [True, True, False]


def test_what_is_critical_has_places_of_its_own(storm: Storm) -> None:
    storm.configure(max_per_hour=2)
    fill(storm, 3)
    sent = [send(storm, pipeline_id=f"c{number}", severity="critical") for number in range(3)]
    assert [one.suppressed for one in sent] == [None, None, CAPPED]


def test_tenants_have_hours_of_their_own(storm: Storm) -> None:
    storm.configure(max_per_hour=1)
    assert send(storm, tenant_id="acme").delivered
    assert send(storm, tenant_id="beta").delivered
    assert send(storm, tenant_id="beta", pipeline_id="stock").suppressed is CAPPED


def test_a_message_that_nobody_took_gives_its_place_back(storm: Storm) -> None:
    storm.configure(max_per_hour=1)
    storm.chat.answer(404, "no_service")
    assert send(storm).failures
    assert send(storm, pipeline_id="stock").delivered


@pytest.mark.parametrize("incidents", [12, 1])
def test_of_many_at_one_moment_exactly_so_many_are_sent(storm: Storm, incidents: int) -> None:
    storm.state = Racing(12)
    storm.configure(max_per_hour=5)
    service = storm.make(settle=lambda _: time.sleep(0.5))
    names = [f"p{number % incidents}" for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        sent = list(pool.map(lambda name: service.send(failure(pipeline_id=name)), names))
    assert len(storm.told) == sum(one.delivered for one in sent) == min(5, incidents)
    assert len(storm.rows("held:")) == 12 - min(5, incidents)


def test_a_state_that_does_not_count_caps_nothing(storm: Storm) -> None:
    storm.configure(max_per_hour=1)
    storm.state = Flaky(3, refuse)
    service = storm.make()
    assert service.send(failure()).notes[0].startswith("sent without counting the messages of this hour")


def test_a_test_message_passes_every_gate(storm: Storm) -> None:
    everything = [{"tenant": "*"} | UNTIL_SIX]
    storm.configure(max_per_hour=1, quiet_hours=NIGHT, silences=everything)
    assert storm.service.send(report(kind="test")).delivered
    assert storm.service.send(report(kind="test")).delivered
