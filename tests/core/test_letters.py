"""What a destination missed is kept, whole and within bounds, or told to the log."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.letters import MAX_CHARACTERS, fitted
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Miss
from airflow_cloudact_notify.core.state.store import MAX_KEY
from airflow_cloudact_notify.testing import SmtpInbox, make_message
from tests.core.relay import BOTH, BY_SLACK, EMAIL, SLACK, Relay
from tests.core.storm import Flaky, refuse
from tests.scripted import HANG_UP, ScriptedSmtp


def test_what_nobody_took_is_one_dead_letter(relay: Relay) -> None:
    relay.chat.answer(503)
    report = relay.send("rows are missing")
    [key] = relay.rows("letter")
    assert report.dead_letter == key
    assert f"kept as dead letter {key}" in report.summary
    assert report.to_dict()["dead_letter"] == key
    [letter] = relay.letters()
    assert letter.message.title == "rows are missing"
    assert letter.missed[SLACK].reason is FailureReason.SERVER_ERROR
    assert letter.missed[SLACK].attempts == 1
    assert letter.expires_at - letter.failed_at == 72 * 3600
    assert not letter.was_told


def test_what_another_destination_took_is_kept_for_those_that_missed_it(relay: Relay) -> None:
    relay.configure(BOTH, dead_letter_hours=5)
    relay.chat.answer(404, "no_service")
    assert relay.send()["email"]
    [letter] = relay.letters()
    assert list(letter.missed) == [SLACK]
    assert letter.was_told
    assert letter.expires_at - letter.failed_at == 5 * 3600


def test_recipients_who_may_yet_be_reached_are_kept_and_others_are_not(relay: Relay) -> None:
    refuse = {"b@acme.example": "450 later", "c@acme.example": "550 no such user"}
    with SmtpInbox(refuse=refuse) as picky:
        relay.mail = picky
        relay.configure(
            {"event": "pipeline_failure", "providers": ["email"]},
            email=relay.email(to_emails=["a@acme.example", "b@acme.example", "c@acme.example"]),
        )
        assert relay.send()["email"]
    [letter] = relay.letters()
    assert letter.missed[EMAIL].recipients == ("b@acme.example",)
    assert "450" in letter.missed[EMAIL].detail


def test_a_letter_says_what_those_met_whom_it_is_for(relay: Relay) -> None:
    with ScriptedSmtp({"RCPT b@acme.example": ["450 later"], "CONTENT": ["250 OK", HANG_UP]}) as server:
        relay.configure(
            {"event": "pipeline_failure", "providers": ["email"]},
            email=relay.email(smtp_port=server.port),
            retry_config={"max_attempts": 2, "initial_delay_seconds": 0},
        )
        assert relay.send(severity="warning")["email"]
    [letter] = relay.letters()
    assert letter.missed[EMAIL].detail.startswith("450 later, then 127.0.0.1:")
    assert letter.missed[EMAIL].detail.endswith("closed the connection; the mail may have arrived")
    assert letter.missed[EMAIL].ambiguous


def test_what_was_delivered_held_back_or_tested_is_no_dead_letter(relay: Relay) -> None:
    relay.send()
    relay.chat.answer(503)
    relay.send(kind="test")
    relay.configure({"event": "pipeline_failure", "enabled": False})
    relay.send()
    assert relay.rows("letter") == []


def test_what_is_misconfigured_and_the_roots_own_is_kept(relay: Relay) -> None:
    relay.folder.write(None, slack={"enabled": True, "conn_id": "any"}, default_provider="slack")
    assert relay.make().send(relay.message(tenant_id=None)).dead_letter
    assert relay.letters()[0].missed[SLACK].reason is FailureReason.MISCONFIGURED


def test_without_time_to_deliver_it_is_kept(relay: Relay) -> None:
    from tests.support import silent_port

    with silent_port() as port:
        relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": f"http://127.0.0.1:{port}/x"})
        service = relay.make(allowed_webhook_hosts=[f"127.0.0.1:{port}"])
        from airflow_cloudact_notify.core.budget import Budget

        budget = Budget(2)
        report = service.send(relay.message(), budget=budget)
    assert report["slack"].reason is FailureReason.BUDGET_EXHAUSTED
    assert relay.letters()[0].missed[SLACK].reason is FailureReason.BUDGET_EXHAUSTED


# --- where no store can be reached


@pytest.mark.parametrize("remember", [True, False], ids=["state is down", "no state at all"])
def test_where_it_cannot_be_kept_the_log_has_it_whole(
    relay: Relay, caplog: pytest.LogCaptureFixture, remember: bool
) -> None:
    class Down(Flaky):
        def _call(self, call: str) -> None:
            refuse(call)

    relay.chat.answer(503)
    message = relay.message(
        "rows are missing", message="line 1\nline 2", details={"password": "hunter2", "n": 3}
    )
    with caplog.at_level(logging.ERROR):
        report = relay.make(state=Down(0, refuse)).send(message, remember=remember)
    assert report.dead_letter is None
    [line] = [record.getMessage() for record in caplog.records if "could not be kept" in record.getMessage()]
    assert "\n" not in line
    kept = json.loads(line[line.index("{") :])
    assert kept["message"]["title"] == "rows are missing"
    assert kept["message"]["message"] == "line 1\nline 2"
    assert kept["message"]["details"] == {"password": "***", "n": 3}
    assert kept["missed"] == {"slack": "server_error: Slack answered 503"}


# --- bounds


class Text(str):
    """One character many times; hypothesis shows it in short."""

    def __repr__(self) -> str:
        return f"{self[:1]!r} * {len(self)}"


texts = st.builds(
    lambda char, times: Text(char * times),
    st.sampled_from(["a", "é", "\U0001f4a5", "\\", '"', "\n"]),
    st.sampled_from([0, 1, 119, 121, 900, 3_000, 40_000]),
)
details = st.dictionaries(
    st.sampled_from(["error", "traceback", "exception", "table", "x" * 5_000]),
    st.one_of(texts, st.lists(texts, max_size=4), st.dictionaries(st.just("k"), texts)),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(title=texts, message=texts, found=details, history=st.lists(texts, max_size=9), run=texts)
def test_a_message_of_any_size_fits(
    title: str, message: str, found: Any, history: list[str], run: str
) -> None:
    told = make_message(
        title=title or "t",
        message=message,
        details=found,
        history=history,
        pipeline_logging_id=run,
        log_url=run,
    )
    small = fitted(told)
    dump = json.dumps(small.model_dump(mode="json", exclude_defaults=True))
    assert len(dump) <= MAX_CHARACTERS
    assert NotificationMessage.model_validate(json.loads(dump)).message_id == told.message_id
    if small != told:
        assert "(cut)" in str(small) or "left_out" in small.details


def test_what_fits_is_kept_as_it_is() -> None:
    told = make_message(details={"error": "x" * 20_000})
    assert fitted(told) is told


def test_what_is_too_long_says_so_and_keeps_its_cause() -> None:
    told = make_message(details={"error": "boom", "rows": [{f"c{n}": "x" * 500 for n in range(90)}] * 9})
    small = fitted(told)
    assert small.details["error"] == "boom"
    assert "too long to be kept" in small.details["left_out"]


@pytest.mark.parametrize("tenant", ["a" * 64, None])
def test_its_key_is_safe_and_begins_with_its_time(relay: Relay, tenant: str | None) -> None:
    from airflow_cloudact_notify.core.state.outbox import letter_key, tenant_of

    key = letter_key(make_message(tenant_id=tenant, message_id="/?#" * 200))
    assert len(key) <= MAX_KEY
    assert tenant_of(key) == tenant
    assert key.rpartition(":")[2].startswith("01767323045000-")


def test_rows_of_which_no_sense_can_be_made_are_left_alone(relay: Relay) -> None:
    relay.state.put("cloudact_notify:letter:acme:x", "{")
    relay.state.put("cloudact_notify:letter:acme:y", '{"v": 99}')
    assert relay.letters() == []
    assert relay.maintain().lost == 0
    assert len(relay.rows("letter")) == 2


def test_a_row_survives_the_way_through_text() -> None:
    from airflow_cloudact_notify.core.state.outbox import Outbox
    from airflow_cloudact_notify.core.state.store import MemoryStateStore

    miss = Miss(FailureReason.NOT_FOUND, "gone", 3.5, 2, ("a@b.c",), "beef", True)
    letter = DeadLetter(make_message(), {SLACK: miss, EMAIL: miss}, 1.0, 2.0, True, 3.0)
    outbox = Outbox(MemoryStateStore(), print)
    outbox.save("k", letter)
    assert outbox.read("k") == letter
