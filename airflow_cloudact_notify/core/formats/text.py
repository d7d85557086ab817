"""Content as plain text of 78 columns; a link stays whole, however long."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_cloudact_notify.core.content import Content, Facts
from airflow_cloudact_notify.core.texts import wrapped

WIDTH = 78
"""https://www.rfc-editor.org/rfc/rfc5322#section-2.1.1"""


def as_text(content: Content) -> str:
    """Return the content as plain text."""
    return "\n\n".join(part for part in _parts(content) if part) + "\n"


def _parts(content: Content) -> Iterator[str]:
    about = " · ".join(part for part in (content.kind, content.branding.name) if part)
    yield wrapped(f"{content.look.label.upper()}: {content.headline}\n{about}", WIDTH)
    yield wrapped(content.body, WIDTH)
    yield _facts(content.facts)
    yield wrapped(content.cause, WIDTH)
    yield "\n".join(wrapped(said, WIDTH) for said in content.history)
    yield "\n".join(f"{action.label}: {action.url}" for action in content.actions)
    yield _facts(content.more)
    yield "\n".join(("--", *_footer(content)))


def _facts(facts: Facts) -> str:
    return "\n".join(wrapped(f"{name}: {value}", WIDTH) for name, value in facts)


def _footer(content: Content) -> Iterator[str]:
    branding = content.branding
    for line in (branding.footer, branding.link):
        if line:
            yield line if line == branding.link else wrapped(line, WIDTH)
    yield wrapped(content.footer, WIDTH)
