"""What the state is asked before a message goes, what it is told afterwards, and that neither can hold a message up."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core.bookkeeping import Bookkeeping
from airflow_cloudact_notify.core.enums import Lifecycle, NotificationSeverity, SuppressionReason
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import make_message

NOW = 1_767_000_000.0
ERROR = NotificationSeverity.ERROR


class Spied(MemoryStateStore):
    """Lists what it is asked: the call and the kind of row."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def get(self, key: str) -> str | None:
        self.calls.append(f"get {key.split(':')[1]}")
        return super().get(key)

    def put(self, key: str, value: str) -> None:
        self.calls.append(f"put {key.split(':')[1]}")
        super().put(key, value)


class Down(MemoryStateStore):
    """Answers nothing; with ``read_only`` it answers what it is asked."""

    def __init__(self, *, read_only: bool = False) -> None:
        super().__init__()
        self.read_only = read_only

    def get(self, key: str) -> str | None:
        if self.read_only:
            return None
        raise StateUnavailable(f"read {key}", "no answer")

    def put(self, key: str, value: str) -> None:
        raise StateUnavailable(f"write {key}", "no answer")


def failure(**fields: Any) -> NotificationMessage:
    known = {"lifecycle": Lifecycle.FAILURE, "occasion": "the first try", "severity": "error"}
    return make_message(**known | fields)


def plan(cooldown_seconds: int = 0, **fields: Any) -> Plan:
    return Plan(**{"severity": ERROR, "cooldown_seconds": cooldown_seconds} | fields)


@pytest.fixture
def store() -> Spied:
    return Spied()


@pytest.fixture
def remarks() -> list[str]:
    return []


@pytest.fixture
def books(store: Spied, remarks: list[str]) -> Bookkeeping:
    return Bookkeeping(store, remarks.append, lambda _: None)


def reason(held: Held | None) -> SuppressionReason | None:
    return held.reason if held else None


def test_an_occasion_that_was_told_is_not_told_again_even_without_a_cooldown(books: Bookkeeping) -> None:
    assert books.holds(failure(), plan(), NOW) is None
    books.delivered(failure(), plan(), NOW)

    assert reason(books.holds(failure(), plan(), NOW + 1e6)) is SuppressionReason.ALREADY_TOLD
    assert books.holds(failure(occasion="the second try"), plan(), NOW) is None


def test_the_cooldown_is_looked_at_first_and_the_rest_only_when_it_is_free(
    books: Bookkeeping, store: Spied
) -> None:
    books.delivered(failure(), plan(300), NOW)
    store.calls.clear()

    assert reason(books.holds(failure(), plan(300), NOW + 1)) is SuppressionReason.COOLDOWN
    assert store.calls == ["get cooldown"]
    assert reason(books.holds(failure(), plan(300), NOW + 301)) is SuppressionReason.ALREADY_TOLD
    assert store.calls == ["get cooldown", "get cooldown", "get incident"]


def test_a_runs_failure_is_held_back_after_a_tasks_however_long_after(books: Bookkeeping) -> None:
    books.delivered(failure(event="data_quality_failure"), plan(300), NOW)

    of_run = failure(task_id=None, occasion="the end of the run")
    held = books.holds(of_run, plan(300), NOW + 1e6)
    assert held == Held(SuppressionReason.ALREADY_TOLD, "a task of this run has told of its failure")
    other = failure(task_id=None, occasion="another end", pipeline_logging_id="another run")
    assert books.holds(other, plan(300), NOW + 1e6) is None


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(failure(severity="info"), id="info"),
        pytest.param(make_message(event="pipeline_success"), id="an explicit call"),
        pytest.param(make_message(), id="an explicit call of a failure"),
    ],
)
def test_info_and_explicit_calls_without_a_cooldown_cost_no_state(
    books: Bookkeeping, store: Spied, message: NotificationMessage
) -> None:
    assert books.holds(message, plan(), NOW) is None
    books.delivered(message, plan(), NOW)
    books.retried(message, plan())

    assert store.calls == []


def test_a_retry_is_kept_for_the_end_of_its_run(books: Bookkeeping) -> None:
    end = make_message(event="pipeline_success", task_id=None)
    assert not books.has_retried(end)

    books.retried(failure(lifecycle=Lifecycle.RETRY), plan())

    assert books.has_retried(end)
    assert not books.has_retried(end.model_copy(update={"pipeline_logging_id": "another run"}))
    assert not books.has_retried(end.model_copy(update={"clear_number": 1}))


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        pytest.param(SuppressionReason.SWITCHED_OFF, False, id="all is switched off"),
        pytest.param(SuppressionReason.NOTHING_ENABLED, False, id="nothing is enabled"),
        pytest.param(SuppressionReason.EVENT_OFF, True, id="warnings are off"),
        pytest.param(SuppressionReason.NOT_ROUTED, True, id="nobody asked"),
    ],
)
def test_a_retry_that_is_not_told_is_kept_where_anything_is_told(
    books: Bookkeeping, store: Spied, held: SuppressionReason, kept: bool
) -> None:
    books.retried(failure(lifecycle=Lifecycle.RETRY), plan(held=Held(held, "why")))

    assert books.has_retried(failure()) is kept
    assert ("put incident" in store.calls) is kept


@pytest.mark.parametrize(
    "store", [pytest.param(Down(), id="down"), pytest.param(Down(read_only=True), id="read-only")]
)
def test_a_state_that_does_not_answer_holds_nothing_back_and_is_remarked(store: Down) -> None:
    remarks: list[str] = []
    books = Bookkeeping(store, remarks.append, lambda _: None)

    assert books.holds(failure(), plan(300), NOW) is None
    books.delivered(failure(), plan(300), NOW)
    books.retried(failure(lifecycle=Lifecycle.RETRY), plan(300))
    assert books.has_retried(failure()) is False

    said = " ".join(remarks)
    assert ("sent without looking at what was told before" in said) is not store.read_only
    assert "what was told could not be kept, so it may be told again" in said
    assert "the retry could not be kept for the end of the run" in said
    assert ("whether tasks were retried is not known" in said) is not store.read_only
