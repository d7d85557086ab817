from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.enums import (
    CooldownScope,
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import InvalidTenantIdError, StateUnavailable
from airflow_cloudact_notify.core.policy import cooldown_key
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, SmtpInbox, make_message
from tests.core.folder import SECRET, Folder

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK


class Kit:
    """A service whose root sends email, with what it reads and where its messages arrive."""

    def __init__(self, path: Path, mail: SmtpInbox, chat: SlackInbox) -> None:
        self.folder = Folder(path)
        self.mail = mail
        self.chat = chat
        self.clock = FrozenClock()
        self.state = MemoryStateStore()
        self.folder.write(None, email=self.email())
        self.service = self.make()

    def make(self, **options: Any) -> NotificationService:
        defaults = {
            "allowed_webhook_hosts": [self.chat.host],
            "state": self.state,
            "clock": self.clock,
            "sleep": self.clock.sleep,
        }
        return NotificationService(self.folder.path, **(defaults | options))

    def email(self, **keys: Any) -> dict[str, Any]:
        server = {"smtp_host": self.mail.host, "smtp_port": self.mail.port, "smtp_use_tls": False}
        people = {"from_email": "noreply@example.com", "to_emails": ["root@example.com"]}
        return {"enabled": True, **server, **people} | keys

    def slack(self, **keys: Any) -> dict[str, Any]:
        return {"enabled": True, "webhook_url": self.chat.url} | keys

    def tenant(self, *triggers: dict[str, Any], **keys: Any) -> Path:
        """Write the file of tenant acme, which sends to Slack unless told otherwise."""
        document = {"default_provider": "slack", "slack": self.slack(), "event_triggers": list(triggers)}
        return self.folder.write("acme", document | keys)

    def told(self) -> tuple[int, int]:
        """Return how many mails and how many Slack messages have arrived."""
        return len(self.mail.messages), len(self.chat.payloads)


@pytest.fixture(scope="module")
def inboxes() -> Iterator[tuple[SmtpInbox, SlackInbox]]:
    with SmtpInbox() as mail, SlackInbox() as chat:
        yield mail, chat


@pytest.fixture
def kit(tmp_path: Path, inboxes: tuple[SmtpInbox, SlackInbox]) -> Kit:
    for messages in (inboxes[0].messages, inboxes[1].payloads):
        messages.clear()
    return Kit(tmp_path, *inboxes)


# --- who is told


def test_a_tenant_is_told_as_its_file_says(kit: Kit) -> None:
    file = kit.tenant()
    report = kit.service.send(make_message())
    assert report["slack"]
    assert report.config_source == str(file)
    assert kit.told() == (0, 1)
    assert "Pipeline failed: sales" in kit.chat.payloads[0]["text"]


def test_a_message_without_a_tenant_goes_to_the_root(kit: Kit) -> None:
    assert kit.service.send(make_message(tenant_id=None))["email"]
    assert kit.told() == (1, 0)


def test_a_bad_tenant_id_raises_value_error_and_nothing_is_sent(kit: Kit) -> None:
    with pytest.raises(InvalidTenantIdError) as caught:
        kit.service.send(make_message(tenant_id="../x"))
    assert isinstance(caught.value, ValueError)
    assert kit.told() == (0, 0)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("nonsense", id="invalid JSON"),
        pytest.param({"enabled": "maybe"}, id="invalid value"),
        pytest.param({"slack": {"enabled": True, "webhook_url": "${ACME_UNSET}"}}, id="unset variable"),
        pytest.param({"slack": {"enabled": True, "webhook_url": "https://evil.example"}}, id="foreign host"),
        pytest.param({"slack": {"enabled": True, "conn_id": "beta_x"}}, id="another tenant's connection"),
    ],
)
def test_a_mistake_in_a_tenants_file_has_the_root_told_and_the_report_says_so(
    kit: Kit, document: Any
) -> None:
    file = kit.folder.write("acme", document)
    report = kit.service.send(make_message())
    assert report["email"]
    assert kit.told() == (1, 0)
    [note] = report.notes
    assert note.startswith(str(file))


def test_a_broken_destination_fails_while_the_other_delivers(kit: Kit) -> None:
    kit.tenant(
        {"event": "pipeline_failure", "providers": ["both"]},
        email=kit.email(),
        slack=kit.slack(webhook_url="${ACME_UNSET}"),
    )
    report = kit.service.send(make_message())
    assert report["email"]
    assert report["slack"].reason is FailureReason.MISCONFIGURED
    assert "ACME_UNSET is not set" in report["slack"].detail
    assert kit.told() == (1, 0)


def test_an_unusable_connection_has_the_tenants_other_destination_told(kit: Kit) -> None:
    kit.tenant(
        email={"enabled": True, "conn_id": "acme_smtp", "to_emails": ["a@example.com"]},
        default_provider="email",
    )
    report = kit.service.send(make_message())
    assert report["slack"]
    assert report["email"].reason is FailureReason.MISCONFIGURED
    assert kit.told() == (0, 1)


def test_an_unusable_connection_has_the_root_told_when_there_is_no_other_destination(kit: Kit) -> None:
    kit.tenant(slack={"enabled": True, "conn_id": "acme_slack"})
    report = kit.service.send(make_message())
    assert report["email"]
    assert list(report) == [EMAIL]
    assert kit.told() == (1, 0)
    [note] = report.notes
    assert "instead: slack failed (misconfigured: connection acme_slack" in note


def test_an_unusable_connection_of_the_root_is_a_failure(kit: Kit) -> None:
    kit.folder.write(None, slack={"enabled": True, "conn_id": "any"})
    for tenant_id in (None, "acme"):
        report = kit.service.send(make_message(tenant_id=tenant_id))
        assert report["slack"].reason is FailureReason.MISCONFIGURED
        assert report.notes == ()


def test_both_destinations_are_told(kit: Kit) -> None:
    kit.tenant(
        {"event": "pipeline_failure", "providers": ["both"]}, email=kit.email(to_emails=["a@example.com"])
    )
    report = kit.service.send(make_message())
    assert all(report.values())
    assert kit.told() == (1, 1)
    assert kit.mail.messages[0].recipients == ("a@example.com",)


def test_one_destination_that_fails_does_not_touch_the_other(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "providers": ["both"]}, email=kit.email())
    kit.chat.answer(404, "no_service")
    report = kit.service.send(make_message())
    assert report["email"]
    assert report["slack"].reason is FailureReason.NOT_FOUND


def test_destinations_are_under_way_at_once(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.tenant({"event": "pipeline_failure", "providers": ["both"]}, email=kit.email())
    both_under_way = threading.Barrier(2, timeout=20)
    for provider in kit.service.configs.resolve("acme").providers.values():
        send = provider.send

        def send_together(*args: Any, send: Callable[..., Any] = send, **kwargs: Any) -> Any:
            both_under_way.wait()
            return send(*args, **kwargs)

        monkeypatch.setattr(provider, "send", send_together)
    assert all(kit.service.send(make_message()).values())
    assert kit.told() == (1, 1)


def test_the_callers_choice_of_destinations_counts(kit: Kit) -> None:
    kit.tenant(email=kit.email())
    assert list(kit.service.send(make_message(), providers=["email"])) == [EMAIL]
    assert list(kit.service.send(make_message(dedup_key="2"), providers="email")) == [EMAIL]
    assert list(kit.service.send(make_message(dedup_key="3"), providers=["both"])) == [EMAIL, SLACK]
    assert list(kit.service.send(make_message(dedup_key="4"), providers=[])) == [SLACK]
    with pytest.raises(ValueError, match="pigeon"):
        kit.service.send(make_message(dedup_key="5"), providers=["pigeon"])


def test_the_triggers_severity_is_what_is_shown(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "severity": "critical"}, slack=kit.slack(mention_channel=True))
    report = kit.service.send(make_message())
    assert report.message.effective_severity == "critical"
    assert "<!channel>" in kit.chat.payloads[0]["text"]


# --- what is not sent, and why


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        pytest.param(
            lambda kit: kit.tenant({"event": "pipeline_failure", "enabled": False}),
            SuppressionReason.EVENT_OFF,
            id="trigger off",
        ),
        pytest.param(
            lambda kit: kit.tenant(slack={}), SuppressionReason.NOTHING_ENABLED, id="no destination on"
        ),
        pytest.param(
            lambda kit: kit.folder.write(None, enabled=False),
            SuppressionReason.NOTHING_ENABLED,
            id="root off",
        ),
    ],
)
def test_what_is_not_sent_has_its_reason(
    kit: Kit, caplog: pytest.LogCaptureFixture, write: Callable[[Kit], Any], reason: SuppressionReason
) -> None:
    write(kit)
    with caplog.at_level(logging.INFO):
        report = kit.service.send(make_message())
    assert report.suppressed is reason
    assert report.reason in caplog.text
    assert not report.delivered
    assert kit.told() == (0, 0)


def test_an_event_of_severity_info_that_nobody_asked_for_is_not_sent(kit: Kit) -> None:
    assert kit.service.send(make_message(event="pipeline_success")).suppressed is SuppressionReason.NOT_ROUTED


def test_the_switch_for_all_of_it_is_a_reason_too(kit: Kit) -> None:
    report = kit.make(enabled=False).send(make_message())
    assert report.suppressed is SuppressionReason.SWITCHED_OFF
    assert kit.told() == (0, 0)


def test_a_destination_that_is_off_says_so_in_the_report(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "providers": ["both"]})
    report = kit.service.send(make_message())
    assert report["slack"]
    assert report["email"].reason is SuppressionReason.DESTINATION_OFF
    assert report.failures == []


# --- cooldown


def test_a_repeat_is_held_back_until_the_cooldown_is_over(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "cooldown_seconds": 60})
    assert kit.service.send(make_message())
    kit.clock.advance(59)
    held = kit.service.send(make_message())
    assert held.suppressed is SuppressionReason.COOLDOWN
    assert held["slack"].reason is SuppressionReason.COOLDOWN
    assert kit.told() == (0, 1)
    kit.clock.advance(1)
    assert kit.service.send(make_message())["slack"]
    assert kit.told() == (0, 2)


def test_a_repeat_that_is_held_back_has_no_failures(kit: Kit) -> None:
    kit.tenant(
        {"event": "pipeline_failure", "providers": ["both"]},
        email=kit.email(to_emails=["${ACME_UNSET}"]),
    )
    assert kit.service.send(make_message()).failures
    held = kit.service.send(make_message())
    assert {result.reason for result in held.values()} == {SuppressionReason.COOLDOWN}
    held.raise_for_failures()


def test_a_cooldown_holds_in_another_service_with_the_same_state(kit: Kit) -> None:
    kit.service.send(make_message(tenant_id=None))
    assert kit.make().send(make_message(tenant_id=None)).suppressed is SuppressionReason.COOLDOWN
    assert not kit.make(state=MemoryStateStore()).send(make_message(tenant_id=None)).suppressed


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"tenant_id": "beta"}, id="another tenant"),
        pytest.param({"event": "pipeline_warning"}, id="another event"),
        pytest.param({"pipeline_id": "stock"}, id="another pipeline"),
        pytest.param({"dedup_key": "orders"}, id="another dedup key"),
    ],
)
def test_what_is_no_repeat_is_not_held_back(kit: Kit, other: dict[str, Any]) -> None:
    kit.service.send(make_message())
    assert kit.service.send(make_message(**other)).delivered


def test_info_has_no_cooldown_and_costs_no_state(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_success"})
    for _ in range(2):
        assert kit.service.send(make_message(event="pipeline_success"))["slack"]
    assert kit.state.keys("") == []


@pytest.mark.parametrize("cooldown", [None, 0])
def test_no_cooldown_costs_no_state(kit: Kit, cooldown: int | None) -> None:
    kit.tenant({"event": "pipeline_failure", "cooldown_seconds": cooldown})
    for _ in range(2):
        assert kit.service.send(make_message())["slack"]
    assert kit.state.keys("cloudact_notify:cooldown") == []


def test_a_cooldown_starts_only_when_somebody_was_told(kit: Kit) -> None:
    kit.tenant()
    kit.chat.answer(404, "no_service")
    assert not kit.service.send(make_message()).delivered
    assert kit.state.keys("cloudact_notify:cooldown") == []
    assert kit.service.send(make_message()).delivered
    assert kit.state.keys("cloudact_notify:cooldown") == [
        cooldown_key(make_message(), CooldownScope.PIPELINE)
    ]


def test_any_delivered_destination_starts_the_cooldown(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "providers": ["both"]}, email=kit.email())
    kit.chat.answer(404, "no_service")
    kit.service.send(make_message())
    assert kit.service.send(make_message()).suppressed is SuppressionReason.COOLDOWN


def test_a_clock_that_was_set_back_holds_nothing_back(kit: Kit) -> None:
    kit.service.send(make_message())
    kit.clock.advance(-3600)
    assert kit.service.send(make_message()).delivered


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("nonsense", id="garbage"),
        pytest.param('{"v": 99, "delivered_at": 1767323045, "severity": "error"}', id="another version"),
    ],
)
def test_a_row_that_makes_no_sense_holds_nothing_back_and_is_told(kit: Kit, row: str) -> None:
    kit.state.put(cooldown_key(make_message(), CooldownScope.PIPELINE), row)
    report = kit.service.send(make_message())
    assert report.delivered
    [note] = report.notes
    assert cooldown_key(make_message(), CooldownScope.PIPELINE) in note
    assert kit.service.send(make_message()).suppressed is SuppressionReason.COOLDOWN


class Unavailable:
    """A store that answers nothing."""

    settle_seconds = 0.0

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, key: str) -> str | None:
        raise self._error

    def put(self, key: str, value: str) -> None:
        raise self._error

    def delete(self, key: str) -> None:
        raise self._error

    def keys(self, prefix: str) -> list[str]:
        raise self._error


@pytest.mark.parametrize("seconds", [pytest.param(None, id="no budget"), pytest.param(10, id="budget")])
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(StateUnavailable("read", "no database"), id="says so"),
        pytest.param(RuntimeError(f"postgresql://u:{SECRET}@db/x"), id="unexpected error"),
    ],
)
def test_where_the_state_is_unavailable_the_message_is_sent_with_a_note(
    kit: Kit, error: Exception, seconds: float | None
) -> None:
    service = kit.make(state=Unavailable(error))
    for _ in range(2):
        report = service.send(make_message(), budget=Budget(seconds))
        assert report.delivered
        assert [note.partition(":")[0] for note in report.notes] == [
            "sent without looking at what was told before",
            "what was told could not be kept, so it may be told again",
        ]
        assert SECRET not in str(report.notes)


# --- the report and the log


def test_notes_of_the_caller_stand_in_the_report_and_the_log(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    report = kit.service.send(make_message(), notes=["the caller's remark"])
    assert report.notes == ("the caller's remark",)
    assert "the caller's remark" in caplog.text


def test_a_failure_is_a_warning_in_the_log_and_a_delivery_is_not(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    kit.tenant()
    caplog.set_level(logging.INFO)
    kit.service.send(make_message())
    kit.chat.answer(404, "no_service")
    kit.service.send(make_message(pipeline_id="stock"))
    levels = [record.levelno for record in caplog.records if record.name.endswith("core.service")]
    assert levels == [logging.INFO, logging.WARNING]


def test_no_secret_is_in_what_is_reported_logged_stored_or_sent(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    dsn = f"postgresql://bob:{SECRET}@db/x"
    kit.tenant({"event": "pipeline_failure", "providers": ["both"]}, email=kit.email(smtp_password=SECRET))
    kit.chat.answer(400, f"invalid_payload {kit.chat.url}")
    report = kit.service.send(
        make_message(title=dsn, message=dsn, details={"error": dsn, "password": SECRET})
    )
    stored = "".join(f"{key}{kit.state.get(key)}" for key in kit.state.keys(""))
    sent = f"{kit.chat.payloads}{kit.mail.messages[0].raw!r}"
    for text in (caplog.text, repr(report), str(report.to_dict()), report.summary, stored, sent):
        assert SECRET not in text
        assert "B000" not in text


# --- the configuration, seen from outside


def test_the_configuration_of_a_tenant_can_be_asked_for(kit: Kit) -> None:
    kit.tenant({"event": "pipeline_failure", "cooldown_seconds": 60})
    assert kit.service.get_config("acme").default_provider == "slack"
    assert kit.service.get_config("beta").default_provider == "email"
    trigger = kit.service.get_event_config("acme", "system_error")
    assert trigger is not None
    assert trigger.event is NotificationEvent.PIPELINE_FAILURE
    assert kit.service.get_event_config("beta", NotificationEvent.SYSTEM_ERROR) is None
    with pytest.raises(ValueError, match="tenant id"):
        kit.service.get_config("../x")


def test_a_tenant_nobody_configured_has_a_disabled_configuration(tmp_path: Path) -> None:
    assert not NotificationService(tmp_path).get_config("acme").enabled


def test_clearing_the_cache_reads_anew(kit: Kit) -> None:
    kit.tenant()
    before = kit.service.configs.resolve("acme")
    root = kit.service.configs.resolve(None)
    kit.service.clear_cache("acme")
    assert kit.service.configs.resolve("acme") is not before
    assert kit.service.configs.resolve(None) is root
    kit.service.clear_cache()
    assert kit.service.configs.resolve(None) is not root


def test_the_folder_is_the_argument_else_the_environments_else_configs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDACT_NOTIFY_CONFIGS_PATH", "from/environment")
    assert NotificationService(tmp_path).configs.configs_path == str(tmp_path)
    assert NotificationService().configs.configs_path == "from/environment"
    monkeypatch.delenv("CLOUDACT_NOTIFY_CONFIGS_PATH")
    assert NotificationService().configs.configs_path == "configs"


def test_a_service_may_be_given_a_store_of_configurations(kit: Kit) -> None:
    configs = ConfigStore(kit.folder.path, allowed_webhook_hosts=frozenset({kit.chat.host}))
    kit.tenant()
    assert NotificationService(configs=configs).send(make_message())["slack"]


# --- the original system's API


async def test_notify_does_not_block_the_event_loop(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = kit.service.configs.resolve("acme").providers[EMAIL]
    loop_went_on, send = threading.Event(), provider.send

    def wait_for_the_loop(*args: Any, **kwargs: Any) -> Any:
        assert loop_went_on.wait(20)
        return send(*args, **kwargs)

    monkeypatch.setattr(provider, "send", wait_for_the_loop)
    telling = asyncio.create_task(kit.service.notify("acme", "pipeline_failure"))
    await asyncio.sleep(0.05)
    loop_went_on.set()
    assert (await telling)["email"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"tenant_id": "../x", "event": "system_error"}, id="tenant"),
        pytest.param({"tenant_id": "", "event": "system_error"}, id="empty tenant"),
        pytest.param({"tenant_id": "acme", "event": "nonsense"}, id="event"),
        pytest.param({"tenant_id": "acme", "event": "system_error", "severity": "fatal"}, id="severity"),
        pytest.param({"tenant_id": "acme", "event": "system_error", "providers": ["pigeon"]}, id="provider"),
        pytest.param({"tenant_id": "acme", "event": "system_error", "unknown": 1}, id="unknown argument"),
    ],
)
async def test_an_argument_that_cannot_be_is_a_value_error(kit: Kit, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        await kit.service.notify(**arguments)
    assert kit.told() == (0, 0)


async def test_repeats_of_a_data_quality_failure_are_held_back_by_table(kit: Kit) -> None:
    def failure(table: str, checks: Any = ("null_check",)) -> Any:
        return kit.service.notify_data_quality_failure("acme", "sales", table, checks)

    first = await failure("orders", "null_check")
    assert first.delivered
    assert first.message.details == {"table": "orders", "failed_checks": ["null_check"]}
    assert (await failure("customers")).delivered
    assert (await failure("orders")).suppressed is SuppressionReason.COOLDOWN


async def test_the_conveniences_take_further_fields(kit: Kit) -> None:
    report = await kit.service.notify_pipeline_failure(
        "acme",
        "sales",
        error_message="timeout",
        details={"rows": 5},
        title="Mine",
        severity="critical",
        task_id="load",
    )
    assert report.message.title == "Mine"
    assert report.message.details == {"error": "timeout", "rows": 5}
    assert report.message.effective_severity == "critical"
    assert report.message.task_id == "load"


def test_a_state_that_was_slow_before_the_delivery_still_learns_of_it(kit: Kit) -> None:
    countdown = FrozenClock()

    class SlowToRead(MemoryStateStore):
        def get(self, key: str) -> str | None:
            countdown.advance(6.5)
            return super().get(key)

    service = kit.make(state=SlowToRead())
    service.send(make_message(tenant_id=None), budget=Budget(10, countdown))

    assert service.send(make_message(tenant_id=None)).suppressed is SuppressionReason.COOLDOWN
    assert kit.told() == (1, 0)


def test_who_was_refused_is_in_the_report_in_its_json_and_in_the_log(
    kit: Kit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with SmtpInbox(refuse={"bob@example.com": "550 5.1.1 no such user"}) as inbox:
        people = ["ann@example.com", "bob@example.com"]
        kit.folder.write(None, email=kit.email(smtp_port=inbox.port, to_emails=people))
        report = kit.service.send(make_message())
    why = {"bob@example.com": "550 5.1.1 no such user"}
    assert report[EMAIL].refused == why
    assert report.to_dict()["destinations"]["email"]["refused"] == why
    assert "refused: bob@example.com (550 5.1.1 no such user)" in caplog.text
