"""Who steps in for a destination that failed, and what the message says of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryFailedError
from airflow_cloudact_notify.testing import make_message
from tests.core.relay import BOTH, BY_SLACK, EMAIL, SLACK, Relay
from tests.support import silent_port


def test_the_fall_back_arrives_once_and_says_what_it_is(relay: Relay) -> None:
    relay.configure(BY_SLACK | {"fallback_providers": ["email"]})
    relay.chat.answer(404, "no_service")
    report = relay.send()
    assert report.delivered
    assert report["slack"].reason is FailureReason.NOT_FOUND
    assert report["email"].in_place_of == (SLACK,)
    assert "email delivered in place of slack" in report.summary
    [mail] = relay.mailed
    assert "This is a fall-back: slack failed (not_found: Slack answered 404 no_service)." in mail
    report.raise_for_failures()
    assert relay.letters() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, ""), (404, "no_service"), (429, "rate_limited")],
    ids=["exhausted", "permanent", "429"],
)
def test_every_failure_has_its_fall_back(relay: Relay, status: int, body: str) -> None:
    relay.configure(BY_SLACK, fallback_providers=["both"])
    relay.chat.answer(status, body)
    assert relay.send()["email"]


def test_the_triggers_fall_back_goes_before_the_files(relay: Relay) -> None:
    relay.configure(BY_SLACK | {"fallback_providers": []}, fallback_providers=["email"])
    relay.chat.answer(503)
    assert list(relay.send()) == [SLACK]
    assert relay.mailed == []


def test_who_is_told_anyway_is_no_fall_back(relay: Relay) -> None:
    relay.configure(BOTH, fallback_providers=["both"])
    relay.chat.answer(503)
    report = relay.send()
    assert [bool(report[EMAIL]), bool(report[SLACK])] == [True, False]
    assert len(relay.mailed) == 1
    assert "fall-back" not in relay.mailed[0]


def test_a_fall_back_that_fails_too_is_in_the_report(relay: Relay) -> None:
    relay.configure(BY_SLACK, fallback_providers=["email"])
    relay.chat.answer(503)
    relay.mail.answer("451 come back later")
    report = relay.send()
    assert not report.delivered
    assert [result.destination for result in report.missed] == [SLACK]
    assert len(report.failures) == 2
    with pytest.raises(DeliveryFailedError):
        report.raise_for_failures()
    [letter] = relay.letters()
    assert list(letter.missed) == [SLACK]


@pytest.mark.parametrize("fall_back", [["email"], []], ids=["named", "whoever else there is"])
def test_what_is_configured_wrongly_has_a_fall_back_that_says_so(relay: Relay, fall_back: list[str]) -> None:
    slack = {"enabled": True, "webhook_url": "${ACME_UNSET}"}
    relay.configure(BY_SLACK, slack=slack, fallback_providers=fall_back)
    report = relay.send()
    assert report["email"].in_place_of == (SLACK,)
    assert re.search(r"fall-back: slack failed \(misconfigured: .*ACME_UNSET is not set", relay.mailed[0])


def test_the_root_is_told_when_nobody_of_the_tenant_can_be(relay: Relay) -> None:
    relay.configure(BY_SLACK, email={}, slack={"enabled": True, "conn_id": "acme_slack"})
    report = relay.send()
    assert report.delivered
    assert relay.letters() == []
    [told] = relay.noticed
    assert "This is a fall-back: slack failed (misconfigured" in told


def test_a_destination_that_hangs_leaves_its_fall_back_time(relay: Relay) -> None:
    with silent_port() as port:
        url = f"http://127.0.0.1:{port}/services/T0/B0/X"
        relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": url}, fallback_providers=["email"])
        service = relay.make(allowed_webhook_hosts=[f"127.0.0.1:{port}"])
        budget = Budget(3)
        report = service.send(relay.message(), budget=budget)
        assert budget.remaining() > 0
    assert report["slack"].reason in (FailureReason.BUDGET_EXHAUSTED, FailureReason.TIMEOUT)
    assert report["email"]


def test_the_cooldown_starts_when_the_fall_back_was_told(relay: Relay) -> None:
    relay.configure(BY_SLACK, fallback_providers=["email"])
    relay.chat.answer(503)
    assert relay.service.send(make_message()).delivered
    assert relay.service.send(make_message()).suppressed


def test_a_fall_back_keeps_the_built_in_message_which_says_what_it_is(relay: Relay) -> None:
    folder = relay.folder.path / "acme" / "templates"
    folder.mkdir()
    (folder / "short.subject.j2").write_text("short: {{ title }}")
    (folder / "short.slack.j2").write_text("short: {{ title }}")
    relay.configure(BY_SLACK | {"template": "short", "fallback_providers": ["email"]})
    relay.chat.answer(503)
    relay.send("rows are missing")
    assert "short: rows are missing" in relay.chatted[0]
    assert "short" not in relay.mailed[0]
    assert "This is a fall-back" in relay.mailed[0]


def test_recoveries_have_the_files_fall_back(relay: Relay) -> None:
    relay.configure(BY_SLACK, fallback_providers=["email"])
    relay.send()
    relay.chat.answer(503)
    over: Any = relay.service.send(relay.message(event="pipeline_success", lifecycle=None, title="fine"))
    assert over["email"].in_place_of == (SLACK,)
    assert relay.rows("outage") == []
