"""How long the steps of a connection take, measured where Python makes them: whatever library a provider uses."""

from __future__ import annotations

import functools
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

_STEPS: tuple[tuple[str, Any, str], ...] = (
    ("resolve", socket, "getaddrinfo"),
    ("connect", socket.socket, "connect"),
    ("TLS", ssl.SSLSocket, "do_handshake"),
    ("login", smtplib.SMTP, "auth"),
)
LAST = "accepted"
"""The step that nothing but the provider itself does: handing the message over."""


@dataclass(slots=True)
class Steps:
    """The steps so far, in milliseconds, in their order; ``began`` is the last one that began."""

    milliseconds: dict[str, float] = field(default_factory=dict)
    began: str = ""

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function``, which adds the time it takes to a step."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.began = step
            started = time.perf_counter()
            answer = function(*args, **kwargs)
            passed = (time.perf_counter() - started) * 1000
            self.milliseconds[step] = self.milliseconds.get(step, 0.0) + passed
            self.began = LAST
            return answer

        return wrapper


@contextmanager
def stopwatch() -> Iterator[Steps]:
    """Measure the steps of what is sent in the block, by this thread alone; the rest of the time is the last step's."""
    steps = Steps()
    started = time.perf_counter()
    with ExitStack() as undo:
        for step, owner, name in _STEPS:
            undo.enter_context(mock.patch.object(owner, name, steps.timed(step, getattr(owner, name))))
        yield steps
    passed = (time.perf_counter() - started) * 1000
    steps.milliseconds[LAST] = max(0.0, passed - sum(steps.milliseconds.values()))
