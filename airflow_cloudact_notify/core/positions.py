"""Where the keys of a JSON text stand, for messages that point at a line."""

from __future__ import annotations

import json
import re
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

    A key that stands twice in one object has the line of its second place, also under its bare name.

    :param text: valid JSON.
    """
    lines: dict[str, int] = {"": 1}
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
            _note_key(containers[-1], json.loads(part, strict=False), line, lines)
        else:
            path = containers[-1].child if containers else ""
            lines.setdefault(path, line)
            if part in "{[":
                containers.append(_Container(path, is_list=part == "["))
    return lines


def line_of(key: str, lines: dict[str, int]) -> int:
    """Return the line of a key, or of what it would stand in when it is missing."""
    while key not in lines:
        key = key.rpartition(".")[0]
    return lines[key]


def _go_on(container: _Container, separator: str) -> None:
    container.awaits_key = separator == ","
    container.index += separator == ","


def _note_key(container: _Container, key: str, line: int, lines: dict[str, int]) -> None:
    container.key = key
    if container.child in lines:
        lines[key] = line
    lines[container.child] = line
