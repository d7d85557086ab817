from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from airflow_cloudact_notify.core.delivery import deliver
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider, Outcome
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import NO_PARTS, Parts, Receipt
from airflow_cloudact_notify.testing import FrozenClock, RecordingProvider, make_message
from tests.support import delivered, terms

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK


def failure(reason: FailureReason, **more: Any) -> DeliveryError:
    return DeliveryError(reason, "it said no", **more)


@pytest.mark.parametrize("reason", list(FailureReason))
def test_only_what_waiting_may_cure_is_tried_again(reason: FailureReason) -> None:
    provider = RecordingProvider(*[failure(reason)] * 3)
    result = delivered(provider, under=terms(max_attempts=3))
    assert (result.outcome, result.reason, result.detail) == (Outcome.FAILED, reason, "it said no")
    assert result.attempts == len(provider.messages) == (3 if reason.retryable else 1)


def test_attempts_end_with_the_first_that_is_taken() -> None:
    provider = RecordingProvider(failure(FailureReason.TIMEOUT))
    result = delivered(provider, under=terms(max_attempts=10))
    assert (result.outcome, result.reason, result.detail, result.attempts) == (Outcome.DELIVERED, None, "", 2)


def test_a_message_is_rendered_once_however_often_it_is_sent() -> None:
    class Counting(RecordingProvider):
        rendered = 0

        def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> NotificationMessage:
            self.rendered += 1
            return message

    provider = Counting(failure(FailureReason.TIMEOUT))
    assert delivered(provider).attempts == 2
    assert provider.rendered == 1


# --- waits


def waits(*errors: DeliveryError, **retry: Any) -> list[float]:
    clock = FrozenClock()
    delivered(RecordingProvider(*errors), under=terms(clock, max_attempts=len(errors) + 1, **retry))
    return clock.slept


def test_a_fixed_delay_stays_the_same() -> None:
    errors = [failure(FailureReason.TIMEOUT)] * 3
    assert waits(*errors, exponential_backoff=False, initial_delay_seconds=7) == [7, 7, 7]


def test_an_exponential_delay_is_drawn_from_a_range_that_doubles_up_to_the_longest() -> None:
    errors = [failure(FailureReason.TIMEOUT)] * 6
    draws = [
        waits(*errors, exponential_backoff=True, initial_delay_seconds=2, max_delay_seconds=10)
        for _ in range(200)
    ]
    for number, ceiling in enumerate([2, 4, 8, 10, 10, 10]):
        column = [drawn[number] for drawn in draws]
        assert 0 <= min(column) < max(column) <= ceiling
        assert max(column) > ceiling / 2, "jitter uses the whole range"


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        pytest.param(17, [17], id="longer than ours"),
        pytest.param(0, [1], id="shorter than ours"),
        pytest.param(600, [600], id="longer than max_delay_seconds"),
        pytest.param(601, [], id="too long to be waited for"),
    ],
)
def test_a_server_is_not_asked_again_before_it_wishes(asked: float, waited: list[float]) -> None:
    assert waits(failure(FailureReason.RATE_LIMITED, retry_after=asked), max_delay_seconds=300) == waited


def test_a_wish_does_not_take_the_jitter_away() -> None:
    """Many processes that are asked to come back in a second must not all come in that second."""
    error = failure(FailureReason.RATE_LIMITED, retry_after=1)
    drawn = [waits(error, exponential_backoff=True, initial_delay_seconds=10)[0] for _ in range(200)]
    assert min(drawn) == 1 < max(drawn) <= 10
    assert len(set(drawn)) > 100


def test_no_delay_means_none() -> None:
    errors = [failure(FailureReason.TIMEOUT)] * 2
    assert waits(*errors, exponential_backoff=True, initial_delay_seconds=0) == [0, 0]


# --- recipients


def test_only_the_remainder_is_sent_again() -> None:
    rest = make_message(title="for the one who was deferred")
    provider = RecordingProvider(Receipt(refused={"a": "550"}, deferred={"b": "451"}, remainder=rest))
    result = delivered(provider)
    assert (result.outcome, result.attempts, result.refused) == (Outcome.DELIVERED, 2, {"a": "550"})
    assert provider.messages[1] is rest


@pytest.mark.parametrize("reason", [FailureReason.UNREACHABLE, FailureReason.AUTH, FailureReason.REJECTED])
def test_what_was_taken_stays_delivered_when_the_remainder_fails(reason: FailureReason) -> None:
    rest = make_message()
    provider = RecordingProvider(
        Receipt(deferred={"b": "451 later"}, remainder=rest), failure(reason), failure(reason)
    )
    result = delivered(provider)
    assert (result.outcome, result.reason, result.detail) == (Outcome.DELIVERED, None, "")
    assert result.refused == {"b": "451 later, then it said no"}
    assert result.deferred == (("b",) if reason.retryable else ())


def test_an_answer_that_takes_back_an_earlier_one_is_the_one_that_is_told() -> None:
    rest = make_message()
    provider = RecordingProvider(
        Receipt(deferred={"b": "451 later"}, remainder=rest), Receipt(taken=False, refused={"b": "550 no"})
    )
    result = delivered(provider)
    assert (result.outcome, result.refused, result.deferred) == (Outcome.DELIVERED, {"b": "550 no"}, ())


# --- nobody knows


@pytest.mark.parametrize(
    ("severity", "attempts"), [("info", 1), ("warning", 1), ("error", 2), ("critical", 2)]
)
def test_what_may_have_arrived_is_repeated_once_if_it_matters(severity: str, attempts: int) -> None:
    provider = RecordingProvider(*[failure(FailureReason.TIMEOUT, ambiguous=True)] * 5)
    result = delivered(provider, make_message(severity=severity), terms(max_attempts=5))
    assert (result.outcome, result.attempts, result.ambiguous) == (Outcome.FAILED, attempts, True)


def test_the_severity_that_counts_is_the_escalated_one() -> None:
    message = make_message(event="pipeline_success", severity="critical")
    assert delivered(RecordingProvider(failure(FailureReason.TIMEOUT, ambiguous=True)), message)


# --- a simpler form


def test_a_simpler_form_is_sent_at_once_and_rendered_by_nobody() -> None:
    simple = make_message(title="simple")
    clock = FrozenClock()
    provider = RecordingProvider(failure(FailureReason.REJECTED, simpler=simple))
    result = delivered(provider, under=terms(clock, max_attempts=1))
    assert (result.outcome, result.attempts, clock.slept) == (Outcome.DELIVERED, 2, [0])
    assert result.detail == "in a simpler form, since it said no"
    assert provider.messages[1] is simple


def test_a_simpler_form_has_the_attempts_that_were_left() -> None:
    simple = make_message(title="simple")
    errors = [failure(FailureReason.REJECTED, simpler=simple), *[failure(FailureReason.SERVER_ERROR)] * 9]
    assert delivered(RecordingProvider(*errors), under=terms(max_attempts=3)).attempts == 4


# --- mistakes of ours


class Broken(RecordingProvider):
    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> NotificationMessage:
        raise KeyError("no such template, password=hunter2")


def test_a_provider_that_breaks_is_a_result_and_not_the_end_of_the_callback() -> None:
    result = delivered(Broken())
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, FailureReason.INTERNAL, 0)
    assert result.detail.startswith("KeyError: ")
    assert "hunter2" not in result.detail


# --- side by side


class Waiting(RecordingProvider):
    """Answers when ``until`` is set."""

    def __init__(self, until: threading.Event, *answers: Any) -> None:
        super().__init__(*answers)
        self._until = until

    def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
        receipt = super().send(payload, timeout=timeout)
        assert self._until.wait(10)
        return receipt


class Signalling(RecordingProvider):
    """Sets ``then`` when it is asked to send."""

    def __init__(self, then: threading.Event) -> None:
        super().__init__()
        self._then = then

    def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
        self._then.set()
        return super().send(payload, timeout=timeout)


@pytest.mark.parametrize("budget", [None, 9.0])
def test_destinations_do_not_wait_for_each_other(budget: float | None) -> None:
    second_has_begun = threading.Event()
    providers = {EMAIL: Waiting(second_has_begun), SLACK: Signalling(second_has_begun)}
    results = deliver(make_message(), providers, terms(budget=budget))
    assert [(result.destination, result.outcome) for result in results] == [
        (EMAIL, Outcome.DELIVERED),
        (SLACK, Outcome.DELIVERED),
    ]


@pytest.mark.parametrize("budget", [None, 9.0])
def test_one_that_fails_does_not_touch_the_others(budget: float | None) -> None:
    providers = {EMAIL: RecordingProvider(failure(FailureReason.AUTH)), SLACK: RecordingProvider()}
    email, slack = deliver(make_message(), providers, terms(budget=budget))
    assert (email.outcome, email.reason, email.detail) == (Outcome.FAILED, FailureReason.AUTH, "it said no")
    assert slack.outcome is Outcome.DELIVERED


# --- the budget


def test_who_does_not_end_in_time_has_failed_and_the_others_are_told() -> None:
    never = threading.Event()
    providers = {EMAIL: Waiting(never), SLACK: RecordingProvider()}
    email, slack = deliver(make_message(), providers, terms(budget=1.51234))
    never.set()
    assert (email.outcome, email.reason, email.attempts) == (
        Outcome.FAILED,
        FailureReason.BUDGET_EXHAUSTED,
        1,
    )
    assert email.detail == "no answer within the 1.5 s it may take; it may have arrived"
    assert email.ambiguous
    assert slack.outcome is Outcome.DELIVERED


def test_an_abandoned_destination_says_how_often_it_was_tried_and_who_had_been_served() -> None:
    class HangsOnTheRest(RecordingProvider):
        def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
            receipt = super().send(payload, timeout=timeout)
            if len(self.messages) == 2:
                assert ended.wait(10)
            return receipt

    ended = threading.Event()
    provider = HangsOnTheRest(Receipt(deferred={"b": "451"}, remainder=make_message()))
    result = delivered(provider, under=terms(budget=1.5, initial_delay_seconds=0))
    ended.set()
    assert (result.outcome, result.attempts, result.refused) == (Outcome.DELIVERED, 2, {"b": "451"})


@pytest.mark.parametrize(
    ("delay", "attempts"), [pytest.param(60, 1, id="too long a wait"), pytest.param(0, 3, id="none")]
)
def test_an_attempt_that_does_not_fit_is_not_begun(delay: float, attempts: int) -> None:
    clock = FrozenClock()
    provider = RecordingProvider(*[failure(FailureReason.UNREACHABLE)] * 3)
    result = delivered(provider, under=terms(clock, budget=30, initial_delay_seconds=delay))
    assert result.attempts == len(provider.messages) == attempts
    expected = FailureReason.BUDGET_EXHAUSTED if delay else FailureReason.UNREACHABLE
    assert result.reason is expected
    assert "it said no" in result.detail


def test_nothing_is_begun_when_the_budget_is_spent() -> None:
    provider = RecordingProvider()
    result = delivered(provider, under=terms(budget=0))
    assert (result.outcome, result.reason, result.attempts) == (
        Outcome.FAILED,
        FailureReason.BUDGET_EXHAUSTED,
        0,
    )
    assert provider.messages == []


@pytest.mark.parametrize(("budget", "longest"), [(None, 5), (100, 5), (2, 2)])
def test_an_attempt_lasts_at_most_what_is_left(budget: float | None, longest: float) -> None:
    timeouts = []

    class Noting(RecordingProvider):
        def send(self, payload: NotificationMessage, *, timeout: float) -> Receipt[NotificationMessage]:
            timeouts.append(timeout)
            return Receipt()

    delivered(Noting(), under=terms(budget=budget))
    assert longest * 0.5 < timeouts[0] <= longest


def test_waiting_is_logged_and_no_cause_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    delivered(RecordingProvider(DeliveryError(FailureReason.TIMEOUT, "password=hunter2")))
    assert "email: trying again in 1.0 s" in caplog.text
    assert "hunter2" not in caplog.text
