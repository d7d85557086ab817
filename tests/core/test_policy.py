from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.enums import (
    CooldownScope,
    Lifecycle,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import ConfigProblem
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown
from airflow_cloudact_notify.core.state.held import held_prefix
from airflow_cloudact_notify.core.state.incidents import Incident
from airflow_cloudact_notify.core.state.outages import outage_key
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


def test_a_trigger_that_names_nobody_goes_to_all_when_the_default_provider_is_off() -> None:
    made = plan("pipeline_success", {"event": "pipeline_success"}, email={"enabled": False})
    assert made.send_to == (SLACK,)
    assert made.off == ()


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
        pytest.param([{"event": "pipeline_failure", "providers": ["slack"]}], (), id="only the broken one"),
        pytest.param([{"event": "pipeline_failure", "providers": ["both"]}], (EMAIL,), id="both"),
    ],
)
def test_a_broken_destination_is_kept_apart(
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


ERROR, CRITICAL = NotificationSeverity.ERROR, NotificationSeverity.CRITICAL


def told(at: float, severity: NotificationSeverity = ERROR, seconds: float = 300) -> Cooldown:
    return Cooldown(make_message(severity=severity), at, seconds)


def claim(
    until: float, severity: NotificationSeverity = ERROR, token: str = "theirs", **message: Any
) -> Claim:
    return Claim(token, until, severity, make_message(severity=severity, **message))


def held(row: Cooldown, severity: NotificationSeverity = ERROR) -> Held | None:
    return claims.cooling_down(row, Plan(severity, cooldown_seconds=300), NOW)


@pytest.mark.parametrize(
    ("told_at", "is_held"),
    [
        pytest.param(NOW, True, id="just now"),
        pytest.param(NOW - 299.9, True, id="within"),
        pytest.param(NOW - 300, False, id="over"),
        pytest.param(NOW - 1e9, False, id="long ago"),
        pytest.param(NOW + 5, True, id="just now, by a clock that is ahead"),
        pytest.param(NOW + 5.1, False, id="in the future: the clock was set back"),
        pytest.param(float("nan"), False, id="no time"),
        pytest.param(float("inf"), False, id="never"),
    ],
)
def test_a_repeat_is_held_back_until_the_cooldown_is_over(told_at: float, is_held: bool) -> None:
    assert (held(told(told_at)) is not None) is is_held


def test_a_repeat_that_is_held_back_says_for_how_long() -> None:
    decision = held(told(NOW - 65))
    assert decision is not None
    assert decision.reason is SuppressionReason.COOLDOWN
    assert decision.why == "told 1 m 5 s ago; the next one may go in 3 m 55 s"


def test_without_a_row_nothing_is_held_back() -> None:
    assert held(Cooldown()) is None


def test_a_higher_severity_than_the_one_that_was_told_breaks_through() -> None:
    assert held(told(NOW), CRITICAL) is None
    assert held(told(NOW, CRITICAL), CRITICAL) is not None
    assert held(told(NOW, CRITICAL), ERROR) is not None


@pytest.mark.parametrize(
    ("until", "is_held"),
    [
        pytest.param(NOW + 0.1, True, id="lease running"),
        pytest.param(NOW + claims.LONGEST_LEASE, True, id="longest lease"),
        pytest.param(NOW, False, id="lease over"),
        pytest.param(NOW - 1e9, False, id="long over"),
        pytest.param(NOW + claims.LONGEST_LEASE + 1, False, id="too far in the future"),
        pytest.param(float("inf"), False, id="endless"),
        pytest.param(float("nan"), False, id="no time"),
    ],
)
def test_the_claim_of_another_holds_back_for_its_lease_and_counts_as_left_behind_after_it(
    until: float, is_held: bool
) -> None:
    row = Cooldown(claim=claim(until))
    decision = held(row)
    assert (decision is not None) is is_held
    assert (claims.abandoned(row, NOW) is None) is is_held
    if decision:
        assert decision.reason is SuppressionReason.BEING_TOLD


def test_a_higher_severity_than_the_one_that_is_being_told_breaks_in() -> None:
    assert held(Cooldown(claim=claim(NOW + 9)), CRITICAL) is None
    assert held(Cooldown(claim=claim(NOW + 9, CRITICAL)), CRITICAL) is not None


def test_a_recovery_that_was_left_behind_is_not_told_from_its_claim() -> None:
    assert claims.abandoned(Cooldown(claim=claim(NOW - 1, kind="recovery")), NOW) is None


def test_a_lease_outlasts_the_budget_or_all_attempts_but_not_half_an_hour() -> None:
    config = NotificationConfig.model_validate({"timeout_seconds": 30})
    assert claims.lease(config, 10) == 10 + claims.LEASE_MARGIN
    assert claims.lease(config, None) == 3 * (30 + 300) + claims.LEASE_MARGIN
    assert claims.lease(config, 1e9) == claims.LONGEST_LEASE


def test_what_a_killed_reporter_told_goes_first_unless_it_is_less_severe() -> None:
    error, critical = make_message(severity="error"), make_message(severity="critical")
    assert claims.goes_first(error, error)
    assert claims.goes_first(critical, error)
    assert not claims.goes_first(error, critical)


def test_a_delivery_ends_its_claim_and_starts_the_cooldown() -> None:
    mine = Cooldown(make_message(), NOW, 300, "b")
    assert (
        claims.after_delivery(Cooldown(counted="a", claim=claim(NOW + 9, token="own")), mine, "own") == mine
    )
    assert claims.after_delivery(Cooldown(), mine, "") == mine


def test_a_delivery_keeps_that_something_severer_was_told_meanwhile() -> None:
    row = claims.after_delivery(told(NOW - 1, CRITICAL), told(NOW), "own")
    assert row.told_at == NOW
    assert held(row, CRITICAL) is not None
    assert held(claims.after_delivery(told(NOW - 300, CRITICAL), told(NOW), "own"), CRITICAL) is None


def test_a_delivery_never_counts_back() -> None:
    assert (
        claims.after_delivery(Cooldown(counted="c"), Cooldown(make_message(), NOW, 300, "b"), "").counted
        == "c"
    )


def test_a_delivery_leaves_the_claim_of_something_severer_alone_and_ends_that_of_a_repeat() -> None:
    severer, repeat = claim(NOW + 9, CRITICAL), claim(NOW + 9)
    assert claims.after_delivery(Cooldown(claim=severer), told(NOW), "own").claim == severer
    assert claims.after_delivery(Cooldown(claim=repeat), told(NOW), "own").claim is None


# --- what shares a cooldown


PIPELINE, TASK, EVENT = CooldownScope


@pytest.mark.parametrize(
    ("other", "shared_by"),
    [
        pytest.param({"tenant_id": "beta"}, set(), id="another tenant"),
        pytest.param({"tenant_id": None}, set(), id="the root"),
        pytest.param({"event": "pipeline_warning"}, set(), id="another event"),
        pytest.param({"dedup_key": "orders"}, set(), id="a dedup key"),
        pytest.param({"pipeline_id": "stock"}, {EVENT}, id="another pipeline"),
        pytest.param({"pipeline_id": None}, {EVENT}, id="no pipeline"),
        pytest.param({"task_id": "extract"}, {PIPELINE, EVENT}, id="another task"),
        pytest.param({"map_index": 7}, {PIPELINE, TASK, EVENT}, id="another mapped instance"),
        pytest.param({"pipeline_logging_id": "next"}, {PIPELINE, TASK, EVENT}, id="another run"),
        pytest.param({"title": "x", "details": {"a": 1}}, {PIPELINE, TASK, EVENT}, id="another text"),
        pytest.param({"severity": "critical"}, {PIPELINE, TASK, EVENT}, id="another severity"),
    ],
)
def test_what_shares_a_cooldown(other: dict[str, Any], shared_by: set[CooldownScope]) -> None:
    message = make_message()
    shared = {
        scope
        for scope in CooldownScope
        if policy.cooldown_key(make_message(**other), scope) == policy.cooldown_key(message, scope)
    }
    assert shared == shared_by


@pytest.mark.parametrize("scope", list(CooldownScope))
@pytest.mark.parametrize("event", list(NotificationEvent))
def test_the_longest_key_fits_airflows_column(event: NotificationEvent, scope: CooldownScope) -> None:
    message = make_message(
        event=event, tenant_id="t" * 64, pipeline_id="p" * 250, task_id="k" * 250, dedup_key="d" * 250
    )
    key = policy.cooldown_key(message, scope)
    assert len(key) <= 250
    assert len(held_prefix(key, message.tenant_id)) + 60 <= 250
    assert len(outage_key(message.tenant_id, message.pipeline_id, message.task_id)) <= 250


# --- escalation and recovery


@pytest.mark.parametrize(
    ("failures", "severity"), [(1, "error"), (2, "error"), (3, "critical"), (9, "critical")]
)
def test_so_many_failures_in_a_row_are_critical(failures: int, severity: str) -> None:
    made = plan("pipeline_failure", {"event": "pipeline_failure", "escalate_after": 3})
    assert policy.escalated(made, failures).severity == severity
    assert policy.escalated(plan(), failures).severity == "error"


def recovery(
    alerted: list[str], *triggers: dict[str, Any], **config: Any
) -> tuple[NotificationProvider, ...]:
    made = NotificationConfig.model_validate({**ON, **config, "event_triggers": list(triggers)})
    success = policy.plan(make_message(event="pipeline_success"), ResolvedConfig(made, "acme.json"))
    return policy.recovery(success, made, alerted).send_to


def test_a_recovery_goes_to_who_was_alerted_and_to_who_hears_of_successes() -> None:
    hears = {"event": "pipeline_success", "providers": ["slack"]}
    assert recovery(["slack"]) == (SLACK,)
    assert recovery(["slack"], hears | {"enabled": False}) == (SLACK,)
    assert recovery(["email"], hears) == (EMAIL, SLACK)
    assert recovery(["email"], email={"enabled": False}) == (SLACK,)
    assert recovery(["email"], enabled=False) == ()


def test_a_recovery_is_no_chatter() -> None:
    resolved = ResolvedConfig(NotificationConfig.model_validate(ON), "root")
    message = make_message(kind="recovery", event="pipeline_success")
    assert policy.plan(message, resolved).send_to == (EMAIL,)


def test_a_summary_has_no_cooldown() -> None:
    resolved = ResolvedConfig(NotificationConfig.model_validate(ON), "root")
    assert policy.plan(make_message(kind="digest"), resolved).cooldown_seconds == 0


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
