"""Times and durations as a tenant's people read them: in their zone, and if they name one, in their locale's form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Times:
    """A zone by its IANA name, and a locale; without one, a form that is the same everywhere.

    :param locale: such as ``de`` or ``en_US``, as babel knows it.
    """

    zone: str = "UTC"
    locale: str | None = None

    def moment(self, when: datetime, *, seconds: bool = True) -> str:
        """Return a time with its offset: ``2026-01-02 04:04:05 +01:00``, ``2026-01-02 03:04:05 UTC``."""
        local = when.astimezone(UTC if self.zone == "UTC" else ZoneInfo(self.zone))
        offset = "UTC" if self.zone == "UTC" else _offset(local)
        if self.locale is None:
            return f"{local:%Y-%m-%d %H:%M:%S} {offset}" if seconds else f"{local:%Y-%m-%d %H:%M} {offset}"
        from babel.dates import format_datetime

        form = "medium" if seconds else "short"
        return f"{format_datetime(local, form, locale=self.locale)} {offset}"

    def at(self, seconds: float) -> str:
        """Return the minute of a time given in seconds since 1970."""
        return self.moment(datetime.fromtimestamp(seconds, UTC), seconds=False)

    def duration(self, milliseconds: float) -> str:
        """Return a duration as a person says it: ``850 ms``, ``12 s``, ``4 m 5 s``, ``3 h 12 m``, ``2 d 4 h``."""
        if self.locale is None:
            return duration(milliseconds)
        from babel.units import format_unit

        parts = ((v, f"duration-{_NAMES[u]}") for v, u in _parts(milliseconds))
        return " ".join(format_unit(value, unit, "short", locale=self.locale) for value, unit in parts)


def _offset(local: datetime) -> str:
    hhmm = f"{local:%z}"
    return f"{hhmm[:3]}:{hhmm[3:5]}"


def duration(milliseconds: float) -> str:
    """Return a duration in the form that is the same everywhere."""
    return " ".join(f"{value} {unit}" for value, unit in _parts(milliseconds))


_NAMES = {"ms": "millisecond", "s": "second", "m": "minute", "h": "hour", "d": "day"}


def _parts(milliseconds: float) -> list[tuple[int, str]]:
    """Return the two largest units of a duration, the second one only if it is not nought."""
    if round(milliseconds) < 1000:
        return [(round(milliseconds), "ms")]
    seconds = round(milliseconds / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next(index for index, (value, _) in enumerate(parts) if value)
    return [part for part in parts[first : first + 2] if part[0]]
