from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity, Outcome
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.slack import SlackConfig, SlackNotificationProvider
from airflow_cloudact_notify.testing import SlackInbox, make_message
from tests.core.providers.contract import AWKWARD_TEXTS, HttpProviderContract
from tests.support import delivered, refused_port, silent_port, terms

PEOPLE = {"mention_users": ["U123ABC", "<@W456DEF>", "S789GHI"], "mention_channel": True}


def mrkdwn(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the texts that Slack reads as mrkdwn."""
    if isinstance(value, list):
        for item in value:
            yield from mrkdwn(item)
    elif isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value
        yield from mrkdwn(list(value.values()))


def slack(url: str, **section: Any) -> SlackNotificationProvider:
    config = SlackConfig(enabled=True, webhook_url=url, **section)
    return SlackNotificationProvider(config, ProviderSettings(allowed_webhook_hosts=frozenset({"127.0.0.1"})))


@pytest.fixture
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as running:
        yield running


@pytest.fixture
def provider(inbox: SlackInbox) -> SlackNotificationProvider:
    return slack(inbox.url)


class TestSlackContract(HttpProviderContract):
    secrets: ClassVar = ("/services/T000/B000/SECRET", "SECRET")

    @pytest.fixture
    def unreachable(self) -> Iterator[SlackNotificationProvider]:
        with refused_port() as port:
            yield slack(f"http://127.0.0.1:{port}/services/T000/B000/SECRET")

    def received(self, inbox: SlackInbox) -> list[str]:
        return [json.dumps(payload, ensure_ascii=False) for payload in inbox.payloads]


# --- what an answer means; test_slack_answers.py has them all


def test_a_500_then_a_200_is_delivered_by_the_second_attempt(
    inbox: SlackInbox, provider: SlackNotificationProvider
) -> None:
    inbox.answer(500, "rollup_error")
    result = delivered(provider)
    assert (result.outcome, result.reason, result.attempts) == (Outcome.DELIVERED, None, 2)
    assert inbox.payloads[0] == inbox.payloads[1]


def test_a_silent_server_costs_no_more_than_the_budget() -> None:
    with silent_port() as port:
        result = delivered(slack(f"http://127.0.0.1:{port}/x/SECRET"), under=terms(budget=1.5))
    assert (result.outcome, result.reason) == (Outcome.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert result.attempts == 1


# --- which webhooks are allowed


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack-gov.com/services/T0/B0/x",
        "https://hooks.slack.com:443/services/T0/B0/x",
        "HTTPS://Hooks.Slack.com/services/T0/B0/x",
        "http://proxy.internal:8080/slack",
        "https://proxy.internal:8080/slack",
        "http://any-port.internal:1234/slack",
    ],
)
def test_a_webhook_is_slacks_or_named_by_the_platform(url: str) -> None:
    allowed = frozenset({"proxy.internal:8080", "any-port.internal"})
    config = SlackConfig(webhook_url=url)
    assert SlackNotificationProvider(config, ProviderSettings(allowed_webhook_hosts=allowed))


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/T0/B0/x",
        "https://hooks.slack.com:8443/services/T0/B0/x",
        "https://hooks.slack.com.evil.example/services/T0/B0/x",
        "https://hooks.slack.com@evil.example/services/T0/B0/x",
        "https://evil.example/hooks.slack.com",
        "https://evil.example#hooks.slack.com",
        "https://evil.example\\@hooks.slack.com/x",
        "https://169.254.169.254/latest/meta-data",
        "http://localhost/x",
        "https://proxy.internal:9090/slack",
        "https://proxy.internal@evil.example:8080/slack",
        "https://proxy.internal/slack",
    ],
)
def test_any_other_webhook_is_refused_with_a_remedy_and_without_its_url(url: str) -> None:
    settings = ProviderSettings(allowed_webhook_hosts=frozenset({"proxy.internal:8080"}))
    with pytest.raises((ConfigurationError, ValidationError)) as error:
        SlackNotificationProvider(SlackConfig(webhook_url=url), settings)
    assert url not in str(error.value)
    assert "webhook" in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.slack.com/services/T0/B0/x",
        "ftp://hooks.slack.com/x",
        "https://",
        "https://h:0/x",
        "https://a b/x",
    ],
)
def test_a_webhook_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="copy it from the Slack app's page"):
        SlackConfig(webhook_url=url)


def test_a_section_without_a_webhook_says_what_to_add() -> None:
    with pytest.raises(ConfigurationError, match=r"webhook_url: missing\. Name the webhook"):
        SlackNotificationProvider(SlackConfig(enabled=True), ProviderSettings())


@pytest.mark.parametrize("name", ["@jane", "jane", "#ops", "<!channel>", "C123ABC", "", "U123\nABC"])
def test_a_mention_that_would_not_ping_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="names do not ping"):
        SlackConfig(mention_users=[name])


# --- what is posted


@pytest.mark.parametrize("severity", list(NotificationSeverity))
def test_people_are_mentioned_when_it_is_critical_and_only_then(
    inbox: SlackInbox, severity: NotificationSeverity
) -> None:
    delivered(slack(inbox.url, **PEOPLE), make_message(severity=severity))
    mentioned = inbox.payloads[0]["text"].startswith(
        "<!channel> <@U123ABC> <@W456DEF> <!subteam^S789GHI> *:rotating_light:"
    )
    assert mentioned is (severity is NotificationSeverity.CRITICAL)
    assert ("<!" in json.dumps(inbox.payloads)) is mentioned


def test_channel_name_and_icon_are_passed_on_and_left_out_when_not_set(inbox: SlackInbox) -> None:
    named = {"channel": "#alerts", "username": "Pipelines", "icon_emoji": ":bell:"}
    delivered(slack(inbox.url, **named))
    delivered(slack(inbox.url))
    with_names, without = inbox.payloads
    assert named.items() <= with_names.items()
    assert not named.keys() & without.keys()


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in AWKWARD_TEXTS.items()])
def test_no_text_of_a_pipeline_can_ping_or_link(provider: SlackNotificationProvider, text: str) -> None:
    payload = provider.render(
        make_message(
            title=text, message=text, tenant_id=text, pipeline_id=text, details={"error": text, text: text}
        )
    )
    [header] = payload["blocks"]
    [attachment] = payload["attachments"]
    # Of plain text Slack makes nothing.
    assert header["text"]["type"] == "plain_text"
    marked = list(mrkdwn(attachment))
    assert all(text["verbatim"] for text in marked)
    assert "<" not in json.dumps([payload["text"], attachment["fallback"], marked])


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in AWKWARD_TEXTS.items()])
def test_slacks_limits_are_kept(provider: SlackNotificationProvider, text: str) -> None:
    details = {f"{text[:50]} {number}": text[:2_500] for number in range(100)} | {"error": text}
    message = make_message(
        title=text, message=text, details=details, log_url="https://a.example/" + "x" * 9_000
    )
    payload = provider.render(message)
    [attachment] = payload["attachments"]
    assert len(payload["text"]) <= 4000
    assert len(attachment["fallback"]) <= 4000
    assert len(payload["blocks"][0]["text"]["text"]) <= 150
    assert len(attachment["blocks"]) <= 50
    assert attachment["blocks"][-1]["type"] == "context"
    for block in attachment["blocks"]:
        assert 1 <= len(block.get("text", {"text": "x"})["text"]) <= 3000
        assert len(block.get("fields", [])) <= 10
        for field in block.get("fields", []):
            assert 1 <= len(field["text"]) <= 2000
