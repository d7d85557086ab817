"""Delivery: every destination at once, each tried as often as its configuration and the budget allow."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import NotificationRetryConfig
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider, Outcome
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider, Receipt
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
    """Send a message to all destinations side by side; one that fails does not touch the others.

    Returns when all have ended or the budget has, whichever is first. What is still under way then goes on in a
    daemon thread and counts as failed.
    """
    if len(providers) == 1 and terms.budget.seconds is None:
        return [_deliver_one(message, name, provider, terms) for name, provider in providers.items()]
    ended: queue.SimpleQueue[DeliveryResult] = queue.SimpleQueue()
    for name, provider in providers.items():
        threading.Thread(
            target=lambda name=name, provider=provider: ended.put(
                _deliver_one(message, name, provider, terms)
            ),
            name=f"cloudact-notify-{name}",
            daemon=True,
        ).start()
    results: dict[NotificationProvider, DeliveryResult] = {}
    while len(results) < len(providers):
        left = terms.budget.remaining()
        try:
            result = ended.get(timeout=None if left == float("inf") else left)
        except queue.Empty:
            break
        results[result.destination] = result
    return [results.get(name) or _abandoned(name, terms) for name in providers]


class _Attempts:
    """The attempts at one destination: what is still to be sent, and who was not served."""

    def __init__(self, provider: Provider, payload: Any, terms: Terms) -> None:
        self._provider = provider
        self._payload = payload
        self._terms = terms
        self.number = 0
        self.taken = False
        self._refused: dict[str, str] = {}
        self._deferred: Mapping[str, str] = {}

    def __call__(self) -> Receipt[Any]:
        self.number += 1
        left = self._terms.budget.remaining()
        timeout = max(min(self._terms.timeout_seconds, left), SHORTEST_ATTEMPT)
        receipt = self._provider.send(self._payload, timeout=timeout)
        self.taken = True
        self._refused |= receipt.refused
        self._deferred = receipt.deferred
        self._payload = receipt.remainder
        return receipt

    @property
    def refused(self) -> dict[str, str]:
        """Who was refused for good, or to the last attempt."""
        return {**self._refused, **self._deferred}


def _deliver_one(
    message: NotificationMessage, name: NotificationProvider, provider: Provider, terms: Terms
) -> DeliveryResult:
    started = time.monotonic()
    attempts = _Attempts(provider, None, terms)
    reason, detail = None, ""
    try:
        attempts = _Attempts(provider, provider.render(message), terms)
        _retrying(name, terms)(attempts)
    except DeliveryError as error:
        reason, detail = error.reason, error.detail
        if reason.retryable and attempts.number < terms.retry.max_attempts:
            reason, detail = FailureReason.BUDGET_EXHAUSTED, f"no time for another attempt; {detail}"
    except Exception as error:  # noqa: BLE001 - a mistake of ours is a result too, not the end of the callback
        reason, detail = FailureReason.INTERNAL, f"{type(error).__name__}: {error}"
    secrets = tuple(provider.config.secrets())
    return DeliveryResult(
        destination=name,
        outcome=Outcome.DELIVERED if attempts.taken else Outcome.FAILED,
        reason=None if attempts.taken else reason,
        detail="" if attempts.taken else mask(detail, secrets),
        attempts=attempts.number,
        elapsed_ms=round((time.monotonic() - started) * 1000),
        refused={who: mask(why, secrets) for who, why in attempts.refused.items()},
    )


def _abandoned(name: NotificationProvider, terms: Terms) -> DeliveryResult:
    seconds = terms.budget.seconds or 0.0
    return DeliveryResult(
        destination=name,
        outcome=Outcome.FAILED,
        reason=FailureReason.BUDGET_EXHAUSTED,
        detail=f"no answer within the {seconds:g} s a callback may take",
        attempts=1,
        elapsed_ms=round(seconds * 1000),
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
