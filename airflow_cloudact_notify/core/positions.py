"""Where the keys of a JSON text stand, for messages that point at a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|\n|[^\s{}\[\],:"]+')


@dataclass(slots=True)
class _Container:
    """An object or a list that is open: where the scan is in it."""

    path: str
    is_list: bool
    index: int = 0
    key: str = ""
    awaits_key: bool = True

    @property
    def child(self) -> str:
        """The path of what comes next in it."""
        name = str(self.index) if self.is_list else self.key
        return f"{self.path}.{name}" if self.path else name


def key_lines(text: str) -> dict[str, int]:
    """Return the line of every key and list item by its dotted path, ``event_triggers.0.event``, say.

    :param text: valid JSON.
    """
    return {"": 1} | dict(_places(text))


def twin(text: str) -> tuple[str, int]:
    """Return the path of the first key that stands twice in one object, and the line of its second place.

    :param text: JSON that is valid up to there.
    """
    seen: set[str] = set()
    for path, line in _places(text):
        if path in seen:
            return path, line
        seen.add(path)
    raise ValueError("no key stands twice")


def _places(text: str) -> Iterator[tuple[str, int]]:
    """Yield the path and the line of every key and of every list's item."""
    containers: list[_Container] = []
    line = 1
    for part in _PART.findall(text):
        if part == "\n":
            line += 1
        elif part in "}]":
            containers.pop()
        elif part in ",:":
            _go_on(containers[-1], part)
        elif containers and containers[-1].awaits_key and not containers[-1].is_list:
            containers[-1].key = json.loads(part, strict=False)
            yield containers[-1].child, line
        else:
            path = containers[-1].child if containers else ""
            if containers and containers[-1].is_list:
                yield path, line
            if part in "{[":
                containers.append(_Container(path, is_list=part == "["))


def line_of(key: str, lines: dict[str, int]) -> int:
    """Return the line of a key, or of what it would stand in when it is missing."""
    while key not in lines:
        key = key.rpartition(".")[0]
    return lines[key]


def _go_on(container: _Container, separator: str) -> None:
    container.awaits_key = separator == ","
    container.index += separator == ","
