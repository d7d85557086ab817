"""Test kit: real inboxes on loopback, a provider that only records, a clock that stands still.

.. code-block:: python

    with SlackInbox() as inbox:
        service = NotificationService(configs_path, allowed_webhook_hosts=[inbox.host])
        ...
        assert inbox.payloads[0]["text"].startswith("*:x: Pipeline failed: sales*")
"""

from __future__ import annotations

from airflow_cloudact_notify.testing.slack_inbox import SlackInbox
from airflow_cloudact_notify.testing.smtp_inbox import ReceivedMail, SmtpInbox
from airflow_cloudact_notify.testing.stand_ins import (
    FrozenClock,
    RecordingConfig,
    RecordingProvider,
    make_message,
)

__all__ = [
    "FrozenClock",
    "ReceivedMail",
    "RecordingConfig",
    "RecordingProvider",
    "SlackInbox",
    "SmtpInbox",
    "make_message",
]
