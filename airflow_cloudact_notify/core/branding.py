"""The ``branding`` section, and with it all that a tenant decides about how its messages read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from airflow_cloudact_notify.core.section import Section
from airflow_cloudact_notify.core.times import Times

MAX_URL = 1_500
"""Characters of a link; a longer one is left out of messages."""


def is_web_address(url: str) -> bool:
    """Whether a link leads to a web page, and is of a length that every medium takes."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    usable = parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= MAX_URL
    return usable and url.isprintable() and " " not in url


def _web_address(url: str) -> str:
    if not is_web_address(url):
        raise ValueError(f"not a web address; write it as https://…, in {MAX_URL:,} characters at most")
    return url


def _colour(text: str) -> str:
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", text):
        raise ValueError("not a colour; write it as #rrggbb, such as #1b66c9")
    return text.lower()


def _locale(name: str) -> str:
    from babel import Locale, UnknownLocaleError

    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (ValueError, UnknownLocaleError):
        raise ValueError("not a locale; use a language such as de, or with a country en_GB") from None


WebAddress = Annotated[str, AfterValidator(_web_address)]
Colour = Annotated[str, AfterValidator(_colour)]
LocaleName = Annotated[str, AfterValidator(_locale)]


class BrandingConfig(Section):
    """The ``branding`` section. Text on the accent colour is white or black, whichever can be read."""

    name: str | None = Field(default=None, max_length=60)
    """What people read in place of the tenant's id."""
    logo_text: str | None = Field(default=None, max_length=4)
    """Up to four characters in a coloured box: mails load no pictures."""
    accent_color: Colour | None = None
    """The colour of that box and of the first button, as ``#0b5cad``."""
    footer: str | None = Field(default=None, max_length=300)
    """A last line."""
    link: WebAddress | None = None
    """A web address below it."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a tenant's messages read."""

    branding: BrandingConfig = field(default_factory=BrandingConfig)
    times: Times = field(default_factory=Times)
