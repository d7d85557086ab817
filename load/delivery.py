"""Servers that are away, and come back, on a real Airflow: ``python -m load.delivery``.

Wanted are: Slack away, one mail in its place; both away, nothing, and when they are back one message each, late, and
not again; a webhook that has been deleted, one message about it to the root.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.state.outbox import LETTERS
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from demo.preparation import Progress, make_anew
from demo.standalone import StandaloneAirflow, free_ports
from load.gates import fail
from load.mapped import maintain, text_of

Seen = tuple[str, list[str] | None]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".load"))
    folder, say = parser.parse_args().folder.absolute(), Progress()
    make_anew(folder)
    chat_port, mail_port = free_ports(2)
    with SlackInbox() as roots, SlackInbox() as deleted, SmtpInbox() as mails:
        configs = folder / "configs"
        away = {"slack": _slack(chat_port), "email": _email(mail_port), "retry_config": {"max_attempts": 1}}
        _write(configs, "notifications/config.json", {"default_provider": "slack", "slack": _slack(roots)})
        _write(configs, "away/notifications.json", away | {"default_provider": "both"})
        fallback = {"default_provider": "slack", "fallback_providers": ["email"], "email": _email(mails.port)}
        _write(configs, "fallback/notifications.json", away | fallback)
        deleted.answer(404, "no_service")
        unhealthy = {"default_provider": "slack", "slack": _slack(deleted), "unhealthy_after": 1}
        _write(configs, "unhealthy/notifications.json", unhealthy)
        env = {
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(configs),
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": "127.0.0.1",
        }
        dags = Path(__file__).parent / "dags"
        with StandaloneAirflow(folder / "airflow", dags, env, say) as airflow:
            seen = [
                _fallback(airflow, mails),
                _away(airflow, chat_port, mail_port),
                _unhealthy(airflow, roots),
            ]
    for what, told in seen:
        say(f"{'as wanted' if told is None else f'NOT AS WANTED {told}'}: {what}")
    return 0 if all(told is None for _, told in seen) else 1


def _write(configs: Path, file: str, document: dict[str, Any]) -> None:
    (configs / file).parent.mkdir(parents=True, exist_ok=True)
    (configs / file).write_text(json.dumps(document))


def _slack(place: SlackInbox | int) -> dict[str, Any]:
    url = (
        place.url if isinstance(place, SlackInbox) else f"http://127.0.0.1:{place}/services/T000/B000/SECRET"
    )
    return {"enabled": True, "webhook_url": url}


def _email(port: int) -> dict[str, Any]:
    return {
        "enabled": True,
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": ["team@example.com"],
    }


def _fallback(airflow: StandaloneAirflow, mails: SmtpInbox) -> Seen:
    fail(airflow, "delivery_fallback")
    told = _mailed(mails)
    right = len(told) == 1 and "This is a fall-back: slack failed (unreachable" in told[0]
    return "Slack away, a mail in its place", None if right else told


def _away(airflow: StandaloneAirflow, chat_port: int, mail_port: int) -> Seen:
    fail(airflow, "delivery_away")
    kept = _letters(airflow)
    with _back(chat_port, mail_port) as (chat, mail):
        maintain(airflow, "when-they-are-back")
        maintain(airflow, "once-more")
        told = [*(text_of(payload) for payload in chat.payloads), *_mailed(mail)]
    left = _letters(airflow)
    right = len(kept) == 1 and not left and len(told) == 2 and len(chat.payloads) == 1
    return "both away, then each told once", None if right else [*kept, *told, *left]


def _unhealthy(airflow: StandaloneAirflow, roots: SlackInbox) -> Seen:
    fail(airflow, "delivery_unhealthy")
    maintain(airflow, "unhealthy")
    maintain(airflow, "still-unhealthy")
    told = [text_of(payload) for payload in roots.payloads]
    right = len(told) == 1 and "Slack of tenant unhealthy does not work" in told[0]
    return "a webhook that is gone, one message to the root", None if right else told


@contextlib.contextmanager
def _back(chat_port: int, mail_port: int) -> Iterator[tuple[SlackInbox, SmtpInbox]]:
    with SlackInbox(chat_port) as chat, SmtpInbox(port=mail_port) as mail:
        yield chat, mail


def _letters(airflow: StandaloneAirflow) -> list[str]:
    return [key for key in airflow.variables(LETTERS) if ":away:" in key]


def _mailed(inbox: SmtpInbox) -> list[str]:
    return [str(mail.mail.get_body(("plain",)).get_content()) for mail in inbox.messages]


if __name__ == "__main__":
    sys.exit(main())
