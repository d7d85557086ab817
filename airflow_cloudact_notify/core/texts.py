"""Plain text that every medium can show: what cannot be seen left out, what is too long cut, visibly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

CUT = "… (cut)"

_COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNUSUAL = re.compile(r"[^\n\t -~]")
_EMOJI_JOINER = "\u200d"
_NON_JOINER = "\u200c"  # Persian and languages of India are misspelt without it
_INVISIBLE = frozenset({"Mn", "Me", "Cf"})


def readable(text: str) -> str:
    """Return ``text`` without what no medium shows: colour codes of terminals, control characters, half characters."""
    if text.isprintable():
        return text
    return _UNUSUAL.sub(_shown, _COLOUR_CODE.sub("", text).replace("\r\n", "\n"))


def _shown(match: re.Match[str]) -> str:
    c = match[0]
    if c.isprintable() or c in (_EMOJI_JOINER, _NON_JOINER):
        return c
    if "\ud800" <= c <= "\udfff":
        return "\ufffd"
    return " " if c.isspace() else ""


def one_line(text: str) -> str:
    """Return ``text`` readable, with every run of white space as one blank."""
    return " ".join(readable(text).split())


def counted(number: int, thing: str) -> str:
    """Return so many of a thing, as a person says it: ``1 report``, ``1,204 reports``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def cut(text: str, limit: int) -> str:
    """Return at most ``limit`` characters; what was cut says so."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def cut_in_the_middle(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a line whose end matters as much as its beginning."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


def wrapped(text: str, width: int, indent: str = "") -> str:
    """Return ``text`` in lines of at most ``width`` columns; a letter of East Asia takes two.

    :param indent: what each line begins with.
    """
    room = width - len(indent)
    lines = (part for line in text.expandtabs(4).split("\n") for part in _broken(line, room))
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _broken(line: str, room: int) -> Iterator[str]:
    """Yield the pieces of a line, broken at blanks where there are any."""
    while (fits := _fitting(line, room)) < len(line):
        at = line.rfind(" ", 1, fits + 1)
        # A blank among those that the line begins with is no place to break it.
        if at <= len(line) - len(line.lstrip()):
            at = fits
        yield line[:at]
        line = line[at:].lstrip(" ")
    yield line


def _fitting(line: str, room: int) -> int:
    """Return how many characters of a line fit; one at least."""
    if len(line) <= room and line.isascii():
        return len(line)
    columns = 0
    for place, c in enumerate(line):
        columns += _columns(c)
        if columns > room:
            return _between_letters(line, place)
    return len(line)


def _between_letters(line: str, place: int) -> int:
    """Return the place, or one before it that does not tear apart what is seen as one letter; not the beginning."""
    while place > 1 and (_columns(line[place]) == 0 or line[place - 1] == _EMOJI_JOINER):
        place -= 1
    return max(place, 1)


def _columns(c: str) -> int:
    if c.isascii():
        return 1
    if unicodedata.category(c) in _INVISIBLE:
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1
