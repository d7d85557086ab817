"""How long a callback may still take, and calls that are not allowed to take longer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from airflow_cloudact_notify.core.errors import OutOfTimeError

T = TypeVar("T")

STATE_SHARE = 0.6
"""Part of a budget that state and connection look-ups may use."""
DELIVERY_RESERVE = 4.0
"""Seconds of a budget that are kept for delivery."""


class Budget:
    """A countdown that starts when it is made.

    :param seconds: ``None`` for no limit.
    :param clock: monotonic seconds.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started = clock()

    def remaining(self) -> float:
        """Return the seconds left, never below 0; infinity without a limit."""
        if self.seconds is None:
            return float("inf")
        return max(0.0, self.seconds - (self._clock() - self._started))

    @contextmanager
    def caller(self) -> Iterator[Caller]:
        """Give a way of calling services that respects what is left; without a limit they are called directly."""
        if self.seconds is None:
            yield call_directly
            return
        bounded = BoundedCaller(self)
        try:
            yield bounded
        finally:
            bounded.close()

    def remaining_for_state(self) -> float:
        """Return the seconds that state calls may still use."""
        if self.seconds is None:
            return float("inf")
        share = max(self.seconds * STATE_SHARE, 0.0)
        if self.seconds > DELIVERY_RESERVE:
            share = min(share, self.seconds - DELIVERY_RESERVE)
        return max(0.0, share - (self._clock() - self._started))


class Caller(Protocol):
    """Runs a call to a service we do not control; raises ``OutOfTimeError`` when it takes too long."""

    def __call__(self, operation: str, function: Callable[[], T]) -> T: ...


def call_directly(operation: str, function: Callable[[], T]) -> T:
    """Run ``function`` here, unbounded: for callers without a budget."""
    return function()


class BoundedCaller:
    """Runs calls one after the other on a daemon thread and stops waiting when the budget's state share is used up.

    After the first call that does not return, no other is tried: the service behind them is the same.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._gave_up_on: str | None = None

    def __call__(self, operation: str, function: Callable[[], T]) -> T:
        if self._gave_up_on:
            raise OutOfTimeError(f"not tried, since '{self._gave_up_on}' did not answer")
        left = self._budget.remaining_for_state()
        answer: queue.SimpleQueue[tuple[bool, object]] = queue.SimpleQueue()
        if left > 0:
            self._submit(lambda: answer.put(_outcome(function)))
        try:
            succeeded, result = answer.get(timeout=left) if left > 0 else answer.get_nowait()
        except queue.Empty:
            self._gave_up_on = operation
            raise OutOfTimeError(f"no answer within {left:.1f} s") from None
        if not succeeded:
            raise result  # type: ignore[misc]
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """Let the thread end after the call it may still be in."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _submit(self, call: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=_run_calls, args=(self._calls,), name="cloudact-notify-state", daemon=True
            )
            self._thread.start()
        self._calls.put(call)


def _run_calls(calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()


def _outcome(function: Callable[[], T]) -> tuple[bool, object]:
    try:
        return True, function()
    except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread, which raises it
        return False, error
