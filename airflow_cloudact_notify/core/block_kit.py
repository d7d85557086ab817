"""Slack's Block Kit: escaping, and blocks that stay within Slack's limits, visibly cut where they must be.

Texts go out as plain text, which shows stars, underscores and back-ticks as they are. Where they stand beside marks of
ours they are escaped, and marked ``verbatim``: Slack makes neither mentions nor links of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from airflow_cloudact_notify.core.texts import CUT, cut

Block = dict[str, Any]

# https://docs.slack.dev/reference/block-kit/blocks/ and the constants of slack_sdk.models.blocks
MAX_HEADER = 150
MAX_SECTION = 3000
MAX_FIELD = 2000
MAX_FIELDS = 10
MAX_BUTTONS = 25
MAX_BUTTON_TEXT = 75
MAX_URL = 3000
# https://docs.slack.dev/reference/methods/chat.postMessage - "keep it below 4,000 characters"
MAX_TEXT = 4000

_BROKEN_ENTITY = re.compile(r"&[a-z]{0,4}$")
_MARKS = re.compile(r"[*_~`]")


def escape(text: str) -> str:
    """Return ``text`` so that Slack shows it as it is: no mention, link or entity can come of it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fit(escaped: str, limit: int) -> str:
    """Return escaped text of at most ``limit`` characters, never cut inside an entity."""
    if len(escaped) <= limit:
        return escaped
    return _BROKEN_ENTITY.sub("", escaped[: limit - len(CUT)]) + CUT


def header(text: str) -> Block:
    """The headline; nothing in it can ping."""
    return {"type": "header", "text": _plain(text, MAX_HEADER)}


def manual(mrkdwn: str) -> Block:
    """A paragraph in Slack's own writing, mentions included: what comes from a pipeline in it is escaped already."""
    return {"type": "section", "text": _verbatim(fit(mrkdwn, MAX_SECTION))}


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": _plain(text, MAX_SECTION)}


def facts(pairs: Iterable[tuple[str, str]]) -> Iterator[Block]:
    """Sections of two columns: names, in bold, and values, which are shown as they are."""
    fields = [
        field for name, value in pairs for field in (_name(name), _plain(value, MAX_FIELD, emoji=False))
    ]
    for start in range(0, len(fields), MAX_FIELDS):
        yield {"type": "section", "fields": fields[start : start + MAX_FIELDS]}


def code(text: str) -> Block:
    """Fixed-width text. Back-ticks in it cannot end the block early."""
    safe = escape(text).replace("```", "'''")
    return {"type": "section", "text": _verbatim(f"```{fit(safe, MAX_SECTION - 6)}```")}


def buttons(links: Iterable[tuple[str, str]]) -> Iterator[Block]:
    """A row of link buttons; a URL that Slack would refuse is left out."""
    elements = [
        {"type": "button", "text": {"type": "plain_text", "text": name[:MAX_BUTTON_TEXT]}, "url": url}
        for name, url in links
        if len(url) <= MAX_URL and url.startswith(("http://", "https://"))
    ]
    if elements:
        yield {"type": "actions", "elements": elements[:MAX_BUTTONS]}


def context(text: str, link: str | None = None) -> Block:
    """A small grey text, and after it a web address to press, unless that is too long for Slack."""
    address = f"<{escape(link)}>" if link else ""
    fits = 0 < len(address) <= MAX_FIELD
    elements = [_plain(text, MAX_FIELD)] if text or not fits else []
    return {"type": "context", "elements": [*elements, *([_verbatim(address)] if fits else [])]}


def as_text(payload: Any) -> Iterator[str]:
    """Yield every text that blocks and attachments hold, escaped, for a message without them."""
    if isinstance(payload, list):
        for part in payload:
            yield from as_text(part)
    if isinstance(payload, dict):
        text = payload.get("text")
        if isinstance(text, str):
            yield text if payload.get("type") == "mrkdwn" else escape(text)
        for key in ("text", "blocks", "fields", "elements", "attachments"):
            yield from as_text(payload.get(key))
        if isinstance(url := payload.get("url"), str):
            yield escape(url)


def _name(text: str) -> dict[str, Any]:
    """A fact's name; one with marks in it is not bold, since Slack would take the marks."""
    if _MARKS.search(text):
        return _plain(text, MAX_FIELD, emoji=False)
    return _verbatim(fit(f"*{escape(text)}*", MAX_FIELD))


def _plain(text: str, limit: int, *, emoji: bool = True) -> dict[str, Any]:
    """Text without marks; with ``emoji``, ``:x:`` in it is a picture."""
    return {"type": "plain_text", "text": cut(text, limit) or " ", "emoji": emoji}


def _verbatim(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}
