"""What several test modules share."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from html import unescape
from typing import Any

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import NotificationRetryConfig
from airflow_cloudact_notify.core.delivery import Terms, deliver
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import DeliveryResult
from airflow_cloudact_notify.testing import FrozenClock, ReceivedMail, make_message
from airflow_cloudact_notify.testing.loopback import LOOPBACK


def terms(
    clock: FrozenClock | None = None,
    budget: float | None = None,
    timeout_seconds: float = 5,
    **retry: Any,
) -> Terms:
    """Return terms under which nobody really waits: three attempts, a second apart."""
    clock = clock or FrozenClock()
    defaults = {"max_attempts": 3, "initial_delay_seconds": 1, "exponential_backoff": False}
    return Terms(
        retry=NotificationRetryConfig(**(defaults | retry)),
        timeout_seconds=timeout_seconds,
        budget=Budget(budget),
        sleep=clock.sleep,
    )


def delivered(
    provider: Any, message: NotificationMessage | None = None, under: Terms | None = None
) -> DeliveryResult:
    """Deliver a message to one destination."""
    [result] = deliver(message or make_message(), {NotificationProvider.EMAIL: provider}, under or terms())
    return result


def headline(received: ReceivedMail) -> str:
    """Return what a mail says first, whole; the subject may have it shortened."""
    page = received.mail.get_body(("html",))
    assert isinstance(page, EmailMessage)
    [title] = re.findall("<title>(.*)</title>", page.get_content())
    assert len(title) > 40 or unescape(title) in received.mail["Subject"]
    return unescape(title)


@contextmanager
def refused_port() -> Iterator[int]:
    """Give a port of this machine at which connections are refused."""
    with socket.socket() as taken_but_not_listening:
        taken_but_not_listening.bind((LOOPBACK, 0))
        yield taken_but_not_listening.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """Give a port of this machine at which connections are accepted and nothing is ever said."""
    with socket.create_server((LOOPBACK, 0)) as never_accepting:
        yield never_accepting.getsockname()[1]


@contextmanager
def talking_port(*lines: bytes) -> Iterator[int]:
    """Give a port of this machine that says a line to each connection, one after the other, and hangs up."""

    def talk() -> None:
        for line in lines:
            connection, _ = server.accept()
            with connection:
                connection.sendall(line)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

    with socket.create_server((LOOPBACK, 0)) as server:
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)
