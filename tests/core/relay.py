"""What the tests of fail-over, dead letters and health share: a tenant with two destinations, and a root to be told."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.maintenance import Maintained, maintain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Outbox
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, SmtpInbox, make_message
from tests.core.folder import Folder

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
BOTH = {"event": "pipeline_failure", "providers": ["both"]}
BY_SLACK = {"event": "pipeline_failure", "providers": ["slack"]}


class Relay:
    """Tenant acme sends to ``chat`` and ``mail``, the root to ``ops``; the clock stands still."""

    def __init__(self, path: Path, chat: SlackInbox, mail: SmtpInbox, ops: SlackInbox) -> None:
        self.folder = Folder(path)
        self.chat, self.mail, self.ops = chat, mail, ops
        for payloads in (chat.payloads, ops.payloads, mail.messages):
            payloads.clear()
        self.clock = FrozenClock()
        self.state: Any = MemoryStateStore()
        self.folder.write(None, slack={"enabled": True, "webhook_url": ops.url}, default_provider="slack")
        self.configure(BY_SLACK)

    def configure(self, *triggers: Mapping[str, Any], **keys: Any) -> None:
        """Write the tenant's file anew."""
        document = {
            "email": self.email(),
            "slack": {"enabled": True, "webhook_url": self.chat.url},
            "event_triggers": list(triggers),
            "retry_config": {"max_attempts": 1},
        }
        self.folder.write("acme", document | keys)
        self.service = self.make()

    def email(self, **keys: Any) -> dict[str, Any]:
        section = {
            "enabled": True,
            "smtp_host": self.mail.host,
            "smtp_port": self.mail.port,
            "smtp_use_tls": False,
            "from_email": "airflow@example.com",
            "to_emails": ["a@acme.example", "b@acme.example"],
        }
        return section | keys

    def make(self, **options: Any) -> NotificationService:
        """Return the service of another process."""
        defaults = {
            "allowed_webhook_hosts": [self.chat.host, self.ops.host],
            "state": self.state,
            "clock": self.clock,
            "sleep": self.clock.sleep,
            "settle": self.clock.sleep,
        }
        return NotificationService(self.folder.path, **(defaults | options))

    def send(self, title: str = "sales failed", **overrides: Any) -> NotificationReport:
        """Tell something new."""
        return self.service.send(self.message(title, **overrides))

    def message(self, title: str = "sales failed", **overrides: Any) -> NotificationMessage:
        own = uuid.uuid4().hex
        self.clock.advance(1)
        fields = {"title": title, "message_id": own, "dedup_key": own, "occurred_at": self.clock()}
        return make_message(**(fields | overrides))

    def miss(self, *titles: str, answer: tuple[int, str] = (503, ""), **overrides: Any) -> None:
        """Tell something that Slack does not take."""
        for title in titles:
            self.chat.answer(*answer)
            assert not self.send(title, **overrides)["slack"]
        self.chat.payloads.clear()

    def maintain(self) -> Maintained:
        self.clock.advance(1)
        return maintain(self.service, lambda _: None, self.clock())

    def letters(self) -> list[DeadLetter]:
        outbox = Outbox(self.state, print)
        return [letter for key in outbox.listed() if (letter := outbox.read(key))]

    def rows(self, kind: str) -> list[str]:
        found: list[str] = self.state.keys(f"cloudact_notify:{kind}:")
        return found

    @property
    def chatted(self) -> list[str]:
        """What Slack has been asked to take, each as one text."""
        return [json.dumps(payload, ensure_ascii=False) for payload in self.chat.payloads]

    @property
    def mailed(self) -> list[str]:
        """The texts of the mails that arrived."""
        return [_text(received.mail) for received in self.mail.messages]

    @property
    def noticed(self) -> list[str]:
        """What the root has been told."""
        return [json.dumps(payload, ensure_ascii=False) for payload in self.ops.payloads]


def _text(mail: Any) -> str:
    body = mail.get_body(("plain",)).get_content()
    return " ".join(f"{mail['Subject']}\n{body}".split())


def title_of(payload: dict[str, Any]) -> str:
    """Return the title of a message that Slack was asked to take."""
    headline: str = payload["text"].partition("\n")[0]
    return headline.partition(": ")[2].strip("*")
