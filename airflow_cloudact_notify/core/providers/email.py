"""Email over SMTP: a text part and an HTML part, protected and verified unless the file says otherwise."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import ClassVar, Self

from pydantic import Field, SecretStr

from airflow_cloudact_notify.core import mails, oauth2, smtp
from airflow_cloudact_notify.core.addresses import EmailAddress, is_address
from airflow_cloudact_notify.core.content import Content, content_of
from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.formats.html import as_html
from airflow_cloudact_notify.core.formats.text import as_text
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.oauth2 import OAuth2Config
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    BaseNotificationProvider,
    DestinationConfig,
    Parts,
    ProviderSettings,
    Receipt,
    misconfigured,
)
from airflow_cloudact_notify.core.smtp import SmtpSecurity, SmtpServer, is_host
from airflow_cloudact_notify.core.texts import cut, cut_in_the_middle, one_line

IMPLICIT_TLS_PORT = 465
"""RFC 8314, section 3.3: submission over TLS from the first byte."""
MAX_SUBJECT = 69
"""Characters; clients cut off more, and with its name it is one line of 78 columns, which need not be folded."""
MAX_WHO = 20
NO_UTF8 = "offers no SMTPUTF8, which an address with letters beyond ASCII needs"
MAX_NAME = 100


class EmailConfig(DestinationConfig):
    """The ``email`` section."""

    SERVER_KEYS: ClassVar = frozenset(
        {
            "smtp_host",
            "smtp_port",
            "smtp_username",
            "smtp_password",
            "smtp_use_tls",
            "smtp_security",
            "smtp_verify_certificate",
            "oauth2",
            "conn_id",
        }
    )

    smtp_host: str | None = None
    """The mail server."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """Its port: STARTTLS on 587, TLS from the first byte on 465."""
    smtp_username: str | None = None
    """The user name there; left out: no login."""
    smtp_password: SecretStr | None = None
    """The password there. Name a variable, ``${…}``, instead of writing it down."""
    smtp_use_tls: bool = True
    """``false``: no protection at all."""
    smtp_security: SmtpSecurity | None = None
    """Overrides what ``smtp_use_tls`` and the port imply: TLS from the first byte on 465, STARTTLS elsewhere."""
    smtp_verify_certificate: bool = True
    """``false`` accepts anybody's certificate."""
    smtp_utf8: bool = False
    """Whether the server takes addresses with letters beyond ASCII before the @ (RFC 6531)."""
    oauth2: OAuth2Config | None = None
    """Logs in with an access token in place of ``smtp_password``."""
    from_email: EmailAddress | None = None
    """The sender; left out, the root's, or ``smtp_username`` if that is an address."""
    from_name: str | None = None
    """The sender's name; left out, the root's."""
    to_emails: list[EmailAddress] = []
    """Recipients, as name@example.com."""
    cc_emails: list[EmailAddress] = []
    """Further recipients."""
    subject_prefix: str | None = None
    """Comes first in every subject; left out, the root's."""

    @property
    def security(self) -> SmtpSecurity:
        """How the connection is protected."""
        if self.smtp_security is not None:
            return self.smtp_security
        if not self.smtp_use_tls:
            return SmtpSecurity.NONE
        return SmtpSecurity.IMPLICIT if self.smtp_port == IMPLICIT_TLS_PORT else SmtpSecurity.STARTTLS

    @property
    def sender(self) -> str | None:
        """The From address: ``from_email``, else a user name that is an address."""
        if self.from_email:
            return self.from_email
        name = self.smtp_username or ""
        return name if name.isascii() and is_address(name) else None


@dataclass(frozen=True, slots=True)
class EmailPayload:
    """A mail, and who of its To and CC it goes to in this attempt."""

    mail: EmailMessage
    recipients: tuple[str, ...]


class EmailNotificationProvider(BaseNotificationProvider[EmailConfig, EmailPayload]):
    """Sends one mail to all recipients of the section."""

    TEMPLATE_PARTS: ClassVar = ("subject", "txt", "html")

    def __init__(self, config: EmailConfig, settings: ProviderSettings) -> None:
        super().__init__(config, settings)
        if not config.smtp_host:
            raise misconfigured("smtp_host", "missing", "Name the mail server, or a connection with conn_id.")
        if not is_host(config.smtp_host):
            remedy = "Write the name alone, as smtp.example.com; its port goes into smtp_port."
            raise misconfigured("smtp_host", "not the name of a host", remedy)
        if not config.to_emails:
            raise misconfigured("to_emails", "nobody to send to", "Name at least one recipient.")
        if not config.sender:
            raise misconfigured("from_email", "missing", "Name the sender here or in the root's file.")
        self._sender = config.sender
        if config.oauth2 and config.security is SmtpSecurity.NONE:
            raise misconfigured("oauth2", "a token would be sent unprotected", "Set smtp_use_tls to true.")
        self._server = SmtpServer(
            host=config.smtp_host,
            port=config.smtp_port,
            security=config.security,
            username=config.smtp_username or (config.sender if config.oauth2 else None),
            password=config.smtp_password.get_secret_value() if config.smtp_password else None,
            verify=config.smtp_verify_certificate,
        )

    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> EmailPayload:
        content = content_of(message, self.settings.style)
        mail = mails.new_mail()
        name = cut(_header(self.config.from_name or ""), MAX_NAME)
        mail["From"] = _from(self._sender, name)
        mail["To"] = _addresses(self.config.to_emails)
        if self.config.cc_emails:
            mail["Cc"] = _addresses(self.config.cc_emails)
        subject = self._subject(content, parts.get("subject"))
        mail["Subject"] = subject if subject.isascii() else mails.encoded("Subject", subject)
        mail["Date"] = format_datetime(message.occurred_at.astimezone(UTC))
        mail["Message-ID"] = self._id(message.message_id)
        if message.thread_id and message.thread_id != message.message_id:
            mail["In-Reply-To"] = self._id(message.thread_id)
            mail["References"] = self._id(message.thread_id)
        # RFC 3834: keeps holiday responders from answering.
        mail["Auto-Submitted"] = "auto-generated"
        if message.effective_severity is NotificationSeverity.CRITICAL:
            mail["Importance"] = "high"
            mail["X-Priority"] = "1"
        # Readers are shown the HTML: beside a custom text alone, the built-in one would hide it.
        html = parts.get("html") or ("" if "txt" in parts else as_html(content))
        mails.fill(mail, parts.get("txt") or as_text(content), html)
        recipients = dict.fromkeys((*self.config.to_emails, *self.config.cc_emails))
        return EmailPayload(mail, tuple(recipients))

    def warm_up(self) -> None:
        smtp.own_name()
        if self._server.security is not SmtpSecurity.NONE:
            smtp.tls_context(self._server.verify)

    def _as_served(self, payload: EmailPayload, *, offers_utf8: bool) -> tuple[EmailPayload, dict[str, str]]:
        """Leave out, and name, recipients whose addresses the server cannot be told."""
        header = [*self.config.to_emails, *self.config.cc_emails]
        if offers_utf8 or all(who.isascii() for who in (self._sender, *header)):
            return payload, {}
        recipients = tuple(who for who in payload.recipients if who.isascii())
        if not recipients or not self._sender.isascii():
            raise DeliveryError(
                FailureReason.MISCONFIGURED, f"smtp_utf8 is true, but {self._server} {NO_UTF8}"
            )
        mail = copy.deepcopy(payload.mail)
        for name, addresses in (("To", self.config.to_emails), ("Cc", self.config.cc_emails)):
            del mail[name]
            if known := [who for who in addresses if who.isascii()]:
                mail[name] = _addresses(known)
        unserved = {who: f"the server {NO_UTF8}" for who in payload.recipients if not who.isascii()}
        return EmailPayload(mail, recipients), unserved

    def _id(self, message_id: str) -> str:
        return f"<{message_id}@{self._sender.rpartition('@')[2]}>"

    def send(self, payload: EmailPayload, *, timeout: float) -> Receipt[EmailPayload]:
        with smtp.connection(self._with_token(), timeout=timeout) as client:
            payload, unserved = self._as_served(payload, offers_utf8=client.has_extn("smtputf8"))
            refused = smtp.transmit(client, payload.mail, self._sender, payload.recipients)
        deferred = {who: str(refusal) for who, refusal in refused.items() if refusal.retryable}
        return Receipt(
            taken=len(refused) < len(payload.recipients),
            refused=unserved | {who: str(no) for who, no in refused.items() if who not in deferred},
            deferred=deferred,
            remainder=replace(payload, recipients=tuple(deferred)) if deferred else None,
        )

    def only_to(self, recipients: Collection[str]) -> Self:
        everybody = dict.fromkeys((*self.config.to_emails, *self.config.cc_emails))
        left = [who for who in everybody if who in recipients]
        section = self.config.model_copy(update={"to_emails": left, "cc_emails": []})
        return type(self)(section, self.settings)

    def check(self, *, timeout: float) -> str:
        with smtp.connection(self._with_token(), timeout=timeout) as client:
            code, answer = client.noop()
        if code != 250:
            raise DeliveryError(FailureReason.REJECTED, f"NOOP was answered {code} {answer!r}")
        login = f", logged in as {self._server.username}" if self._server.username else ""
        return f"mail server {self._server.host}:{self._server.port} answers ({self._server.security}{login})"

    def _with_token(self) -> SmtpServer:
        # Before the server is called, which would not wait long for a token.
        if not self.config.oauth2:
            return self._server
        return replace(self._server, token=oauth2.access_token(self.config.oauth2))

    def _subject(self, content: Content, custom: str | None) -> str:
        prefix = self.config.subject_prefix or ""
        subject = f"{prefix} {custom}" if custom else subject_of(content, prefix)
        return cut_in_the_middle(_header(subject), MAX_SUBJECT)


def subject_of(content: Content, prefix: str = "") -> str:
    """Return a subject that mail clients show whole: how bad, whose, what; mails of one kind sort together."""
    who = cut_in_the_middle(content.who, MAX_WHO)
    begin = " ".join(
        part for part in (one_line(prefix), f"[{content.look.label.upper()}]", who and f"{who}:") if part
    )
    room = max(MAX_SUBJECT - len(begin) - 1, MAX_SUBJECT // 2)
    begin = cut_in_the_middle(begin, MAX_SUBJECT - min(room, len(content.headline)) - 1)
    return f"{begin} {cut_in_the_middle(content.headline, room)}"


def _header(text: str) -> str:
    # The email package decodes what looks like an encoded word, and a line break may come of it: a header of its own.
    return one_line(text).replace("=?", "= ?")


def _addresses(addresses: Sequence[str]) -> str:
    return ", ".join(map(_address, addresses))


def _from(address: str, name: str) -> str:
    if name.isascii() or not address.isascii():
        return _address(address, name)
    return mails.encoded("From", name, address)


def _address(address: str, name: str = "") -> str:
    """Return an address as a header's text, quoted where it has to be."""
    user, _, domain = address.rpartition("@")
    return str(Address(name, user, domain))
