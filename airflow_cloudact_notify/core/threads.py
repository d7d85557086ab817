"""Daemon threads that are used again: of a notification that takes milliseconds, starting three takes a twelfth."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable

IDLE_SECONDS = 2.0
"""How long a thread waits for its next call before it ends."""

Call = Callable[[], object]


class Threads:
    """A set of threads. It may be used from any thread, and after a fork."""

    def __init__(self) -> None:
        self.idle: deque[_Worker] = deque()
        # A fork has its parent's memory, but none of its threads.
        os.register_at_fork(after_in_child=self.idle.clear)

    def run(self, call: Call) -> None:
        """Run a call beside this thread, and do not wait for it. It must not raise: nobody would hear of it.

        Where no thread can be started (a container's limit, a process that ends) it is run in this one.
        """
        try:
            self._worker().calls.put(call)
        except RuntimeError:
            call()

    def _worker(self) -> _Worker:
        try:
            return self.idle.pop()
        except IndexError:
            return _Worker(self.idle)


class _Worker:
    """A thread, and the queue of its next call: while it is among the idle ones there is none."""

    def __init__(self, idle: deque[_Worker]) -> None:
        self.calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._work, name="cloudact-notify", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                call = self.calls.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                if self._leaves():
                    return
                continue
            call()
            # Not kept until the next one: it may hold a whole message.
            del call
            self._idle.append(self)

    def _leaves(self) -> bool:
        """Whether nobody has just taken it from the idle ones, to give it a call."""
        try:
            self._idle.remove(self)
        except ValueError:
            return False
        return True


run = Threads().run
