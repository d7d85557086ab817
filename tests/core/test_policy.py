from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.config_store import ResolvedConfig
from airflow_cloudact_notify.core.enums import (
    Lifecycle,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import ConfigProblem
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.state.cooldowns import Cooldown
from airflow_cloudact_notify.core.state.incidents import Incident
from airflow_cloudact_notify.testing import make_message
from tests.core.folder import email, slack

EMAIL, SLACK, BOTH = NotificationProvider.EMAIL, NotificationProvider.SLACK, NotificationProvider.BOTH
ON = {"email": email(), "slack": slack()}
PROBLEM = ConfigProblem("acme.json", "slack.webhook_url", "not set", "Set it.")


def plan(
    event: str = "pipeline_failure",
    *triggers: dict[str, Any],
    severity: str | None = None,
    providers: list[NotificationProvider] | None = None,
    broken: tuple[NotificationProvider, ...] = (),
    **config: Any,
) -> Plan:
    made = NotificationConfig.model_validate({**ON, **config, "event_triggers": list(triggers)})
    off = {name.value: made.destination(name).model_copy(update={"enabled": False}) for name in broken}
    resolved = ResolvedConfig(made.model_copy(update=off), "acme.json", broken=dict.fromkeys(broken, PROBLEM))
    return policy.plan(make_message(event=event, severity=severity), resolved, providers)


ALERTS = [event for event in NotificationEvent if event.default_severity >= NotificationSeverity.WARNING]
CHATTER = [event for event in NotificationEvent if event.default_severity is NotificationSeverity.INFO]


@pytest.mark.parametrize("event", ALERTS)
def test_an_alert_nobody_routed_goes_to_the_default_provider(event: str) -> None:
    assert plan(event).send_to == (EMAIL,)
    assert plan(event, default_provider="slack").send_to == (SLACK,)
    assert plan(event, default_provider="both").send_to == (EMAIL, SLACK)


@pytest.mark.parametrize("event", ALERTS)
def test_an_alert_nobody_routed_goes_to_all_when_the_default_provider_is_off(event: str) -> None:
    assert plan(event, email={"enabled": False}).send_to == (SLACK,)
    assert plan(event, email={"enabled": False}).off == ()


@pytest.mark.parametrize("event", CHATTER)
def test_chatter_is_told_only_to_who_asks_for_it(event: str) -> None:
    held = plan(event).held
    assert held is not None
    assert held.reason is SuppressionReason.NOT_ROUTED
    assert event in held.why
    assert plan(event, {"event": event}).send_to == (EMAIL,)
    assert plan(event, providers=[SLACK]).send_to == (SLACK,)


def test_the_severity_decides_what_is_chatter_not_the_event() -> None:
    assert plan("pipeline_success", severity="warning").send_to == (EMAIL,)
    held = plan("pipeline_failure", severity="info").held
    assert held is not None
    assert held.reason is SuppressionReason.NOT_ROUTED


def test_an_event_with_a_trigger_follows_it() -> None:
    assert plan("pipeline_failure", {"event": "pipeline_failure", "providers": ["slack"]}).send_to == (SLACK,)
    assert plan("pipeline_failure", {"event": "pipeline_failure", "providers": ["both"]}).send_to == (
        EMAIL,
        SLACK,
    )
    assert plan("pipeline_failure", {"event": "pipeline_failure"}, default_provider="slack").send_to == (
        SLACK,
    )


@pytest.mark.parametrize("providers", [None, [EMAIL]])
def test_a_trigger_that_is_off_means_never(providers: list[NotificationProvider] | None) -> None:
    made = plan("pipeline_failure", {"event": "pipeline_failure", "enabled": False}, providers=providers)
    assert made.send_to == ()
    assert made.held is not None
    assert made.held.reason is SuppressionReason.EVENT_OFF


def test_a_trigger_for_a_destination_that_is_off_is_told_as_such() -> None:
    made = plan(
        "pipeline_failure", {"event": "pipeline_failure", "providers": ["both"]}, slack=slack(enabled=False)
    )
    assert made.send_to == (EMAIL,)
    assert made.off == (SLACK,)
    assert made.held is None


def test_the_callers_providers_replace_the_triggers() -> None:
    trigger = {"event": "pipeline_failure", "providers": ["email"]}
    assert plan("pipeline_failure", trigger, providers=[SLACK]).send_to == (SLACK,)
    assert plan("pipeline_failure", trigger, providers=[BOTH, SLACK]).send_to == (EMAIL, SLACK)


@pytest.mark.parametrize("event", ["data_quality_failure", "rate_limit_exceeded", "system_error"])
def test_an_event_derived_from_a_failure_follows_the_failures_trigger(event: str) -> None:
    trigger = {"event": "pipeline_failure", "providers": ["slack"], "cooldown_seconds": 7}
    made = plan(event, trigger)
    assert made.send_to == (SLACK,)
    assert made.cooldown_seconds == 7
    assert plan(event, trigger, {"event": event, "providers": ["email"]}).send_to == (EMAIL,)
    off = plan(event, trigger | {"enabled": False})
    assert off.held is not None
    assert off.held.reason is SuppressionReason.EVENT_OFF


@pytest.mark.parametrize(
    ("triggers", "send_to"),
    [
        pytest.param(
            [{"event": "pipeline_failure", "providers": ["slack"]}], (EMAIL,), id="only the broken one"
        ),
        pytest.param([{"event": "pipeline_failure", "providers": ["both"]}], (EMAIL,), id="both"),
    ],
)
def test_a_broken_destination_is_told_and_does_not_silence(
    triggers: list[dict[str, Any]], send_to: tuple[NotificationProvider, ...]
) -> None:
    made = plan("pipeline_failure", *triggers, broken=(SLACK,))
    assert made.send_to == send_to
    assert dict(made.broken) == {SLACK: PROBLEM}
    assert made.off == ()


def test_a_broken_destination_that_was_not_meant_is_not_told() -> None:
    made = plan("pipeline_failure", {"event": "pipeline_failure", "providers": ["email"]}, broken=(SLACK,))
    assert made.send_to == (EMAIL,)
    assert dict(made.broken) == {}


def test_when_all_are_broken_that_is_a_failure_and_not_a_decision() -> None:
    made = plan(
        "pipeline_failure", {"event": "pipeline_failure", "providers": ["both"]}, broken=(EMAIL, SLACK)
    )
    assert made.held is None
    assert set(made.broken) == {EMAIL, SLACK}


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"enabled": False}, id="configuration off"),
        pytest.param({"email": {}, "slack": {}}, id="no destination on"),
    ],
)
def test_where_nothing_is_enabled_nothing_is_sent_and_the_reason_is_given(config: dict[str, Any]) -> None:
    held = plan("system_error", **config).held
    assert held is not None
    assert held.reason is SuppressionReason.NOTHING_ENABLED


@pytest.mark.parametrize(
    ("event", "named", "triggers", "expected"),
    [
        pytest.param("pipeline_failure", None, [], "error", id="the event's own"),
        pytest.param(
            "pipeline_failure", None, [{"event": "pipeline_failure"}], "error", id="trigger names none"
        ),
        pytest.param(
            "pipeline_failure",
            None,
            [{"event": "pipeline_failure", "severity": "info"}],
            "info",
            id="trigger's",
        ),
        pytest.param(
            "pipeline_failure",
            "warning",
            [{"event": "pipeline_failure", "severity": "critical"}],
            "warning",
            id="caller's",
        ),
        pytest.param(
            "data_quality_failure",
            None,
            [{"event": "pipeline_failure"}],
            "error",
            id="derived: at least the failure's",
        ),
        pytest.param(
            "data_quality_failure",
            None,
            [{"event": "pipeline_failure", "severity": "critical"}],
            "critical",
            id="derived: the trigger's",
        ),
        pytest.param(
            "system_error",
            None,
            [{"event": "pipeline_failure", "severity": "info"}],
            "critical",
            id="derived: at least its own",
        ),
        pytest.param(
            "system_error",
            None,
            [{"event": "pipeline_failure"}, {"event": "system_error", "severity": "info"}],
            "info",
            id="derived, with a trigger of its own",
        ),
    ],
)
def test_the_severity_is_the_callers_else_the_triggers_else_the_events(
    event: str, named: str | None, triggers: list[dict[str, Any]], expected: str
) -> None:
    assert plan(event, *triggers, severity=named).severity == expected


@pytest.mark.parametrize(
    ("event", "trigger", "seconds"),
    [
        pytest.param("pipeline_failure", None, 300, id="alert without a trigger"),
        pytest.param("pipeline_failure", {}, 300, id="alert, absent"),
        pytest.param("pipeline_failure", {"cooldown_seconds": None}, 0, id="alert, null"),
        pytest.param("pipeline_failure", {"cooldown_seconds": 0}, 0, id="alert, zero"),
        pytest.param("pipeline_failure", {"cooldown_seconds": 9}, 9, id="alert, number"),
        pytest.param("pipeline_success", {}, 0, id="info, absent"),
        pytest.param("pipeline_success", {"cooldown_seconds": 9}, 9, id="info, number"),
        pytest.param("pipeline_success", {"severity": "warning"}, 300, id="info raised to warning"),
        pytest.param("pipeline_failure", {"severity": "info"}, 0, id="alert lowered to info"),
    ],
)
def test_how_often_at_most(event: str, trigger: dict[str, Any] | None, seconds: int) -> None:
    triggers = [] if trigger is None else [{"event": event} | trigger]
    assert plan(event, *triggers).cooldown_seconds == seconds


NOW = 1_767_000_000.0


@pytest.mark.parametrize(
    ("delivered_at", "held"),
    [
        pytest.param(NOW, True, id="just now"),
        pytest.param(NOW - 299.9, True, id="within"),
        pytest.param(NOW - 300, False, id="over"),
        pytest.param(NOW - 1e9, False, id="long ago"),
        pytest.param(NOW + 0.1, False, id="in the future: the clock was set back"),
        pytest.param(float("nan"), False, id="no time"),
        pytest.param(float("inf"), False, id="never"),
    ],
)
def test_a_repeat_is_held_back_until_the_cooldown_is_over(delivered_at: float, held: bool) -> None:
    row = Cooldown(delivered_at, NotificationSeverity.ERROR)
    decision = policy.cooling_down(row, Plan(NotificationSeverity.ERROR, cooldown_seconds=300), NOW)
    assert (decision is not None) is held


def test_a_repeat_that_is_held_back_says_for_how_long() -> None:
    row = Cooldown(NOW - 65, NotificationSeverity.ERROR)
    decision = policy.cooling_down(row, Plan(NotificationSeverity.ERROR, cooldown_seconds=300), NOW)
    assert decision is not None
    assert decision.reason is SuppressionReason.COOLDOWN
    assert decision.why == "told 1 m 5 s ago; the next one may go in 3 m 55 s"


def test_without_a_row_nothing_is_held_back() -> None:
    assert policy.cooling_down(None, Plan(NotificationSeverity.ERROR, cooldown_seconds=300), NOW) is None


SEVERITIES = list(NotificationSeverity)


@pytest.mark.parametrize("told", SEVERITIES)
@pytest.mark.parametrize("next_one", SEVERITIES)
def test_only_a_higher_severity_breaks_through_the_cooldown(
    told: NotificationSeverity, next_one: NotificationSeverity
) -> None:
    decision = policy.cooling_down(Cooldown(NOW - 1, told), Plan(next_one, cooldown_seconds=300), NOW)
    assert (decision is None) is (next_one.rank > told.rank)


# What is told once


@pytest.mark.parametrize(
    ("fields", "once"),
    [
        pytest.param({"occasion": "a try"}, True, id="an alert"),
        pytest.param({"occasion": "a try", "severity": "info"}, False, id="info costs no state"),
        pytest.param({"occasion": "a try", "event": "pipeline_started"}, False, id="info by its event"),
        pytest.param(
            {"occasion": "a try", "event": "pipeline_started", "severity": "warning"},
            True,
            id="info raised to warning",
        ),
        pytest.param({"occasion": None}, False, id="an explicit call"),
    ],
)
def test_what_is_told_once_is_what_a_callback_tells_and_is_no_chatter(
    fields: dict[str, Any], once: bool
) -> None:
    assert policy.is_told_once(make_message(**fields)) is once


OF_TASK = {"lifecycle": Lifecycle.FAILURE, "task_id": "load", "occasion": "a try of the task"}
OF_RUN = {"lifecycle": Lifecycle.FAILURE, "task_id": None, "occasion": "the end of the run"}
RUN = "manual__2026-01-02"
TOLD_OF_TASK = Incident().with_told("a try of the task").with_run(RUN)


@pytest.mark.parametrize(
    ("fields", "incident", "why"),
    [
        pytest.param(OF_TASK, Incident(), None, id="nothing was told"),
        pytest.param(OF_TASK, TOLD_OF_TASK, "another callback has told of it", id="the same try"),
        pytest.param(OF_TASK | {"occasion": "the next try"}, TOLD_OF_TASK, None, id="the next try"),
        pytest.param(OF_RUN, Incident(), None, id="no task spoke"),
        pytest.param(
            OF_RUN, TOLD_OF_TASK, "a task of this run has told of its failure", id="the run, after its task"
        ),
        pytest.param(OF_RUN | {"pipeline_logging_id": "r2"}, TOLD_OF_TASK, None, id="another run"),
        pytest.param(OF_RUN | {"clear_number": 1}, TOLD_OF_TASK, None, id="the run, cleared"),
        pytest.param(OF_RUN | {"pipeline_logging_id": None}, TOLD_OF_TASK, None, id="no run"),
        pytest.param(OF_RUN | {"lifecycle": Lifecycle.SUCCESS}, TOLD_OF_TASK, None, id="the run's success"),
        pytest.param(OF_RUN | {"lifecycle": Lifecycle.DEADLINE}, TOLD_OF_TASK, None, id="its deadline"),
        pytest.param(
            OF_TASK | {"occasion": "a try of another task"}, TOLD_OF_TASK, None, id="another task of the run"
        ),
        pytest.param({"occasion": None}, TOLD_OF_TASK, None, id="an explicit call"),
    ],
)
def test_a_failure_is_told_by_its_task_or_else_by_its_run(
    fields: dict[str, Any], incident: Incident, why: str | None
) -> None:
    held = policy.already_told(make_message(**fields), incident)

    assert (held.why if held else None) == why
    assert held is None or held.reason is SuppressionReason.ALREADY_TOLD
