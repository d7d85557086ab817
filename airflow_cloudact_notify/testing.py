"""Test kit: real inboxes on loopback, a provider that only records, a clock that stands still.

.. code-block:: python

    with SlackInbox() as inbox:
        service = NotificationService(configs_path, allowed_webhook_hosts=[inbox.host])
        ...
        assert inbox.payloads[0]["text"].startswith("*:x: Pipeline failed: sales*")
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import importlib
import json
import os
import ssl
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar
from unittest import mock

from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    BaseNotificationProvider,
    DestinationConfig,
    Parts,
    ProviderSettings,
    Receipt,
)
from airflow_cloudact_notify.core.smtp import SmtpSecurity, tls_context

__all__ = [
    "FrozenClock",
    "ReceivedMail",
    "RecordingConfig",
    "RecordingProvider",
    "SlackInbox",
    "SmtpInbox",
    "make_message",
]

T = TypeVar("T")

LOOPBACK = "127.0.0.1"

_Answer = tuple[int, str, Mapping[str, str]]
"""Status, body, headers."""


def make_message(**overrides: Any) -> NotificationMessage:
    """Return a complete message; its time and id are always the same."""
    fields = {
        "tenant_id": "acme",
        "event": "pipeline_failure",
        "title": "Pipeline failed: sales",
        "message": "Task load failed.",
        "pipeline_id": "sales",
        "pipeline_logging_id": "manual__2026-01-02",
        "task_id": "load",
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "message_id": "0123456789abcdef0123456789abcdef",
    }
    return NotificationMessage.model_validate(fields | overrides)


class FrozenClock:
    """A clock that moves only when told, or when somebody sleeps by it; ``slept`` lists how long they did."""

    def __init__(self, now: float = 1_767_323_045.0) -> None:
        self._now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


class RecordingConfig(DestinationConfig):
    """The section of a ``RecordingProvider``."""

    SERVER_KEYS: ClassVar = frozenset()

    enabled: bool = True


class RecordingProvider(BaseNotificationProvider[RecordingConfig, NotificationMessage]):
    """Keeps every message it is asked to send in ``messages``.

    :param answers: what comes of the first attempts, in turn; a ``DeliveryError`` is raised. Later ones are taken.
    """

    def __init__(self, *answers: DeliveryError | Receipt[NotificationMessage]) -> None:
        super().__init__(RecordingConfig(), ProviderSettings())
        self.messages: list[NotificationMessage] = []
        self._answers = deque(answers)

    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> NotificationMessage:
        return message

    def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
        self.messages.append(payload)
        answer = _next(self._answers, Receipt())
        if isinstance(answer, DeliveryError):
            raise answer
        return answer

    def check(self, *, timeout: float) -> str:
        return "messages are recorded, not sent"


class SlackInbox:
    """An HTTP server that takes what is posted to ``url``, like Slack's incoming webhooks.

    ``payloads`` holds the JSON of every request, whatever the answer was. ``host`` is what ``allowed_webhook_hosts``
    needs to hold.

    :param port: left out, a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.payloads: list[dict[str, Any]] = []
        self._answers: deque[_Answer] = deque()
        self._server = ThreadingHTTPServer((LOOPBACK, port), partial(_Webhook, self.payloads, self._answers))
        self.host = f"{LOOPBACK}:{self._server.server_port}"
        self.url = f"http://{self.host}/services/T000/B000/SECRET"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> Self:
        """Answer the next request that has no answer yet so; after the last one it is ``200 ok`` again."""
        self._answers.append((status, body, headers or {}))
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Webhook(BaseHTTPRequestHandler):
    def __init__(self, payloads: list[dict[str, Any]], answers: deque[_Answer], *args: Any) -> None:
        self._payloads = payloads
        self._answers = answers
        super().__init__(*args)

    def do_POST(self) -> None:
        self._payloads.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body, headers = _next(self._answers, (200, "ok", {}))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing: the request's line holds the webhook's secret."""


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
        answer = _next(self._answers, "250 OK")
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


def _next(waiting: deque[T], otherwise: T) -> T:
    return waiting.popleft() if waiting else otherwise
