"""How long a callback may still take, and calls that are not allowed to take longer."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self, TypeVar

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
        self._calls = _CallThread()
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
        """Run a call to a service on a thread of its own, and wait for it no longer than state calls may take.

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
        self._calls.submit(lambda: answer.put(_outcome(function)))
        try:
            succeeded, result = answer.get(timeout=left)
        except queue.Empty:
            self._unanswered = (operation, answer)
            raise OutOfTimeError(f"no answer within {left:.1f} s") from None
        if not succeeded:
            raise result  # type: ignore[misc]
        return result  # type: ignore[return-value]

    def close(self) -> None:
        """Let the thread of the calls end, after the one it may still be in."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _passed(self) -> float:
        return self._clock() - self._started


class _CallThread:
    """A daemon thread, started when it is needed, that runs one call after the other."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[[], None]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="cloudact-notify-state", daemon=True)
            self._thread.start()
        self._calls.put(call)

    def close(self) -> None:
        if self._thread is not None:
            self._calls.put(None)
            self._thread = None

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _outcome(function: Callable[[], T]) -> tuple[bool, object]:
    try:
        return True, function()
    except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread, which raises it
        return False, error
