from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget, call_directly
from airflow_cloudact_notify.core.errors import OutOfTimeError, StateUnavailable
from airflow_cloudact_notify.core.state.store import (
    BoundedStateStore,
    MemoryStateStore,
    StateStore,
    read_row,
    row_key,
)

AIRFLOWS_LIMIT = 250
"""Characters of the column ``variable.key``."""


def test_the_last_write_wins() -> None:
    store = MemoryStateStore()
    store.put("a", "1")
    store.put("a", "2")
    assert store.get("a") == "2"


def test_what_is_not_there_is_none_and_may_be_deleted() -> None:
    store = MemoryStateStore()
    store.delete("a")
    assert store.get("a") is None
    store.put("a", "1")
    store.delete("a")
    assert store.get("a") is None


def test_keys_are_found_by_their_beginning() -> None:
    store = MemoryStateStore()
    for key in ("a:1", "a:2", "b:1"):
        store.put(key, "")
    assert sorted(store.keys("a:")) == ["a:1", "a:2"]


def test_when_there_are_too_many_rows_the_one_written_longest_ago_goes() -> None:
    store = MemoryStateStore(max_rows=2)
    store.put("a", "")
    store.put("b", "")
    store.put("a", "")
    store.put("c", "")
    assert sorted(store.keys("")) == ["a", "c"]


def test_a_key_of_safe_parts_can_be_read() -> None:
    assert row_key("cooldown", "acme", "pipeline_failure", "sales.daily-1") == (
        "cloudact_notify:cooldown:acme:pipeline_failure:sales.daily-1"
    )


@pytest.mark.parametrize(
    "part",
    [
        pytest.param("a/b", id="slash"),
        pytest.param("a:b", id="separator"),
        pytest.param("a b\n", id="white space"),
        pytest.param("été 完了", id="unicode"),
        pytest.param("a___b", id="what multi-team mode refuses"),
        pytest.param("%2e%2e", id="percent"),
        pytest.param("x" * 5000, id="long"),
        pytest.param("", id="empty"),
        pytest.param("\x00", id="NUL"),
    ],
)
def test_an_unsafe_part_is_replaced_by_a_safe_one(part: str) -> None:
    key = row_key("cooldown", part)
    assert key.isascii()
    assert key.isprintable()
    assert not set(key) & set(" /%\\?#")
    assert "___" not in key
    assert key.count(":") == 2
    assert key == row_key("cooldown", part)


def test_different_parts_give_different_keys() -> None:
    parts = [("a", "b"), ("a:b",), ("a_b",), ("a/b",), ("a b",), ("a-b",), ("x" * 100,), ("x" * 101,)]
    assert len({row_key("cooldown", *these) for these in parts}) == len(parts)


@pytest.mark.parametrize("length", [63, 64, 65, 5000])
def test_the_longest_key_fits_airflows_column(length: int) -> None:
    part = "x" * length
    assert len(row_key("cooldown", part, "data_quality_failure", part, part)) <= AIRFLOWS_LIMIT


class Failing:
    """A store that answers nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any) -> Any:
            raise self._error

        return fail


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda store: store.get("k"), id="get"),
        pytest.param(lambda store: store.put("k", "v"), id="put"),
        pytest.param(lambda store: store.delete("k"), id="delete"),
        pytest.param(lambda store: store.keys("k"), id="keys"),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        pytest.param(StateUnavailable("read k", "no database"), id="says so itself"),
        pytest.param(OutOfTimeError("no answer within 1 s"), id="no time"),
        pytest.param(RuntimeError("postgresql://bob:hunter2@db/x is down"), id="unexpected"),
    ],
)
def test_whatever_a_store_does_is_told_as_unavailable_state(operation: Any, error: Exception) -> None:
    store: StateStore = BoundedStateStore(Failing(error), call_directly)  # type: ignore[arg-type]
    with pytest.raises(StateUnavailable) as caught:
        operation(store)
    assert "hunter2" not in str(caught.value)


def test_a_bounded_store_passes_on_what_the_inner_one_says() -> None:
    inner = MemoryStateStore()
    budget = Budget(10)
    store = BoundedStateStore(inner, budget.call)
    store.put("a", "1")
    assert store.get("a") == inner.get("a") == "1"
    assert store.keys("") == ["a"]
    store.delete("a")
    assert inner.keys("") == []


@pytest.mark.parametrize(
    ("text", "read", "warnings"),
    [
        pytest.param(None, None, [], id="none, or one that was just deleted"),
        pytest.param('{"v": 2, "name": "a"}', "a", [], id="a row"),
        pytest.param(
            '{"v": 1, "name": "a"}', None, ["it was written by another version"], id="another version"
        ),
        pytest.param('{"v": 2}', None, ["its content is not a name"], id="something is missing"),
        pytest.param("[]", None, ["its content is not a name"], id="another shape"),
        pytest.param("[" * 9999, None, ["its content is not a name"], id="nested too deeply"),
    ],
)
def test_a_row_that_makes_no_sense_is_none_and_is_warned_of(
    text: str | None, read: str | None, warnings: list[str]
) -> None:
    store, warned = MemoryStateStore(), list[str]()
    if text is not None:
        store.put("key", text)
    assert read_row(store, "key", 2, lambda row: str(row["name"]), "a name", warned.append) == read
    assert warned == [f"ignoring key: {warning}" for warning in warnings]
