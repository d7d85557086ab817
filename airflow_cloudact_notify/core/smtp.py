"""One SMTP conversation, with what can go wrong told in our words."""

from __future__ import annotations

import functools
import ipaddress
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.mails import WIRE, WIRE_UTF8
from airflow_cloudact_notify.core.smtp_answers import (
    NoVerdictError,
    Refusal,
    is_positive,
    translated,
    words,
)
from airflow_cloudact_notify.core.smtp_login import log_in

UTF8 = ("SMTPUTF8", "BODY=8BITMIME")
"""RFC 6531, section 3.4: said of a mail with an address beyond ASCII."""
QUIT_TIMEOUT = 1.0
"""Seconds to wait for a server's good-bye, which changes nothing."""

_NAME = re.compile(r"[^\s:/@\[\]]+")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


def is_host(text: str) -> bool:
    """Whether a text is a host's name or address alone: no URL, and no port behind it."""
    if _NAME.fullmatch(text):
        return True
    try:
        return bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


class SmtpSecurity(StrEnum):
    """How the connection is protected."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server and how to be let in: by password, or by an OAuth 2.0 access token.

    ``verify=False`` accepts any certificate.
    """

    host: str
    port: int
    security: SmtpSecurity
    username: str | None = None
    password: str | None = None
    token: str | None = None
    verify: bool = True

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port}, {self.security})"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@functools.cache
def tls_context(verify: bool = True) -> ssl.SSLContext:
    """Return the TLS context of this process: made once, since loading the trusted certificates takes 20 ms."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@functools.cache
def own_name() -> str:
    """Return what this host calls itself to mail servers: asked of its resolver once, which can be slow to say."""
    return smtplib.SMTP().local_hostname


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
        raise translated(error, f"{server.host}:{server.port}", timeout) from None
    finally:
        if client is not None:
            _quit(client)


def transmit(
    client: smtplib.SMTP, mail: EmailMessage, sender: str, recipients: Sequence[str]
) -> Mapping[str, Refusal]:
    """Hand one mail over and return the recipients that were refused, which may be all.

    Not smtplib's ``sendmail``: it cannot tell whether a server went away before or after it had the whole mail, forgets
    who was refused when the mail is, and takes nonsense for a refusal.
    """
    utf8 = not all(address.isascii() for address in (sender, *recipients, *_named(mail)))
    content = mail.as_bytes(policy=WIRE_UTF8 if utf8 else WIRE)
    size = [f"size={len(content)}"] if client.has_extn("size") else []
    code, answer = client.mail(sender, [*size, *(UTF8 if utf8 else ())])
    if not is_positive(code):
        raise smtplib.SMTPSenderRefused(code, answer, sender)
    refused = _refused(client, recipients)
    if len(refused) < len(recipients):
        _send_content(client, content)
    return refused


def _refused(client: smtplib.SMTP, recipients: Sequence[str]) -> dict[str, Refusal]:
    refused: dict[str, Refusal] = {}
    for who in recipients:
        code, answer = client.rcpt(who)
        if is_positive(code):
            continue
        refused[who] = Refusal(code, words(answer))
        if code == 421:
            # It closes: who was taken so far is not served either.
            return dict.fromkeys(recipients, refused[who]) | refused
    return refused


def _send_content(client: smtplib.SMTP, content: bytes) -> None:
    code, answer = client.docmd("DATA")
    if code != 354:
        is_positive(code)
        raise smtplib.SMTPDataError(code, answer)
    try:
        # RFC 5321, 4.5.2: a line that begins with a dot gets another one.
        client.send(_LEADING_DOT.sub(b"..", content).removesuffix(b"\r\n") + b"\r\n.\r\n")
        code, answer = client.getreply()
        is_taken = is_positive(code)
    except (smtplib.SMTPException, OSError) as error:
        raise NoVerdictError(error) from error
    if not is_taken:
        raise smtplib.SMTPDataError(code, answer)


def _named(mail: EmailMessage) -> Iterator[str]:
    """Yield the addresses in a mail's headers."""
    for name in ("From", "To", "Cc"):
        if name in mail:
            yield from (address.addr_spec for address in mail[name].addresses)


def _connect(server: SmtpServer, timeout: float) -> smtplib.SMTP:
    try:
        if server.security is not SmtpSecurity.IMPLICIT:
            return smtplib.SMTP(server.host, server.port, own_name(), timeout=timeout)
        context = tls_context(server.verify)
        return smtplib.SMTP_SSL(server.host, server.port, own_name(), timeout=timeout, context=context)
    except UnicodeError:
        raise DeliveryError(FailureReason.MISCONFIGURED, f"{server.host!r} is not a host name") from None


def _secure(client: smtplib.SMTP, server: SmtpServer) -> None:
    _greet(client)
    if server.security is not SmtpSecurity.STARTTLS:
        return
    if not client.has_extn("starttls"):
        raise DeliveryError(
            FailureReason.TLS,
            f"{server.host}:{server.port} offers no STARTTLS, and nothing is sent unprotected "
            "unless smtp_use_tls is false",
        )
    client.starttls(context=tls_context(server.verify))
    _greet(client)


def _greet(client: smtplib.SMTP) -> None:
    code, answer = client.ehlo()
    if is_positive(code):
        return
    if code < 500:
        raise smtplib.SMTPHeloError(code, answer)
    # A server from before 1995 knows this one only.
    code, answer = client.helo()
    if not is_positive(code):
        raise smtplib.SMTPHeloError(code, answer)


def _login(client: smtplib.SMTP, server: SmtpServer) -> None:
    if not server.username:
        return
    if not client.has_extn("auth"):
        raise DeliveryError(
            FailureReason.AUTH,
            f"{server.host}:{server.port} offers no login; remove smtp_username, or use the port that does",
        )
    log_in(client, server.username, server.password or "", server.token)


def _quit(client: smtplib.SMTP) -> None:
    # What was accepted stays accepted, whatever happens while leaving.
    try:
        if client.sock is not None:
            client.sock.settimeout(QUIT_TIMEOUT)
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()
