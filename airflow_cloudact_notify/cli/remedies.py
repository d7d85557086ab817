"""What to do when a destination did not take a message."""

from __future__ import annotations

from airflow_cloudact_notify.core.enums import FailureReason

_BY_REASON = {
    FailureReason.UNREACHABLE: "Check host and port, and whether a firewall lets this machine through.",
    FailureReason.TIMEOUT: "Check host and port; a firewall that drops packets looks like this, too.",
    FailureReason.SERVER_ERROR: "Try again later: it is the server's trouble.",
    FailureReason.RATE_LIMITED: "Try again later, and send less: longer cooldowns help.",
    FailureReason.TLS: "Use port 587 for STARTTLS or 465 for TLS from the start, and name the host as its certificate "
    "does; SSL_CERT_FILE names a private authority's certificate.",
    FailureReason.AUTH: "Check user name and password, or make the webhook anew; Gmail wants an app password, "
    "SendGrid the user name 'apikey'.",
    FailureReason.NOT_FOUND: "The webhook or its channel is gone: make a new one.",
    FailureReason.REJECTED: "Read the server's answer: it knows this sender or message is not allowed.",
    FailureReason.RECIPIENTS_REFUSED: "Correct the addresses in to_emails and cc_emails.",
    FailureReason.MISCONFIGURED: "Run 'cloudact-notify validate'.",
    FailureReason.UNHEALTHY: "Mend what made it fail before; 'cloudact-notify send-test' tries it at once.",
    FailureReason.BUDGET_EXHAUSTED: "Raise [cloudact_notify] callback_budget_seconds.",
    FailureReason.INTERNAL: "This should not happen: please report it.",
}
# A server's own words tell more than the sort of failure.
_BY_ANSWER = {
    "5.7.30": "Office 365 has switched user names and passwords off here: log in with oauth2, or use another relay.",
    "5.7.139": "Office 365: let the administrator allow authenticated SMTP for this mailbox.",
    "Application-specific password": "Gmail: make an app password and use that.",
    "offers no login": "Leave smtp_username out, or use the port that offers a login, usually 587.",
}


def remedy(reason: FailureReason, detail: str) -> str:
    """Return what to do about a failure, in a sentence."""
    known = next((text for words, text in _BY_ANSWER.items() if words in detail), None)
    return known or _BY_REASON[reason]
