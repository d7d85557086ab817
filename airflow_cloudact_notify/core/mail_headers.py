"""How a mail's headers are written: the email package's way, but that what is plain is not parsed.

Each header is parsed when it is set, to be written the same again: of a mail's time that was half.
"""

from __future__ import annotations

import functools
from email.headerregistry import HeaderRegistry
from email.policy import EmailPolicy
from typing import Any

MAX_PLAIN = 78
"""Columns of a line (RFC 5322, 2.1.1): a header that needs no more is not folded."""


class _Headers(HeaderRegistry):
    """The package's own, which makes a new class of every header of every mail, and parses the same words again."""

    @functools.cache  # noqa: B019 - there is one for all, and a dozen names
    def __getitem__(self, name: str) -> type[Any]:
        return super().__getitem__(name)

    @functools.lru_cache(maxsize=64)  # noqa: B019 - the content's types and encodings are the same in every mail
    def __call__(self, name: str, value: str) -> Any:
        return super().__call__(name, value)


class _PlainHeaders(EmailPolicy):
    """Keeps a header of one line of plain ASCII as it is; what it means is found out by who asks for it."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        is_plain = value != "" and value.isascii() and value.isprintable() and "=?" not in value
        fits = len(name) + 2 + len(value) <= MAX_PLAIN
        # The package asks for the content's headers again and again.
        if is_plain and fits and not name.lower().startswith("content-"):
            return name, value
        return super().header_store_parse(name, value)


POLICY = _PlainHeaders(linesep="\r\n", header_factory=_Headers())
