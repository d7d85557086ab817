"""Content as a Slack message: Block Kit, its coloured part in an attachment, and a text for notifications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow_cloudact_notify.core import block_kit
from airflow_cloudact_notify.core.content import Content

SlackPayload = dict[str, Any]


def as_slack(content: Content, mentions: str = "") -> SlackPayload:
    """Return the content as the body of an incoming webhook's request.

    :param mentions: whom to ping, in Slack's own writing; all else is escaped.
    """
    title = f"{content.look.emoji} {content.headline}"
    # The text is what lock screens and screen readers have; where blocks are shown, they take its place.
    told = f"{mentions} *{block_kit.escape(title)}*\n{block_kit.escape(content.gist)}".strip()
    header = [block_kit.header(title)]
    return {
        "text": block_kit.fit(told, block_kit.MAX_TEXT),
        "blocks": [*header, block_kit.manual(mentions)] if mentions else header,
        "attachments": [
            {
                "color": content.look.colour,
                "fallback": block_kit.fit(block_kit.escape(title), block_kit.MAX_TEXT),
                "blocks": list(_blocks(content)),
            }
        ],
    }


def _blocks(content: Content) -> Iterator[block_kit.Block]:
    branding = content.branding
    yield block_kit.context(" · ".join(p for p in (content.look.label, content.kind, branding.name) if p))
    if content.body:
        yield block_kit.section(content.body)
    yield from block_kit.facts(content.facts)
    if content.cause:
        yield block_kit.code(content.cause)
    if content.history:
        yield block_kit.section("\n".join(content.history))
    yield from block_kit.buttons((action.label, action.url) for action in content.actions)
    if content.more:
        yield block_kit.context(" · ".join(f"{name}: {value}" for name, value in content.more))
    if branding.footer or branding.link:
        yield block_kit.context(branding.footer or "", branding.link)
    yield block_kit.context(content.footer)
