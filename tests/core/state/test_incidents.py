from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_cloudact_notify.core.state.incidents import (
    MAX_ENTRIES,
    MAX_WRITES,
    Incident,
    Incidents,
    incident_key,
)
from airflow_cloudact_notify.core.state.outages import MAX_RUNS, Outage, OutageRows, outage_key
from airflow_cloudact_notify.core.state.store import MemoryStateStore, short_hash
from airflow_cloudact_notify.testing import make_message

NOW = 1_767_000_000.0
NONSENSE = [
    "",
    "nonsense",
    "null",
    "5",
    "[]",
    "{}",
    '{"v": 99}',
    '{"v": 1}',
    '{"v": 2}',
    '{"v": 2, "tenant_id": null, "pipeline_id": null, "told": 5, "runs": [], "retried": [], "written_at": 1}',
    '{"v": 1, "tenant_id": null, "pipeline_id": "x", "task_id": null, "since": "soon"}',
    "[" * 99_999,
]


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def incidents(store: MemoryStateStore, warnings: list[str]) -> Incidents:
    return Incidents(store, warnings.append)


@pytest.fixture
def outages(store: MemoryStateStore, warnings: list[str]) -> OutageRows:
    return OutageRows(store, warnings.append)


def test_what_was_told_of_a_pipeline_is_read_again(incidents: Incidents) -> None:
    incidents.keep(
        make_message(),
        lambda row: row.with_told("try 1 of load").with_run("r1").with_retried("r2"),
        NOW,
        alone=True,
    )
    read = incidents.load(make_message(task_id="other"))
    assert read.has_told("try 1 of load")
    assert read.has_told_of_run("r1")
    assert read.has_retried("r2")
    assert not any((read.has_told("try 2 of load"), read.has_told_of_run("r2"), read.has_retried("r1")))
    assert read.written_at == NOW
    assert not incidents.load(make_message(pipeline_id="stock")).told
    assert not incidents.load(make_message(tenant_id="beta")).told


def test_a_row_remembers_the_newest() -> None:
    incident = Incident()
    for number in range(MAX_ENTRIES + 1):
        incident = incident.with_told(str(number)).with_told("again and again")
    assert len(incident.told) == MAX_ENTRIES
    assert incident.has_told(str(MAX_ENTRIES))
    assert not incident.has_told("0")


def test_what_is_forgotten_is_gone(
    store: MemoryStateStore, incidents: Incidents, outages: OutageRows
) -> None:
    incidents.keep(make_message(), lambda row: row.with_told("try 1"), NOW, alone=True)
    incidents.delete("acme", "sales")
    outages.save(Outage("acme", "sales", None, NOW))
    outages.delete(Outage("acme", "sales", None, NOW))
    assert store.keys("") == []


@pytest.mark.parametrize("text", NONSENSE)
def test_an_incident_that_makes_no_sense_is_ignored_with_a_warning(
    store: MemoryStateStore, incidents: Incidents, warnings: list[str], text: str
) -> None:
    key = incident_key("acme", "sales")
    store.put(key, text)
    assert incidents.load(make_message()) == Incident("acme", "sales")
    [warning] = warnings
    assert key in warning


@pytest.mark.parametrize("text", NONSENSE)
def test_an_outage_that_makes_no_sense_is_ignored_with_a_warning(
    store: MemoryStateStore, outages: OutageRows, warnings: list[str], text: str
) -> None:
    key = outage_key("acme", "sales", None)
    store.put(key, text)
    assert outages.read(key) is None
    [warning] = warnings
    assert key in warning


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant_id": 5},
        {"tenant_id": "other"},
        {"pipeline_id": ["sales"]},
        {"task_id": "\ud800"},
        {"last_run_at": float("nan")},
        {"last_run_at": float("inf")},
    ],
)
def test_an_outage_that_cannot_be_its_keys_or_in_time_is_ignored_with_a_warning(
    store: MemoryStateStore, outages: OutageRows, warnings: list[str], wrong: dict[str, Any]
) -> None:
    outage = Outage("acme", "sales", None, NOW)
    outages.save(outage)
    store.put(outage.key, json.dumps(json.loads(store.get(outage.key) or "") | wrong))
    assert outages.read(outage.key) is None
    [warning] = warnings
    assert outage.key in warning


def test_an_outage_is_read_as_it_was_written(outages: OutageRows, warnings: list[str]) -> None:
    outage = Outage("acme", "sales", "load", NOW, NOW - 9, ("email", "slack"), ("a",), ("key",), NOW + 1)
    outages.save(outage)
    assert outages.read(outage.key) == outage
    assert outage.mark == short_hash(outage.key)
    assert outages.read(outage_key("acme", "sales", None)) is None
    assert warnings == []


def test_tasks_that_fail_at_one_instant_do_not_write_the_same_row(outages: OutageRows) -> None:
    for task_id in (None, "load", "extract"):
        outages.save(Outage("acme", "sales", task_id, NOW))
    outages.save(Outage("acme", "sales2", None, NOW))
    outages.save(Outage(None, "sales", None, NOW))
    assert len(outages.of_pipeline("acme", "sales")) == 3


def test_an_outage_remembers_the_newest_runs(outages: OutageRows) -> None:
    outage = Outage("acme", "sales", None, NOW, failed=tuple(map(str, range(MAX_RUNS + 5))))
    outages.save(outage)
    read = outages.read(outage.key)
    assert read is not None
    assert read.failed == outage.failed[5:]


# --- others at the same instant


def told(store: MemoryStateStore, run: str, sleep: Callable[[float], None]) -> None:
    Incidents(store, print, sleep).keep(make_message(), lambda row: row.with_run(run), NOW, alone=False)


def test_an_entry_that_another_reporter_has_overwritten_is_written_once_more() -> None:
    store, others = MemoryStateStore(), MemoryStateStore()
    told(others, "other run", lambda _: None)
    key = incident_key("acme", "sales")
    moments = iter([others.get(key)])

    def overwritten_once(_: float) -> None:
        """Stand for a reporter that had read the row before ours was in it."""
        if (row := next(moments, None)) is not None:
            store.put(key, row)

    told(store, "own run", overwritten_once)

    incident = Incidents(store, print).load(make_message())
    assert incident.has_told_of_run("own run")
    assert incident.has_told_of_run("other run")


def test_a_row_that_never_keeps_what_is_written_does_not_keep_its_reporter() -> None:
    store = MemoryStateStore()
    sleeps: list[float] = []

    def lost(seconds: float) -> None:
        sleeps.append(seconds)
        store.delete(incident_key("acme", "sales"))

    told(store, "run", lost)

    assert len(sleeps) == MAX_WRITES


def test_what_is_known_already_is_not_written_again() -> None:
    store = MemoryStateStore()
    sleeps: list[float] = []
    for _ in range(2):
        told(store, "run", sleeps.append)
    assert len(sleeps) == 1


def test_who_is_alone_does_not_look_again() -> None:
    sleeps: list[float] = []
    incidents = Incidents(MemoryStateStore(), print, sleeps.append)
    incidents.keep(make_message(), lambda row: row.with_run("run"), NOW, alone=True)
    assert sleeps == []
    assert incidents.load(make_message()).has_told_of_run("run")
