"""What a mail server's answers mean, and what is to be done about those that are known."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import MAY_HAVE_ARRIVED, DeliveryError

# RFC 4954, section 6: login required, mechanism too weak, credentials invalid, encryption required.
_AUTH_CODES = frozenset({530, 534, 535, 538})
# The same by enhanced code, where the reply code says less; 5.7.30, .57 and .139 are Microsoft's, 5.7.14 is Google's.
_AUTH_WORDS = re.compile(
    r"\b5\.7\.(8|9|14|30|57|139)\b|authentication failed|credits exceeded", re.IGNORECASE
)
_THROTTLED = re.compile(r"throttl|too many|rate.?limit|sending rate", re.IGNORECASE)
_ENHANCED_CLASS = re.compile(r"([245])\.\d{1,3}\.\d{1,3}\b")
"""RFC 3463: the first number of an enhanced status code has the meaning of a reply code's first digit."""

_MICROSOFT = (
    "Microsoft takes no passwords here: use OAuth 2.0 (oauth2 in the section, or auth_type oauth2 in the "
    "connection)"
)
_MAILBOX_OFF = (
    "An administrator must allow authenticated SMTP for the mailbox (Set-CASMailbox … "
    "-SmtpClientAuthenticationDisabled $false); without basic authentication, use OAuth 2.0"
)
_GOOGLE = "Google wants an app password or OAuth 2.0, not the password of the account"
_REMEDIES = (
    (re.compile(r"smtpclientauthentication is disabled", re.IGNORECASE), _MAILBOX_OFF),
    (re.compile(r"\b5\.7\.(30|139)\b"), _MICROSOFT),
    (re.compile(r"\b5\.7\.9\b.*application-specific|gsmtp", re.IGNORECASE | re.DOTALL), _GOOGLE),
    (re.compile(r"credits exceeded", re.IGNORECASE), "The account's credits are used up"),
)


_TOKEN_REMEDIES = (
    _REMEDIES[0],
    (
        re.compile(r"gsmtp", re.IGNORECASE),
        "The token has ended, or is not for the scope https://mail.google.com/",
    ),
    (
        re.compile(""),
        "The token has ended, or its application may not send for this mailbox: with Microsoft it needs SMTP.SendAsApp "
        "and a permission for the mailbox",
    ),
)


class TokenRefusedError(smtplib.SMTPAuthenticationError):
    """It was an access token that the server did not like."""


class NoVerdictError(smtplib.SMTPException):
    """The mail's content was sent, and no answer said whether it was taken; ``instead`` is what came."""

    def __init__(self, instead: smtplib.SMTPException | OSError) -> None:
        super().__init__(str(instead))
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Refusal:
    """A server's no to one recipient."""

    code: int
    answer: str

    @property
    def retryable(self) -> bool:
        return _is_for_now(self.code, self.answer)

    def __str__(self) -> str:
        return f"{self.code} {self.answer}"


def is_positive(code: int) -> bool:
    """Whether a reply code means yes.

    :raises SMTPResponseException: when it is none at all.
    """
    if not 200 <= code < 600:
        raise smtplib.SMTPResponseException(-1, b"")
    return code < 300


def words(answer: bytes | str) -> str:
    """Return an answer's text on one line."""
    return " ".join(decoded(answer).split())[:300]


def decoded(answer: bytes | str) -> str:
    """Return the whole of an answer's text."""
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def translated(error: smtplib.SMTPException | OSError, place: str, timeout: float) -> DeliveryError:
    """Return an error in our words."""
    if not isinstance(error, NoVerdictError):
        return _translated(error, place, timeout)
    inner = _translated(error.instead, place, timeout)
    return DeliveryError(inner.reason, f"{inner.detail}; the mail {MAY_HAVE_ARRIVED}", ambiguous=True)


def _translated(error: smtplib.SMTPException | OSError, place: str, timeout: float) -> DeliveryError:
    """Translate; the order is that of the classes, the narrower first."""
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
    if error.smtp_code < 0:
        return DeliveryError(FailureReason.UNREACHABLE, f"{place} does not answer like a mail server")
    text = words(error.smtp_error)
    remedies = _TOKEN_REMEDIES if isinstance(error, TokenRefusedError) else _REMEDIES
    remedy = next((remedy for known, remedy in remedies if known.search(text)), "")
    told = f"{text.rstrip('.')}. {remedy}" if remedy else text
    return DeliveryError(_reason(error, text), f"{place} answered {error.smtp_code} {told}")


def _reason(error: smtplib.SMTPResponseException, text: str) -> FailureReason:
    if _AUTH_WORDS.search(text):
        return FailureReason.AUTH
    if _is_for_now(error.smtp_code, text):
        return FailureReason.RATE_LIMITED if _THROTTLED.search(text) else FailureReason.SERVER_ERROR
    if error.smtp_code in _AUTH_CODES or isinstance(error, smtplib.SMTPAuthenticationError):
        return FailureReason.AUTH
    return FailureReason.REJECTED


def _is_for_now(code: int, text: str) -> bool:
    # RFC 5321, 4.2.1: 4yz is transient, 5yz permanent. Where the two codes differ, the enhanced one is the exacter.
    enhanced = _ENHANCED_CLASS.match(text)
    return (enhanced[1] if enhanced else str(code)[0]) == "4"
