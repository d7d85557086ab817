"""One SMTP conversation, with what can go wrong told in our words."""

from __future__ import annotations

import functools
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError

QUIT_TIMEOUT = 1.0
"""Seconds to wait for a server's good-bye, which changes nothing."""

# RFC 4954, section 6: login required, mechanism too weak, credentials invalid, encryption required.
_AUTH_CODES = frozenset({530, 534, 535, 538})


class SmtpSecurity(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server and how to be let in; ``verify=False`` accepts any certificate."""

    host: str
    port: int
    security: SmtpSecurity
    username: str | None = None
    password: str | None = None
    verify: bool = True

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port}, {self.security})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server's no to one recipient."""

    code: int
    answer: str

    @property
    def retryable(self) -> bool:
        # RFC 5321, 4.2.1: 4yz is transient, 5yz permanent.
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.answer}"


@functools.cache
def tls_context(verify: bool = True) -> ssl.SSLContext:
    """Return the TLS context of this process: made once, since loading the trusted certificates takes 20 ms."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def connection(server: SmtpServer, *, timeout: float) -> Iterator[smtplib.SMTP]:
    """Open a protected, logged-in connection.

    :raises DeliveryError: for whatever the server or the network does, also inside the block.
    """
    client: smtplib.SMTP | None = None
    try:
        client = _connect(server, timeout)
        _secure(client, server)
        _login(client, server)
        yield client
    except (smtplib.SMTPException, OSError) as error:
        raise _translated(error, server, timeout) from None
    finally:
        if client is not None:
            _quit(client)


def transmit(
    client: smtplib.SMTP, mail: EmailMessage, sender: str, recipients: Sequence[str]
) -> Mapping[str, Refusal]:
    """Hand one mail over and return the recipients that were refused, which may be some of them but not all.

    :raises DeliveryError: when all were refused.
    """
    try:
        # Not send_message: it changes lines that begin with "From ".
        refused = client.sendmail(sender, list(recipients), mail.as_bytes())
    except smtplib.SMTPRecipientsRefused as error:
        refusals = _refusals(error.recipients)
        answers = ", ".join(f"{who} ({refusal})" for who, refusal in refusals.items())
        worth_a_retry = any(refusal.retryable for refusal in refusals.values())
        reason = FailureReason.SERVER_ERROR if worth_a_retry else FailureReason.RECIPIENTS_REFUSED
        raise DeliveryError(reason, f"every recipient was refused: {answers}") from None
    return _refusals(refused)


def _connect(server: SmtpServer, timeout: float) -> smtplib.SMTP:
    try:
        if server.security is not SmtpSecurity.IMPLICIT:
            return smtplib.SMTP(server.host, server.port, timeout=timeout)
        context = tls_context(server.verify)
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=context)
    except UnicodeError:
        raise DeliveryError(FailureReason.MISCONFIGURED, f"{server.host!r} is not a host name") from None


def _secure(client: smtplib.SMTP, server: SmtpServer) -> None:
    client.ehlo_or_helo_if_needed()
    if server.security is not SmtpSecurity.STARTTLS:
        return
    if not client.has_extn("starttls"):
        raise DeliveryError(
            FailureReason.TLS,
            f"{server.host}:{server.port} offers no STARTTLS, and nothing is sent unprotected "
            "unless smtp_use_tls is false",
        )
    client.starttls(context=tls_context(server.verify))
    client.ehlo()


def _login(client: smtplib.SMTP, server: SmtpServer) -> None:
    if not server.username:
        return
    if not client.has_extn("auth"):
        raise DeliveryError(
            FailureReason.AUTH,
            f"{server.host}:{server.port} offers no login; remove smtp_username, or use the port that does",
        )
    try:
        client.login(server.username, server.password or "")
    except UnicodeEncodeError:
        why = "smtp_username or smtp_password has letters beyond ASCII, which cannot be sent"
        raise DeliveryError(FailureReason.MISCONFIGURED, why) from None


def _quit(client: smtplib.SMTP) -> None:
    # What was accepted stays accepted, whatever happens while leaving.
    try:
        if client.sock is not None:
            client.sock.settimeout(QUIT_TIMEOUT)
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()


def _refusals(recipients: Mapping[str, tuple[int, bytes]]) -> dict[str, Refusal]:
    return {who: Refusal(code, _words(answer)) for who, (code, answer) in recipients.items()}


def _translated(error: smtplib.SMTPException | OSError, server: SmtpServer, timeout: float) -> DeliveryError:
    """Return an error in our words; the order is that of the classes, the narrower first."""
    place = f"{server.host}:{server.port}"
    match error:
        case smtplib.SMTPResponseException():
            return _translated_answer(error, place)
        case smtplib.SMTPNotSupportedError():
            return DeliveryError(FailureReason.MISCONFIGURED, f"{place}: {error}")
        # smtplib tells of a silent server as of one that has gone.
        case smtplib.SMTPServerDisconnected(__context__=TimeoutError()) | TimeoutError():
            return DeliveryError(FailureReason.TIMEOUT, f"{place} did not answer within {timeout:.3g} s")
        case smtplib.SMTPServerDisconnected() | ssl.SSLEOFError():
            return DeliveryError(FailureReason.UNREACHABLE, f"{place} closed the connection")
        case ssl.SSLError():
            return DeliveryError(FailureReason.TLS, _translated_tls(error, place))
        case smtplib.SMTPException():
            # What is left: "No suitable authentication method found."
            return DeliveryError(FailureReason.AUTH, f"{place}: {error}")
        case OSError(strerror=str(cause)):
            return DeliveryError(FailureReason.UNREACHABLE, f"no connection to {place}: {cause}")
    return DeliveryError(FailureReason.UNREACHABLE, f"no connection to {place}: {type(error).__name__}")


def _translated_tls(error: ssl.SSLError, place: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not trusted: {error.verify_message}"
    why = getattr(error, "reason", None) or "the handshake failed"
    return f"no TLS with {place}: {why}; 465 speaks TLS from the start, 587 after STARTTLS"


def _translated_answer(error: smtplib.SMTPResponseException, place: str) -> DeliveryError:
    answer = f"{place} answered {error.smtp_code} {_words(error.smtp_error)}"
    if error.smtp_code < 0:
        return DeliveryError(FailureReason.UNREACHABLE, f"{place} does not answer like a mail server")
    # RFC 5321, 4.2.1: 4yz is transient, 5yz permanent.
    if error.smtp_code < 500:
        return DeliveryError(FailureReason.SERVER_ERROR, answer)
    if error.smtp_code in _AUTH_CODES or isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError(FailureReason.AUTH, answer)
    return DeliveryError(FailureReason.REJECTED, answer)


def _words(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())[:300]
