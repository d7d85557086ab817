from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests
import trustme
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core import http
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.http import (
    HttpAnswer,
    post_json,
    reason_of_status,
    retry_after,
    session_for,
)
from airflow_cloudact_notify.testing import SlackInbox
from airflow_cloudact_notify.testing.loopback import LOOPBACK
from tests.support import refused_port, silent_port, talking_port

SECRET = "/services/T000/B000/SECRET"


def post(url: str, timeout: float = 5, proxy: str | None = None) -> HttpAnswer:
    with session_for(url, proxy) as session:
        return post_json(session, url, {"text": "hello"}, timeout=timeout)


def why(url: str, timeout: float = 5) -> tuple[FailureReason, str]:
    """Return the reason and the words with which posting fails."""
    with pytest.raises(DeliveryError) as error:
        post(url, timeout)
    assert error.value.__suppress_context__, "a traceback would show the cause, which quotes the URL"
    assert SECRET not in str(error.value)
    return error.value.reason, error.value.detail


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, None), (201, None), (202, None), (204, None), (299, None),
        (301, FailureReason.NOT_FOUND), (304, FailureReason.NOT_FOUND), (308, FailureReason.NOT_FOUND),
        (400, FailureReason.REJECTED), (401, FailureReason.AUTH), (402, FailureReason.REJECTED),
        (403, FailureReason.AUTH), (404, FailureReason.NOT_FOUND), (405, FailureReason.REJECTED),
        (408, FailureReason.SERVER_ERROR), (410, FailureReason.NOT_FOUND), (413, FailureReason.REJECTED),
        (425, FailureReason.SERVER_ERROR), (429, FailureReason.RATE_LIMITED), (451, FailureReason.REJECTED),
        (500, FailureReason.SERVER_ERROR), (502, FailureReason.SERVER_ERROR),
        (503, FailureReason.SERVER_ERROR), (504, FailureReason.SERVER_ERROR), (599, FailureReason.SERVER_ERROR),
    ],
)  # fmt: skip
def test_a_status_has_its_reason(status: int, reason: FailureReason | None) -> None:
    assert reason_of_status(status) is reason


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param("", None, id="empty"),
        pytest.param("17", 17, id="seconds"),
        pytest.param("1.5", 1.5, id="part of a second"),
        pytest.param(" 3 ", 3, id="with blanks"),
        pytest.param("0", 0, id="at once"),
        pytest.param("-5", 0, id="never negative"),
        pytest.param("Fri, 02 Jan 2026 03:05:05 GMT", 60, id="a date"),
        pytest.param("Fri, 02 Jan 2026 03:05:05 -0000", 60, id="a date without a zone"),
        pytest.param("Fri, 02 Jan 2026 02:00:00 GMT", 0, id="a date gone by"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("nan", None, id="no number"),
        pytest.param("inf", None, id="for ever"),
        pytest.param("1e3", None, id="not how a number is written"),
        pytest.param("86401", 86_400, id="more than a day"),
        pytest.param("9" * 400, 86_400, id="huge"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 86_400, id="a date far away"),
        pytest.param("Fri, 02 Jan 99999 03:05:05 GMT", None, id="no date there can be"),
        pytest.param(f"Fri, 02 Jan {'9' * 30} 03:05:05 GMT", None, id="a year beyond all numbers"),
        pytest.param("Fri, 02 Jan 2026 03:05:05 +9999999999999999", None, id="no zone there can be"),
    ],
)
def test_a_wait_is_read_from_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text() | st.from_regex(r"\w{3}, \d+ Jan \d+ \d+:\d+:\d+ [+-]?\w+"))
def test_no_header_breaks_the_reading_of_it(header: str) -> None:
    seconds = retry_after(header, NOW)
    assert seconds is None or 0 <= seconds <= http.MAX_RETRY_AFTER


def errors_of_requests() -> list[type[requests.RequestException]]:
    return [
        value
        for value in vars(requests.exceptions).values()
        if isinstance(value, type) and issubclass(value, requests.RequestException)
    ]


@pytest.mark.parametrize("kind", errors_of_requests(), ids=lambda kind: kind.__name__)
def test_every_error_of_requests_has_its_reason_and_quotes_no_url(
    kind: type[requests.RequestException],
) -> None:
    made = kind(SECRET) if kind is not requests.JSONDecodeError else kind(SECRET, "doc", 0)
    error = http._translated(made, "slack.example", 5)
    assert SECRET not in str(error)
    assert error.reason in {
        FailureReason.TLS, FailureReason.TIMEOUT, FailureReason.UNREACHABLE, FailureReason.MISCONFIGURED
    }  # fmt: skip


def test_a_connection_that_was_never_made_cannot_have_taken_anything() -> None:
    with refused_port() as port, pytest.raises(DeliveryError) as error:
        post(f"http://127.0.0.1:{port}{SECRET}")
    assert not error.value.ambiguous


def test_a_proxy_that_cannot_be_reached_has_taken_nothing() -> None:
    with refused_port() as port:
        proxy = f"http://127.0.0.1:{port}"
        with pytest.raises(DeliveryError) as error:
            post(f"http://slack.invalid{SECRET}", proxy=proxy)
    assert (error.value.reason, error.value.ambiguous) == (FailureReason.UNREACHABLE, False)


def test_a_proxy_that_refuses_to_connect_has_passed_nothing_on() -> None:
    with talking_port(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as port:
        proxy = f"http://127.0.0.1:{port}"
        with pytest.raises(DeliveryError) as error:
            post(f"https://slack.invalid{SECRET}", proxy=proxy)
    assert (error.value.reason, error.value.ambiguous) == (FailureReason.UNREACHABLE, False)


def test_the_proxy_that_a_configuration_names_goes_before_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = f"http://slack.invalid{SECRET}"
    # A proxy for plain HTTP takes the whole request: the inboxes stand for two.
    with SlackInbox() as theirs, SlackInbox() as ours:
        monkeypatch.setenv("HTTP_PROXY", f"http://{theirs.host}")
        assert post(url).status == 200
        assert post(url, proxy=f"http://{ours.host}").status == 200
    assert (len(theirs.payloads), len(ours.payloads)) == (1, 1)


def test_a_login_that_somebody_left_in_a_netrc_file_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password hush")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with session_for(f"http://127.0.0.1{SECRET}") as session:
        request = session.prepare_request(requests.Request("POST", f"http://127.0.0.1{SECRET}"))
    assert "Authorization" not in request.headers


def test_an_answer_is_status_body_and_wait() -> None:
    with SlackInbox() as inbox:
        inbox.answer(429, " rate_limited\n", {"Retry-After": "3"})
        assert post(inbox.url) == HttpAnswer(429, "rate_limited", 3)
        assert inbox.payloads == [{"text": "hello"}]


def test_a_redirect_is_not_followed() -> None:
    with SlackInbox() as elsewhere, SlackInbox() as inbox:
        inbox.answer(307, headers={"Location": elsewhere.url})
        assert post(inbox.url).status == 307
        assert elsewhere.payloads == []


def test_only_the_beginning_of_a_long_body_is_read() -> None:
    with SlackInbox() as inbox:
        inbox.answer(500, "x" * 1_000_000)
        assert post(inbox.url).body == "x" * http.MAX_BODY


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(b"Content-Length: 100", b"ok", id="broken off"),
        pytest.param(b"Content-Encoding: gzip", b"not gzip at all", id="not what it says it is"),
        pytest.param(b"Transfer-Encoding: chunked", b"zz\r\n", id="broken chunks"),
    ],
)
def test_a_body_that_cannot_be_read_leaves_the_status_as_it_is(headers: bytes, body: bytes) -> None:
    with talking_port(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n" + body) as port:
        assert post(f"http://127.0.0.1:{port}{SECRET}").status == 200


def test_bytes_that_are_no_text_do_no_harm() -> None:
    with talking_port(b"HTTP/1.1 500 Oops\r\n\r\n\xff\xfe") as port:
        assert post(f"http://127.0.0.1:{port}{SECRET}") == HttpAnswer(500, "\ufffd\ufffd", None)


def test_a_refused_port_is_unreachable() -> None:
    with refused_port() as port:
        assert why(f"http://127.0.0.1:{port}{SECRET}") == (
            FailureReason.UNREACHABLE,
            "no connection to 127.0.0.1: Connection refused",
        )


def test_a_silent_server_is_a_time_out() -> None:
    with silent_port() as port:
        assert why(f"http://127.0.0.1:{port}{SECRET}", timeout=0.1) == (
            FailureReason.TIMEOUT,
            "127.0.0.1 did not answer within 0.1 s; the message may have arrived",
        )


@pytest.mark.parametrize(
    "line",
    [pytest.param(b"", id="hangs up"), pytest.param(b"220 mail.example.com ESMTP\r\n", id="a mail server")],
)
def test_an_answer_that_is_none_is_unreachable(line: bytes) -> None:
    with talking_port(line) as port:
        reason, words = why(f"http://127.0.0.1:{port}{SECRET}")
    assert reason is FailureReason.UNREACHABLE
    assert words.startswith("no connection to 127.0.0.1: ")


def test_the_innermost_cause_is_told_and_the_url_in_the_outer_ones_is_not() -> None:
    unknown = socket.gaierror(-2, "Name or service not known")
    broken = urllib3.exceptions.MaxRetryError(
        None, SECRET, urllib3.exceptions.ProtocolError("aborted", unknown)
    )  # type: ignore[arg-type]
    assert http._cause(requests.ConnectionError(broken)) == "Name or service not known"


@pytest.mark.parametrize("url", ["http://", "https://.example.com/x", "gopher://example.com/x", "no url"])
def test_a_url_that_is_none_is_a_mistake_in_the_file(url: str) -> None:
    assert why(url) == (FailureReason.MISCONFIGURED, "the webhook URL is not usable")


def test_an_untrusted_certificate_is_named() -> None:
    with _tls_inbox(trustme.CA()) as port:
        reason, words = why(f"https://127.0.0.1:{port}{SECRET}")
    assert reason is FailureReason.TLS
    assert words.startswith("no TLS with 127.0.0.1: its certificate is not trusted: ")


def test_a_certificate_that_the_machine_trusts_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with _tls_inbox(authority) as port:
        assert post(f"https://127.0.0.1:{port}{SECRET}").status == 200


def test_tls_spoken_to_a_plain_port_is_not_blamed_on_the_certificate() -> None:
    with SlackInbox() as inbox:
        reason, words = why(inbox.url.replace("http:", "https:"))
    assert reason is FailureReason.TLS
    assert "certificate" not in words


class _tls_inbox:  # noqa: N801 - used like a function
    """A webhook behind TLS; gives its port."""

    def __init__(self, authority: trustme.CA) -> None:
        self._inbox = SlackInbox()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        server = self._inbox._server
        server.socket = context.wrap_socket(server.socket, server_side=True)

    def __enter__(self) -> int:
        self._inbox.__enter__()
        return self._inbox._server.server_port

    def __exit__(self, *exc_info: object) -> None:
        self._inbox.__exit__(*exc_info)


def test_authorities_that_are_not_there_are_named_and_nothing_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(DeliveryError, match=r"no TLS with 127.0.0.1: .*nowhere\.pem") as error:
        post(f"https://127.0.0.1:1{SECRET}")
    assert (error.value.reason, error.value.ambiguous) == (FailureReason.TLS, False)


class KeptOpen(BaseHTTPRequestHandler):
    """Takes what is posted, any number of times over one connection."""

    protocol_version = "HTTP/1.1"
    callers: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.callers.append(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("idle", "connections"), [(10.0, 1), (0.0, 3)])
def test_a_connection_that_nobody_has_used_for_long_is_not_relied_on(
    monkeypatch: pytest.MonkeyPatch, idle: float, connections: int
) -> None:
    monkeypatch.setattr(http, "IDLE_SECONDS", idle)
    monkeypatch.setattr(KeptOpen, "callers", [])
    server = ThreadingHTTPServer((LOOPBACK, 0), KeptOpen)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://{LOOPBACK}:{server.server_port}/"
    with session_for(url) as session:
        for _ in range(3):
            assert post_json(session, url, {}, timeout=5).status == 200
    server.shutdown()
    server.server_close()
    thread.join()
    assert len(set(KeptOpen.callers)) == connections


def test_a_fork_opens_a_connection_of_its_own() -> None:
    with SlackInbox() as inbox:
        session = session_for(inbox.url)
        post_json(session, inbox.url, {"text": "parent"}, timeout=5)
        before = session.get_adapter(inbox.url)
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            is_own = session.get_adapter(inbox.url) is not before
            status = post_json(session, inbox.url, {"text": "child"}, timeout=5).status
            os.write(write, f"{is_own} {status}".encode())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(read, 20) == b"True 200"
        assert session.get_adapter(inbox.url) is before
        assert post_json(session, inbox.url, {"text": "parent"}, timeout=5).status == 200
    os.close(read)
    os.close(write)
