from __future__ import annotations

import os
import queue
import threading
import time
import weakref

import pytest

from airflow_cloudact_notify.core import threads
from airflow_cloudact_notify.core.threads import Threads


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 60)


@pytest.fixture
def _impatient(_patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.1)


@pytest.fixture
def pool() -> Threads:
    return Threads()


def which(pool: Threads) -> threading.Thread:
    """Run a call, and return the thread that it ran in."""
    ran: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    pool.run(lambda: ran.put(threading.current_thread()))
    return ran.get(timeout=5)


def which_is_idle(pool: Threads) -> threading.Thread:
    """Run a call, and return the thread that it ran in, once that is idle again."""
    thread = which(pool)
    for _ in range(5000):
        if pool.idle:
            return thread
        time.sleep(0.001)
    pytest.fail("the thread is not idle again")


def test_a_call_runs_beside_its_caller_in_a_thread_that_keeps_no_process_alive(pool: Threads) -> None:
    thread = which(pool)
    assert thread is not threading.current_thread()
    assert thread.daemon


def test_a_thread_is_used_again(pool: Threads) -> None:
    assert len({which_is_idle(pool) for _ in range(20)}) == 1


def test_a_call_does_not_wait_for_another(pool: Threads) -> None:
    first_may_end, second_ran = threading.Event(), threading.Event()
    pool.run(lambda: first_may_end.wait(5))
    pool.run(second_ran.set)
    assert second_ran.wait(5)
    first_may_end.set()


@pytest.mark.usefixtures("_impatient")
def test_a_thread_that_nobody_needs_ends(pool: Threads) -> None:
    thread = which(pool)
    thread.join(5)
    assert not thread.is_alive()
    assert not pool.idle
    assert which(pool) is not thread


@pytest.mark.usefixtures("_impatient")
def test_a_thread_that_was_taken_does_not_end_before_its_call_comes(pool: Threads) -> None:
    ran = threading.Event()
    # Not among the idle ones, like one that has just been taken.
    taken = threads._Worker(pool.idle)
    time.sleep(threads.IDLE_SECONDS * 3)
    taken.calls.put(ran.set)
    assert ran.wait(5)


def test_what_a_call_held_is_let_go(pool: Threads) -> None:
    class Message:
        pass

    gone = threading.Event()
    message = Message()
    weakref.finalize(message, gone.set)
    pool.run(lambda message=message: None)  # type: ignore[misc]
    del message
    assert gone.wait(5)


def test_a_fork_starts_threads_of_its_own(pool: Threads) -> None:
    which_is_idle(pool)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        done = threading.Event()
        pool.run(done.set)
        os.write(write, b"ran" if done.wait(5) else b"not")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 3) == b"ran"
    os.close(read)
    os.close(write)


def test_where_no_thread_can_be_started_the_call_runs_all_the_same(
    pool: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert which(pool) is threading.current_thread()
