"""Every answer that Slack documents, and the network's, from a real server: class, attempts, waits, result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity, Outcome
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.slack import SlackConfig, SlackNotificationProvider
from airflow_cloudact_notify.core.report import DeliveryResult
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, make_message
from tests.scripted import HANG_UP, RESET, SILENCE, Answer, ScriptedWebhook
from tests.support import delivered, refused_port, terms

REJECTED, AUTH, NOT_FOUND = FailureReason.REJECTED, FailureReason.AUTH, FailureReason.NOT_FOUND
RATE_LIMITED, SERVER_ERROR = FailureReason.RATE_LIMITED, FailureReason.SERVER_ERROR
UNREACHABLE, TIMEOUT = FailureReason.UNREACHABLE, FailureReason.TIMEOUT
INFO, WARNING, ERROR, CRITICAL = NotificationSeverity


def slack(url: str) -> SlackNotificationProvider:
    config = SlackConfig(enabled=True, webhook_url=url)
    return SlackNotificationProvider(config, ProviderSettings(allowed_webhook_hosts=frozenset({"127.0.0.1"})))


@pytest.fixture
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as running:
        yield running


# https://docs.slack.dev/changelog/2016/05/17/changes-to-errors-for-incoming-webhooks
# Status, body, class, attempts of three.
FAILURES = [
    (400, "user_not_found", REJECTED, 1),
    (403, "action_prohibited", AUTH, 1),
    (403, "invalid_token", AUTH, 1),
    (403, "posting_to_general_channel_denied", AUTH, 1),
    (404, "channel_not_found", NOT_FOUND, 1),
    (404, "no_service", NOT_FOUND, 1),
    (404, "no_service_id", NOT_FOUND, 1),
    (404, "no_team", NOT_FOUND, 1),
    (404, "no_active_hooks", NOT_FOUND, 1),
    (410, "channel_is_archived", NOT_FOUND, 1),
    (404, "channel_is_archived", NOT_FOUND, 1),
    (429, "rate_limited", RATE_LIMITED, 3),
    (429, '{"retry_after":1,"ok":false,"error":"rate_limited"}', RATE_LIMITED, 3),
    (500, "rollup_error", SERVER_ERROR, 3),
    (502, "<html>Bad Gateway</html>", SERVER_ERROR, 3),
    (503, "", SERVER_ERROR, 3),
    (504, "", SERVER_ERROR, 3),
    # Bodies move between statuses: the body is the stronger.
    (400, "no_service", NOT_FOUND, 1),
    (500, "invalid_token", AUTH, 1),
    (400, "rate_limited", RATE_LIMITED, 3),
    (200, "no_service", NOT_FOUND, 1),
    (200, '{"ok":false,"error":"rate_limited"}', RATE_LIMITED, 3),
    (200, '{"ok": false, "error": "invalid_auth"}', REJECTED, 1),
]


@pytest.mark.parametrize(
    ("status", "body", "reason", "attempts"),
    [pytest.param(*row, id=f"{row[0]} {row[1][:30]}") for row in FAILURES],
)
def test_an_answer_has_its_class_its_attempts_and_its_waits(
    inbox: SlackInbox, status: int, body: str, reason: FailureReason, attempts: int
) -> None:
    clock = FrozenClock()
    for _ in range(3):
        inbox.answer(status, body)
    result = delivered(slack(inbox.url), under=terms(clock))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, reason, attempts)
    assert result.detail == f"Slack answered {status} {body}".strip()
    assert clock.slept == [1] * (attempts - 1)
    assert len(inbox.payloads) == attempts
    assert not result.ambiguous


@pytest.mark.parametrize("body", ["ok", "", "<html>taken</html>", '{"text": "no_service: \\"ok\\": false"}'])
def test_a_yes_is_a_yes_whatever_else_it_says(inbox: SlackInbox, body: str) -> None:
    inbox.answer(200, body)
    assert delivered(slack(inbox.url))


PAYLOAD_WORDS = [
    "invalid_payload",
    "no_text",
    "invalid_blocks",
    "invalid_blocks_format",
    "too_many_attachments",
    "missing_text_or_fallback_or_attachments",
]


@pytest.mark.parametrize("attempts_allowed", [1, 3])
@pytest.mark.parametrize("word", PAYLOAD_WORDS)
def test_a_refused_payload_is_sent_as_plain_text_at_once(
    inbox: SlackInbox, word: str, attempts_allowed: int
) -> None:
    clock = FrozenClock()
    inbox.answer(400, word)
    message = make_message(
        details={"error": "ValueError: <bad> & worse", "row_count": 3},
        log_url="https://airflow.example/log?a=1&b=2",
    )
    result = delivered(slack(inbox.url), message, terms(clock, max_attempts=attempts_allowed))
    assert (result.outcome, result.attempts, clock.slept) == (Outcome.DELIVERED, 2, [0])
    assert result.detail == f"in a simpler form, since Slack answered 400 {word}"
    plain = inbox.payloads[1]
    assert plain.keys() == {"text"}
    for words in (
        "Pipeline failed: sales",
        "Task load failed.",
        "acme",
        "ValueError: &lt;bad&gt; &amp; worse",
        "https://airflow.example/log?a=1&amp;b=2",
    ):
        assert words in plain["text"]
    assert len(plain["text"]) <= 4000


@pytest.mark.parametrize("before", range(3_900, 3_950, 7))
def test_a_templates_link_is_not_cut_in_the_middle_by_plain_text(inbox: SlackInbox, before: int) -> None:
    inbox.answer(400, "invalid_blocks")
    provider, link = slack(inbox.url), "<https://airflow.example/a/long/way/to/the/log|the log of it>"
    payload = provider.render(
        make_message(), {"slack": f"{'x' * (before - 1_000)}\n{'y' * 1_000} {link} {link}"}
    )
    with pytest.raises(DeliveryError) as refused:
        provider.send(payload, timeout=5)
    text = refused.value.simpler["text"]
    assert len(text) <= 4_000
    assert text.endswith("… (cut)")
    assert "<" not in text.replace(link, "")


@pytest.mark.parametrize("word", PAYLOAD_WORDS)
def test_a_plain_text_that_is_refused_too_is_the_end_of_it(inbox: SlackInbox, word: str) -> None:
    inbox.answer(400, word).answer(400, word)
    result = delivered(slack(inbox.url))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, REJECTED, 2)
    assert result.detail == f"Slack answered 400 {word}"


def test_a_plain_text_may_be_tried_again_like_any_other(inbox: SlackInbox) -> None:
    inbox.answer(400, "invalid_blocks").answer(500, "rollup_error")
    result = delivered(slack(inbox.url))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 3)
    assert inbox.payloads[1] == inbox.payloads[2]


# --- how long is waited


@pytest.mark.parametrize(
    ("asked", "slept"),
    [
        pytest.param("17", [17], id="seconds"),
        pytest.param("0.5", [1], id="sooner than ours: ours"),
        pytest.param("0", [1], id="at once: ours"),
        pytest.param("-30", [1], id="negative: ours"),
        pytest.param("soon", [1], id="nonsense: ours"),
        pytest.param("nan", [1], id="no number: ours"),
        pytest.param("Fri, 02 Jan 1970 02:00:00 GMT", [1], id="a date gone by: ours"),
        pytest.param("600", [600], id="beyond max_delay_seconds, still kept"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_is_asked_for_is_kept_and_never_shortened(
    inbox: SlackInbox, status: int, asked: str, slept: list[float]
) -> None:
    clock = FrozenClock()
    inbox.answer(status, "", {"Retry-After": asked})
    result = delivered(slack(inbox.url), under=terms(clock, max_delay_seconds=300))
    assert (result.outcome, result.attempts, clock.slept) == (Outcome.DELIVERED, 2, slept)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param("601", "601 s", id="just too long"),
        pytest.param("9" * 400, "86400 s", id="huge"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", "86400 s", id="a date far away"),
    ],
)
def test_a_wait_that_is_too_long_is_not_begun_and_the_server_left_alone(
    inbox: SlackInbox, asked: str, said: str
) -> None:
    clock = FrozenClock()
    inbox.answer(429, "rate_limited", {"Retry-After": asked})
    result = delivered(slack(inbox.url), under=terms(clock))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, RATE_LIMITED, 1)
    assert clock.slept == []
    assert result.detail == f"Slack answered 429 rate_limited; it asks to wait {said}, longer than 600 s"


def test_a_date_is_waited_for(inbox: SlackInbox) -> None:
    from datetime import UTC, datetime, timedelta
    from email.utils import format_datetime

    clock = FrozenClock()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    inbox.answer(429, "rate_limited", {"Retry-After": soon})
    assert delivered(slack(inbox.url), under=terms(clock))
    [slept] = clock.slept
    assert 30 < slept <= 40


def test_a_wait_that_the_budget_does_not_hold_is_not_begun_and_the_result_says_so(inbox: SlackInbox) -> None:
    clock = FrozenClock()
    inbox.answer(429, "rate_limited", {"Retry-After": "60"})
    result = delivered(slack(inbox.url), under=terms(clock, budget=10))
    assert (result.reason, result.attempts, clock.slept) == (FailureReason.BUDGET_EXHAUSTED, 1, [])
    assert result.detail == (
        "no time for another attempt; Slack answered 429 rate_limited; it asks to wait 60 s"
    )


def test_two_destinations_wait_each_for_its_own(inbox: SlackInbox) -> None:
    with SlackInbox() as other:
        clocks = FrozenClock(), FrozenClock()
        inbox.answer(429, "", {"Retry-After": "7"})
        other.answer(429, "", {"Retry-After": "9"})
        for place, clock in zip((inbox, other), clocks, strict=True):
            assert delivered(slack(place.url), under=terms(clock))
    assert [clock.slept for clock in clocks] == [[7], [9]]


# --- the network

NETWORK = [
    # Nobody knows whether Slack took it: once more for what is bad, not at all for what is less.
    pytest.param([RESET], INFO, (Outcome.FAILED, UNREACHABLE, 1, True), id="reset, info"),
    pytest.param([RESET], WARNING, (Outcome.FAILED, UNREACHABLE, 1, True), id="reset, warning"),
    pytest.param([RESET], ERROR, (Outcome.DELIVERED, None, 2, True), id="reset, error"),
    pytest.param([RESET] * 3, ERROR, (Outcome.FAILED, UNREACHABLE, 2, True), id="reset every time, error"),
    pytest.param([HANG_UP], WARNING, (Outcome.FAILED, UNREACHABLE, 1, True), id="hung up, warning"),
    pytest.param([HANG_UP], CRITICAL, (Outcome.DELIVERED, None, 2, True), id="hung up, critical"),
    pytest.param([SILENCE], WARNING, (Outcome.FAILED, TIMEOUT, 1, True), id="silent, warning"),
    pytest.param([SILENCE], ERROR, (Outcome.DELIVERED, None, 2, True), id="silent, error"),
    pytest.param(["220 a mail server\r\n"], INFO, (Outcome.FAILED, UNREACHABLE, 1, True), id="no HTTP"),
    pytest.param(
        [RESET, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"],
        ERROR,
        (Outcome.DELIVERED, None, 3, True),
        id="reset, then 500",
    ),
]


def summary(result: DeliveryResult) -> tuple[Any, ...]:
    return result.outcome, result.reason, result.attempts, result.ambiguous


@pytest.mark.parametrize(("answers", "severity", "expected"), NETWORK)
def test_a_request_that_is_not_answered_may_have_been_taken(
    answers: list[Answer], severity: NotificationSeverity, expected: tuple[Any, ...]
) -> None:
    with ScriptedWebhook(*answers) as server:
        provider = slack(server.url)
        result = delivered(provider, make_message(severity=severity), terms(timeout_seconds=1.0))
    assert summary(result) == expected
    assert server.requests == result.attempts
    words = "may have arrived" if not result else "it may have arrived twice"
    assert words in result.detail


@pytest.mark.parametrize("severity", list(NotificationSeverity))
def test_a_request_that_could_not_be_made_is_made_again_whatever_its_severity(
    severity: NotificationSeverity,
) -> None:
    with refused_port() as port:
        result = delivered(slack(f"http://127.0.0.1:{port}/x/SECRET"), make_message(severity=severity))
    assert summary(result) == (Outcome.FAILED, UNREACHABLE, 3, False)
