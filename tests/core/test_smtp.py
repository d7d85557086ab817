from __future__ import annotations

import smtplib
import socket
import ssl
import threading

import pytest

from airflow_cloudact_notify.core import smtp
from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.smtp import Refusal, SmtpSecurity, SmtpServer
from airflow_cloudact_notify.testing import SmtpInbox
from airflow_cloudact_notify.testing.loopback import LOOPBACK
from tests.support import refused_port, silent_port, talking_port


def server(port: int, security: SmtpSecurity = SmtpSecurity.NONE, **more: str) -> SmtpServer:
    return SmtpServer(LOOPBACK, port, security, **more)


def why(to: SmtpServer, timeout: float = 5) -> tuple[FailureReason, str]:
    """Return the reason and the words with which connecting fails."""
    with pytest.raises(DeliveryError) as error, smtp.connection(to, timeout=timeout):
        pass
    return error.value.reason, error.value.detail


@pytest.mark.parametrize(
    ("greeting", "reason", "words"),
    [
        pytest.param(b"421 busy\r\n", FailureReason.SERVER_ERROR, "answered 421 busy", id="busy"),
        pytest.param(b"554 not you\r\n", FailureReason.REJECTED, "answered 554 not you", id="unwanted"),
        pytest.param(b"", FailureReason.UNREACHABLE, "closed the connection", id="hangs up"),
        pytest.param(b"220 hello\r\n", FailureReason.UNREACHABLE, "", id="hangs up after its greeting"),
        pytest.param(
            b"HTTP/1.1 400 Bad Request\r\n",
            FailureReason.UNREACHABLE,
            "does not answer like",
            id="a web server",
        ),
        pytest.param(b"220 " + b"x" * 9_000, FailureReason.REJECTED, "Line too long", id="a flood"),
    ],
)
def test_a_greeting_decides(greeting: bytes, reason: FailureReason, words: str) -> None:
    with talking_port(greeting) as port:
        assert why(server(port))[0] is reason
    with talking_port(greeting) as port:
        assert words in why(server(port))[1]


def test_a_refused_port_is_unreachable() -> None:
    with refused_port() as port:
        assert why(server(port)) == (
            FailureReason.UNREACHABLE,
            f"no connection to {LOOPBACK}:{port}: Connection refused",
        )


@pytest.mark.parametrize("security", list(SmtpSecurity))
def test_a_silent_server_is_a_time_out(security: SmtpSecurity) -> None:
    with silent_port() as port:
        assert why(server(port, security), timeout=0.1) == (
            FailureReason.TIMEOUT,
            f"{LOOPBACK}:{port} did not answer within 0.1 s",
        )


def test_a_server_that_falls_silent_after_its_greeting_is_a_time_out_too() -> None:
    def greet() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"220 hello\r\n")
            while connection.recv(1024):
                pass

    with socket.create_server((LOOPBACK, 0)) as listening:
        thread = threading.Thread(target=greet)
        thread.start()
        reason, _ = why(server(listening.getsockname()[1]), timeout=0.2)
        thread.join(5)
    assert reason is FailureReason.TIMEOUT


def test_tls_spoken_to_a_plain_port_names_the_two_ports() -> None:
    with SmtpInbox() as inbox:
        reason, words = why(server(inbox.port, SmtpSecurity.IMPLICIT))
    assert reason is FailureReason.TLS
    assert "465 speaks TLS from the start, 587 after STARTTLS" in words


def test_starttls_that_is_not_offered_is_named() -> None:
    with SmtpInbox() as inbox:
        reason, words = why(server(inbox.port, SmtpSecurity.STARTTLS))
    assert (reason, "offers no STARTTLS" in words) == (FailureReason.TLS, True)


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.IMPLICIT])
def test_a_certificate_is_checked_against_the_hosts_name(security: SmtpSecurity) -> None:
    with SmtpInbox(security=security) as inbox, inbox.trusted():
        with smtp.connection(SmtpServer("127.0.0.1", inbox.port, security), timeout=5) as client:
            assert client.noop()[0] == 250
        # The same address, written as the certificate does not have it.
        reason, words = why(SmtpServer("127.1", inbox.port, security))
    assert (reason, "is not trusted: " in words) == (FailureReason.TLS, True)


def test_a_login_that_is_not_offered_is_named() -> None:
    with SmtpInbox() as inbox:
        reason, words = why(server(inbox.port, username="ann", password="hunter2"))
    assert (reason, "offers no login" in words) == (FailureReason.AUTH, True)
    assert "hunter2" not in words


def test_a_wrong_password_is_told_apart() -> None:
    with SmtpInbox(login=("ann", "right")) as inbox:
        reason, words = why(server(inbox.port, username="ann", password="wrong!"))
    assert (reason, "answered 535" in words, "wrong!" in words) == (FailureReason.AUTH, True, False)


def test_a_password_that_cannot_be_sent_is_named_and_not_shown() -> None:
    with SmtpInbox(login=("ann", "right")) as inbox:
        reason, words = why(server(inbox.port, username="ann", password="pässword"))
    assert (reason, "letters beyond ASCII" in words) == (FailureReason.MISCONFIGURED, True)
    assert "pässword" not in words


def test_a_missing_login_is_a_login_problem() -> None:
    with (
        SmtpInbox(login=("ann", "right")) as inbox,
        pytest.raises(DeliveryError) as error,
        smtp.connection(server(inbox.port), timeout=5) as client,
    ):
        client.sendmail("a@example.com", ["b@example.com"], b"Subject: x\r\n\r\n")
    assert error.value.reason is FailureReason.AUTH


@pytest.mark.parametrize("host", ["smtp..example.com", "x" * 64 + ".example.com"])
def test_a_name_that_is_no_host_name_is_a_mistake_in_the_file(host: str) -> None:
    reason, words = why(SmtpServer(host, 25, SmtpSecurity.NONE))
    assert (reason, words) == (FailureReason.MISCONFIGURED, f"'{host}' is not a host name")


def errors_of_smtplib() -> list[type[smtplib.SMTPException]]:
    return [
        value
        for value in vars(smtplib).values()
        if isinstance(value, type) and issubclass(value, smtplib.SMTPException)
    ]


def made(kind: type[smtplib.SMTPException]) -> smtplib.SMTPException:
    if issubclass(kind, smtplib.SMTPSenderRefused):
        return kind(550, b"no", "a@example.com")
    if issubclass(kind, smtplib.SMTPResponseException):
        return kind(550, b"no")
    return kind("no")


@pytest.mark.parametrize("kind", errors_of_smtplib(), ids=lambda kind: kind.__name__)
def test_every_error_of_smtplib_is_told_in_our_words(kind: type[smtplib.SMTPException]) -> None:
    with (
        SmtpInbox() as inbox,
        pytest.raises(DeliveryError) as error,
        smtp.connection(server(inbox.port), timeout=5),
    ):
        raise made(kind)
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        pytest.param(
            ConnectionResetError(104, "Connection reset by peer"), FailureReason.UNREACHABLE, id="reset"
        ),
        pytest.param(OSError("odd"), FailureReason.UNREACHABLE, id="without a number"),
        pytest.param(TimeoutError("timed out"), FailureReason.TIMEOUT, id="time-out"),
        pytest.param(ssl.SSLEOFError(8, "eof"), FailureReason.UNREACHABLE, id="TLS broken off"),
        pytest.param(ssl.SSLError(1, "odd"), FailureReason.TLS, id="TLS refused"),
        pytest.param(
            smtplib.SMTPNotSupportedError("no 8BIT"), FailureReason.MISCONFIGURED, id="not supported"
        ),
        pytest.param(smtplib.SMTPDataError(552, b"too big"), FailureReason.REJECTED, id="too big"),
        pytest.param(smtplib.SMTPDataError(451, b"later"), FailureReason.SERVER_ERROR, id="later"),
    ],
)
def test_a_failure_on_the_way_has_its_reason(raised: Exception, reason: FailureReason) -> None:
    with (
        SmtpInbox() as inbox,
        pytest.raises(DeliveryError) as error,
        smtp.connection(server(inbox.port), timeout=5),
    ):
        raise raised
    assert error.value.reason is reason


def test_a_good_bye_that_goes_wrong_changes_nothing() -> None:
    with SmtpInbox() as inbox:
        with smtp.connection(server(inbox.port), timeout=5) as client:
            client.sendmail("a@example.com", ["b@example.com"], b"Subject: kept\r\n\r\n")
            client.close()
        assert [mail.recipients for mail in inbox.messages] == [("b@example.com",)]


@pytest.mark.parametrize(
    ("code", "retryable"), [(421, True), (450, True), (499, True), (500, False), (550, False)]
)
def test_a_4yz_is_for_now_and_a_5yz_for_good(code: int, retryable: bool) -> None:
    assert Refusal(code, "no").retryable is retryable


def test_a_server_hides_its_password() -> None:
    assert "hunter2" not in repr(server(25, username="ann", password="hunter2"))


def test_the_trusted_certificates_are_loaded_once() -> None:
    assert smtp.tls_context(True) is smtp.tls_context(True)
    assert smtp.tls_context(True).verify_mode is ssl.CERT_REQUIRED
    assert smtp.tls_context(True).check_hostname
    assert smtp.tls_context(False).verify_mode is ssl.CERT_NONE
