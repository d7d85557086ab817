from __future__ import annotations

import smtplib
import subprocess
import sys

import pytest
import requests
from pydantic import ValidationError

from airflow_cloudact_notify import testing
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.providers.base import Receipt
from airflow_cloudact_notify.testing import (
    FrozenClock,
    RecordingProvider,
    SlackInbox,
    SmtpInbox,
    make_message,
)


def test_the_names_are_listed_in_order() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


@pytest.mark.parametrize("module", ["airflow", "aiosmtpd", "trustme"])
def test_importing_the_kit_imports_nothing_that_may_not_be_there(module: str) -> None:
    script = f"import sys, airflow_cloudact_notify.testing; sys.exit('{module}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("missing", "security"), [("aiosmtpd", "none"), ("aiosmtpd", "starttls"), ("trustme", "implicit")]
)
def test_what_is_missing_is_named_with_how_to_get_it(
    missing: str, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (missing, f"{missing}.controller"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=missing) as error:
        SmtpInbox(security=security).__enter__()
    assert "pip install 'airflow-provider-cloudact-notify[testing]'" in str(error.value)


# --- messages and clocks


def test_messages_are_always_the_same() -> None:
    assert make_message() == make_message()


def test_a_message_can_be_changed_and_not_misspelt() -> None:
    assert make_message(title="Another").title == "Another"
    with pytest.raises(ValidationError, match="tittle"):
        make_message(tittle="Another")


def test_a_frozen_clock_moves_only_when_told() -> None:
    clock = FrozenClock(100)
    clock.advance(5)
    clock.sleep(2)
    clock.sleep(3)
    assert (clock(), clock(), clock.slept) == (110, 110, [2, 3])


def test_a_recording_provider_answers_in_turn_and_then_takes_everything() -> None:
    refusal = DeliveryError(FailureReason.AUTH, "no")
    receipt: Receipt[object] = Receipt(refused={"a": "550"})
    provider = RecordingProvider(refusal, receipt)
    message = make_message()
    with pytest.raises(DeliveryError, match="no"):
        provider.send(message, timeout=1)
    assert provider.send(message, timeout=1) is receipt
    assert provider.send(message, timeout=1) == Receipt()
    assert provider.messages == [message] * 3
    assert provider.check(timeout=1)


# --- the webhook


def test_a_webhook_answers_in_turn_and_then_ok() -> None:
    with SlackInbox() as inbox:
        inbox.answer(500, "rollup_error").answer(429, headers={"Retry-After": "3"})
        answers = [requests.post(inbox.url, json={"text": str(n)}, timeout=5) for n in range(3)]
    assert [(a.status_code, a.text) for a in answers] == [(500, "rollup_error"), (429, ""), (200, "ok")]
    assert answers[1].headers["Retry-After"] == "3"
    assert inbox.payloads == [{"text": "0"}, {"text": "1"}, {"text": "2"}]


def test_a_closed_webhook_refuses() -> None:
    with SlackInbox() as inbox:
        pass
    with pytest.raises(requests.ConnectionError):
        requests.post(inbox.url, json={}, timeout=5)


def test_inboxes_live_side_by_side() -> None:
    with SlackInbox() as one, SlackInbox() as other, SmtpInbox() as third, SmtpInbox() as fourth:
        assert len({one.host, other.host, f"{third.host}:{third.port}", f"{fourth.host}:{fourth.port}"}) == 4


# --- the mail server


def send(inbox: SmtpInbox, *recipients: str, login: tuple[str, str] | None = None) -> dict[str, object]:
    with smtplib.SMTP(inbox.host, inbox.port, timeout=5) as client:
        if login:
            client.login(*login)
        refused: dict[str, object] = client.sendmail(
            "ops@example.com", recipients or ["ann@example.com"], "Subject: Hello\r\n\r\nYou there"
        )
        return refused


def test_a_mail_is_kept_with_its_envelope() -> None:
    with SmtpInbox() as inbox:
        assert send(inbox, "ann@example.com", "bob@example.com") == {}
    [got] = inbox.messages
    assert (got.mail["Subject"], got.mail.get_content().strip()) == ("Hello", "You there")
    assert (got.sender, got.recipients) == ("ops@example.com", ("ann@example.com", "bob@example.com"))
    assert got.raw.startswith(b"Subject: Hello\r\n")


def test_recipients_are_refused_always_or_as_often_as_listed() -> None:
    refuse = {"ann@example.com": "550 gone", "bob@example.com": ["451 later", "452 later still"]}
    with SmtpInbox(refuse=refuse) as inbox:
        answers = [send(inbox, *refuse, "cat@example.com") for _ in range(3)]
    gone = (550, b"gone")
    assert answers == [
        {"ann@example.com": gone, "bob@example.com": (451, b"later")},
        {"ann@example.com": gone, "bob@example.com": (452, b"later still")},
        {"ann@example.com": gone},
    ]


def test_a_mail_that_is_not_taken_is_not_kept() -> None:
    with SmtpInbox() as inbox:
        inbox.answer("452 full")
        with pytest.raises(smtplib.SMTPDataError):
            send(inbox)
        send(inbox)
    assert len(inbox.messages) == 1


def test_who_must_log_in_must_log_in() -> None:
    with SmtpInbox(login=("ann", "secret")) as inbox:
        with pytest.raises(smtplib.SMTPSenderRefused):
            send(inbox)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            send(inbox, login=("ann", "wrong"))
        send(inbox, login=("ann", "secret"))
    assert len(inbox.messages) == 1


def test_starttls_is_required_where_it_is_offered() -> None:
    with SmtpInbox(security="starttls") as inbox, pytest.raises(smtplib.SMTPSenderRefused, match="STARTTLS"):
        send(inbox)


def test_a_certificate_and_its_authority_are_gone_with_the_inbox() -> None:
    with SmtpInbox(security="implicit") as inbox:
        assert inbox.ca_file.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert not inbox.ca_file.exists()
