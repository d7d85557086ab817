"""What the original system's description shows, run as it is written there; only the imports are renamed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify import NotificationEvent, NotificationSeverity, get_notification_service
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService, default_service
from airflow_cloudact_notify.testing import SlackInbox
from tests.core.folder import Folder

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK

ROOT = """
{
  "enabled": true,
  "default_provider": "email",
  "email": {
    "enabled": true,
    "smtp_host": "smtp.gmail.com",
    "smtp_port": 587,
    "smtp_username": "alerts@cloudact.io",
    "smtp_password": "app-password",
    "from_email": "noreply@cloudact.io",
    "to_emails": ["admin@cloudact.io"]
  },
  "event_triggers": [
    {
      "event": "pipeline_failure",
      "enabled": true,
      "severity": "error",
      "providers": ["email"],
      "cooldown_seconds": 300
    }
  ]
}
"""

TENANT = """
{
  "enabled": true,
  "tenant_id": "acme_corp",
  "default_provider": "slack",
  "email": {
    "enabled": true,
    "smtp_host": "smtp.office365.com",
    "to_emails": ["data-team@acmecorp.com"]
  },
  "slack": {
    "enabled": true,
    "webhook_url": "https://hooks.slack.com/services/...",
    "channel": "#data-alerts"
  },
  "event_triggers": [
    {
      "event": "pipeline_failure",
      "enabled": true,
      "providers": ["both"],
      "cooldown_seconds": 180
    }
  ]
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / "configs")
    folder.write(None, ROOT)
    folder.write("acme_corp", TENANT)
    folder.write(
        "internal_test", json.dumps(json.loads(TENANT) | {"tenant_id": "internal_test", "enabled": False})
    )
    return folder


def test_the_root_configuration_loads_verbatim(folder: Folder) -> None:
    resolved = ConfigStore(folder.path).resolve(None)
    assert resolved.problems == ()
    assert list(resolved.providers) == [EMAIL]
    email = resolved.config.email
    assert (email.smtp_host, email.smtp_port, email.smtp_username) == (
        "smtp.gmail.com",
        587,
        "alerts@cloudact.io",
    )
    assert email.smtp_password is not None
    assert email.smtp_password.get_secret_value() == "app-password"
    assert email.to_emails == ["admin@cloudact.io"]


def test_the_tenants_configuration_loads_verbatim(folder: Folder) -> None:
    resolved = ConfigStore(folder.path).resolve("acme_corp")
    assert resolved.problems == ()
    assert sorted(resolved.providers) == [EMAIL, SLACK]
    assert resolved.config.email.smtp_host == "smtp.office365.com"
    assert resolved.config.email.from_email == "noreply@cloudact.io", "the sender falls back to the root's"
    assert resolved.config.email.smtp_password is None, "the credentials do not"
    assert resolved.config.slack.channel == "#data-alerts"
    trigger = resolved.config.trigger(NotificationEvent.PIPELINE_FAILURE)
    assert trigger is not None
    assert trigger.providers == ["both"]
    assert trigger.cooldown_seconds == 180


@pytest.mark.parametrize(
    ("tenant_id", "used"),
    [
        pytest.param("acme_corp", "acme_corp/notifications.json", id="1: tenant has custom config"),
        pytest.param("beta_customer", "notifications/config.json", id="2: tenant has no config"),
        pytest.param("internal_test", "notifications/config.json", id="3: tenant config disabled"),
    ],
)
def test_the_three_scenarios_of_falling_back(folder: Folder, tenant_id: str, used: str) -> None:
    service = NotificationService(folder.path)
    assert service.configs.resolve(tenant_id).source == str(folder.path / used)
    expected = "slack" if tenant_id == "acme_corp" else "email"
    assert service.get_config(tenant_id).default_provider == expected


# --- usage


@pytest.fixture
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as inbox:
        yield inbox


@pytest.fixture
def sent(
    inbox: SlackInbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[NotificationReport]]:
    """Give the reports of what an example sends: the engine alone, with its configuration in ``./configs``."""
    triggers = [{"event": event} for event in ("pipeline_started", "pipeline_success")]
    slack = {"enabled": True, "webhook_url": inbox.url}
    Folder(tmp_path / "configs").write(None, default_provider="slack", slack=slack, event_triggers=triggers)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLOUDACT_NOTIFY_CONFIGS_PATH", raising=False)
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "airflow" else find_spec(name)
    )
    default_service.cache_clear()
    service = default_service()
    service.configs.allowed_webhook_hosts = frozenset({inbox.host})
    reports: list[NotificationReport] = []
    send = service.send

    def keep(*args: Any, **kwargs: Any) -> NotificationReport:
        reports.append(send(*args, **kwargs))
        return reports[-1]

    monkeypatch.setattr(service, "send", keep)
    yield reports
    default_service.cache_clear()


def run(example: str, **names: Any) -> dict[str, Any]:
    """Run an example as the body of a coroutine; return the names it leaves."""
    renamed = textwrap.dedent(example).replace("core.notifications", "airflow_cloudact_notify")
    scope: dict[str, Any] = dict(names)
    exec(f"async def example():\n{textwrap.indent(renamed, '    ')}\n    return locals()", scope)
    left: dict[str, Any] = asyncio.run(scope["example"]())
    return left


BASIC_USAGE = """
from core.notifications import get_notification_service, NotificationEvent, NotificationSeverity

# Get service instance
service = get_notification_service()

# Send notification
await service.notify(
    tenant_id="acme_corp",
    event=NotificationEvent.PIPELINE_FAILURE,
    severity=NotificationSeverity.ERROR,
    title="Pipeline Failed",
    message="Daily ingestion pipeline failed",
    pipeline_id="daily_ingestion",
    pipeline_logging_id="abc123",
    details={"error": "Connection timeout"}
)
"""


def test_basic_usage(sent: list[NotificationReport], inbox: SlackInbox) -> None:
    run(BASIC_USAGE)
    [report] = sent
    assert report["slack"]
    text = json.dumps(inbox.payloads)
    for words in ("Pipeline Failed", "Daily ingestion pipeline failed", "daily_ingestion", "abc123"):
        assert words in text
    assert "Connection timeout" in text


CONVENIENCE_METHODS = """
# Pipeline notifications
await service.notify_pipeline_started(
    tenant_id="acme_corp",
    pipeline_id="daily_ingestion",
    pipeline_logging_id="abc123"
)

await service.notify_pipeline_success(
    tenant_id="acme_corp",
    pipeline_id="daily_ingestion",
    pipeline_logging_id="abc123",
    duration_ms=12000
)

await service.notify_pipeline_failure(
    tenant_id="acme_corp",
    pipeline_id="daily_ingestion",
    pipeline_logging_id="abc123",
    error_message="Connection timeout"
)

# Data quality notifications
await service.notify_data_quality_failure(
    tenant_id="acme_corp",
    pipeline_id="daily_ingestion",
    table_name="raw_customer_data",
    failed_checks=["null_check", "unique_check"]
)
"""


def test_convenience_methods(sent: list[NotificationReport], inbox: SlackInbox) -> None:
    run(CONVENIENCE_METHODS, service=get_notification_service())
    assert [(str(report.message.event), report.delivered) for report in sent] == [
        ("pipeline_started", True),
        ("pipeline_success", True),
        ("pipeline_failure", True),
        ("data_quality_failure", True),
    ]
    texts = [json.dumps(payload) for payload in inbox.payloads]
    assert "12 s" in texts[1]
    assert "Connection timeout" in texts[2]
    assert "raw_customer_data" in texts[3]
    assert "null_check, unique_check" in texts[3]


PIPELINE_INTEGRATION = '''
async def execute_pipeline(tenant_id: str, pipeline_id: str, **kwargs):
    """Execute pipeline with notification support"""
    service = get_notification_service()
    pipeline_logging_id = generate_logging_id()

    try:
        # Notify start
        await service.notify_pipeline_started(
            tenant_id=tenant_id,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id
        )

        # Execute pipeline
        result = await run_pipeline_steps(tenant_id, pipeline_id, **kwargs)

        # Notify success
        await service.notify_pipeline_success(
            tenant_id=tenant_id,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id,
            duration_ms=result.get("duration_ms")
        )

        return result

    except Exception as e:
        # Notify failure
        await service.notify_pipeline_failure(
            tenant_id=tenant_id,
            pipeline_id=pipeline_id,
            pipeline_logging_id=pipeline_logging_id,
            error_message=str(e)
        )
        raise
'''


async def succeed(tenant_id: str, pipeline_id: str) -> dict[str, Any]:
    return {"duration_ms": 12000}


async def fail(tenant_id: str, pipeline_id: str) -> dict[str, Any]:
    raise RuntimeError("Connection timeout")


@pytest.mark.parametrize(
    ("steps", "events"),
    [
        pytest.param(succeed, ["pipeline_started", "pipeline_success"], id="succeeds"),
        pytest.param(fail, ["pipeline_started", "pipeline_failure"], id="fails"),
    ],
)
def test_pipeline_integration(
    sent: list[NotificationReport], steps: Callable[..., Any], events: list[str]
) -> None:
    names = {
        "get_notification_service": get_notification_service,
        "generate_logging_id": lambda: "abc123",
        "run_pipeline_steps": steps,
    }
    execute_pipeline = run(PIPELINE_INTEGRATION, **names)["execute_pipeline"]
    if steps is succeed:
        assert asyncio.run(execute_pipeline("acme_corp", "daily_ingestion")) == {"duration_ms": 12000}
    else:
        with pytest.raises(RuntimeError, match="Connection timeout"):
            asyncio.run(execute_pipeline("acme_corp", "daily_ingestion"))
    assert [str(report.message.event) for report in sent] == events
    assert all(report.delivered for report in sent)


MANUAL_TEST = """
import asyncio
from core.notifications import get_notification_service, NotificationEvent, NotificationSeverity

async def test():
    service = get_notification_service()
    await service.notify(
        tenant_id='test',
        event=NotificationEvent.SYSTEM_ERROR,
        severity=NotificationSeverity.INFO,
        title='Test Email',
        message='Testing email configuration'
    )

asyncio.run(test())
"""


def test_manual_test(sent: list[NotificationReport]) -> None:
    exec(MANUAL_TEST.replace("core.notifications", "airflow_cloudact_notify"), {})
    [report] = sent
    assert report.message.title == "Test Email"
    assert report.suppressed == "not_routed", "of severity info only what a trigger asks for is told"


@pytest.mark.usefixtures("sent")
@pytest.mark.asyncio
async def test_notification_service():
    service = get_notification_service()
    results = await service.notify(
        tenant_id="test_tenant",
        event=NotificationEvent.PIPELINE_SUCCESS,
        severity=NotificationSeverity.INFO,
        title="Test",
        message="Test notification",
    )
    assert isinstance(results, dict)


async def test_the_unit_test_passes_where_nothing_is_configured_too(tmp_path: Path) -> None:
    results = await NotificationService(tmp_path).notify(
        tenant_id="test_tenant",
        event=NotificationEvent.PIPELINE_SUCCESS,
        severity=NotificationSeverity.INFO,
        title="Test",
        message="Test notification",
    )
    assert isinstance(results, dict)
    assert results.suppressed == "nothing_enabled"


def test_the_service_is_one_for_the_whole_process(sent: list[NotificationReport]) -> None:
    assert get_notification_service() is get_notification_service()
    assert sent == []
