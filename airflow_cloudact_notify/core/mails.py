"""How mails are written: by the email package, without the detours that take it most of its time.

It parses each header when it is set, to write it the same again, and encodes texts letter by letter.
"""

from __future__ import annotations

import functools
import quopri
from email.charset import BASE64, Charset
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from typing import Any

BOUNDARY = "=_cloudact-notify"
"""RFC 2045, section 6.7: quoted-printable content never has ``=_`` in it."""
MAX_PLAIN = 78
"""Columns of a line (RFC 5322, 2.1.1): a header that needs no more is not folded."""
MAX_LINE = 998
"""Columns that a line may have at most (same place): an id is not folded, which would make another of it."""
WIRE = SMTP.clone(refold_source="none")
"""How a mail is written for a server: what was stored as a text is written as it is."""
WIRE_UTF8 = WIRE.clone(utf8=True)
"""The same for a server that takes letters beyond ASCII in addresses."""

_IDS = frozenset({"message-id", "in-reply-to", "references"})
_MAX_ENCODED = 75
"""Columns of a line with encoded words (RFC 2047, section 2)."""
_WORDS = Charset("utf-8")
_WORDS.header_encoding = BASE64  # the one encoding that may stand in front of an address, too


class _Written(str):
    """A header's value as it goes out."""


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

    def __deepcopy__(self, _: Any) -> _PlainHeaders:
        """Return itself: a copied mail needs no headers' classes of its own."""
        return self

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if isinstance(value, _Written):
            return name, value
        is_plain = value != "" and value.isascii() and value.isprintable() and "=?" not in value
        fits = len(name) + 2 + len(value) <= (MAX_LINE if name.lower() in _IDS else MAX_PLAIN)
        # The package asks for the content's headers again and again.
        if is_plain and fits and not name.lower().startswith("content-"):
            return name, value
        return super().header_store_parse(name, value)


POLICY = _PlainHeaders(linesep="\r\n", header_factory=_Headers())


def new_mail() -> EmailMessage:
    """Return a mail without headers."""
    return EmailMessage(policy=POLICY)


def encoded(name: str, text: str, address: str = "") -> str:
    """Return the value of a header with letters beyond ASCII, by RFC 2047.

    The email package itself loses blanks between the words that it encodes, and puts some where there were none.

    :param address: what the text is the name of, left as it is.
    """
    lines = Header(text, _WORDS, maxlinelen=_MAX_ENCODED, header_name=name).encode()
    if address:
        last = f"{name}: {lines}".rpartition("\n")[2]
        lines += f" <{address}>" if len(last) + len(address) + 3 <= _MAX_ENCODED else f"\n <{address}>"
    return _Written(lines)


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
