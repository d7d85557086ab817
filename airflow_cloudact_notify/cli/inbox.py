"""``cloudact-notify inbox``: a mail server and a webhook on this machine that show what arrives."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from typing import Any

from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.cli.preview import shown_mail, shown_payload
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox

POLL_SECONDS = 0.1


def run(arguments: argparse.Namespace) -> int:
    """Show what arrives until there is enough of it, or a person ends it."""
    with ExitStack() as until_the_end:
        mails = _opened(SmtpInbox, "--smtp-port", arguments.smtp_port, until_the_end)
        webhook = _opened(SlackInbox, "--http-port", arguments.http_port, until_the_end)
        output.say(f"Mail server: smtp_host {mails.host}, smtp_port {mails.port}, smtp_use_tls false")
        output.say(f"Webhook:     {webhook.url}")
        output.say(f"             (allow it: AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS={webhook.host})")
        output.say("Ctrl-C ends it.")
        _show(mails.messages, webhook.payloads, arguments.count)
    return 0


def _opened(inbox: type[Any], option: str, port: int, until_the_end: ExitStack) -> Any:
    try:
        return until_the_end.enter_context(inbox(port=port))
    except ImportError as error:
        raise CloudActNotifyError(f"No inbox: {error}") from None
    except OSError as error:
        remedy = f"End what listens there, or name another port with {option}; files name it, too."
        raise CloudActNotifyError(f"No inbox at port {port}: {error.strerror}. {remedy}") from None


def _show(mails: list[Any], payloads: list[dict[str, Any]], enough: int | None) -> None:
    seen_mails = seen_payloads = 0
    while enough is None or seen_mails + seen_payloads < enough:
        output.flush()
        for received in mails[seen_mails:]:
            seen_mails += 1
            output.heading(f"Mail to {', '.join(received.recipients)}")
            output.say(shown_mail(received.mail))
        for payload in payloads[seen_payloads:]:
            seen_payloads += 1
            output.heading("Posted to the webhook")
            output.say(shown_payload(payload))
        time.sleep(POLL_SECONDS)
