"""A mail server on loopback."""

from __future__ import annotations

import contextlib
import email
import email.policy
import importlib
import os
import ssl
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self
from unittest import mock

from airflow_cloudact_notify.core.smtp import SmtpSecurity, tls_context
from airflow_cloudact_notify.testing.loopback import LOOPBACK


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A mail as it came in; ``recipients`` are the envelope's, ``raw`` the bytes for a ``.eml`` file."""

    mail: EmailMessage
    sender: str
    recipients: tuple[str, ...]
    raw: bytes


class SmtpInbox:
    """A mail server (aiosmtpd) at ``host`` and ``port``; what it takes is in ``messages``.

    :param security: how it is spoken to; a certificate for ``127.0.0.1`` comes from an authority nobody trusts but
        who reads ``ca_file``, for instance by the environment variable ``SSL_CERT_FILE``, or ``trusted()``.
    :param login: user name and password without which nothing is taken.
    :param refuse: answers to recipients, such as ``{"a@example.com": "550 no such user"}``; a list is used up, one
        answer for each time the recipient is named.
    :param utf8: whether it offers SMTPUTF8, which addresses with letters beyond ASCII need.
    :param port: left out, a free one.
    """

    host = LOOPBACK

    def __init__(
        self,
        *,
        security: SmtpSecurity | str = SmtpSecurity.NONE,
        login: tuple[str, str] | None = None,
        refuse: Mapping[str, str | Sequence[str]] | None = None,
        utf8: bool = True,
        port: int = 0,
    ) -> None:
        self.messages: list[ReceivedMail] = []
        self.security = SmtpSecurity(security)
        self._login = login
        self._utf8 = utf8
        self._port = port
        self._refuse = {who: a if isinstance(a, str) else deque(a) for who, a in (refuse or {}).items()}
        self._answers: deque[str] = deque()

    def answer(self, line: str) -> Self:
        """Answer the next mail's content with ``line``, such as ``452 out of storage``; what is not 250 is not kept."""
        self._answers.append(line)
        return self

    @contextlib.contextmanager
    def trusted(self) -> Iterator[None]:
        """Let this process trust the inbox's certificate in the block."""
        with mock.patch.dict(os.environ, SSL_CERT_FILE=str(self.ca_file)):
            tls_context.cache_clear()
            try:
                yield
            finally:
                tls_context.cache_clear()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            options: dict[str, Any] = {
                "hostname": self.host,
                "port": self._port,
                "server_hostname": "localhost",
                "enable_SMTPUTF8": self._utf8,
            }
            if self.security is not SmtpSecurity.NONE:
                folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="smtp-inbox-")))
                starttls = self.security is SmtpSecurity.STARTTLS
                options["tls_context" if starttls else "ssl_context"] = self._certificate(folder)
                options["require_starttls"] = starttls
            if self._login:
                # aiosmtpd does not see that a connection with TLS from its first byte is protected.
                options["auth_require_tls"] = self.security is SmtpSecurity.STARTTLS
                options["auth_callback"] = lambda _, *given: [g.decode() for g in given] == list(self._login)
            controller = _controller_type()(self, **options)
            controller.start()
            undo.callback(controller.stop)
            self.port: int = controller.port
            self._cleanup = undo.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._cleanup.close()

    def _certificate(self, folder: Path) -> ssl.SSLContext:
        authority = _optional("trustme").CA()
        self.ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(LOOPBACK, "localhost").configure_cert(context)
        return context

    # aiosmtpd's hooks

    async def handle_MAIL(self, _: Any, session: Any, envelope: Any, address: str, *__: Any) -> str:  # noqa: N802
        if self._login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, *___: Any) -> str:  # noqa: N802
        if refusal := self._refuse.get(address):
            return refusal if isinstance(refusal, str) else refusal.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        answer = self._answers.popleft() if self._answers else "250 OK"
        if answer.startswith("250"):
            raw, recipients = envelope.content, tuple(envelope.rcpt_tos)
            mail = email.message_from_bytes(raw, EmailMessage, policy=email.policy.SMTP)
            self.messages.append(ReceivedMail(mail, envelope.mail_from, recipients, raw))
        return answer


def _controller_type() -> Any:
    controller = _optional("aiosmtpd.controller").Controller

    class OnAFreePort(controller):  # type: ignore[misc, valid-type]
        def _trigger_server(self) -> None:
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    return OnAFreePort


def _optional(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"SmtpInbox needs {module.partition('.')[0]}: "
            "pip install 'airflow-provider-cloudact-notify[testing]'"
        ) from error
