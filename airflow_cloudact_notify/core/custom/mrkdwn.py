"""The text of a custom Slack template: made to ping nobody, and laid out in pieces that Slack takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_cloudact_notify.core.block_kit import MAX_SECTION, fit

MAX_TEXT = 12_000
"""Characters of a custom message: four sections of Slack's. What is longer is cut, visibly."""

_FENCE = "```"
_ROOM = MAX_SECTION - 2 * (len(_FENCE) + 1)
_PING = re.compile(r"<(?=[!@])")
_OPEN_LINK = re.compile(r"<[^<>\n]*(?=… \(cut\)$)")


def harmless(mrkdwn: str) -> str:
    """Return a text in which ``<!channel>``, ``<@U123>`` and the like are shown, not followed.

    Who is mentioned stands in the configuration, whatever a template and the values in it make together.
    """
    return _PING.sub("&lt;", mrkdwn)


def pieces(mrkdwn: str) -> Iterator[str]:
    """Yield a text in pieces of at most ``MAX_SECTION`` characters, between lines; a code block goes on in the next."""
    piece, is_code = "", False
    for line in (cut(line, _ROOM) for line in cut(mrkdwn, MAX_TEXT).splitlines()):
        if piece and len(piece) + 1 + len(line) > _ROOM:
            is_code = piece.count(_FENCE) % 2 == 1
            yield f"{piece}\n{_FENCE}" if is_code else piece
            piece = f"{_FENCE}\n{line}" if is_code else line
        else:
            piece = f"{piece}\n{line}" if piece else line
    if piece.strip():
        yield f"{piece}\n{_FENCE}" if piece.count(_FENCE) % 2 else piece


def cut(mrkdwn: str, limit: int) -> str:
    """Return at most ``limit`` characters, cut neither inside an entity nor inside a link."""
    shorter = fit(mrkdwn, limit)
    return shorter if shorter == mrkdwn else _OPEN_LINK.sub("", shorter)
