"""``cloudact-notify inbox``: a mail server and a webhook on this machine that show what arrives."""

from __future__ import annotations

import argparse
import time
from typing import Any

from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.cli.preview import shown_mail, shown_payload
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox

POLL_SECONDS = 0.1


def run(arguments: argparse.Namespace) -> int:
    """Show what arrives until there is enough of it, or a person ends it."""
    try:
        mails = SmtpInbox(port=arguments.smtp_port)
        webhook = SlackInbox(port=arguments.http_port)
        with mails, webhook:
            output.say(f"Mail server: smtp_host {mails.host}, smtp_port {mails.port}, smtp_use_tls false")
            output.say(f"Webhook:     {webhook.url}")
            output.say(
                f"             (allow it: AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS={webhook.host})"
            )
            output.say("Ctrl-C ends it.")
            _show(mails.messages, webhook.payloads, arguments.count)
    except (ImportError, OSError) as error:
        raise CloudActNotifyError(f"No inbox: {error}") from None
    return 0


def _show(mails: list[Any], payloads: list[dict[str, Any]], enough: int | None) -> None:
    seen_mails = seen_payloads = 0
    while enough is None or seen_mails + seen_payloads < enough:
        for received in mails[seen_mails:]:
            seen_mails += 1
            output.heading(f"Mail to {', '.join(received.recipients)}")
            output.say(shown_mail(received.mail))
        for payload in payloads[seen_payloads:]:
            seen_payloads += 1
            output.heading("Posted to the webhook")
            output.say(shown_payload(payload))
        time.sleep(POLL_SECONDS)
