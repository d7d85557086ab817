"""Times as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from airflow_cloudact_notify.core.errors import CloudActNotifyError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LENGTH = re.compile(r"(\d{1,6})([smhdw])")


def moment(text: str) -> datetime:
    """Return a time; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CloudActNotifyError(f"{text!r} is no time: write it as 2026-01-31T22:00+01:00.") from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        found.astimezone(UTC)
    except OverflowError:
        raise CloudActNotifyError(f"{text!r} is outside of the years 1 to 9999.") from None
    return found


def after(start: datetime, text: str) -> datetime:
    """Return the time that is a length of time, such as ``30m``, after another."""
    found = _LENGTH.fullmatch(text)
    if not found:
        raise CloudActNotifyError(f"{text!r} is no length of time: write it as 30m, 2h or 1d.")
    try:
        return start + timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise CloudActNotifyError(f"{text!r} is too long: it ends after the year 9999.") from None
