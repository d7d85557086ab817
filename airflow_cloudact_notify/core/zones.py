"""Names of time zones."""

from __future__ import annotations

import difflib
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        close = difflib.get_close_matches(name, available_timezones(), n=1)
        remedy = f"did you mean '{close[0]}'?" if close else "use a name such as Europe/Berlin"
        raise ValueError(f"not a time zone of the IANA database; {remedy}") from None
    return name


ZoneName = Annotated[str, AfterValidator(_known)]
"""A name of the IANA database."""
