from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from airflow_cloudact_notify.core import threads


@pytest.fixture(autouse=True)
def _none_idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 60)
    threads._idle.clear()
    yield
    threads._idle.clear()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.1)


def which() -> threading.Thread:
    """Run a call, and return the thread that it ran in, once that is idle again."""
    ran: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    threads.run(lambda: ran.put(threading.current_thread()))
    thread = ran.get(timeout=5)
    for _ in range(5000):
        if threads._idle:
            return thread
        time.sleep(0.001)
    pytest.fail("the thread is not idle again")


def test_a_call_runs_beside_its_caller_in_a_thread_that_keeps_no_process_alive() -> None:
    thread = which()
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_a_thread_is_used_again() -> None:
    assert len({which() for _ in range(20)}) == 1


def test_a_call_does_not_wait_for_another() -> None:
    first_may_end, second_ran = threading.Event(), threading.Event()
    threads.run(lambda: first_may_end.wait(5))
    threads.run(second_ran.set)
    assert second_ran.wait(5)
    first_may_end.set()


@pytest.mark.usefixtures("_impatient")
def test_a_thread_that_nobody_needs_ends() -> None:
    ran: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    threads.run(lambda: ran.put(threading.current_thread()))
    thread = ran.get(timeout=5)
    thread.join(5)
    assert not thread.is_alive()
    assert not threads._idle
    threads.run(lambda: ran.put(threading.current_thread()))
    assert ran.get(timeout=5) is not thread


@pytest.mark.usefixtures("_impatient")
def test_a_thread_that_was_taken_does_not_end_before_its_call_comes() -> None:
    ran = threading.Event()
    # Not among the idle ones, like one that has just been taken.
    taken = threads._Worker()
    time.sleep(threads.IDLE_SECONDS * 3)
    taken.calls.put(ran.set)
    assert ran.wait(5)


def test_what_a_call_held_is_let_go() -> None:
    class Message:
        pass

    gone = threading.Event()
    message = Message()
    weakref.finalize(message, gone.set)
    threads.run(lambda message=message: None)  # type: ignore[misc]
    del message
    assert gone.wait(5)


def test_a_fork_starts_threads_of_its_own() -> None:
    which()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        done = threading.Event()
        threads.run(done.set)
        os.write(write, b"ran" if done.wait(5) else b"not")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 3) == b"ran"
    os.close(read)
    os.close(write)
