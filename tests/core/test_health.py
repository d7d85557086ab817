"""After some permanent failures in a row a destination is left alone, and the root hears of it once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.health import MEMORY_SECONDS, PROBE_SECONDS, fingerprint
from airflow_cloudact_notify.core.metrics import Metric
from airflow_cloudact_notify.core.notices import MEMORY_SECONDS as REMEMBERED
from airflow_cloudact_notify.core.providers.slack import SlackConfig
from airflow_cloudact_notify.core.state.health import HealthRows
from airflow_cloudact_notify.testing import make_message
from tests.core.relay import BY_SLACK, SLACK, Relay
from tests.core.storm import Flaky, refuse

GONE = (404, "no_service")


def make_ill(relay: Relay, times: int = 3) -> None:
    for number in range(times):
        relay.miss(f"failure {number}", answer=GONE)


def test_after_three_permanent_failures_it_is_left_alone(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    make_ill(relay)
    report = relay.send("one more")
    assert relay.chat.payloads == []
    assert report["slack"].reason is FailureReason.UNHEALTHY
    assert report["slack"].attempts == 0
    assert "left alone, since it has failed for" in report["slack"].detail
    assert "not_found: Slack answered 404 no_service" in report["slack"].detail
    assert [letter.message.title for letter in relay.letters()][-1] == "one more"
    assert caplog.text.count("slack of tenant acme is unhealthy: not_found") == 1


def test_how_many_failures_is_configured(relay: Relay) -> None:
    relay.configure(BY_SLACK, unhealthy_after=1)
    make_ill(relay, 1)
    assert relay.send()["slack"].reason is FailureReason.UNHEALTHY


def test_its_fall_back_takes_over(relay: Relay) -> None:
    make_ill(relay)
    relay.configure(BY_SLACK, fallback_providers=["email"])
    assert relay.send()["email"]
    assert relay.chat.payloads == []
    assert "fall-back: slack failed (unhealthy" in relay.mailed[0]
    assert len(relay.letters()) == 3


@pytest.mark.parametrize("answer", [(503, ""), (429, "rate_limited")])
def test_what_may_be_over_soon_is_no_illness(relay: Relay, answer: tuple[int, str]) -> None:
    relay.miss(*"abcde", answer=answer)
    assert relay.rows("health") == []
    assert relay.send().delivered


def test_in_a_row_means_without_a_success_and_within_a_day(relay: Relay) -> None:
    make_ill(relay, 2)
    assert relay.send().delivered
    make_ill(relay, 2)
    relay.clock.advance(MEMORY_SECONDS + 1)
    make_ill(relay, 2)
    assert relay.send().delivered


def test_after_a_while_one_message_tries_and_others_do_not(relay: Relay) -> None:
    make_ill(relay)
    relay.clock.advance(PROBE_SECONDS)
    relay.chat.answer(*GONE)
    assert relay.send()["slack"].reason is FailureReason.NOT_FOUND
    assert relay.send()["slack"].reason is FailureReason.UNHEALTHY
    relay.clock.advance(PROBE_SECONDS)
    assert relay.send().delivered
    assert relay.send().delivered


def test_another_configuration_is_tried_at_once(relay: Relay) -> None:
    make_ill(relay)
    relay.configure(BY_SLACK, slack={"enabled": True, "webhook_url": f"{relay.chat.url}2"})
    relay.chat.answer(*GONE)
    assert relay.send()["slack"].reason is FailureReason.NOT_FOUND
    assert relay.send()["slack"].reason is FailureReason.UNHEALTHY


def test_what_is_misconfigured_is_an_illness_too(relay: Relay) -> None:
    relay.configure(BY_SLACK, slack={"enabled": True, "conn_id": "acme_slack"})
    for _ in range(3):
        assert relay.send()["email"]
    relay.maintain()
    assert "Slack of tenant acme does not work" in relay.noticed[0]
    assert "connection acme_slack" in relay.noticed[0]


def test_the_same_root_destination_is_one_for_all_tenants(relay: Relay) -> None:
    for tenant_id in ("beta", "gamma", None):
        relay.ops.answer(*GONE)
        assert not relay.send(tenant_id=tenant_id).delivered
    assert relay.send(tenant_id="delta")["slack"].reason is FailureReason.UNHEALTHY
    assert relay.rows("health") == ["cloudact_notify:health:_root"]


# --- the root is told


def test_the_root_is_told_once_and_once_when_it_is_over(relay: Relay) -> None:
    make_ill(relay)
    for _ in range(3):
        relay.maintain()
    [ill] = relay.noticed
    assert "Slack of tenant acme does not work" in ill
    assert (
        "It has refused 3 messages in a row since 2026-01-02 03:04 UTC: Slack answered 404 no_service." in ill
    )
    relay.clock.advance(PROBE_SECONDS)
    assert relay.maintain().replayed == 3
    for _ in range(3):
        relay.maintain()
    assert len(relay.noticed) == 2
    assert "Slack of tenant acme works again" in relay.noticed[1]
    relay.clock.advance(REMEMBERED + 1)
    relay.maintain()
    assert relay.rows("health") == []


def test_one_message_that_was_refused_is_one(relay: Relay) -> None:
    relay.configure(BY_SLACK, unhealthy_after=1)
    relay.miss("failure", answer=(404, "no_service."))
    relay.maintain()
    assert (
        "It refused a message at 2026-01-02 03:04 UTC: Slack answered 404 no_service. It is"
        in relay.noticed[0]
    )


def test_the_root_is_told_in_its_own_zone_and_locale(relay: Relay) -> None:
    root = {"slack": {"enabled": True, "webhook_url": relay.ops.url}, "default_provider": "slack"}
    relay.folder.write(None, root | {"timezone": "Europe/Berlin", "locale": "de"})
    relay.configure(BY_SLACK)
    make_ill(relay)
    relay.maintain()
    assert "in a row since 02.01.26, 04:04 +01:00" in relay.noticed[0]
    relay.clock.advance(PROBE_SECONDS)
    relay.maintain()
    relay.maintain()
    assert "It had not worked for 15 Min." in relay.noticed[1]


def test_a_notice_that_nobody_takes_is_tried_again_and_causes_no_other(relay: Relay) -> None:
    make_ill(relay)
    for _ in range(4):
        relay.ops.answer(*GONE)
        relay.maintain()
    assert len(relay.noticed) == 4
    assert relay.rows("health") == ["cloudact_notify:health:acme"]
    assert {letter.message.kind for letter in relay.letters()} == {"alert"}
    relay.maintain()
    relay.maintain()
    assert len(relay.noticed) == 5


def test_a_root_that_does_not_answer_keeps_maintenance_waiting_once(relay: Relay) -> None:
    tenants = ("one", "two", "three")
    for tenant in tenants:
        hook = {"enabled": True, "webhook_url": relay.chat.url}
        relay.folder.write(tenant, slack=hook, event_triggers=[BY_SLACK], unhealthy_after=1)
        relay.miss("gone", answer=GONE, tenant_id=tenant)
    relay.clock.slept.clear()
    relay.ops.answer(429, "rate_limited", {"Retry-After": "600"})
    relay.maintain()
    assert (relay.clock.slept, len(relay.ops.payloads)) == ([], 1)
    relay.maintain()
    assert len(relay.ops.payloads) == 1 + len(tenants)


def test_what_was_over_before_it_could_be_told_is_not_told(relay: Relay) -> None:
    make_ill(relay)
    relay.clock.advance(PROBE_SECONDS)
    relay.send()
    relay.maintain()
    assert relay.noticed == []


def test_of_the_roots_own_illness_its_other_destination_hears(relay: Relay) -> None:
    slack = {"enabled": True, "webhook_url": relay.ops.url}
    for email, mails in (({}, 0), (relay.email(), 1)):
        relay.folder.write(
            None, slack=slack, email=email, default_provider="slack", fallback_providers=["email"]
        )
        relay.service = relay.make()
        if not mails:
            for _ in range(3):
                relay.ops.answer(*GONE)
                relay.send(tenant_id=None)
            relay.ops.payloads.clear()
        relay.maintain()
        assert len(relay.mailed) == mails
        assert relay.ops.payloads == []
    assert "Slack of the root does not work" in relay.mailed[0]


def test_with_system_errors_off_the_log_alone_is_told(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    trigger = {"event": "system_error", "enabled": False}
    relay.folder.write(
        None,
        slack={"enabled": True, "webhook_url": relay.ops.url},
        event_triggers=[trigger],
        default_provider="slack",
    )
    relay.service = relay.make()
    make_ill(relay)
    with caplog.at_level(logging.WARNING):
        relay.maintain()
    assert relay.noticed == []
    assert "nobody at the root to tell: Slack of tenant acme does not work" in caplog.text


def test_what_is_kept_lost_and_left_alone_is_counted(relay: Relay) -> None:
    counted: list[tuple[str, float, tuple[str, ...]]] = []

    def metrics(metric: Metric, value: float, *tags: str) -> None:
        counted.append((metric.name.removeprefix("cloudact_notify."), value, tags))

    relay.configure(BY_SLACK, dead_letter_hours=1)
    relay.service = relay.make(metrics=metrics)
    make_ill(relay)
    assert counted.count(("dead_letters_kept", 1, ("slack",))) == 3
    relay.maintain()
    assert ("dead_letters", 3, ()) in counted
    assert ("unhealthy_destinations", 1, ("slack",)) in counted
    assert ("unhealthy_destinations", 0, ("email",)) in counted
    counted.clear()
    relay.clock.advance(3600)
    relay.maintain()
    assert counted.count(("dead_letters_lost", 1, ("slack",))) == 3
    assert ("dead_letters", 0, ()) in counted


# --- what it costs, and a state that fails


def calls(relay: Relay, message: Any = None, state: Flaky | None = None) -> list[str]:
    relay.state = state or Flaky(0, refuse)
    relay.service = relay.make()
    relay.service.send(message or relay.message())
    found: list[str] = relay.state.calls
    return [call for call in found if "health" in call or "letter" in call]


def test_a_first_delivery_costs_one_look_and_info_and_repeats_none(relay: Relay) -> None:
    relay.configure(BY_SLACK, {"event": "pipeline_success", "providers": ["slack"]})
    look = "read cloudact_notify:health:acme"
    assert calls(relay) == [look]
    assert calls(relay, relay.message(event="pipeline_success", lifecycle="execute")) == []
    again = make_message()
    relay.state = Flaky(0, refuse)
    service = relay.make()
    service.send(again)
    relay.state.calls.clear()
    assert service.send(again).suppressed
    assert relay.state.calls == ["read cloudact_notify:cooldown:acme:pipeline_failure:sales"]


@pytest.mark.parametrize("status", [404, 503])
def test_a_failure_costs_a_letter_and_one_for_good_a_row(relay: Relay, status: int) -> None:
    relay.chat.answer(status)
    asked = [call.split(":")[0] + ":" + call.split(":")[1] for call in calls(relay)]
    look, write = "read cloudact_notify:health", "write cloudact_notify:health"
    letter = "write cloudact_notify:letter"
    assert asked == ([look, look, write, letter] if status == 404 else [look, letter])


@pytest.mark.parametrize("nth", range(1, 12))
def test_a_state_that_fails_at_any_call_loses_nothing(
    relay: Relay, nth: int, caplog: pytest.LogCaptureFixture
) -> None:
    relay.chat.answer(*GONE)
    calls(relay, state=Flaky(nth, refuse))
    relay.state.nth = 0
    assert relay.rows("letter") or "could not be kept" in caplog.text


def test_nonsense_in_the_row_is_no_illness(relay: Relay) -> None:
    for text in (
        "{",
        "[]",
        '{"v": 1}',
        '{"v": 9}',
        '{"v": 1, "tenant_id": null, "destinations": {"pigeon": {}}}',
    ):
        relay.state.put("cloudact_notify:health:acme", text)
        report = relay.send()
        assert report.delivered
        assert any("ignoring cloudact_notify:health:acme" in note for note in report.notes)
        relay.maintain()


def test_what_stands_for_a_configuration_changes_with_its_secrets_and_says_nothing_about_them() -> None:
    one, two = (SlackConfig(enabled=True, webhook_url=f"https://hooks.slack.com/services/{x}") for x in "ab")
    assert fingerprint(one) != fingerprint(two)
    assert len(fingerprint(one)) == 4


def test_the_row_survives_the_way_through_text(relay: Relay) -> None:
    make_ill(relay)
    rows = HealthRows(relay.state, print)
    health = rows.load("acme")
    assert health[SLACK].failures == 3
    rows.save("acme", health)
    assert rows.load("acme") == health
