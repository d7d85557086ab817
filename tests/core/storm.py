"""What the tests of storm control share: a service that sends to a real inbox, and reporters that can be killed."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.bookkeeping import Bookkeeping
from airflow_cloudact_notify.core.claims import Claimed
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Plan, plan
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, make_message
from tests.core.folder import Folder

HELD = "cloudact_notify:held:"
LEASE = 15.0


class Storm:
    """A service without a tenant's file, whose root sends to Slack, and a clock that stands still."""

    def __init__(self, path: Path, chat: SlackInbox) -> None:
        self.folder = Folder(path)
        self.chat = chat
        chat.payloads.clear()
        self.clock = FrozenClock()
        self.state = MemoryStateStore()
        self.configure()

    def configure(self, *triggers: dict[str, Any], **keys: Any) -> None:
        """Write the root's file: the triggers of ``pipeline_failure`` unless they name another event."""
        slack = {"enabled": True, "webhook_url": self.chat.url}
        events = [{"event": "pipeline_failure"} | trigger for trigger in triggers]
        retry = {"max_attempts": 1}
        document = {
            "default_provider": "slack",
            "slack": slack,
            "event_triggers": events,
            "retry_config": retry,
        }
        self.folder.write(None, document | keys)
        self.service = self.make()

    def make(self, **options: Any) -> NotificationService:
        defaults = {
            "allowed_webhook_hosts": [self.chat.host],
            "state": self.state,
            "clock": self.clock,
            "sleep": self.clock.sleep,
            "settle": self.clock.sleep,
        }
        return NotificationService(self.folder.path, **(defaults | options))

    @property
    def told(self) -> list[str]:
        """What has arrived, each message as one text."""
        return [json.dumps(payload) for payload in self.chat.payloads]

    def rows(self, kind: str = "") -> list[str]:
        return self.state.keys(f"cloudact_notify:{kind}")

    def plan(self, message: NotificationMessage) -> Plan:
        return plan(message, self.service.configs.resolve(message.tenant_id))

    def books(self, remarks: list[str] | None = None) -> Bookkeeping:
        """Return the bookkeeping of another process."""
        remark = ([] if remarks is None else remarks).append
        return Bookkeeping(self.state, remark, self.clock, self.clock.sleep)

    def is_killed_while_telling(self, message: NotificationMessage) -> Claimed:
        """Claim a message in another process, which then goes no further."""
        made = self.plan(message)
        message = message.model_copy(update={"severity": made.severity})
        claimed = self.books().claim(message, made, LEASE)
        assert isinstance(claimed, Claimed)
        return claimed


class Racing(MemoryStateStore):
    """Lets all reporters find a row free before any of them writes; each write takes its time."""

    watched = ":cooldown:"

    def __init__(self, reporters: int) -> None:
        super().__init__(max_rows=100_000)
        self.all_have_looked = threading.Barrier(reporters, timeout=30)
        self.all_have_written = threading.Barrier(reporters, timeout=30)
        self._looked = threading.local()

    def get(self, key: str) -> str | None:
        row = super().get(key)
        if key != getattr(self._looked, "key", None) and self.watched in key:
            self._looked.key = key
            self.all_have_looked.wait()
        return row

    def put(self, key: str, value: str) -> None:
        if self.watched in key:
            time.sleep(random.uniform(0, 0.004))
        super().put(key, value)


class Flaky(MemoryStateStore):
    """Does ``what`` at the n-th call, counted from 1; ``calls`` lists all of them."""

    def __init__(self, nth: int, what: Callable[[str], None]) -> None:
        super().__init__()
        self.nth, self.what = nth, what
        self.calls: list[str] = []

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if len(self.calls) == self.nth:
            self.what(call)

    def get(self, key: str) -> str | None:
        self._call(f"read {key}")
        return super().get(key)

    def put(self, key: str, value: str) -> None:
        self._call(f"write {key}")
        super().put(key, value)

    def delete(self, key: str) -> None:
        self._call(f"delete {key}")
        super().delete(key)

    def keys(self, prefix: str) -> list[str]:
        self._call(f"list {prefix}*")
        return super().keys(prefix)


def refuse(call: str) -> None:
    raise StateUnavailable(call, "read-only")


def crash(call: str) -> None:
    raise ConnectionError("no route to the database")


def report(**overrides: Any) -> NotificationMessage:
    """Return a failure of its own, told without a tenant; its run is named ``run``, and began at ``began`` o'clock."""
    run = overrides.pop("run", None)
    began = overrides.pop("began", None)
    if run:
        overrides["pipeline_logging_id"] = run
    if began is not None:
        overrides["run_began_at"] = datetime(2026, 1, 1, began, tzinfo=UTC)
    return make_message(**({"tenant_id": None, "message_id": uuid.uuid4().hex} | overrides))


def success(**overrides: Any) -> NotificationMessage:
    """Return the success of a run, as its callback tells it."""
    defaults = {
        "event": "pipeline_success",
        "lifecycle": "success",
        "task_id": None,
        "title": "DAG sales succeeded",
    }
    return report(**(defaults | overrides))
