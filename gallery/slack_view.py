"""An incoming webhook's JSON as HTML, much as Slack shows it: the few blocks we send, and none of Slack's own pictures.

A drawing from the payload, not Slack: fonts, spacing and emoji differ.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_EMOJI = {
    ":x:": "❌",
    ":warning:": "⚠️",
    ":rotating_light:": "🚨",
    ":information_source:": "ℹ️",
    ":white_check_mark:": "✅",
    ":large_green_circle:": "🟢",
}
_STYLE = Path(__file__).with_name("slack.css").read_text()


def drawn(payload: Mapping[str, Any], width: int) -> str:
    """Return a page that shows a payload."""
    parts = [*_blocks(payload["blocks"])]
    for attachment in payload["attachments"]:
        body = "".join(_blocks(attachment["blocks"]))
        parts.append(
            f'<div class="attachment" style="border-color:{html.escape(attachment["color"])}">{body}</div>'
        )
    who = '<div><span class="who">Pipelines</span><span class="app">APP</span><span class="time">4:04</span></div>'
    head = f"<!DOCTYPE html><meta charset=utf-8><style>{_STYLE}</style>"
    return f'{head}<body style="width:{width - 40}px">{who}{"".join(parts)}'


def _blocks(blocks: list[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        match block:
            case {"type": "header", "text": text}:
                yield f'<div class="header">{_text(text)}</div>'
            case {"type": "section", "fields": fields}:
                yield f'<div class="section fields">{"".join(f"<div>{_text(field)}</div>" for field in fields)}</div>'
            case {"type": "section", "text": text}:
                yield f'<div class="section">{_text(text)}</div>'
            case {"type": "context", "elements": elements}:
                yield f'<div class="context">{"".join(f"<span>{_text(e)}</span>" for e in elements)}</div>'
            case {"type": "actions", "elements": elements}:
                yield f'<div class="actions">{"".join(map(_button, elements))}</div>'
            case _:
                raise ValueError(f"no drawing for a block of type {block.get('type')!r}")


def _button(button: Mapping[str, Any]) -> str:
    return f'<a class="{button.get("style", "")}" href="{html.escape(button["url"])}">{_text(button["text"])}</a>'


def _text(text: Mapping[str, Any]) -> str:
    """Return a text object's HTML: mrkdwn is escaped already, plain text is not."""
    if text["type"] == "plain_text":
        plain = html.escape(text["text"])
        return _with_emoji(plain) if text.get("emoji", True) else plain
    pieces = re.split(r"(```.*?```)", text["text"], flags=re.DOTALL)
    return "".join(f"<pre>{p[3:-3]}</pre>" if p.startswith("```") else _inline(p) for p in pieces)


def _inline(mrkdwn: str) -> str:
    mrkdwn = re.sub(r"<[@!](?:subteam\^)?(\w+)>", r'<span class="mention">@\1</span>', mrkdwn)
    mrkdwn = re.sub(r"<(https?://[^<>|]+)>", r'<a href="\1">\1</a>', mrkdwn)
    mrkdwn = re.sub(r"(?<![\w*])\*([^*\n]+)\*(?!\w)", r"<b>\1</b>", mrkdwn)
    return _with_emoji(re.sub(r"(?<!\w)`([^`\n]+)`(?!\w)", r"<code>\1</code>", mrkdwn))


def _with_emoji(text: str) -> str:
    return re.sub(r":[a-z_]+:", lambda match: _EMOJI.get(match[0], match[0]), text)
