"""Content as the HTML part of a mail: tables and inline styles, since that is what mail clients agree on."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_cloudact_notify.core.content import Content
from airflow_cloudact_notify.core.looks import ink_on

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


@dataclass(frozen=True, slots=True)
class Palette:
    """Grounds and inks; every ink can be read on every ground."""

    page: str
    card: str
    code: str
    line: str
    text: str
    muted: str


LIGHT = Palette(
    page="#eef1f4", card="#ffffff", code="#f6f8fa", line="#d0d7de", text="#1f2328", muted="#57606a"
)
DARK = Palette(
    page="#0d1117", card="#161b22", code="#21262d", line="#3d444d", text="#e6edf3", muted="#9da7b3"
)

_TOGETHER = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? (?:UTC|[+-]\d\d:\d\d)|\b\d+ (?:ms|[smhd])(?: \d+ [smh])?\b"
)
"""Times and durations in the form that is the same everywhere."""


def as_html(content: Content) -> str:
    """Return the content as a whole HTML document."""
    accent = content.branding.accent_color or content.look.colour
    return (
        templates()
        .get_template("email.html.j2")
        .render(c=content, light=LIGHT, dark=DARK, accent=accent, ink=ink_on(accent))
    )


@functools.cache
def templates() -> jinja2.Environment:
    """Return the environment of the built-in templates; HTML is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("airflow_cloudact_notify.core", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
    )
    environment.filters["together"] = _together
    return environment


def _together(text: str) -> Markup:
    """Return a text, escaped, in which no line ends within a time or a duration: a date may break at its hyphens."""
    from markupsafe import Markup, escape

    return Markup(_TOGETHER.sub(r'<span class="whole">\g<0></span>', str(escape(text))))  # noqa: S704 - escaped
