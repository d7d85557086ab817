"""Quiet hours: times at which only what is critical is told, by the clock on the tenant's wall.

A moment is quiet when that clock shows a time within the hours. Nothing is computed across a change to or from summer
time, so there is nothing to get wrong: an hour that the clock leaves out is not there, one that it shows twice is quiet
both times.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from airflow_cloudact_notify.core.section import Section
from airflow_cloudact_notify.core.zones import ZoneName

END_OF_DAY = "24:00"
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class Weekday(StrEnum):
    """A day of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class QuietTimeConfig(Section):
    """From ``start`` to ``end``, on the ``days`` on which it starts; over midnight when ``end`` is no later.

    Times are written ``HH:MM``; ``end`` may be ``24:00``.
    """

    start: str
    """When it begins, as ``22:00``."""
    end: str
    """When it ends, as ``06:30``; over midnight when that is no later than ``start``."""
    days: list[Weekday] = Field(default=list(Weekday), min_length=1)
    """The days on which it starts; left out, every day."""

    @field_validator("start", "end")
    @classmethod
    def _time(cls, text: str) -> str:
        if not _TIME.fullmatch(text) and text != END_OF_DAY:
            raise ValueError('not a time of day; write it as "22:00"')
        return text

    @model_validator(mode="after")
    def _of_some_length(self) -> Self:
        if self.start in (self.end, END_OF_DAY):
            raise ValueError('it has no length; a whole day is "00:00" to "24:00"')
        return self

    def holds(self, wall: datetime) -> bool:
        """Whether a clock on the wall shows a time within it."""
        time, today = f"{wall:%H:%M}", list(Weekday)[wall.weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= time < self.end
        yesterday = list(Weekday)[(wall - timedelta(days=1)).weekday()]
        return (today in self.days and time >= self.start) or (yesterday in self.days and time < self.end)


class QuietHoursConfig(Section):
    """The quiet times of a tenant, in its own time zone (a name of the IANA database, such as ``Europe/Berlin``)."""

    timezone: ZoneName
    """A name of the IANA database, such as ``Europe/Berlin``."""
    times: list[QuietTimeConfig] = Field(min_length=1)
    """The quiet times."""

    def current(self, now: float) -> QuietTimeConfig | None:
        """Return the quiet time that a moment falls into, ``None`` when it falls into none.

        :param now: seconds since 1970.
        """
        wall = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(self.timezone))
        return next((quiet for quiet in self.times if quiet.holds(wall)), None)
