from __future__ import annotations

import json

import pytest

from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.state.cooldowns import Claim, Cooldown, Cooldowns
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import make_message

KEY = "cloudact_notify:cooldown:acme:pipeline_failure:sales"
MESSAGE = make_message(severity="error", details={"rows": 5}, history=("+3 more",))
CLAIM = Claim("0a1b", 1_767_000_015.0, NotificationSeverity.CRITICAL, MESSAGE)
TOLD = Cooldown(MESSAGE, 1_767_000_000.5, 300, "cloudact_notify:held:acme:0:1")


def told(**keys: object) -> str:
    row = {"v": 2, "told": {"event": "system_error"}, "told_at": 1, "seconds": 1, "counted": ""}
    return json.dumps(row | keys)


def claimed(**keys: object) -> str:
    claim = {"token": "1", "until": 1, "severity": "error", "message": {"event": "system_error"}}
    return json.dumps({"v": 2, "claim": claim | keys})


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cooldowns(store: MemoryStateStore, warnings: list[str]) -> Cooldowns:
    return Cooldowns(store, warnings.append)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(TOLD, id="told"),
        pytest.param(Cooldown(claim=CLAIM), id="claimed for the first time"),
        pytest.param(Cooldown(TOLD.told, TOLD.told_at, 300, TOLD.counted, CLAIM), id="claimed again"),
    ],
)
def test_a_row_that_was_written_is_read(cooldowns: Cooldowns, warnings: list[str], row: Cooldown) -> None:
    cooldowns.save(KEY, row)
    assert cooldowns.load(KEY) == row
    assert warnings == []


def test_there_is_no_row_before_one_was_written_nor_after_it_was_deleted(
    cooldowns: Cooldowns, warnings: list[str]
) -> None:
    assert cooldowns.load(KEY) == Cooldown()
    cooldowns.save(KEY, TOLD)
    cooldowns.delete(KEY)
    assert cooldowns.load(KEY) == Cooldown()
    assert warnings == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="no JSON"),
        pytest.param("null", id="null"),
        pytest.param("5", id="number"),
        pytest.param("[]", id="list"),
        pytest.param('"v"', id="text"),
        pytest.param("{}", id="empty object"),
        pytest.param('{"v": 1, "delivered_at": 1, "severity": "error"}', id="another version"),
        pytest.param('{"v": 2, "told": {}, "told_at": 1}', id="keys missing"),
        pytest.param('{"v": 2, "told": {"event": "nonsense"}, "told_at": 1}', id="no such event"),
        pytest.param(told(told_at=None), id="no time"),
        pytest.param(told(told_at="soon"), id="time in words"),
        pytest.param(told(told_at=10**400), id="endless time"),
        pytest.param(
            '{"v": 2, "told": {"event": "system_error"}, "told_at": %s}' % ("9" * 5000), id="long number"
        ),
        pytest.param('{"v": 2, "claim": null}', id="no claim"),
        pytest.param(claimed(severity="bad"), id="no such severity"),
        pytest.param(claimed(until="soon"), id="lease in words"),
        pytest.param(claimed(message=5), id="claim without a message"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_row_that_makes_no_sense_is_ignored_with_a_warning(
    store: MemoryStateStore, cooldowns: Cooldowns, warnings: list[str], text: str
) -> None:
    store.put(KEY, text)
    assert cooldowns.load(KEY) == Cooldown()
    [warning] = warnings
    assert KEY in warning


def test_a_row_says_which_version_wrote_it(store: MemoryStateStore, cooldowns: Cooldowns) -> None:
    cooldowns.save(KEY, Cooldown(TOLD.told, TOLD.told_at, 300, TOLD.counted, CLAIM))
    row = json.loads(store.get(KEY) or "")
    assert sorted(row) == ["claim", "counted", "seconds", "told", "told_at", "v"]
    assert row["v"] == 2
