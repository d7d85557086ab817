from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core.config import (
    EventTriggerConfig,
    NotificationConfig,
    NotificationRetryConfig,
)
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.providers.email import EmailConfig
from airflow_cloudact_notify.core.providers.slack import SlackConfig
from tests.core.folder import SECRET, email, slack


def config(**keys: Any) -> NotificationConfig:
    return NotificationConfig.model_validate(keys)


def trigger(**keys: Any) -> EventTriggerConfig:
    return EventTriggerConfig.model_validate({"event": "pipeline_failure", **keys})


def test_the_defaults_are_those_of_the_original_system() -> None:
    defaults = {
        "enabled": True,
        "default_provider": "email",
        "tenant_id": None,
        "description": None,
        "event_triggers": [],
        "timeout_seconds": 30,
        "retry_config": NotificationRetryConfig(
            max_attempts=3, initial_delay_seconds=5, max_delay_seconds=300, exponential_backoff=True
        ),
    }
    assert {key: getattr(config(), key) for key in defaults} == defaults
    assert not EmailConfig().enabled
    assert EmailConfig().smtp_port == 587
    assert EmailConfig().smtp_use_tls
    assert not SlackConfig().enabled
    assert not SlackConfig().mention_channel
    assert trigger().enabled
    assert trigger().severity is None
    assert trigger().providers is None


NO_NAMES = ["../beta", "a/b", "a.html", ".", "", "-a", "a b", "a\nb", "ä", "a" * 65, "a\\b", "%2e", "~"]


@pytest.mark.parametrize("key", ["template", "template_b"])
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_templates_name_leads_out_of_no_folder(name: str, key: str) -> None:
    with pytest.raises(ValidationError, match="not a template's name"):
        trigger(**{"template": "plain", key: name})


def test_a_trigger_may_name_two_templates_and_the_second_not_alone() -> None:
    both = trigger(template="plain", template_b="loud_2-B")
    assert (both.template, both.template_b, both.template_b_ratio) == ("plain", "loud_2-B", 0.5)
    with pytest.raises(ValidationError, match="name the first with template"):
        trigger(template_b="loud")


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        pytest.param({"log_tail_lines": -1}, "log_tail_lines", id="less than no lines of a log"),
        pytest.param({"log_tail_lines": 51}, "log_tail_lines", id="too many lines of a log"),
        pytest.param(
            {"event_triggers": [{"event": "system_error", "template_b_ratio": 1.01}]},
            "ratio",
            id="more than all",
        ),
        pytest.param({"timeout_seconds": 4.9}, "timeout_seconds", id="time-out too short"),
        pytest.param({"timeout_seconds": 121}, "timeout_seconds", id="time-out too long"),
        pytest.param({"retry_config": {"max_attempts": 0}}, "max_attempts", id="no attempt"),
        pytest.param({"retry_config": {"max_attempts": 11}}, "max_attempts", id="too many attempts"),
        pytest.param({"retry_config": {"initial_delay_seconds": -1}}, "initial_delay", id="negative delay"),
        pytest.param({"retry_config": {"max_delay_seconds": float("inf")}}, "max_delay", id="endless delay"),
        pytest.param({"email": {"smtp_port": 0}}, "smtp_port", id="port 0"),
        pytest.param({"email": {"smtp_port": 65536}}, "smtp_port", id="port too high"),
        pytest.param({"event_triggers": [{"event": "x"}]}, "event_triggers", id="no such event"),
        pytest.param({"event_triggers": [{}]}, "event_triggers", id="trigger without an event"),
        pytest.param(
            {"event_triggers": [{"event": "system_error", "cooldown_seconds": -1}]},
            "cooldown_seconds",
            id="negative cooldown",
        ),
        pytest.param(
            {"event_triggers": [{"event": "system_error", "providers": []}]}, "providers", id="no provider"
        ),
    ],
)
def test_values_out_of_range_are_refused(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        config(**keys)


@pytest.mark.parametrize("cooldown", [pytest.param(0, id="zero"), pytest.param(None, id="null")])
@pytest.mark.parametrize("severity", list(NotificationSeverity))
def test_a_cooldown_of_null_or_zero_means_none(cooldown: int | None, severity: NotificationSeverity) -> None:
    assert trigger(cooldown_seconds=cooldown).cooldown_for(severity) == 0


@pytest.mark.parametrize(
    ("severity", "seconds"),
    [
        pytest.param("info", 0, id="info"),
        pytest.param("warning", 300, id="warning"),
        pytest.param("error", 300, id="error"),
        pytest.param("critical", 300, id="critical"),
    ],
)
def test_a_cooldown_left_out_is_five_minutes_from_warning_upward(severity: str, seconds: int) -> None:
    assert trigger().cooldown_for(NotificationSeverity(severity)) == seconds
    assert trigger(cooldown_seconds=7).cooldown_for(NotificationSeverity(severity)) == 7


@pytest.mark.parametrize("event", ["data_quality_failure", "rate_limit_exceeded", "system_error"])
def test_an_event_derived_from_a_failure_borrows_the_failures_trigger_until_it_has_its_own(
    event: str,
) -> None:
    borrowed = config(event_triggers=[{"event": "pipeline_failure"}])
    assert borrowed.trigger(NotificationEvent(event)) == trigger()
    own = config(event_triggers=[{"event": "pipeline_failure"}, {"event": event, "enabled": False}])
    found = own.trigger(NotificationEvent(event))
    assert found is not None
    assert found.event == event


def test_other_events_borrow_nothing() -> None:
    assert (
        config(event_triggers=[{"event": "pipeline_failure"}]).trigger(NotificationEvent.PIPELINE_WARNING)
        is None
    )


def test_no_secret_can_be_read_off_a_configuration() -> None:
    made = config(email=email(), slack=slack())
    for text in (repr(made), str(made), made.model_dump_json(), repr(made.model_dump())):
        assert SECRET not in text


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"email": email(smtp_password=[SECRET])}, id="password that is a list"),
        pytest.param({"slack": slack(webhook_url=SECRET)}, id="webhook that is no URL"),
        pytest.param({"email": email(smtp_port="x"), "slack": slack()}, id="mistake beside secrets"),
        pytest.param({"email": SECRET}, id="secret in place of a section"),
    ],
)
def test_a_validation_error_quotes_no_value(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**keys)
    assert SECRET not in str(caught.value)


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config().enabled = False  # type: ignore[misc]


def test_a_schema_may_be_named_for_editors() -> None:
    assert NotificationConfig.model_validate({"$schema": "https://example.com/schema.json"}).enabled
