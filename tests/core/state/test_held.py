from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_cloudact_notify.core.state.held import (
    MANY,
    HeldKey,
    HeldReports,
    Tally,
    held_prefix,
    parsed,
    uncounted,
)
from airflow_cloudact_notify.core.state.store import MemoryStateStore, short_hash
from airflow_cloudact_notify.testing import make_message

KEY = "cloudact_notify:cooldown:acme:pipeline_failure:sales"
NOW = 1_767_000_000.0


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def held(store: MemoryStateStore) -> HeldReports:
    return HeldReports(store)


def add(held: HeldReports, *times: float) -> list[str]:
    for at in times:
        held.add(KEY, make_message(title=f"failed at {at:g}"), at)
    return held.keys(KEY, "acme")


def test_every_report_has_a_row_of_its_own_even_at_one_instant(held: HeldReports) -> None:
    assert len(set(add(held, NOW, NOW, NOW))) == 3


def test_the_keys_come_in_the_order_of_time(held: HeldReports) -> None:
    assert [parsed(key).at for key in add(held, 20.0, 5.0, 1e9, 100.0)] == [5, 20, 100, 1e9]


def test_the_key_says_when_which_run_and_what_is_broken(held: HeldReports) -> None:
    began = datetime(2026, 1, 1, 7, tzinfo=UTC)
    held.add(KEY, make_message(pipeline_logging_id="r1", run_began_at=began), NOW + 0.25, mark="0a1b2c3d4e5f")
    [key] = held.keys(KEY, "acme")
    assert parsed(key) == HeldKey(NOW + 0.25, short_hash("r1"), "0a1b2c3d4e5f", began.timestamp(), "cooldown")
    held.add(KEY, make_message(message_id="m1", pipeline_logging_id=None), NOW + 1)
    assert parsed(held.keys(KEY, "acme")[1]) == HeldKey(NOW + 1, short_hash("m1"), why="cooldown")


@pytest.mark.parametrize(
    "key", ["", "cloudact_notify:held:x:y:nonsense", "a:b-c-d-e-f-g", "a:1-c-d-x-f-g", "a:1-c-d-1-f"]
)
def test_a_key_that_is_none_of_ours_says_nothing_and_is_not_counted(
    store: MemoryStateStore, held: HeldReports, key: str
) -> None:
    assert parsed(key) == HeldKey()
    store.put(held_prefix(KEY, "acme") + key, "x")
    assert held.keys(KEY, "acme") == []


def test_other_cooldowns_and_tenants_are_not_counted(held: HeldReports) -> None:
    add(held, NOW)
    held.add(KEY + "2", make_message(), NOW)
    held.add(KEY, make_message(tenant_id="beta"), NOW)
    held.add(KEY, make_message(tenant_id=None), NOW)
    assert len(held.keys(KEY, "acme")) == 1
    assert len(held.keys(KEY, None)) == 1


def test_what_was_held_back_is_summed_up(held: HeldReports) -> None:
    keys = add(held, NOW, NOW + 60, NOW + 120)
    assert held.sum_up(keys) == Tally(3, NOW, f"failed at {NOW + 120:g}", keys[2])
    assert held.sum_up([]) is None


def test_what_was_counted_is_not_counted_again(held: HeldReports) -> None:
    keys = add(held, NOW, NOW + 60, NOW + 120)
    assert uncounted(keys, "", NOW + 999) == keys
    assert uncounted(keys, keys[1], NOW + 999) == keys[2:]
    assert uncounted(keys, keys[2], NOW + 999) == []


def test_a_report_is_counted_only_when_no_earlier_one_can_be_on_its_way(held: HeldReports) -> None:
    keys = add(held, NOW, NOW + 60)
    assert uncounted(keys, "", NOW + 60) == keys[:1]
    [late] = set(add(held, NOW + 59)) - set(keys)
    assert uncounted(sorted([*keys, late]), keys[0], NOW + 99) == [late, keys[1]]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "null",
        "[]",
        "{}",
        '{"v": 99, "cooldown": "x", "message": {"event": "system_error"}}',
        "[" * 99_999,
    ],
)
def test_a_row_that_makes_no_sense_counts_all_the_same(
    store: MemoryStateStore, held: HeldReports, text: str
) -> None:
    [key] = add(held, NOW)
    store.put(key, text)
    assert held.read(key) is None
    assert held.sum_up([key]) == Tally(1, NOW, "", key)


def test_a_row_keeps_little_of_a_message_and_no_details(store: MemoryStateStore, held: HeldReports) -> None:
    held.add(KEY, make_message(title="x" * 5000, message="y" * 5000, details={"a": "z" * 5000}), NOW)
    [key] = held.keys(KEY, "acme")
    assert len(store.get(key) or "") < 1000
    about = held.read(key)
    assert about is not None
    assert (about[0], about[1].title) == (KEY, "x" * 300)


@pytest.mark.parametrize(("count", "words"), [(1, "1"), (999, "999"), (MANY, "1,000+"), (20_000, "1,000+")])
def test_a_count_is_told_as_far_as_it_is_kept(count: int, words: str) -> None:
    assert Tally(count, NOW, "", "").words == words
