"""How long a callback may still take, and calls that are not allowed to take longer."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from airflow_cloudact_notify.core import threads
from airflow_cloudact_notify.core.errors import OutOfTimeError

T = TypeVar("T")

STATE_SHARE = 0.6
"""Part of a budget that state and connection look-ups may use."""
DELIVERY_RESERVE = 4.0
"""Seconds of a budget that are kept for delivery, until it is over."""

_Answer = queue.SimpleQueue[tuple[bool, object]]


class Caller(Protocol):
    """Runs a call to a service we do not control; raises ``OutOfTimeError`` when it takes too long."""

    def __call__(self, operation: str, function: Callable[[], T]) -> T: ...


def call_directly(operation: str, function: Callable[[], T]) -> T:
    """Run ``function`` here, unbounded: for callers without a budget."""
    return function()


class Budget:
    """A countdown, and the calls that are made within it.

    :param seconds: ``None`` for no limit.
    :param clock: monotonic seconds.
    :param began: when it started, by the clock; left out, now.
    """

    def __init__(
        self,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        began: float | None = None,
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started = clock() if began is None else began
        self._delivery_is_over = False
        self._unanswered: tuple[str, _Answer] | None = None

    def remaining(self) -> float:
        """Return the seconds left, never below 0; infinity without a limit."""
        if self.seconds is None:
            return float("inf")
        return max(0.0, self.seconds - self._passed())

    def part(self, share: float) -> Budget:
        """Return a countdown of its own that ends when this share of what is left is used."""
        return self if self.seconds is None else Budget(self.remaining() * share, self._clock)

    def remaining_for_state(self) -> float:
        """Return the seconds that state calls may still use: their share, and all that is left after delivery."""
        if self.seconds is None or self._delivery_is_over:
            return self.remaining()
        share = max(self.seconds * STATE_SHARE, 0.0)
        if self.seconds > DELIVERY_RESERVE:
            share = min(share, self.seconds - DELIVERY_RESERVE)
        return max(0.0, share - self._passed())

    def end_delivery(self) -> None:
        """Give what was kept for delivery to the state calls that follow it."""
        self._delivery_is_over = True

    def call(self, operation: str, function: Callable[[], T]) -> T:
        """Run a call to a service beside this thread, and wait for it no longer than state calls may take.

        After a call that has not returned no other is tried, until it has: the service behind them is the same.

        :raises OutOfTimeError: when the call did not return in time, or was not tried.
        """
        if self.seconds is None:
            return function()
        if self._unanswered and self._unanswered[1].empty():
            raise OutOfTimeError(f"not tried, since '{self._unanswered[0]}' did not answer")
        left = self.remaining_for_state()
        if left <= 0:
            raise OutOfTimeError("not tried, since the time for it is used up")
        answer: _Answer = queue.SimpleQueue()
        threads.run(lambda: answer.put(_outcome(function)))
        try:
            succeeded, result = answer.get(timeout=left)
        except queue.Empty:
            self._unanswered = (operation, answer)
            raise OutOfTimeError(f"no answer within {left:.1f} s") from None
        if not succeeded:
            raise result  # type: ignore[misc]
        return result  # type: ignore[return-value]

    def _passed(self) -> float:
        return self._clock() - self._started


def _outcome(function: Callable[[], T]) -> tuple[bool, object]:
    try:
        return True, function()
    except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread, which raises it
        return False, error
