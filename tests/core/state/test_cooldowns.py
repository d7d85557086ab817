from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.state.cooldowns import Cooldown, Cooldowns, cooldown_key
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import make_message

ROW = Cooldown(1_767_000_000.5, NotificationSeverity.ERROR)


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def cooldowns(store: MemoryStateStore, warnings: list[str]) -> Cooldowns:
    return Cooldowns(store, warnings.append)


def test_a_row_that_was_written_is_read(cooldowns: Cooldowns, warnings: list[str]) -> None:
    cooldowns.start(make_message(), ROW)
    assert cooldowns.load(make_message()) == ROW
    assert warnings == []


def test_there_is_no_row_before_one_was_written(cooldowns: Cooldowns, warnings: list[str]) -> None:
    assert cooldowns.load(make_message()) is None
    assert warnings == []


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"tenant_id": "beta"}, id="another tenant"),
        pytest.param({"tenant_id": None}, id="the root"),
        pytest.param({"event": "pipeline_warning"}, id="another event"),
        pytest.param({"pipeline_id": "stock"}, id="another pipeline"),
        pytest.param({"pipeline_id": None}, id="no pipeline"),
        pytest.param({"dedup_key": "orders"}, id="a dedup key"),
    ],
)
def test_another_tenant_event_pipeline_or_dedup_key_has_a_row_of_its_own(
    cooldowns: Cooldowns, other: dict[str, Any]
) -> None:
    cooldowns.start(make_message(), ROW)
    assert cooldowns.load(make_message(**other)) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"pipeline_logging_id": "next run"}, id="another run"),
        pytest.param({"task_id": "extract"}, id="another task"),
        pytest.param({"title": "x", "message": "y", "details": {"a": 1}}, id="another text"),
        pytest.param({"severity": "critical"}, id="another severity"),
    ],
)
def test_repeats_within_a_pipeline_share_a_row(cooldowns: Cooldowns, other: dict[str, Any]) -> None:
    cooldowns.start(make_message(), ROW)
    assert cooldowns.load(make_message(**other)) == ROW


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
        pytest.param('{"v": 1}', id="keys missing"),
        pytest.param('{"v": 2, "delivered_at": 1, "severity": "error"}', id="another version"),
        pytest.param('{"v": 1, "delivered_at": null, "severity": "error"}', id="no time"),
        pytest.param('{"v": 1, "delivered_at": "soon", "severity": "error"}', id="time in words"),
        pytest.param('{"v": 1, "delivered_at": 1%s, "severity": "error"}' % ("0" * 400), id="endless time"),
        pytest.param('{"v": 1, "delivered_at": %s, "severity": "error"}' % ("9" * 5000), id="long number"),
        pytest.param('{"v": 1, "delivered_at": 1, "severity": "bad"}', id="no such severity"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_row_that_makes_no_sense_is_ignored_with_a_warning(
    store: MemoryStateStore, cooldowns: Cooldowns, warnings: list[str], text: str
) -> None:
    store.put(cooldown_key(make_message()), text)
    assert cooldowns.load(make_message()) is None
    [warning] = warnings
    assert cooldown_key(make_message()) in warning


def test_a_row_says_which_version_wrote_it(store: MemoryStateStore, cooldowns: Cooldowns) -> None:
    cooldowns.start(make_message(), ROW)
    [key] = store.keys("cloudact_notify:cooldown:")
    assert json.loads(store.get(key) or "") == {"v": 1, "delivered_at": 1_767_000_000.5, "severity": "error"}


@pytest.mark.parametrize("event", list(NotificationEvent))
def test_the_longest_key_fits_airflows_column(event: NotificationEvent) -> None:
    message = make_message(event=event, tenant_id="t" * 64, pipeline_id="p" * 250, dedup_key="d" * 250)
    assert len(cooldown_key(message)) <= 250
