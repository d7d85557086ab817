from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.silences import SILENCES, Silences, silence_id
from airflow_cloudact_notify.core.state.store import MemoryStateStore


class Rows:
    def __init__(self) -> None:
        self.store = MemoryStateStore()
        self.warnings: list[str] = []
        self.silences = Silences(self.store, self.warnings.append)


@pytest.fixture
def rows() -> Rows:
    return Rows()


def silence(**keys: Any) -> SilenceConfig:
    defaults = {
        "pipeline": "sales",
        "ends_at": "2026-01-02T06:00:00Z",
        "created_by": "ann",
        "comment": "upgrade",
    }
    return SilenceConfig.model_validate(defaults | keys)


def test_what_was_added_is_there_until_it_is_removed(rows: Rows) -> None:
    one, other = rows.silences.add(silence()), rows.silences.add(silence(pipeline="billing"))
    assert rows.silences.load() == {one: silence(), other: silence(pipeline="billing")}
    rows.silences.remove([one, "unknown"])
    assert list(rows.silences.load()) == [other]
    rows.silences.remove([other])
    assert rows.store.keys("") == []


def test_the_same_silence_twice_is_one(rows: Rows) -> None:
    assert rows.silences.add(silence()) == rows.silences.add(silence()) == silence_id(silence())
    assert len(rows.silences.load()) == 1


def test_only_what_is_over_is_pruned(rows: Rows) -> None:
    end = silence().ends_at.timestamp()
    rows.silences.add(silence())
    kept = rows.silences.add(silence(ends_at="2026-01-02T06:00:01Z"))
    assert rows.silences.prune(end - 1) == 0
    assert rows.silences.prune(end) == 1
    assert list(rows.silences.load()) == [kept]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "null",
        "7",
        '{"v": 1}',
        '{"v": 1, "silences": {}}',
        '{"v": 2, "silences": []}',
        "[" * 9999,
    ],
)
def test_nonsense_silences_nothing_and_is_remarked(rows: Rows, text: str) -> None:
    rows.store.put(SILENCES, text)
    assert rows.silences.load() == {}
    assert len(rows.warnings) == 1
    assert SILENCES in rows.warnings[0]


def test_one_wrong_silence_leaves_the_others(rows: Rows) -> None:
    entries = [{"pipeline": "*"}, silence().model_dump(mode="json")]
    rows.store.put(SILENCES, json.dumps({"v": 1, "silences": entries}))
    assert list(rows.silences.load().values()) == [silence()]
    assert rows.warnings == [f"ignoring silence 1 of {SILENCES}: wrong are ends_at, created_by, comment"]
