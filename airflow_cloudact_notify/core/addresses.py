"""Email addresses: checked when they are read, since a wrong one costs a message later."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.headerregistry import Address
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

_ADDRESS = re.compile(
    r"[^@\s<>,;:\"()\[\]\\\x00-\x20]+@[^@\s<>,;:\"()\[\]\\\x00-\x20.]+(\.[^@\s<>,;:\"()\[\]\\.]+)*"
)
_BEYOND_ASCII = re.compile(r"(?![\x00-\x7f])\w")


def is_address(text: str) -> bool:
    """Whether a text is an address, without a display name; letters beyond ASCII are letters."""
    try:
        return bool(_ADDRESS.fullmatch(text) and Address(addr_spec=_BEYOND_ASCII.sub("x", text)))
    except (ValueError, MessageError):
        return False


def _valid_address(address: str, info: ValidationInfo) -> str:
    local, _, domain = address.rpartition("@")
    if not is_address(address):
        raise ValueError("not an email address; write it as name@example.com, without a display name")
    if not local.isascii() and not info.data.get("smtp_utf8"):
        raise ValueError(
            "the part before the @ has letters that most mail servers refuse; use ASCII, or if the server offers "
            "SMTPUTF8, set smtp_utf8 to true"
        )
    if domain.isascii():
        return address
    import idna

    try:
        # Python's own codec is of 2003: it makes straße.de another's domain, strasse.de.
        return f"{local}@{idna.encode(domain, uts46=True).decode()}"
    except UnicodeError:
        raise ValueError("the part after the @ is not a domain name") from None


EmailAddress = Annotated[str, AfterValidator(_valid_address)]
"""An address of a model that has ``smtp_utf8``; a domain's other letters are written in ASCII."""
