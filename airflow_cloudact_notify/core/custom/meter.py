"""How much a template has done, and where it is stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from airflow_cloudact_notify.core.errors import CustomTemplateError

MAX_SECONDS = 1.0
"""For all parts of one message's template together, from reading its syntax to the last line."""
MAX_STEPS = 20_000
"""Loop passes, filters, operators and values put out, in one part."""
CHARACTERS_A_STEP = 100
"""A text that is made or searched counts as so many steps more."""
MAX_TEXT = 100_000
"""Characters of any one text, and of a part in all."""
MAX_NUMBER = 10**18


class Meter:
    """Counts the steps of one part, and looks at the clock at each.

    :param deadline: by ``clock``.
    :param clock: monotonic seconds.
    """

    def __init__(self, deadline: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = deadline
        self._clock = clock
        self._steps = 0

    def step(self, cost: int = 1) -> None:
        """Count what is about to be done, or was done.

        :raises CustomTemplateError: when it was too much, or took too long.
        """
        self._steps += cost
        if self._steps > MAX_STEPS:
            raise CustomTemplateError(f"stopped after {MAX_STEPS:,} steps")
        if self._clock() > self._deadline:
            raise CustomTemplateError("stopped: it took too long")

    def made(self, value: Any) -> Any:
        """Return ``value`` when it is not too large."""
        if isinstance(value, str):
            self.room(len(value))
            self.step(1 + len(value) // CHARACTERS_A_STEP)
        elif isinstance(value, int) and abs(value) > MAX_NUMBER:
            raise CustomTemplateError("stopped: a number has more than 18 digits")
        else:
            self.step()
        return value

    def room(self, length: int) -> None:
        """Refuse a text of so many characters before it is made."""
        if length > MAX_TEXT:
            raise CustomTemplateError(f"stopped: a text is longer than {MAX_TEXT:,} characters")

    def text(self, value: Any) -> str:
        """Return a value as it is shown: ``None`` as nothing, lists and dicts as JSON."""
        if value is None:
            return ""
        if not isinstance(value, dict | list | tuple):
            return str(value)
        return self.json(value)

    def json(self, value: Any) -> str:
        """Return a value as JSON, as far as there is room for it."""
        parts, length = [], 0
        for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
            length += len(part)
            self.room(length)
            parts.append(part)
        return "".join(parts)

    def each(self, values: Any) -> Collection[Any]:
        """Return what a loop goes through; every pass is a step."""
        return _Each(values, self)

    def joined(self, values: Sequence[Any], separator: str = "") -> str:
        """Return texts joined, having looked first how long that will be."""
        texts = [self.text(value) for value in values]
        self.room(sum(map(len, texts)) + len(separator) * len(texts))
        return separator.join(texts)


class _Each(Collection[Any]):
    """Knows its length without being gone through, which ``loop.length`` asks for."""

    def __init__(self, values: Any, meter: Meter) -> None:
        self._values = values
        self._meter = meter

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, value: object) -> bool:
        return value in self._values

    def __iter__(self) -> Iterator[Any]:
        for value in self._values:
            self._meter.step()
            yield value
