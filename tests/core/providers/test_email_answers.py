"""Every answer of a mail server, from a real one: class, attempts, waits, result."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity, Outcome
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.testing import FrozenClock, make_message
from tests.scripted import HANG_UP, SILENCE, Answer, ScriptedSmtp
from tests.support import delivered, terms

REJECTED, AUTH, REFUSED = FailureReason.REJECTED, FailureReason.AUTH, FailureReason.RECIPIENTS_REFUSED
RATE_LIMITED, SERVER_ERROR = FailureReason.RATE_LIMITED, FailureReason.SERVER_ERROR
UNREACHABLE, TIMEOUT = FailureReason.UNREACHABLE, FailureReason.TIMEOUT
INFO, WARNING, ERROR, CRITICAL = NotificationSeverity
ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
Script = dict[str, Answer | list[Answer]]


def mailer(server: ScriptedSmtp, *to: str, **section: Any) -> EmailNotificationProvider:
    defaults = {
        "smtp_host": server.host,
        "smtp_port": server.port,
        "smtp_use_tls": False,
        "smtp_username": "pipelines@example.com",
        "smtp_password": "hunter2-hunter2",
        "to_emails": list(to or (ANN,)),
    }
    return EmailNotificationProvider(EmailConfig(**(defaults | section)), ProviderSettings())


# RFC 5321, 4.2; RFC 4954, 6; and what the large services say.
# Where it is said, the answer, class, attempts of three.
FAILURES = [
    ("GREETING", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("GREETING", "554 5.7.1 not you", REJECTED, 1),
    ("GREETING", "nonsense", UNREACHABLE, 3),
    ("GREETING", HANG_UP, UNREACHABLE, 3),
    ("GREETING", SILENCE, TIMEOUT, 3),
    ("EHLO", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("EHLO", HANG_UP, UNREACHABLE, 3),
    ("AUTH", "421 4.7.0 try later", SERVER_ERROR, 3),
    ("AUTH", "454 4.7.0 Temporary authentication failure", SERVER_ERROR, 3),
    ("AUTH", "451 Authentication failed: Maximum credits exceeded", AUTH, 1),
    ("AUTH", "530 5.7.0 Must issue a STARTTLS command first", AUTH, 1),
    ("AUTH", "534 5.7.9 Application-specific password required", AUTH, 1),
    ("AUTH", "535 5.7.8 Username and Password not accepted", AUTH, 1),
    ("AUTH", "535 5.7.139 Authentication unsuccessful", AUTH, 1),
    ("AUTH", "538 5.7.11 Encryption required", AUTH, 1),
    ("AUTH", "550 5.7.30 Basic authentication is not supported for Client Submission", AUTH, 1),
    ("AUTH", "nonsense", UNREACHABLE, 3),
    ("AUTH", HANG_UP, UNREACHABLE, 3),
    ("AUTH", SILENCE, TIMEOUT, 3),
    ("MAIL", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("MAIL", "450 4.1.8 sender's domain not found", SERVER_ERROR, 3),
    ("MAIL", "451 4.3.0 local error", SERVER_ERROR, 3),
    ("MAIL", "452 4.3.1 out of storage", SERVER_ERROR, 3),
    ("MAIL", "454 Throttling failure: Maximum sending rate exceeded.", RATE_LIMITED, 3),
    ("MAIL", "421 4.7.0 Too many connections", RATE_LIMITED, 3),
    ("MAIL", "530 5.7.57 Client not authenticated to send mail", AUTH, 1),
    ("MAIL", "550 5.7.57 Client not authenticated to send mail", AUTH, 1),
    ("MAIL", "550 5.1.8 bad sender", REJECTED, 1),
    ("MAIL", "552 5.3.4 message too big", REJECTED, 1),
    ("MAIL", "553 5.1.7 no such form of address", REJECTED, 1),
    ("MAIL", "554 5.7.60 not allowed to send as this sender", REJECTED, 1),
    ("MAIL", "451 5.7.1 the enhanced code knows better", REJECTED, 1),
    ("MAIL", "554 4.3.0 the enhanced code knows better", SERVER_ERROR, 3),
    ("MAIL", "nonsense", UNREACHABLE, 3),
    ("MAIL", HANG_UP, UNREACHABLE, 3),
    ("RCPT", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("RCPT", "450 4.2.1 mailbox busy", SERVER_ERROR, 3),
    ("RCPT", "451 4.7.1 greylisted", SERVER_ERROR, 3),
    ("RCPT", "452 4.2.2 mailbox full", SERVER_ERROR, 3),
    ("RCPT", "550 5.1.1 no such user", REFUSED, 1),
    ("RCPT", "551 5.1.6 moved", REFUSED, 1),
    ("RCPT", "552 5.2.2 mailbox full", REFUSED, 1),
    ("RCPT", "553 5.1.3 no address", REFUSED, 1),
    ("RCPT", "554 5.7.1 relay access denied", REFUSED, 1),
    ("RCPT", "nonsense", UNREACHABLE, 3),
    ("RCPT", HANG_UP, UNREACHABLE, 3),
    ("RCPT", SILENCE, TIMEOUT, 3),
    ("DATA", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("DATA", "451 4.3.0 local error", SERVER_ERROR, 3),
    ("DATA", "554 5.5.1 no valid recipients", REJECTED, 1),
    ("DATA", HANG_UP, UNREACHABLE, 3),
    ("CONTENT", "421 4.3.2 closing", SERVER_ERROR, 3),
    ("CONTENT", "450 4.7.1 not now", SERVER_ERROR, 3),
    ("CONTENT", "451 4.3.0 local error", SERVER_ERROR, 3),
    ("CONTENT", "452 4.3.1 out of storage", SERVER_ERROR, 3),
    ("CONTENT", "454 Throttling failure: Daily message quota exceeded.", RATE_LIMITED, 3),
    ("CONTENT", "550 5.7.1 looks like spam", REJECTED, 1),
    ("CONTENT", "552 5.3.4 message too big", REJECTED, 1),
    ("CONTENT", "554 5.6.0 message refused", REJECTED, 1),
]


@pytest.mark.parametrize(
    ("place", "answer", "reason", "attempts"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}") for row in FAILURES],
)
@pytest.mark.parametrize("severity", [WARNING, ERROR])
def test_an_answer_has_its_class_its_attempts_and_its_waits(
    place: str, answer: Answer, reason: FailureReason, attempts: int, severity: NotificationSeverity
) -> None:
    clock = FrozenClock()
    with ScriptedSmtp({place: answer}) as server:
        under = terms(clock, timeout_seconds=1.0)
        result = delivered(mailer(server), make_message(severity=severity), under)
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, reason, attempts)
    assert clock.slept == [1] * (attempts - 1)
    assert not result.ambiguous
    assert server.taken == []
    told = str(result)
    if isinstance(answer, str) and answer != "nonsense":
        assert answer in told
    assert "hunter2" not in told


@pytest.mark.parametrize("place", ["GREETING", "MAIL", "RCPT", "DATA", "CONTENT"])
def test_what_passes_is_delivered_by_the_next_attempt(place: str) -> None:
    with ScriptedSmtp({place: ["451 4.3.0 not now"]}) as server:
        result = delivered(mailer(server))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.DELIVERED, None, 2)
    assert (result.detail, result.refused, server.taken) == ("", {}, [(ANN,)])


@pytest.mark.parametrize("answer", ["250 OK", "251 will forward", "252 will try"])
def test_a_recipient_is_taken_by_any_answer_that_begins_with_2(answer: str) -> None:
    with ScriptedSmtp({"RCPT": answer}) as server:
        result = delivered(mailer(server))
    assert (result.outcome, result.refused, server.contents) == (Outcome.DELIVERED, {}, 1)


# --- nobody knows whether it was taken


@pytest.mark.parametrize(
    ("answers", "severity", "expected"),
    [
        pytest.param([HANG_UP], INFO, (Outcome.FAILED, UNREACHABLE, 1), id="hung up, info"),
        pytest.param([HANG_UP], WARNING, (Outcome.FAILED, UNREACHABLE, 1), id="hung up, warning"),
        pytest.param([HANG_UP], ERROR, (Outcome.DELIVERED, None, 2), id="hung up, error"),
        pytest.param([HANG_UP], CRITICAL, (Outcome.DELIVERED, None, 2), id="hung up, critical"),
        pytest.param([HANG_UP] * 3, CRITICAL, (Outcome.FAILED, UNREACHABLE, 2), id="hung up twice"),
        pytest.param([SILENCE], WARNING, (Outcome.FAILED, TIMEOUT, 1), id="silent, warning"),
        pytest.param([SILENCE], ERROR, (Outcome.DELIVERED, None, 2), id="silent, error"),
        pytest.param(["nonsense"], WARNING, (Outcome.FAILED, UNREACHABLE, 1), id="nonsense, warning"),
        pytest.param(["nonsense"], ERROR, (Outcome.DELIVERED, None, 2), id="nonsense, error"),
        pytest.param([HANG_UP, "554 no"], ERROR, (Outcome.FAILED, REJECTED, 2), id="hung up, then refused"),
        pytest.param([HANG_UP, "451 no"], ERROR, (Outcome.DELIVERED, None, 3), id="hung up, then later"),
    ],
)
def test_a_server_that_goes_after_the_content_gets_it_once_more_if_it_matters(
    answers: list[Answer], severity: NotificationSeverity, expected: tuple[Any, ...]
) -> None:
    with ScriptedSmtp({"CONTENT": answers}) as server:
        under = terms(timeout_seconds=1.0)
        result = delivered(mailer(server), make_message(severity=severity), under)
    assert (result.outcome, result.reason, result.attempts) == expected
    assert server.contents == result.attempts
    assert result.ambiguous
    assert ("it may have arrived twice" if result else "may have arrived") in result.detail


# --- one by one


@pytest.mark.parametrize(
    ("script", "expected", "taken", "asked"),
    [
        pytest.param(
            {f"RCPT {BOB}": "550 no such user"},
            (Outcome.DELIVERED, None, 1, {BOB: "550 no such user"}, ()),
            [(ANN, CAT)],
            {ANN: 1, BOB: 1, CAT: 1},
            id="one refused for good",
        ),
        pytest.param(
            {f"RCPT {BOB}": ["451 greylisted"]},
            (Outcome.DELIVERED, None, 2, {}, ()),
            [(ANN, CAT), (BOB,)],
            {ANN: 1, BOB: 2, CAT: 1},
            id="one refused for now",
        ),
        pytest.param(
            {f"RCPT {BOB}": "451 greylisted"},
            (Outcome.DELIVERED, None, 3, {BOB: "451 greylisted"}, (BOB,)),
            [(ANN, CAT)],
            {ANN: 1, BOB: 3, CAT: 1},
            id="one refused for now, every time",
        ),
        pytest.param(
            {f"RCPT {BOB}": ["451 greylisted", "550 no such user"]},
            (Outcome.DELIVERED, None, 2, {BOB: "550 no such user"}, ()),
            [(ANN, CAT)],
            {ANN: 1, BOB: 2, CAT: 1},
            id="one refused for now, then for good",
        ),
        pytest.param(
            {f"RCPT {ANN}": "550 no such user", f"RCPT {BOB}": ["451 greylisted"], f"RCPT {CAT}": "550 gone"},
            (Outcome.DELIVERED, None, 2, {ANN: "550 no such user", CAT: "550 gone"}, ()),
            [(BOB,)],
            {ANN: 1, BOB: 2, CAT: 1},
            id="all refused, one for now, then taken",
        ),
        pytest.param(
            {f"RCPT {ANN}": "550 no such user", f"RCPT {BOB}": "451 greylisted", f"RCPT {CAT}": "550 gone"},
            (
                Outcome.FAILED,
                SERVER_ERROR,
                3,
                {ANN: "550 no such user", BOB: "451 greylisted", CAT: "550 gone"},
                (BOB,),
            ),
            [],
            {ANN: 1, BOB: 3, CAT: 1},
            id="all refused, one for now, every time",
        ),
        pytest.param(
            {f"RCPT {ANN}": "550 no such user", f"RCPT {BOB}": ["421 closing"]},
            (Outcome.DELIVERED, None, 2, {ANN: "550 no such user"}, ()),
            [(BOB, CAT)],
            {ANN: 1, BOB: 2, CAT: 1},
            id="a server that closes in the middle",
        ),
        pytest.param(
            {f"RCPT {BOB}": ["451 greylisted"], "CONTENT": ["250 OK", "554 looks like spam"]},
            (
                Outcome.DELIVERED,
                None,
                2,
                {BOB: "451 greylisted, then 127.0.0.1:PORT answered 554 looks like spam"},
                (),
            ),
            [(ANN, CAT)],
            {ANN: 1, BOB: 2, CAT: 1},
            id="the rest's mail is refused",
        ),
        pytest.param(
            {f"RCPT {BOB}": ["451 greylisted"], "MAIL": ["250 OK", HANG_UP, HANG_UP]},
            (
                Outcome.DELIVERED,
                None,
                3,
                {BOB: "451 greylisted, then 127.0.0.1:PORT closed the connection"},
                (BOB,),
            ),
            [(ANN, CAT)],
            {ANN: 1, BOB: 1, CAT: 1},
            id="the server goes before the rest is served",
        ),
    ],
)
def test_each_recipient_has_its_own_end(
    script: Script, expected: tuple[Any, ...], taken: list[tuple[str, ...]], asked: dict[str, int]
) -> None:
    with ScriptedSmtp(script) as server:
        result = delivered(mailer(server, ANN, BOB, CAT))
    refused = {who: why.replace(str(server.port), "PORT") for who, why in result.refused.items()}
    assert (result.outcome, result.reason, result.attempts, refused, result.deferred) == expected
    assert server.taken == taken
    assert {who: server.count(f"RCPT TO:<{who}>".upper()) for who in asked} == asked


def test_a_recipient_for_whom_no_time_is_left_says_so() -> None:
    with ScriptedSmtp({f"RCPT {BOB}": "451 greylisted"}) as server:
        result = delivered(mailer(server, ANN, BOB), under=terms(budget=10, initial_delay_seconds=60))
    assert (result.outcome, result.attempts, result.deferred) == (Outcome.DELIVERED, 1, (BOB,))
    assert result.refused == {BOB: "451 greylisted, then no time for another attempt"}


def test_everybody_refused_and_no_time_left_is_the_budgets_end() -> None:
    with ScriptedSmtp({"RCPT": "451 greylisted"}) as server:
        result = delivered(mailer(server), under=terms(budget=10, initial_delay_seconds=60))
    assert (result.outcome, result.reason) == (Outcome.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert result.detail == "no time for another attempt; every recipient was refused"


# --- logging in


def test_a_server_that_hangs_up_on_a_wrong_password_has_refused_it() -> None:
    with ScriptedSmtp({"AUTH": ["535 5.7.8 no", HANG_UP]}) as server:
        result = delivered(mailer(server))
    assert (result.reason, result.attempts) == (AUTH, 1)
    assert "535 5.7.8 no" in result.detail


def test_a_question_that_makes_no_sense_is_none_of_a_mail_servers() -> None:
    with ScriptedSmtp({"AUTH": ["334 not Base64 either"]}) as server:
        assert delivered(mailer(server), under=terms(FrozenClock())).attempts == 2
    with ScriptedSmtp({"AUTH": "334 not Base64 either"}) as server:
        result = delivered(mailer(server), under=terms(FrozenClock()))
    assert (result.reason, result.attempts) == (UNREACHABLE, 3)


def test_another_way_of_logging_in_is_tried_before_giving_up() -> None:
    # LOGIN asks for the password, which comes on a line of its own.
    password = base64.b64encode(b"hunter2-hunter2").decode().upper()
    with ScriptedSmtp({"AUTH": ["504 5.5.4 not that way", "334 UGFzc3dvcmQ6"], password: "235 OK"}) as server:
        result = delivered(mailer(server))
    assert result, result
    assert [line.split()[1] for line in server.commands if line.startswith("AUTH")] == ["PLAIN", "LOGIN"]


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        pytest.param(
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "Microsoft takes no passwords here: use OAuth 2.0",
            id="Office 365, basic authentication off",
        ),
        pytest.param(
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
            "allow authenticated SMTP for the mailbox",
            id="Office 365, mailbox not allowed",
        ),
        pytest.param(
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            "use OAuth 2.0",
            id="Office 365, basic authentication disabled",
        ),
        pytest.param(
            "534 5.7.9 Application-specific password required. https://support.google.com/ gsmtp",
            "wants an app password",
            id="Gmail, account password",
        ),
        pytest.param(
            "535 5.7.8 Username and Password not accepted. https://support.google.com/ - gsmtp",
            "wants an app password",
            id="Gmail, wrong password",
        ),
        pytest.param(
            "534 5.7.14 Please log in via your web browser. gsmtp",
            "wants an app password",
            id="Gmail, browser",
        ),
        pytest.param(
            "451 Authentication failed: Maximum credits exceeded", "credits are used up", id="SendGrid"
        ),
    ],
)
def test_an_answer_that_is_known_comes_with_its_remedy(answer: str, remedy: str) -> None:
    with ScriptedSmtp({"AUTH": answer}) as server:
        result = delivered(mailer(server))
    assert (result.reason, result.attempts) == (AUTH, 1)
    told, _, advice = result.detail.partition(f"{answer.rstrip('.')}. ")
    assert told.endswith("answered ")
    assert remedy in advice


def test_another_servers_535_says_nothing_of_google() -> None:
    with ScriptedSmtp({"AUTH": "535 5.7.8 Error: authentication failed"}) as server:
        result = delivered(mailer(server))
    assert result.detail.endswith("answered 535 5.7.8 Error: authentication failed")
