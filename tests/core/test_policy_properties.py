"""What holds for any sequence of reports: of the policy's functions, and of the service against a model of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core import claims, policy
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
)
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.providers.base import Receipt
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.held import LATE_SECONDS, HeldReports, parsed, uncounted
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import FrozenClock, make_message
from tests.core.folder import Folder, email, slack
from tests.core.storm import LEASE, report

quickly = settings(deadline=None, database=None, derandomize=True, max_examples=100)
many = settings(quickly, max_examples=40)

NOW = 1_767_000_000.0
SECONDS = 60
severities = st.sampled_from(NotificationSeverity)
alerts = st.sampled_from([s for s in NotificationSeverity if s >= NotificationSeverity.WARNING])
times = st.floats(allow_nan=True, allow_infinity=True) | st.floats(NOW - 2000, NOW + 2000)


def messages(
    severity: st.SearchStrategy[NotificationSeverity] = severities,
) -> st.SearchStrategy[NotificationMessage]:
    return severity.map(lambda s: make_message(severity=s, message_id=uuid.uuid4().hex))


@st.composite
def some_claims(draw: st.DrawFn) -> Claim:
    message = draw(messages())
    return Claim(draw(st.sampled_from(["own", "theirs"])), draw(times), message.effective_severity, message)


@st.composite
def rows(draw: st.DrawFn) -> Cooldown:
    told = draw(st.none() | messages())
    counted = draw(st.sampled_from(["", "a", "b"]))
    return Cooldown(told, draw(times), draw(st.floats(0, 900)), counted, draw(st.none() | some_claims()))


# --- the policy's functions


@quickly
@given(severities, st.integers(1, 900), times)
def test_a_first_failure_is_never_held_back(severity: NotificationSeverity, seconds: int, now: float) -> None:
    assert claims.cooling_down(Cooldown(), Plan(severity, cooldown_seconds=seconds), now) is None


@quickly
@given(rows(), severities, st.integers(1, 900))
def test_only_a_running_cooldown_or_a_running_claim_of_no_lower_severity_holds_back(
    row: Cooldown, severity: NotificationSeverity, seconds: int
) -> None:
    held = claims.cooling_down(row, Plan(severity, cooldown_seconds=seconds), NOW)
    by_claim = row.claim is not None and (
        NOW < row.claim.until <= NOW + claims.LONGEST_LEASE and row.claim.severity >= severity
    )
    by_told = row.told is not None and (
        row.told_at - claims.CLOCKS_APART <= NOW < row.told_at + seconds
        and row.told.effective_severity >= severity
    )
    assert (held is not None) is (by_claim or by_told)


@quickly
@given(rows())
def test_a_claim_either_runs_or_was_left_behind(row: Cooldown) -> None:
    if row.claim:
        assert claims.is_live(row.claim, NOW) is (claims.abandoned(row, NOW) is None)


@quickly
@given(rows(), messages(), st.integers(1, 900), st.sampled_from(["", "own"]))
def test_a_delivery_holds_back_its_repeats_at_once_and_never_counts_back(
    row: Cooldown, message: NotificationMessage, seconds: int, token: str
) -> None:
    after = claims.after_delivery(row, Cooldown(message, NOW, seconds, "b"), token)
    plan = Plan(message.severity, cooldown_seconds=seconds)
    assert claims.cooling_down(after, plan, NOW + seconds / 2) is not None
    assert after.counted >= max(row.counted, "b")
    assert after.claim is None or after.claim.severity > message.effective_severity
    assert after.claim is None or after.claim.token != token


@quickly
@given(
    st.sampled_from(NotificationEvent),
    st.none() | severities,
    st.booleans(),
    st.booleans(),
    st.sampled_from(NotificationProvider),
    st.none() | st.fixed_dictionaries({"cooldown_seconds": st.none() | st.integers(0, 9)}),
)
def test_an_alert_that_nobody_switched_off_is_told_to_somebody(
    event: NotificationEvent,
    severity: NotificationSeverity | None,
    mail: bool,
    chat: bool,
    default: NotificationProvider,
    trigger: dict[str, Any] | None,
) -> None:
    document = {
        "email": email(enabled=mail),
        "slack": slack(enabled=chat),
        "default_provider": default,
        "event_triggers": [] if trigger is None else [trigger | {"event": event, "providers": ["both"]}],
    }
    config = NotificationConfig.model_validate(document)
    made = policy.plan(make_message(event=event, severity=severity), ResolvedConfig(config, "root"))
    is_alert = made.severity is not None and made.severity >= NotificationSeverity.WARNING
    if (mail or chat) and (is_alert or trigger is not None):
        assert made.held is None
        assert made.send_to


@quickly
@given(severities, st.none() | st.integers(2, 9), st.integers(1, 20))
def test_escalation_only_raises(severity: NotificationSeverity, after: int | None, failures: int) -> None:
    raised = policy.escalated(Plan(severity, escalate_after=after), failures).severity
    assert raised is not None
    assert raised >= severity
    assert (raised > severity) <= (after is not None and failures >= after)


@quickly
@given(st.none() | st.floats(0, 1e9), st.integers(1, 10), st.floats(5, 120))
def test_a_lease_outlasts_its_budget_and_ends(budget: float | None, attempts: int, timeout: float) -> None:
    config = NotificationConfig.model_validate(
        {"timeout_seconds": timeout, "retry_config": {"max_attempts": attempts}}
    )
    lease = claims.lease(config, budget)
    assert 0 < lease <= claims.LONGEST_LEASE
    assert budget is None or lease > min(budget, claims.LONGEST_LEASE - 1)


@settings(quickly, max_examples=40)
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text() | st.floats() | st.integers()))
def test_any_text_survives_the_state(title: str, body: str, details: dict[str, Any]) -> None:
    message = make_message(title=title, message=body, details=details)
    row = Cooldown(message, NOW, 1.0, "", Claim("t", NOW, NotificationSeverity.ERROR, message))
    cooldowns = Cooldowns(MemoryStateStore(), pytest.fail)
    cooldowns.save("key", row)
    assert cooldowns.load("key") == row


# --- counts


@quickly
@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, LATE_SECONDS - 0.1), st.booleans()), max_size=40))
def test_each_held_report_is_counted_once_however_late_its_row_comes(
    steps: list[tuple[float, float, bool]],
) -> None:
    held, now, counted, total = HeldReports(MemoryStateStore()), NOW, "", 0

    def count() -> None:
        nonlocal counted, total
        fresh = uncounted(held.keys("key", None), counted, now)
        total, counted = total + len(fresh), max([counted, *fresh])

    for passed, late, counts in steps:
        now += passed
        held.add("key", report(), now - late)
        if counts:
            count()
    now += 2 * LATE_SECONDS
    count()
    keys = held.keys("key", None)
    assert total == len(keys) == len(steps)
    assert keys == sorted(keys, key=lambda key: parsed(key).at)


# --- the service against a model


@dataclass
class Step:
    """A report, so many seconds after the one before; ``end`` is what becomes of its reporter."""

    after: float
    pipeline: str
    severity: NotificationSeverity
    end: str


steps = st.builds(
    Step,
    st.sampled_from([0.0, 0.5, 3.0, LEASE + 1, SECONDS / 2, SECONDS + 1.0]),
    st.sampled_from(["sales", "stock"]),
    alerts,
    st.sampled_from(["delivered", "delivered", "delivered", "refused"]),
)


@dataclass
class World:
    """A service whose only destination is recorded, on a clock and a state of its own."""

    configs: ConfigStore
    clock: FrozenClock = field(default_factory=FrozenClock)
    state: MemoryStateStore = field(default_factory=MemoryStateStore)
    told: list[tuple[float, NotificationMessage]] = field(default_factory=list)
    refuses: bool = False

    def __post_init__(self) -> None:
        self.service = NotificationService(
            configs=self.configs, state=self.state, clock=self.clock, settle=lambda _: None
        )
        provider = self.configs.resolve(None).providers[NotificationProvider.SLACK]
        provider.render = lambda message, parts: message  # type: ignore[method-assign]
        provider.send = self.receive  # type: ignore[method-assign]

    def receive(self, message: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
        if self.refuses:
            raise DeliveryError(FailureReason.NOT_FOUND, "no_service")
        self.told.append((self.clock(), message))
        return Receipt()

    def tell(self, step: Step) -> bool | None:
        """Return whether the report was delivered, ``None`` when it was held back."""
        self.clock.advance(step.after)
        self.refuses = step.end == "refused"
        sent = self.service.send(report(pipeline_id=step.pipeline, severity=step.severity))
        self.refuses = False
        return None if sent.suppressed else sent.delivered

    def counted(self) -> int:
        """How many reports the messages told of beside themselves."""
        texts = [" ".join((m.title, *m.history)) for _, m in self.told]
        counted = r"\+?(\d+) (?:more (?:since|report)|reports? was|reports? were)"
        return sum(int(n) for text in texts for n in re.findall(counted, text))

    def maintain(self) -> None:
        maintain(self.service, lambda _: None, self.clock())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    path: Path = tmp_path_factory.mktemp("configs")
    triggers = [{"event": "pipeline_failure", "cooldown_seconds": SECONDS}]
    retry = {"max_attempts": 1}
    Folder(path).write(
        None, slack=slack(), default_provider="slack", event_triggers=triggers, retry_config=retry
    )
    return lambda: World(ConfigStore(str(path)))


@pytest.fixture(scope="module")
def gated_world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], World]:
    """One with quiet hours from 22:00 to 07:00, a silence for stock from 12:00 to 14:00, and three messages an hour."""
    path: Path = tmp_path_factory.mktemp("configs")
    who = {"created_by": "ann", "comment": "stocktaking"}
    silence = {"pipeline": "stock", "starts_at": "2026-01-02T12:00:00Z", "ends_at": "2026-01-02T14:00:00Z"}
    Folder(path).write(
        None,
        slack=slack(),
        default_provider="slack",
        retry_config={"max_attempts": 1},
        event_triggers=[{"event": "pipeline_failure", "cooldown_seconds": SECONDS}],
        quiet_hours={"timezone": "UTC", "times": [{"start": "22:00", "end": "07:00"}]},
        silences=[silence | who],
        max_per_hour=3,
    )
    return lambda: World(ConfigStore(str(path)))


@many
@given(sequence=st.lists(steps, max_size=15))
def test_a_report_is_held_back_exactly_when_its_incident_was_told_within_the_cooldown(
    world: Callable[[], World], sequence: list[Step]
) -> None:
    here = world()
    told: dict[str, tuple[float, NotificationSeverity]] = {}
    for step in sequence:
        delivered = here.tell(step)
        at, severity = told.get(step.pipeline, (float("-inf"), NotificationSeverity.INFO))
        is_repeat = here.clock() - at < SECONDS and step.severity <= severity
        assert (delivered is None) is is_repeat
        assert delivered is not False or step.end == "refused"
        if delivered:
            told[step.pipeline] = here.clock(), step.severity


@many
@given(sequence=st.lists(steps, max_size=15))
def test_two_messages_of_equal_severity_are_never_within_one_cooldown(
    world: Callable[[], World], sequence: list[Step]
) -> None:
    here = world()
    for step in sequence:
        here.tell(step)
    last: dict[tuple[str | None, NotificationSeverity], float] = {}
    for at, message in here.told:
        key = message.pipeline_id, message.effective_severity
        assert at - last.get(key, float("-inf")) >= SECONDS
        last[key] = at


@many
@given(
    sequence=st.lists(steps | st.just("maintenance"), max_size=15),
)
def test_what_was_sent_and_what_was_held_back_add_up_and_all_of_it_is_told_once(
    world: Callable[[], World], sequence: list[Step | str]
) -> None:
    here = world()
    outcomes = []
    for step in sequence:
        if isinstance(step, Step):
            outcomes.append(here.tell(step))
        else:
            here.maintain()
    held = outcomes.count(None)
    here.clock.advance(SECONDS + LEASE + 10)
    here.maintain()
    assert outcomes.count(True) + outcomes.count(False) + held == len(outcomes)
    assert here.counted() == held
    assert here.state.keys("cloudact_notify:held:") == []
    assert here.state.keys("cloudact_notify:cooldown:") == []


hours = st.builds(
    Step,
    st.sampled_from([0.0, SECONDS + 1.0, 600.0, 3600.0, 4 * 3600.0]),
    st.sampled_from(["sales", "stock", "returns", "staff"]),
    alerts,
    st.sampled_from(["delivered", "delivered", "delivered", "refused"]),
)


@many
@given(sequence=st.lists(hours | st.just("maintenance"), max_size=25))
def test_what_gates_hold_back_is_told_once_when_they_open(
    gated_world: Callable[[], World], sequence: list[Step | str]
) -> None:
    here = gated_world()
    outcomes = []
    for step in sequence:
        if isinstance(step, Step):
            outcomes.append((step, here.clock(), here.tell(step)))
        else:
            here.maintain()
    told = [message for _, message in here.told if message.kind == "alert"]
    here.clock.advance(10 * 86_400 - here.clock() % 86_400 + 12 * 3600)
    here.maintain()
    assert here.counted() == [delivered for _, _, delivered in outcomes].count(None)
    assert here.state.keys("cloudact_notify:held:") == []
    assert here.state.keys("cloudact_notify:sent:") == []
    assert len(told) == [delivered for _, _, delivered in outcomes].count(True)


@many
@given(sequence=st.lists(hours, max_size=25))
def test_gates_let_nothing_through_that_they_hold_and_hold_nothing_that_may_go(
    gated_world: Callable[[], World], sequence: list[Step]
) -> None:
    here = gated_world()
    last: dict[str, tuple[float, NotificationSeverity]] = {}
    sent: list[tuple[int, bool]] = []
    for step in sequence:
        here.clock.advance(step.after)
        now, critical = here.clock(), step.severity is NotificationSeverity.CRITICAL
        at, severity = last.get(step.pipeline, (float("-inf"), NotificationSeverity.INFO))
        day, hour = divmod(now / 3600 - datetime(2026, 1, 2, tzinfo=UTC).timestamp() / 3600, 24)
        held = (
            (now - at < SECONDS and step.severity <= severity)
            or (not critical and not 7 <= hour < 22)
            or (step.pipeline == "stock" and day == 0 and 12 <= hour < 14)
            or sent.count((int(now // 3600), critical)) >= 3
        )
        delivered = here.tell(Step(0.0, step.pipeline, step.severity, step.end))
        assert (delivered is None) is held
        if delivered:
            last[step.pipeline] = now, step.severity
            sent.append((int(now // 3600), critical))


@many
@given(sequence=st.lists(steps, min_size=1, max_size=8), killed=st.integers(0, 7))
def test_whoever_is_killed_while_telling_each_incident_is_told(
    world: Callable[[], World], sequence: list[Step], killed: int
) -> None:
    here = world()
    for number, step in enumerate(sequence):
        if number == killed:
            here.clock.advance(SECONDS + LEASE + 10)
            with pytest.raises(KeyboardInterrupt):
                _killed(here, step)
        else:
            here.tell(Step(step.after, step.pipeline, step.severity, "delivered"))
    here.clock.advance(1900)
    here.maintain()
    assert {message.pipeline_id for _, message in here.told} == {step.pipeline for step in sequence}


def _killed(here: World, step: Step) -> None:
    """Report, and be killed while the claim settles."""

    def kill(_: float) -> None:
        raise KeyboardInterrupt

    service = NotificationService(configs=here.configs, state=here.state, clock=here.clock, settle=kill)
    service.send(report(pipeline_id=step.pipeline, severity=step.severity))
