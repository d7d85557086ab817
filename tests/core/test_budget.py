from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.errors import OutOfTimeError
from airflow_cloudact_notify.testing import FrozenClock

FOREVER = float("inf")


def test_what_passed_before_it_was_made_counts_when_it_is_told_of() -> None:
    clock = FrozenClock()
    began = clock()
    clock.advance(3)

    assert Budget(10, clock, began).remaining() == 7


def test_no_limit_never_runs_out() -> None:
    clock = FrozenClock()
    budget = Budget(None, clock)
    clock.advance(1_000_000)
    assert (budget.remaining(), budget.remaining_for_state()) == (FOREVER, FOREVER)


@pytest.mark.parametrize(("passed", "left"), [(0, 10), (4, 6), (10, 0), (99, 0)])
def test_what_remains_shrinks_and_is_never_negative(passed: float, left: float) -> None:
    clock = FrozenClock()
    budget = Budget(10, clock)
    clock.advance(passed)
    assert budget.remaining() == left


@pytest.mark.parametrize(
    ("seconds", "for_state"),
    [
        pytest.param(10, 6, id="sixty percent"),
        pytest.param(30, 18, id="sixty percent of more"),
        pytest.param(5, 1, id="what delivery's four seconds leave"),
        pytest.param(2, 1.2, id="sixty percent when four seconds are not there"),
        pytest.param(0, 0, id="nothing"),
    ],
)
def test_state_may_use_its_share(seconds: float, for_state: float) -> None:
    assert Budget(seconds, FrozenClock()).remaining_for_state() == pytest.approx(for_state)


def test_states_share_is_counted_from_the_beginning() -> None:
    clock = FrozenClock()
    budget = Budget(10, clock)
    clock.advance(5)
    assert budget.remaining_for_state() == pytest.approx(1)
    clock.advance(5)
    assert budget.remaining_for_state() == 0


def test_after_delivery_state_may_use_all_that_is_left() -> None:
    clock = FrozenClock()
    budget = Budget(10, clock)
    clock.advance(7)
    assert budget.remaining_for_state() == 0
    budget.end_delivery()
    assert budget.remaining_for_state() == pytest.approx(3)


@pytest.mark.parametrize("seconds", [None, 5.0])
def test_a_call_returns_or_raises_what_the_function_does(seconds: float | None) -> None:
    def fail() -> None:
        raise ZeroDivisionError("by zero")

    budget = Budget(seconds)
    assert budget.call("count", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError, match="by zero"):
        budget.call("divide", fail)
    assert budget.call("count again", lambda: 4) == 4


def test_without_a_limit_calls_run_in_the_callers_thread() -> None:
    budget = Budget()
    assert budget.call("who", threading.get_ident) == threading.get_ident()


def test_with_a_limit_calls_run_beside_the_callers_thread() -> None:
    assert Budget(5).call("who", threading.get_ident) != threading.get_ident()


def test_after_a_call_that_does_not_return_no_other_is_tried() -> None:
    never = threading.Event()
    budget = Budget(0.1, FrozenClock())
    with pytest.raises(OutOfTimeError, match=r"no answer within 0\.1 s"):
        budget.call("read the row", never.wait)
    with pytest.raises(OutOfTimeError, match="not tried, since 'read the row' did not answer"):
        budget.call("write the row", pytest.fail)
    never.set()


def test_a_late_answer_shows_that_the_service_is_there() -> None:
    clock, answered, returned = FrozenClock(), threading.Event(), threading.Event()

    def slow() -> None:
        answered.wait(10)
        returned.set()

    budget = Budget(4.1, clock)
    with pytest.raises(OutOfTimeError, match="no answer"):
        budget.call("read the row", slow)
    answered.set()
    returned.wait(10)
    budget.end_delivery()
    assert eventually(lambda: budget.call("write the row", lambda: "written")) == "written"


def eventually(attempt: Callable[[], str]) -> str | None:
    """Try until it works: an answer is handed over right after its function has returned."""
    for _ in range(1000):
        with contextlib.suppress(OutOfTimeError):
            return attempt()
        time.sleep(0.001)
    return None


def test_no_call_is_made_when_the_share_is_used_up() -> None:
    clock = FrozenClock()
    budget = Budget(10, clock)
    clock.advance(7)
    with pytest.raises(OutOfTimeError, match="used up"):
        budget.call("read the row", pytest.fail)
