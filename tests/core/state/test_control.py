from __future__ import annotations

import threading
import time

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


def test_of_two_whose_writes_take_long_one_goes_on() -> None:
    class FarAway(MemoryStateStore):
        def put(self, key: str, value: str) -> None:
            time.sleep(0.2)
            super().put(key, value)

    store, went_on = FarAway(), []
    threads = [threading.Thread(target=lambda: went_on.append(Control(store).begins(1000))) for _ in range(2)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert sorted(went_on) == [False, True]
