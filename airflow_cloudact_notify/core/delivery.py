"""Delivery: every destination at once, each tried as often as its configuration and the budget allow."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import tenacity

from airflow_cloudact_notify.core import pacing, threads
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import NotificationRetryConfig
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationProvider,
    NotificationSeverity,
    Outcome,
)
from airflow_cloudact_notify.core.errors import MAY_HAVE_ARRIVED, DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import (
    NO_PARTS,
    Parts,
    Provider,
    Receipt,
)
from airflow_cloudact_notify.core.report import DeliveryResult

log = logging.getLogger(__name__)

SHORTEST_ATTEMPT = 0.5
"""Seconds below which it is not worth starting another attempt."""
NO_TIME = "no time for another attempt"


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


def warm_up(deliveries: Sequence[Delivery]) -> None:
    """Do what takes a process's first delivery time: for a sender that has to wait anyway."""
    for delivery in deliveries:
        # What goes wrong goes wrong again in the attempt, which tells of it.
        with contextlib.suppress(Exception):
            delivery.warm_up()


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
        threads.run(partial(_run, delivery, ended))
    results: dict[NotificationProvider, DeliveryResult] = {}
    while len(results) < len(deliveries):
        left = budget.remaining()
        try:
            result = ended.get(timeout=None if left == float("inf") else left)
        except queue.Empty:
            break
        results[result.destination] = result
    return [results[d.name] if d.name in results else d.abandoned() for d in deliveries]


def _run(delivery: Delivery, ended: queue.SimpleQueue[DeliveryResult]) -> None:
    ended.put(delivery.run())


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
        self._matters = message.effective_severity >= NotificationSeverity.ERROR
        self._started = time.monotonic()
        self._attempts = 0
        self._unanswered = 0
        self._taken = False
        self._out_of_time = False
        self._simplified = ""
        self._refused: dict[str, str] = {}
        self._deferred: Mapping[str, str] = {}
        self._payload, self._mistake = self._rendered(message, parts)

    def warm_up(self) -> None:
        """Let the provider do what its first attempt in this process would spend time on."""
        self._provider.warm_up()

    def run(self) -> DeliveryResult:
        """Try until it is taken, or trying makes no sense any more."""
        if self._mistake:
            return self._result(FailureReason.INTERNAL, self._mistake)
        try:
            self._retrying()(self._attempt)
        except DeliveryError as error:
            return self._ended(error.reason, pacing.told(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours is a result too, not the end of the callback
            return self._result(FailureReason.INTERNAL, f"{type(error).__name__}: {error}")
        if self._taken and not self._deferred:
            return self._result()
        reason = FailureReason.SERVER_ERROR if self._deferred else FailureReason.RECIPIENTS_REFUSED
        return self._ended(reason, "" if self._taken else "every recipient was refused")

    def abandoned(self) -> DeliveryResult:
        """Return what has come of it when nobody can wait any longer."""
        seconds = self._terms.budget.seconds or 0.0
        if not self._attempts:
            return self._result(FailureReason.BUDGET_EXHAUSTED, "no time was left")
        self._unanswered += 1
        return self._result(
            FailureReason.BUDGET_EXHAUSTED,
            f"no answer within the {round(seconds, 1):g} s it may take; it {MAY_HAVE_ARRIVED}",
        )

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
        log.debug("%s: attempt %d, waiting for at most %.3g s", self.name, self._attempts, timeout)
        try:
            receipt = self._provider.send(self._payload, timeout=timeout)
        except DeliveryError as error:
            why = mask(str(error), tuple(self._provider.config.secrets()))
            log.debug("%s: attempt %d failed: %s", self.name, self._attempts, why)
            self._unanswered += error.ambiguous
            if error.simpler is not None:
                self._payload, self._simplified = error.simpler, error.detail
            raise
        log.debug("%s: attempt %d was answered", self.name, self._attempts)
        self._taken |= receipt.taken
        self._refused |= receipt.refused
        self._deferred = receipt.deferred
        self._payload = receipt.remainder
        return receipt

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=self._is_worth_another,
            stop=self._is_enough,
            wait=pacing.wait(self._terms.retry),
            sleep=self._terms.sleep,
            before_sleep=self._tell,
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )

    def _is_worth_another(self, state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, DeliveryError):
            return pacing.is_worth_another(error, matters=self._matters, unanswered=self._unanswered)
        return error is None and self._payload is not None

    def _is_enough(self, state: tenacity.RetryCallState) -> bool:
        # A simpler form costs nobody a wait, and comes once: it is not one of the attempts that are counted.
        if self._attempts - bool(self._simplified) >= self._terms.retry.max_attempts:
            return True
        self._out_of_time = state.upcoming_sleep + SHORTEST_ATTEMPT > self._terms.budget.remaining()
        return self._out_of_time

    def _tell(self, state: tenacity.RetryCallState) -> None:
        log.info("%s: trying again in %.1f s", self.name, state.upcoming_sleep)

    def _ended(self, reason: FailureReason, detail: str) -> DeliveryResult:
        """Return how it ended without an answer that is a yes for everybody."""
        is_final = not reason.retryable
        # It may be the budget that cut the last attempt short.
        cut_short = reason is FailureReason.TIMEOUT and self._terms.budget.remaining() <= 0
        if self._out_of_time or cut_short:
            reason = FailureReason.BUDGET_EXHAUSTED
            detail = "; ".join(filter(None, (NO_TIME, detail)))
        if self._taken and detail:
            self._deferred = {who: f"{why}, then {detail}" for who, why in self._deferred.items()}
        if is_final:
            self._refused, self._deferred = {**self._refused, **self._deferred}, {}
        return self._result(reason, detail)

    def _result(self, reason: FailureReason | None = None, detail: str = "") -> DeliveryResult:
        secrets = tuple(self._provider.config.secrets())
        if self._taken:
            reason, detail = None, self._reservations()
        elif self._unanswered and MAY_HAVE_ARRIVED not in detail:
            detail = f"{detail}; an attempt before had no answer: it {MAY_HAVE_ARRIVED}"
        # Who was refused for good, and who to the last attempt.
        refused = {**self._refused, **self._deferred}
        return DeliveryResult(
            destination=self.name,
            outcome=Outcome.DELIVERED if self._taken else Outcome.FAILED,
            reason=reason,
            detail=mask(detail, secrets),
            attempts=self._attempts,
            elapsed_ms=round((time.monotonic() - self._started) * 1000),
            refused={who: mask(why, secrets) for who, why in refused.items()},
            deferred=tuple(self._deferred),
            ambiguous=self._unanswered > 0,
        )

    def _reservations(self) -> str:
        """Return what is to be said of a delivery that was one."""
        simplified = f"in a simpler form, since {self._simplified}" if self._simplified else ""
        twice = f"an attempt before had no answer: it {MAY_HAVE_ARRIVED} twice" if self._unanswered else ""
        return "; ".join(filter(None, (simplified, twice)))
