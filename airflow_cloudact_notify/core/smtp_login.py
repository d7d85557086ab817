"""Logging in to a mail server, by password or by an OAuth 2.0 access token."""

from __future__ import annotations

import base64
import binascii
import smtplib

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.masking import MASK
from airflow_cloudact_notify.core.smtp_answers import TokenRefusedError, decoded, words


def log_in(client: smtplib.SMTP, username: str, password: str, token: str | None = None) -> None:
    """Log in to a server that offers it.

    :raises SMTPAuthenticationError: when it refuses, its answer without what was sent to it.
    :raises DeliveryError: when name or password cannot be sent.
    """
    client.user, client.password = username, password
    try:
        _by_password(client) if token is None else _by_token(client, token)
    except UnicodeEncodeError:
        why = "smtp_username or smtp_password has letters beyond ASCII, which cannot be sent"
        raise DeliveryError(FailureReason.MISCONFIGURED, why) from None
    except binascii.Error:
        # What it asked is not even Base64.
        raise smtplib.SMTPResponseException(-1, b"") from None
    except smtplib.SMTPAuthenticationError as error:
        refused = TokenRefusedError if token else smtplib.SMTPAuthenticationError
        sent = (password, f"\0{username}\0{password}", token or "", xoauth2(username, token or ""))
        raise refused(error.smtp_code, words(_without(sent, decoded(error.smtp_error)))) from None


def xoauth2(username: str, token: str) -> str:
    """Return what SASL XOAUTH2 sends.

    https://developers.google.com/workspace/gmail/imap/xoauth2-protocol#the_sasl_xoauth2_mechanism
    """
    return f"user={username}\1auth=Bearer {token}\1\1"


def _by_token(client: smtplib.SMTP, token: str) -> None:
    def respond(challenge: bytes | None = None) -> str:
        # A challenge is a server's way of saying why not: an empty line has it say so in a reply.
        return xoauth2(client.user, token) if challenge is None else ""

    client.auth("XOAUTH2", respond)


def _by_password(client: smtplib.SMTP) -> None:
    """Log in by the first mechanism that works.

    Not smtplib's ``login``: when a server hangs up on a wrong password, it tells of the hanging up only.
    """
    offered = client.esmtp_features["auth"].upper().split()
    refused: smtplib.SMTPAuthenticationError | None = None
    for name, respond in (
        ("CRAM-MD5", client.auth_cram_md5),
        ("PLAIN", client.auth_plain),
        ("LOGIN", client.auth_login),
    ):
        if name not in offered:
            continue
        try:
            client.auth(name, respond)
        except smtplib.SMTPAuthenticationError as error:
            refused = error
            if error.smtp_code < 500:
                break
        except smtplib.SMTPServerDisconnected:
            if refused is None:
                raise
            break
        else:
            return
    raise refused or smtplib.SMTPException("No suitable authentication method found.")


def _without(sent: tuple[str, ...], answer: str) -> str:
    """Return an answer without secrets: some servers repeat a command that they do not like."""
    for secret in sent:
        if len(secret) > 2:
            encoded = base64.b64encode(secret.encode()).decode()
            answer = answer.replace(secret, MASK).replace(encoded, MASK)
    return answer
