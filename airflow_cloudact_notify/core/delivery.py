"""Delivery: every destination at once, each tried as often as its configuration and the budget allow."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import tenacity

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import NotificationRetryConfig
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider, Outcome
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    BaseNotificationProvider,
    Parts,
    Receipt,
)
from airflow_cloudact_notify.core.report import DeliveryResult

log = logging.getLogger(__name__)

Provider = BaseNotificationProvider[Any, Any]

SHORTEST_ATTEMPT = 0.5
"""Seconds below which it is not worth starting another attempt."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How to deliver.

    :param timeout_seconds: longest wait on a socket.
    :param sleep: waits between attempts.
    """

    retry: NotificationRetryConfig
    timeout_seconds: float
    budget: Budget
    sleep: Callable[[float], None] = time.sleep


def deliver(
    message: NotificationMessage,
    providers: Mapping[NotificationProvider, Provider],
    terms: Terms,
) -> list[DeliveryResult]:
    """Send a message to all destinations side by side; one that fails does not touch the others."""
    return run(prepare(message, providers, terms), terms.budget)


def prepare(
    message: NotificationMessage,
    providers: Mapping[NotificationProvider, Provider],
    terms: Terms,
    parts: Mapping[NotificationProvider, Parts] = MappingProxyType({}),
) -> list[Delivery]:
    """Render a message for each destination. Nothing is sent yet.

    :param parts: what a custom template made of the message.
    """
    return [
        Delivery(message, name, provider, terms, parts.get(name, NO_PARTS))
        for name, provider in providers.items()
    ]


def run(deliveries: Sequence[Delivery], budget: Budget) -> list[DeliveryResult]:
    """Send what was prepared, all destinations side by side.

    Returns when all have ended or the budget has, whichever is first. What is still under way then goes on in a
    daemon thread and counts as failed, unless some of its recipients had been served.
    """
    if budget.remaining() < SHORTEST_ATTEMPT:
        return [delivery.abandoned() for delivery in deliveries]
    if len(deliveries) == 1 and budget.seconds is None:
        return [deliveries[0].run()]
    return _side_by_side(deliveries, budget)


def _side_by_side(deliveries: Sequence[Delivery], budget: Budget) -> list[DeliveryResult]:
    ended: queue.SimpleQueue[DeliveryResult] = queue.SimpleQueue()
    for delivery in deliveries:
        threading.Thread(
            target=lambda delivery=delivery: ended.put(delivery.run()),
            name=f"cloudact-notify-{delivery.name}",
            daemon=True,
        ).start()
    results: dict[NotificationProvider, DeliveryResult] = {}
    while len(results) < len(deliveries):
        left = budget.remaining()
        try:
            result = ended.get(timeout=None if left == float("inf") else left)
        except queue.Empty:
            break
        results[result.destination] = result
    return [results[d.name] if d.name in results else d.abandoned() for d in deliveries]


class Delivery:
    """One destination's part: what is still to be sent, how often it was tried, and who was not served."""

    def __init__(
        self,
        message: NotificationMessage,
        name: NotificationProvider,
        provider: Provider,
        terms: Terms,
        parts: Parts = NO_PARTS,
    ) -> None:
        self.name = name
        self._provider = provider
        self._terms = terms
        self._started = time.monotonic()
        self._attempts = 0
        self._taken = False
        self._refused: dict[str, str] = {}
        self._deferred: Mapping[str, str] = {}
        self._payload, self._mistake = self._rendered(message, parts)

    def run(self) -> DeliveryResult:
        """Try until it is taken, or trying makes no sense any more."""
        if self._mistake:
            return self._result(FailureReason.INTERNAL, self._mistake)
        try:
            _retrying(self.name, self._terms)(self._attempt)
        except DeliveryError as error:
            if self._out_of_time(error.reason):
                return self._result(
                    FailureReason.BUDGET_EXHAUSTED, f"no time for another attempt; {error.detail}"
                )
            return self._result(error.reason, error.detail)
        except Exception as error:  # noqa: BLE001 - a mistake of ours is a result too, not the end of the callback
            return self._result(FailureReason.INTERNAL, f"{type(error).__name__}: {error}")
        return self._result()

    def abandoned(self) -> DeliveryResult:
        """Return what has come of it when nobody can wait any longer."""
        seconds = self._terms.budget.seconds or 0.0
        why = f"no answer within the {seconds:g} s it may take" if self._attempts else "no time was left"
        return self._result(FailureReason.BUDGET_EXHAUSTED, why)

    def _rendered(self, message: NotificationMessage, parts: Parts) -> tuple[Any, str]:
        """Return the payload, or what went wrong: a mistake of ours is a result too, not the end of the callback."""
        try:
            return self._provider.render(message, parts), ""
        except Exception as error:  # noqa: BLE001
            return None, f"{type(error).__name__}: {error}"

    def _attempt(self) -> Receipt[Any]:
        self._attempts += 1
        left = self._terms.budget.remaining()
        timeout = max(min(self._terms.timeout_seconds, left), SHORTEST_ATTEMPT)
        receipt = self._provider.send(self._payload, timeout=timeout)
        self._taken = True
        self._refused |= receipt.refused
        self._deferred = receipt.deferred
        self._payload = receipt.remainder
        return receipt

    def _out_of_time(self, reason: FailureReason) -> bool:
        """Whether it was the budget, not the configuration, that ended the attempts or cut the last one short."""
        if reason is FailureReason.TIMEOUT and self._terms.budget.remaining() <= 0:
            return True
        return reason.retryable and self._attempts < self._terms.retry.max_attempts

    def _result(self, reason: FailureReason | None = None, detail: str = "") -> DeliveryResult:
        secrets = tuple(self._provider.config.secrets())
        # Who was refused for good, and who to the last attempt.
        refused = {**self._refused, **self._deferred}
        return DeliveryResult(
            destination=self.name,
            outcome=Outcome.DELIVERED if self._taken else Outcome.FAILED,
            reason=None if self._taken else reason,
            detail="" if self._taken else mask(detail, secrets),
            attempts=self._attempts,
            elapsed_ms=round((time.monotonic() - self._started) * 1000),
            refused={who: mask(why, secrets) for who, why in refused.items()},
        )


def _retrying(name: NotificationProvider, terms: Terms) -> tenacity.Retrying:
    def worth_another(error: BaseException) -> bool:
        return isinstance(error, DeliveryError) and error.reason.retryable

    enough_attempts = tenacity.stop_after_attempt(terms.retry.max_attempts)

    def out_of_time(state: tenacity.RetryCallState) -> bool:
        return state.upcoming_sleep + SHORTEST_ATTEMPT > terms.budget.remaining()

    def last_word(state: tenacity.RetryCallState) -> Any:
        return state.outcome.result() if state.outcome else None

    def tell(state: tenacity.RetryCallState) -> None:
        log.info("%s: trying again in %.1f s", name, state.upcoming_sleep)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_another)
        | tenacity.retry_if_result(lambda receipt: receipt.remainder is not None),
        stop=lambda state: enough_attempts(state) or out_of_time(state),
        wait=_wait(terms.retry),
        sleep=terms.sleep,
        before_sleep=tell,
        retry_error_callback=last_word,
    )


def _wait(retry: NotificationRetryConfig) -> Callable[[tenacity.RetryCallState], float]:
    """Return full jitter, or a fixed delay; a server's own wish goes first, up to the longest delay allowed."""
    usual: Callable[[tenacity.RetryCallState], float]
    if retry.exponential_backoff:
        usual = tenacity.wait_random_exponential(
            multiplier=retry.initial_delay_seconds, max=retry.max_delay_seconds
        )
    else:
        usual = tenacity.wait_fixed(retry.initial_delay_seconds)

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, DeliveryError) else None
        return min(usual(state) if asked is None else asked, retry.max_delay_seconds)

    return wait
