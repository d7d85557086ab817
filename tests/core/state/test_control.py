from __future__ import annotations

from airflow_cloudact_notify.core.state.control import LONGEST_RUN, Control
from airflow_cloudact_notify.core.state.store import MemoryStateStore


def test_one_that_took_too_long_does_not_end_its_successors_turn() -> None:
    store = MemoryStateStore()
    slow, successor, third = Control(store), Control(store), Control(store)
    assert slow.begins(1000)
    assert successor.begins(1000 + LONGEST_RUN + 1)
    slow.ends()
    assert not third.begins(1000 + LONGEST_RUN + 2)
    successor.ends()
    assert third.begins(1000 + LONGEST_RUN + 3)
