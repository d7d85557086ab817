from __future__ import annotations

from airflow_cloudact_notify.core.state.sends import Sends, end_of_hour
from airflow_cloudact_notify.core.state.store import MemoryStateStore

NOW = 1_767_323_045.0


def test_one_incident_counts_once_however_many_report_it() -> None:
    sends = Sends(MemoryStateStore())
    for late in (0, 0.2, 0.1):
        sends.add("acme", NOW + late, "other", "aa")
    sends.add("acme", NOW, "other", "bb")
    assert sends.count("acme", NOW, "other") == 2


def test_the_first_come_first() -> None:
    sends = Sends(MemoryStateStore())
    for late, mark in ((0.2, "third"), (0.1, "first"), (0.15, "second"), (0.3, "first")):
        sends.add("acme", NOW + late, "other", mark)
    assert [sends.rank("acme", NOW, "other", mark) for mark in ("first", "second", "third")] == [0, 1, 2]
    assert sends.rank("acme", NOW, "other", "not kept") == 0


def test_tenants_kinds_and_hours_are_counted_apart() -> None:
    sends = Sends(MemoryStateStore())
    sends.add("acme", NOW, "other", "aa")
    assert sends.count(None, NOW, "other") == 0
    assert sends.count("acme", NOW, "critical") == 0
    assert sends.count("acme", NOW + 3600, "other") == 0


def test_rows_of_earlier_hours_are_over() -> None:
    sends = Sends(MemoryStateStore())
    key = sends.add(None, NOW, "other", "aa")
    later = sends.add("acme", NOW + 3600, "critical", "bb")
    assert sends.over(NOW + 3600) == [key]
    sends.delete(key)
    assert sends.over(NOW + 7200) == [later]


def test_an_hour_ends_at_the_full_one() -> None:
    assert f"{end_of_hour(NOW):%H:%M:%S}" == "04:00:00"
