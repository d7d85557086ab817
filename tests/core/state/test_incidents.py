"""What a pipeline's row remembers, and what is left of it when others write it at the same instant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.state.incidents import (
    MAX_ENTRIES,
    MAX_WRITES,
    Incident,
    Incidents,
    incident_key,
)
from airflow_cloudact_notify.core.state.store import MemoryStateStore


def failure(run_id: str, **fields: Any) -> NotificationMessage:
    return NotificationMessage.model_validate(
        {
            "event": "pipeline_failure",
            "pipeline_id": "sales",
            "pipeline_logging_id": run_id,
            "task_id": "load",
            "lifecycle": Lifecycle.FAILURE,
            "occasion": f"{run_id}, load",
        }
        | fields
    )


@pytest.fixture
def store() -> MemoryStateStore:
    return MemoryStateStore()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def incidents(store: MemoryStateStore, warnings: list[str]) -> Incidents:
    return Incidents(store, warnings.append, lambda _: None)


def test_what_was_told_is_remembered(incidents: Incidents, warnings: list[str]) -> None:
    incidents.told(failure("run"))

    incident = incidents.load(failure("run"))
    assert incident.has_told("run, load")
    assert incident.has_told_of_run("run")
    assert not incident.has_told("run, extract")
    assert not incident.has_told_of_run("another")
    assert not incident.has_retried("run")
    assert warnings == []


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"task_id": None}, id="a run's failure"),
        pytest.param({"lifecycle": Lifecycle.RETRY}, id="a retry"),
        pytest.param({"lifecycle": Lifecycle.SUCCESS}, id="a success"),
        pytest.param({"lifecycle": Lifecycle.DEADLINE, "task_id": None}, id="a missed deadline"),
        pytest.param({"pipeline_logging_id": None}, id="a failure of no run"),
    ],
)
def test_only_a_tasks_failure_counts_for_its_run(incidents: Incidents, fields: dict[str, Any]) -> None:
    incidents.told(failure("run", **fields))

    assert incidents.load(failure("run")).runs == ()
    assert incidents.load(failure("run")).has_told("run, load")


@pytest.mark.parametrize("event", ["data_quality_failure", "rate_limit_exceeded", "system_error"])
def test_a_tasks_failure_counts_whatever_its_event(incidents: Incidents, event: str) -> None:
    incidents.told(failure("run", event=event))

    assert incidents.load(failure("run")).has_told_of_run("run")


def test_a_retry_is_remembered_of_its_run(incidents: Incidents) -> None:
    incidents.retried(failure("run"))

    incident = incidents.load(failure("run"))
    assert incident == Incident(retried=incident.retried)
    assert incident.has_retried("run")
    assert not incident.has_retried("another")


def test_a_run_that_was_cleared_is_another(incidents: Incidents) -> None:
    incidents.told(failure("run"))
    incidents.retried(failure("run"))

    cleared = failure("run", clear_number=1)
    incident = incidents.load(cleared)
    assert cleared.run_key is not None
    assert not incident.has_told_of_run(cleared.run_key)
    assert not incident.has_retried(cleared.run_key)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"tenant_id": "acme"}, id="another tenant"),
        pytest.param({"pipeline_id": "stock"}, id="another pipeline"),
        pytest.param({"pipeline_id": None}, id="no pipeline"),
    ],
)
def test_another_tenant_and_another_pipeline_have_a_row_of_their_own(
    incidents: Incidents, other: dict[str, Any]
) -> None:
    incidents.told(failure("run"))

    assert incidents.load(failure("run", **other)) == Incident()


def test_another_event_of_the_pipeline_shares_its_row(incidents: Incidents) -> None:
    incidents.told(failure("run"))

    assert incidents.load(failure("run", event="system_error", dedup_key="x")).has_told_of_run("run")


def test_the_row_remembers_so_many_and_forgets_the_oldest(
    incidents: Incidents, store: MemoryStateStore
) -> None:
    for number in range(MAX_ENTRIES + 10):
        incidents.told(failure(f"run {number}"))
        incidents.retried(failure(f"run {number}"))

    incident = incidents.load(failure("any"))
    assert (len(incident.told), len(incident.runs), len(incident.retried)) == (MAX_ENTRIES,) * 3
    assert not incident.has_told_of_run("run 9")
    assert incident.has_told_of_run("run 10")
    assert incident.has_told(f"run {MAX_ENTRIES + 9}, load")
    assert len(store.get(incident_key(failure("any"))) or "") < 4_000


def test_names_from_a_pipeline_are_not_written_down(incidents: Incidents, store: MemoryStateStore) -> None:
    incidents.told(failure("run of a secret customer"))

    assert "secret" not in (store.get(incident_key(failure("any"))) or "")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        pytest.param("", "is not an incident", id="empty"),
        pytest.param("no json", "is not an incident", id="text"),
        pytest.param("[]", "is not an incident", id="list"),
        pytest.param("null", "is not an incident", id="null"),
        pytest.param("{}", "is not an incident", id="without a version"),
        pytest.param('{"v": 1}', "is not an incident", id="without entries"),
        pytest.param('{"v": 1, "told": 1, "runs": [], "retried": []}', "is not an incident", id="number"),
        pytest.param("[" * 100_000, "is not an incident", id="nested without end"),
        pytest.param('{"v": 2, "told": {}}', "was written by another version", id="another version"),
    ],
)
def test_a_row_that_makes_no_sense_is_ignored_with_a_warning_and_replaced(
    incidents: Incidents, store: MemoryStateStore, warnings: list[str], row: str, why: str
) -> None:
    store.put(incident_key(failure("run")), row)

    assert incidents.load(failure("run")) == Incident()
    assert [why in warning for warning in warnings] == [True]
    incidents.told(failure("run"))
    assert json.loads(store.get(incident_key(failure("run"))) or "")["v"] == 1


class Down(MemoryStateStore):
    def get(self, key: str) -> str | None:
        raise StateUnavailable(f"read {key}", "no answer")


def test_a_store_that_does_not_answer_is_the_callers_matter() -> None:
    incidents = Incidents(Down(), print)
    for call in (incidents.load, incidents.told, incidents.retried):
        with pytest.raises(StateUnavailable):
            call(failure("run"))


# Others at the same instant


def test_an_entry_that_another_reporter_has_overwritten_is_written_once_more() -> None:
    store = MemoryStateStore()
    others = MemoryStateStore()
    Incidents(others, print, lambda _: None).told(failure("other run"))
    theirs = others.get(incident_key(failure("other run")))
    moments = iter([theirs])

    def overwritten_once(_: float) -> None:
        """Stand for a reporter that had read the row before ours was in it."""
        if (row := next(moments, None)) is not None:
            store.put(incident_key(failure("own run")), row)

    Incidents(store, print, overwritten_once).told(failure("own run"))

    incident = Incidents(store, print).load(failure("own run"))
    assert incident.has_told_of_run("own run")
    assert incident.has_told("own run, load")
    assert incident.has_told_of_run("other run")


def test_a_row_that_never_keeps_what_is_written_does_not_keep_its_reporter() -> None:
    store = MemoryStateStore()
    sleeps: list[float] = []

    def lost(seconds: float) -> None:
        sleeps.append(seconds)
        store.delete(incident_key(failure("run")))

    Incidents(store, print, lost).told(failure("run"))

    assert len(sleeps) == MAX_WRITES


def test_what_is_known_already_is_not_written_again() -> None:
    store = MemoryStateStore()
    sleeps: list[float] = []
    for _ in range(2):
        Incidents(store, print, sleeps.append).told(failure("run"))
    assert len(sleeps) == 1
