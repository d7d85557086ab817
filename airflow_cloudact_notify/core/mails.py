"""How mails are written: by the email package, without the detours that take it most of its time.

It parses each header when it is set, to write it the same again, and encodes texts letter by letter.
"""

from __future__ import annotations

import functools
import quopri
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

BOUNDARY = "=_cloudact-notify"
"""RFC 2045, section 6.7: quoted-printable content never has ``=_`` in it."""
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


def new_mail() -> EmailMessage:
    """Return a mail without headers."""
    return EmailMessage(policy=POLICY)


def fill(mail: EmailMessage, text: str, html: str = "") -> None:
    """Give a mail its text, and the same as HTML for readers that show it."""
    if not html:
        _encode(mail, text, "plain")
        return
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = f'multipart/alternative; boundary="{BOUNDARY}"'
    for content, subtype in ((text, "plain"), (html, "html")):
        part = new_mail()
        _encode(part, content, subtype)
        mail.attach(part)


def _encode(part: EmailMessage, text: str, subtype: str) -> None:
    part["MIME-Version"] = "1.0"
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(quopri.encodestring(text.encode()).decode("ascii"))
