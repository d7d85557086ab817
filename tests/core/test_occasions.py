"""A run's failure adds nothing to that of one of its tasks, whether it was told or is counted as a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.outages import MAX_READ
from airflow_cloudact_notify.testing import SlackInbox
from tests.core.storm import HELD, Flaky, Storm, report

SCOPES = pytest.mark.parametrize("scope", ["pipeline", "task", "event"])


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox() as inbox:
        yield inbox


@pytest.fixture
def storm(tmp_path: Path, inbox: SlackInbox) -> Storm:
    return Storm(tmp_path, inbox)


def task(run: str, **overrides: Any) -> NotificationMessage:
    return report(run=run, lifecycle="failure", task_id="load", occasion=f"{run} load", **overrides)


def dag(run: str, **overrides: Any) -> NotificationMessage:
    return report(run=run, lifecycle="failure", task_id=None, occasion=run, **overrides)


@SCOPES
def test_a_runs_failure_is_not_counted_beside_that_of_its_task(storm: Storm, scope: str) -> None:
    storm.configure({"cooldown_scope": scope})
    storm.service.send(task("r1"))
    storm.service.send(dag("r1"))
    assert storm.rows(HELD.removeprefix("cloudact_notify:")) == []
    storm.service.send(task("r2"))
    assert storm.service.send(dag("r2")).suppressed
    assert len(storm.rows("held:")) == 1
    assert len(storm.told) == 1


@SCOPES
def test_a_runs_failure_is_not_told_when_that_of_its_task_is_counted(storm: Storm, scope: str) -> None:
    quality = {"event": "data_quality_failure", "severity": "error", "cooldown_scope": scope}
    storm.configure({"cooldown_scope": scope}, quality)
    storm.service.send(task("r1", event="data_quality_failure"))
    storm.service.send(dag("r1"))
    storm.service.send(task("r2", event="data_quality_failure"))
    assert storm.service.send(dag("r2")).suppressed is SuppressionReason.ALREADY_TOLD
    assert len(storm.told) == 1


def test_a_run_that_was_cleared_and_fails_anew_is_told(storm: Storm) -> None:
    storm.service.send(task("r1"))
    storm.service.send(task("r2"))
    storm.clock.advance(301)
    assert storm.service.send(dag("r2")).suppressed is SuppressionReason.ALREADY_TOLD
    assert storm.service.send(dag("r2", clear_number=1)).delivered


def test_a_runs_own_failure_that_was_counted_does_not_hold_back_the_next(storm: Storm) -> None:
    storm.service.send(dag("r1"))
    assert storm.service.send(dag("r2")).suppressed is SuppressionReason.COOLDOWN
    storm.clock.advance(301)
    assert storm.service.send(dag("r2")).delivered


def test_a_run_of_another_pipeline_with_the_same_id_is_told(storm: Storm) -> None:
    storm.configure({"cooldown_scope": "event"})
    storm.service.send(task("r1"))
    storm.service.send(task("r2"))
    storm.clock.advance(301)
    assert storm.service.send(dag("r2", pipeline_id="other")).delivered


def test_a_runs_failure_that_is_severer_than_its_tasks_is_told(storm: Storm) -> None:
    storm.service.send(task("r1"))
    storm.service.send(task("r2"))
    assert storm.service.send(dag("r2", severity="critical")).delivered


def test_of_very_many_repeats_of_a_run_that_was_cleared_few_are_read(storm: Storm) -> None:
    storm.state = counting = Flaky(0, print)
    storm.service = storm.make()
    storm.service.send(task("r1"))
    for index in range(100):
        storm.service.send(task("r2", map_index=index))
    storm.clock.advance(301)
    counting.calls.clear()
    assert storm.service.send(dag("r2", clear_number=1)).delivered
    assert sum(call.startswith(f"read {HELD}") for call in counting.calls) <= MAX_READ + 1


def test_the_silence_of_a_task_does_not_hold_back_its_run(storm: Storm) -> None:
    always = {"starts_at": "2000-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z", "created_by": "ops"}
    silence = always | {"task": "load", "comment": "known"}
    storm.configure(silences=[silence])
    assert storm.service.send(task("r1")).suppressed is SuppressionReason.SILENCED
    assert storm.service.send(dag("r1")).delivered


def test_a_runs_failure_is_told_when_who_was_telling_its_tasks_failed(storm: Storm) -> None:
    storm.service.send(task("r1"))
    storm.clock.advance(301)
    telling = task("r2", map_index=0)
    claimed = storm.is_killed_while_telling(telling)
    assert storm.service.send(task("r2", map_index=1)).suppressed is SuppressionReason.BEING_TOLD
    storm.books().failed(claimed, storm.plan(telling))
    assert storm.service.send(dag("r2")).delivered
