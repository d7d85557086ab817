"""One HTTP request, with what can go wrong told in our words."""

from __future__ import annotations

import logging
import os
import re
import ssl
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import MAY_HAVE_ARRIVED, DeliveryError

if TYPE_CHECKING:
    import requests

MAX_BODY = 4096
"""Bytes of an answer that are read."""
MAX_RETRY_AFTER = 86_400.0
"""Seconds that stand for any longer wait."""

IDLE_SECONDS = 60.0
"""How long a connection that nobody uses is kept: firewalls and balancers forget one, some after 4 minutes."""

_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_USED_AT: weakref.WeakKeyDictionary[requests.Session, float] = weakref.WeakKeyDictionary()
"""Every session, and when it was used last, by ``time.monotonic``."""
_CLOSING = threading.Lock()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A server's answer; ``retry_after`` in seconds, when it asked for a wait."""

    status: int
    body: str
    retry_after: float | None


def session_for(url: str, proxy: str | None = None) -> requests.Session:
    """Return a session for one address, which asks the environment for proxies and authorities now and never again.

    A login that a ``.netrc`` file has for the host is not sent.

    :param proxy: an HTTP proxy, in place of the one that the environment names.
    """
    # It costs some 30 ms to import: only who sends by HTTP pays for it.
    import requests

    session = requests.Session()
    known = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies = {"http": proxy, "https": proxy} if proxy else known["proxies"]
    session.verify = known["verify"]
    session.trust_env = False
    _USED_AT[session] = time.monotonic()
    return session


def _let_go_of_the_parents_connections() -> None:
    """Two processes that write to one connection spoil it for each other, so a forked one opens its own."""
    global _CLOSING
    _CLOSING = threading.Lock()
    for session in list(_USED_AT):
        for prefix, adapter in list(session.adapters.items()):
            session.mount(prefix, type(adapter)())


os.register_at_fork(after_in_child=_let_go_of_the_parents_connections)


def post_json(
    session: requests.Session, url: str, payload: Mapping[str, Any], *, timeout: float
) -> HttpAnswer:
    """Post once, without following redirects.

    :param timeout: seconds for connecting, and again between two bytes of the answer.
    :raises DeliveryError: when no answer came. The text names the host, never the URL, which may be a secret.
    """
    import requests

    logging.getLogger("urllib3.connectionpool").addFilter(_SECRET_PATHS)
    host = urlsplit(url).hostname or "the webhook"
    _close_if_idle(session)
    _SECRET_PATHS.posting = True
    try:
        with session.post(url, json=payload, timeout=timeout, allow_redirects=False, stream=True) as answer:
            wait = retry_after(answer.headers.get("Retry-After"))
            return HttpAnswer(answer.status_code, _body(answer).strip(), wait)
    except requests.exceptions.InvalidJSONError:
        raise
    except (requests.exceptions.RequestException, OSError) as error:
        raise _translated(error, host, timeout) from None
    finally:
        _SECRET_PATHS.posting = False


def _close_if_idle(session: requests.Session) -> None:
    """Let go of connections that may not lead anywhere any more; the session opens others."""
    with _CLOSING:
        now = time.monotonic()
        if now - _USED_AT.get(session, now) > IDLE_SECONDS:
            session.close()
        _USED_AT[session] = now


def why(error: OSError, host: str, timeout: float) -> tuple[FailureReason, str]:
    """Return why there was no answer, in our words; the order is that of the classes, the narrower first."""
    from requests import exceptions

    if isinstance(error, exceptions.SSLError):
        broken_off = isinstance(_innermost(error), ssl.SSLEOFError)
        reason = FailureReason.UNREACHABLE if broken_off else FailureReason.TLS
        return reason, f"no TLS with {host}: {_cause(error)}"
    if isinstance(error, exceptions.InvalidURL | exceptions.InvalidSchema | exceptions.MissingSchema):
        return FailureReason.MISCONFIGURED, "the webhook URL is not usable"
    if isinstance(error, exceptions.Timeout):
        return FailureReason.TIMEOUT, f"{host} did not answer within {timeout:.3g} s"
    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        status = error.response.status_code
        return reason_of_status(status) or FailureReason.SERVER_ERROR, f"{host} answered {status}"
    if type(error) is OSError and error.errno is None and _innermost(error) is error:
        # requests' own, before it connects: REQUESTS_CA_BUNDLE, say, names a file that is not there.
        return FailureReason.TLS, f"no TLS with {host}: {error}"
    return FailureReason.UNREACHABLE, f"no connection to {host}: {_cause(error)}"


def _translated(error: OSError, host: str, timeout: float) -> DeliveryError:
    reason, detail = why(error, host, timeout)
    if not reason.retryable or _is_before_the_request(error):
        return DeliveryError(reason, detail)
    return DeliveryError(reason, f"{detail}; the message {MAY_HAVE_ARRIVED}", ambiguous=True)


def _is_before_the_request(error: BaseException) -> bool:
    """Whether there was no connection yet over which a request could have been sent."""
    from requests import exceptions
    from urllib3.exceptions import NewConnectionError

    before = (exceptions.ConnectTimeout, exceptions.ProxyError, exceptions.SSLError, NewConnectionError)
    return any(isinstance(one, before) for one in _chain(error))


class _SecretPaths(threading.local):
    """Keeps out of the log what urllib3 says of a thread's posts at level DEBUG: each line holds the URL's path."""

    posting = False

    def filter(self, record: logging.LogRecord) -> bool:
        return not self.posting


_SECRET_PATHS = _SecretPaths()


def reason_of_status(status: int) -> FailureReason | None:
    """Return what a status means, ``None`` for success. Redirects are not followed and count as a wrong address."""
    if 200 <= status < 300:
        return None
    if status == 429:
        return FailureReason.RATE_LIMITED
    if status in (408, 425) or status >= 500:
        return FailureReason.SERVER_ERROR
    if status in (401, 403):
        return FailureReason.AUTH
    if status in (404, 410) or status < 400:
        return FailureReason.NOT_FOUND
    return FailureReason.REJECTED


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of a ``Retry-After`` header (a number or an HTTP date), ``None`` when absent or nonsense.

    What is gone by, or negative, is 0; the longest is ``MAX_RETRY_AFTER``.
    """
    if not header:
        return None
    try:
        seconds = float(header) if _NUMBER.fullmatch(header.strip()) else _seconds_until(header, now)
    except (ValueError, OverflowError, TypeError, IndexError):  # what the parser of dates raises
        return None
    return min(max(0.0, seconds), MAX_RETRY_AFTER)


def _seconds_until(date: str, now: datetime | None) -> float:
    until = parsedate_to_datetime(date)
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return (until - (now or datetime.now(UTC))).total_seconds()


def _body(answer: requests.Response) -> str:
    """Return the beginning of an answer's body, nothing when it breaks off: the status has said what counts."""
    import urllib3

    try:
        content: bytes = answer.raw.read(MAX_BODY, decode_content=True)
    except (urllib3.exceptions.HTTPError, OSError):
        return ""
    return content.decode("utf-8", "replace")


def _cause(error: BaseException) -> str:
    """Return the innermost cause in a word or two: the outer texts quote the URL."""
    error = _innermost(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    return list(_chain(error))[-1]


def _chain(error: BaseException) -> Iterator[BaseException]:
    yield error
    while inner := (error.__cause__ or error.__context__ or _wrapped(error)):
        error = inner
        yield error


def _wrapped(error: BaseException) -> BaseException | None:
    """urllib3 and requests hand the cause over as an argument or as ``reason``."""
    candidates = (getattr(error, "reason", None), *error.args)
    return next((c for c in candidates if isinstance(c, BaseException) and c is not error), None)
