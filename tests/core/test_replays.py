"""Dead letters are delivered late: once, in order, to those who missed them, and not in vain."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from airflow_cloudact_notify.core import letter_bounds, replays
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.health import PROBE_SECONDS
from airflow_cloudact_notify.core.letters import Attempt
from airflow_cloudact_notify.core.looks import RECOVERED
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.state.control import LONGEST_RUN, Control
from airflow_cloudact_notify.testing import SmtpInbox
from tests.core.relay import BOTH, BY_SLACK, EMAIL, SLACK, Relay, title_of
from tests.scripted import HANG_UP, ScriptedWebhook

GONE = (404, "no_service")


def titles(relay: Relay) -> list[str]:
    return [title_of(payload) for payload in relay.chat.payloads]


def test_both_down_then_both_up_each_is_delivered_once_and_in_order(relay: Relay) -> None:
    relay.configure(BY_SLACK, fallback_providers=["email"])
    for number in range(5):
        relay.chat.answer(503)
        relay.mail.answer("451 later")
        assert not relay.send(f"failure {number}").delivered
    relay.chat.payloads.clear()
    relay.clock.advance(3 * 3600)
    assert relay.maintain().replayed == 5
    assert titles(relay) == [f"failure {number}" for number in range(5)]
    assert relay.mailed == []
    assert relay.rows("letter") == []
    assert relay.maintain().replayed == 0
    assert len(relay.chat.payloads) == 5


def test_a_late_message_says_how_late_and_why(relay: Relay) -> None:
    relay.miss("rows are missing")
    relay.clock.advance(3 * 3600 + 12 * 60)
    relay.maintain()
    [told] = relay.chatted
    assert (
        "Sent late: it happened 3 h 12 m ago; slack did not take it before (server_error: Slack answered 503)."
        in told
    )
    assert "may repeat" not in told


def test_how_late_is_said_in_the_tenants_locale(relay: Relay) -> None:
    relay.configure(BY_SLACK, locale="de")
    relay.miss("rows are missing")
    relay.clock.advance(3 * 3600 + 12 * 60)
    relay.maintain()
    assert "it happened 3 Std. 12 Min. ago" in relay.chatted[0]


def test_only_who_missed_it_is_told(relay: Relay) -> None:
    relay.configure(BOTH)
    relay.miss("one")
    assert len(relay.mailed) == 1
    relay.maintain()
    assert titles(relay) == ["one"]
    assert len(relay.mailed) == 1


def test_only_the_recipients_who_missed_it_are_told(relay: Relay) -> None:
    with SmtpInbox(refuse={"b@acme.example": ["450 later", "250 fine"]}) as picky:
        relay.mail = picky
        relay.configure({"event": "pipeline_failure", "providers": ["email"]})
        relay.send()
        relay.mail = SmtpInbox().__enter__()
        relay.configure({"event": "pipeline_failure", "providers": ["email"]})
        relay.maintain()
        [late] = relay.mail.messages
        relay.mail.__exit__()
    assert late.recipients == ("b@acme.example",)
    assert relay.rows("letter") == []


def test_a_recipient_who_is_none_any_more_is_not_told(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    with SmtpInbox(refuse={"b@acme.example": "450 later"}) as picky:
        relay.mail = picky
        relay.configure({"event": "pipeline_failure", "providers": ["email"]})
        relay.send()
        picky.messages.clear()
        relay.configure(
            {"event": "pipeline_failure", "providers": ["email"]},
            email=relay.email(to_emails=["new@acme.example"]),
        )
        assert relay.maintain().replayed == 0
        assert picky.messages == []
    assert relay.rows("letter") == []
    assert "of those who missed it none is a recipient of email any more" in caplog.text


def test_what_fails_again_is_kept_and_nothing_overtakes_it(relay: Relay) -> None:
    relay.miss("one", "two")
    relay.chat.answer(503)
    assert relay.maintain().replayed == 0
    assert titles(relay) == ["one"], "after a failure the destination is left alone until next time"
    [one, two] = relay.letters()
    assert (one.missed[SLACK].attempts, two.missed[SLACK].attempts) == (2, 1)
    relay.chat.payloads.clear()
    assert relay.maintain().replayed == 2
    assert titles(relay) == ["one", "two"]


def test_another_tenants_destination_is_not_left_alone(relay: Relay) -> None:
    relay.folder.write(
        "beta", slack={"enabled": True, "webhook_url": relay.ops.url}, default_provider="slack"
    )
    relay.miss("one")
    relay.ops.answer(503).answer(503).answer(503)
    relay.send("beta's", tenant_id="beta")
    relay.chat.answer(503)
    assert relay.maintain().replayed == 1


def test_a_fall_back_may_deliver_it_too(relay: Relay) -> None:
    relay.miss("one")
    relay.configure(BY_SLACK, fallback_providers=["email"])
    relay.chat.answer(503)
    assert relay.maintain().replayed == 1
    assert "Sent late" in relay.mailed[0]
    assert "This is a fall-back" in relay.mailed[0]
    assert relay.rows("letter") == []


def test_who_was_told_at_once_steps_in_for_nobody_later(relay: Relay) -> None:
    relay.configure(BOTH, fallback_providers=["email"])
    relay.chat.answer(503).answer(503)
    relay.send("one")
    assert relay.maintain().replayed == 0
    assert len(relay.mailed) == 1
    assert relay.maintain().replayed == 1
    assert len(relay.mailed) == 1


def test_who_was_told_by_a_tasks_earlier_try_steps_in_for_nobody_later(relay: Relay) -> None:
    relay.configure(BOTH, fallback_providers=["email"])
    message = relay.message("by a task")
    relay.chat.answer(503).answer(503)
    relay.service.send(message, attempt=Attempt(is_last=False))
    report = relay.service.send(message, attempt=Attempt(is_first=False))
    assert list(report) == [SLACK]
    assert report.dead_letter
    assert len(relay.mailed) == 1


def test_a_recovery_comes_late_also_where_successes_are_off(relay: Relay) -> None:
    relay.configure(BY_SLACK, {"event": "pipeline_success", "enabled": False})
    run: dict[str, Any] = {"task_id": None, "dedup_key": None}
    assert relay.send(lifecycle="failure", **run).delivered
    success = {"event": "pipeline_success", "severity": None, "lifecycle": "success"}
    relay.chat.answer(503)
    assert relay.send(**success, **run).dead_letter
    relay.chat.payloads.clear()
    assert relay.maintain().replayed == 1
    [late] = relay.chatted
    assert "Recovered: sales" in late
    assert RECOVERED.label in late
    assert relay.send(**success, **run).suppressed


@pytest.mark.parametrize("what", ["event", "destination", "everything"])
def test_what_is_switched_off_meanwhile_stays_a_letter(relay: Relay, what: str) -> None:
    relay.miss("one")
    off: dict[str, Any] = {
        "event": {"event_triggers": [BY_SLACK | {"enabled": False}]},
        "destination": {"slack": {"webhook_url": relay.chat.url}},
        "everything": {"slack": {}, "email": {}},
    }
    relay.configure(**{"event_triggers": [BY_SLACK], **off[what]})
    assert relay.maintain().replayed == 0
    assert titles(relay) == []
    [letter] = relay.letters()
    assert letter.sending_until == 0
    relay.configure(BY_SLACK)
    assert relay.maintain().replayed == 1


SILENCE = {
    "pipeline": "sales",
    "ends_at": "2026-01-02T05:00:00+00:00",
    "created_by": "ann@example.com",
    "comment": "The warehouse is moved.",
}
NIGHT = {"timezone": "UTC", "times": [{"start": "00:00", "end": "06:00"}]}


@pytest.mark.parametrize(
    "gate", [{"silences": [SILENCE]}, {"quiet_hours": NIGHT}], ids=["silence", "quiet hours"]
)
def test_what_a_gate_holds_back_stays_a_letter_until_it_opens(relay: Relay, gate: dict[str, Any]) -> None:
    relay.miss("one", "two")
    relay.configure(BY_SLACK, **gate)
    assert relay.maintain().replayed == 0
    assert len(relay.letters()) == 2
    assert relay.rows("held") == []
    relay.clock.advance(3 * 3600)
    assert relay.maintain().replayed == 2
    assert titles(relay) == ["one", "two"]


def test_late_messages_count_against_the_hour(relay: Relay) -> None:
    relay.miss("one", "two", "three")
    relay.configure(BY_SLACK, max_per_hour=2)
    assert relay.maintain().replayed == 2
    assert relay.maintain().replayed == 0
    relay.clock.advance(3600)
    assert relay.maintain().replayed == 1
    assert titles(relay) == ["one", "two", "three"]


def test_what_may_have_arrived_is_repeated_ever_more_rarely(relay: Relay) -> None:
    with ScriptedWebhook(*[HANG_UP] * 99) as server:
        relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": server.url})
        relay.service = relay.make(allowed_webhook_hosts=[server.host])
        assert not relay.send("taken, and never said so").delivered
        assert not relay.send("behind it").delivered
        told = []
        for minutes in range(0, 5 * 60, 5):
            before = server.requests
            relay.maintain()
            told += [minutes] * (server.requests - before)
            relay.clock.advance(299)
    assert told[:2] == [0, 5]
    pauses = [later - sooner for sooner, later in pairwise(told)]
    assert pauses == sorted(pauses)
    assert 60 <= pauses[-1] <= 65
    tried = {letter.message.title: letter.missed[SLACK].attempts for letter in relay.letters()}
    assert tried == {"taken, and never said so": 1 + len(told), "behind it": 1}


def test_what_may_have_arrived_does_not_wait_for_a_clock_that_was_set_back(relay: Relay) -> None:
    with ScriptedWebhook(HANG_UP) as server:
        relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": server.url})
        relay.service = relay.make(allowed_webhook_hosts=[server.host])
        assert not relay.send("taken, and never said so").delivered
        relay.clock.advance(-24 * 3600)
        assert relay.maintain().replayed == 1


# --- permanent failures


def test_what_failed_for_good_is_not_tried_again_at_once(relay: Relay) -> None:
    relay.miss("one", answer=GONE)
    for _ in range(3):
        relay.maintain()
    assert titles(relay) == []


def test_what_waits_for_its_destination_is_not_overtaken(relay: Relay) -> None:
    relay.miss("one", answer=GONE)
    relay.miss("two", "three")
    assert relay.maintain().replayed == 0
    relay.clock.advance(PROBE_SECONDS)
    assert relay.maintain().replayed == 3
    assert titles(relay) == ["one", "two", "three"]


def test_another_configuration_is_worth_a_look(relay: Relay) -> None:
    relay.miss("one", answer=GONE)
    relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": f"{relay.chat.url}2"})
    assert relay.maintain().replayed == 1


def test_a_destination_that_works_again_gets_what_it_missed(relay: Relay) -> None:
    relay.miss("one", "two", answer=GONE)
    assert relay.send("three").delivered
    assert relay.maintain().replayed == 2
    assert titles(relay) == ["three", "one", "two"]


def test_after_a_while_one_letter_tries(relay: Relay) -> None:
    relay.miss("one", "two", answer=GONE)
    relay.clock.advance(PROBE_SECONDS)
    relay.chat.answer(*GONE)
    relay.maintain()
    assert titles(relay) == ["one"]
    relay.clock.advance(PROBE_SECONDS)
    assert relay.maintain().replayed == 2


def test_a_letter_is_not_forgotten_when_its_destination_was_well_at_that_moment(relay: Relay) -> None:
    relay.miss("one", answer=GONE)
    for key in relay.rows("health"):
        relay.state.delete(key)
    assert relay.maintain().replayed == 0
    relay.clock.advance(PROBE_SECONDS)
    assert relay.maintain().replayed == 1


def test_a_letter_that_is_refused_for_what_it_says_keeps_nobody_waiting(relay: Relay) -> None:
    relay.miss("bad", answer=(400, "user_not_found"))
    relay.miss("one", "two", answer=GONE)
    relay.clock.advance(PROBE_SECONDS)
    assert relay.maintain().replayed == 2
    assert titles(relay) == ["one", "two"]


# --- bounds


def test_it_expires_and_that_is_told(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    relay.configure(BY_SLACK, dead_letter_hours=2)
    relay.miss("rows are missing", message="12 of them")
    relay.clock.advance(2 * 3600)
    with caplog.at_level(logging.ERROR):
        assert relay.maintain().lost == 1
    assert relay.rows("letter") == []
    assert titles(relay) == []
    assert 'A dead letter is given up: nobody took it in 2 h: {"message": {' in caplog.text
    assert "12 of them" in caplog.text
    [notice] = relay.noticed
    assert "1 message of tenant acme could not be delivered" in notice
    assert "- rows are missing" in notice


def test_of_too_many_the_oldest_is_told_before_it_is_given_up(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(letter_bounds, "MAX_LETTERS", 3)
    relay.miss("one", "two", "three", "four", "five")
    relay.chat.answer(503)
    assert relay.maintain().lost == 2
    assert [letter.message.title for letter in relay.letters()] == ["three", "four", "five"]
    assert caplog.text.count("there are more than 3") == 2
    assert "2 messages of tenant acme could not be delivered" in relay.noticed[0]


# --- interrupted


def test_a_killed_replay_repeats_at_most_one_and_says_so(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.miss("one", "two", "three")

    class Killed(BaseException):
        pass

    def die(key: str) -> None:
        raise Killed

    monkeypatch.setattr(relay.state, "delete", die)
    with pytest.raises(Killed):
        relay.maintain()
    monkeypatch.undo()
    assert titles(relay) == ["one"]
    assert Control(relay.state).begins(relay.clock()) is False, "its turn is not over yet"
    relay.clock.advance(LONGEST_RUN)
    assert relay.maintain().replayed == 3
    assert titles(relay) == ["one", "one", "two", "three"]
    assert ["may repeat" in told for told in relay.chatted] == [False, True, False, False]


def test_a_letter_that_is_being_sent_is_left_to_its_sender(relay: Relay) -> None:
    relay.miss("one")
    [key], [letter] = relay.rows("letter"), relay.letters()
    from dataclasses import replace

    from airflow_cloudact_notify.core.state.outbox import Outbox

    Outbox(relay.state, print).save(key, replace(letter, sending_until=relay.clock() + 60))
    assert relay.maintain().replayed == 0
    relay.clock.advance(60)
    assert relay.maintain().replayed == 1


# --- recovery


def test_a_failure_told_late_is_recovered_from(relay: Relay) -> None:
    began = datetime(2026, 1, 1, 9, tzinfo=UTC)
    relay.miss("sales failed", run_began_at=began)
    done = maintain(relay.service, lambda _: began, relay.clock())
    assert (done.replayed, done.recovered) == (1, 1)
    assert [title.split(":")[0] for title in titles(relay)] == ["sales failed", "Recovered"]


# --- a person's hand


def test_a_person_can_look_at_letters_replay_and_drop_them(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    relay.miss("one", "two", "three", answer=GONE)
    service = relay.service
    found = replays.letters(service)
    assert [letter.message.title for _, letter in found] == ["one", "two", "three"]
    keys = [key for key, _ in found]
    shown = replays.find(service, keys[1].rpartition(":")[2])
    assert shown is not None
    assert shown == (keys[1], found[1][1])
    assert replays.find(service, "nonsense") is None
    assert replays.drop(service, [keys[0], "cloudact_notify:letter:acme:none"]) == 1
    assert "A dead letter was dropped" in caplog.text
    done = replays.replay(service, relay.clock(), [keys[2]])
    assert done is not None
    assert done.delivered == 1, "although it is unhealthy by now: a person asked"
    assert titles(relay) == ["three"]
    assert relay.rows("letter") == [keys[1]]
    assert Control(relay.state).begins(relay.clock())
    assert replays.replay(service, relay.clock(), [keys[1]]) is None


def test_a_tenant_id_that_cannot_be_is_no_trouble_to_others(relay: Relay) -> None:
    relay.miss("one")
    [text] = [relay.state.get(key) for key in relay.rows("letter")]
    relay.state.put("cloudact_notify:letter:bad:1-2", text.replace('"acme"', '"../x"'))
    assert relay.maintain().replayed == 1
    assert len(relay.rows("letter")) == 1


def test_email_letters_too(relay: Relay) -> None:
    relay.configure({"event": "pipeline_failure", "providers": ["email"]})
    relay.mail.answer("451 later")
    relay.send("by mail")
    assert relay.letters()[0].missed[EMAIL].reason is FailureReason.SERVER_ERROR
    assert relay.maintain().replayed == 1
    assert "by mail" in relay.mailed[0]


def test_what_no_other_try_came_back_for_is_a_letter_after_a_day(relay: Relay) -> None:
    relay.configure(BOTH)
    relay.chat.answer(503)
    report = relay.service.send(relay.message("by a task"), attempt=Attempt(is_last=False))
    assert report["email"]
    assert report.dead_letter is None
    assert relay.maintain().replayed == 0
    relay.clock.advance(25 * 3600)
    assert relay.maintain().replayed == 1
    assert titles(relay)[-1] == "by a task"
    assert relay.rows("try") + relay.rows("letter") == []


def test_what_another_version_has_kept_is_left_to_it(relay: Relay) -> None:
    relay.miss("a letter")
    relay.chat.answer(503)
    relay.service.send(relay.message("by a task"), attempt=Attempt(is_last=False))
    rows = {
        key: relay.state.get(key).replace('"v": 1', '"v": 99')
        for key in relay.rows("letter") + relay.rows("try")
    }
    assert len(rows) == 2
    for key, row in rows.items():
        relay.state.put(key, row)
    relay.clock.advance(30 * 86_400)
    relay.maintain()
    assert {key: relay.state.get(key) for key in rows} == rows
