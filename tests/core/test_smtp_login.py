from __future__ import annotations

import base64
import smtplib

import pytest

from airflow_cloudact_notify.core import smtp_login

PASSWORD = "hunter2  hunter2 hunter2 hunter2"


class EchoingClient(smtplib.SMTP):
    """Refuses a login with words that repeat what it was sent, as some servers do."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.esmtp_features = {"auth": "PLAIN"}
        self._words = words

    def auth(
        self, mechanism: str, authobject: object, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        raise smtplib.SMTPAuthenticationError(535, self._words.encode())


@pytest.mark.parametrize("before", [*range(260, 301, 4)])
def test_a_password_in_a_long_answer_is_masked_wherever_it_stands(before: int) -> None:
    client = EchoingClient("x" * before + f" PASS {PASSWORD}")
    with pytest.raises(smtplib.SMTPAuthenticationError) as error:
        smtp_login.log_in(client, "svc@example.com", PASSWORD)
    assert "hunter2" not in str(error.value.smtp_error)


def test_a_long_token_in_an_answer_is_masked() -> None:
    token = "token" * 120
    sent = base64.b64encode(smtp_login.xoauth2("svc@example.com", token).encode()).decode()
    with pytest.raises(smtplib.SMTPAuthenticationError) as error:
        smtp_login.log_in(EchoingClient(f"5.5.4 Unrecognized: {sent}"), "svc@example.com", "", token)
    assert base64.b64encode(b"token" * 3).decode() not in str(error.value.smtp_error)
