from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core.documents import validate
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.quiet_hours import QuietHoursConfig, Weekday

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
CHANGES = {
    (BERLIN, "spring"): datetime(2026, 3, 29, 1, tzinfo=UTC),
    (BERLIN, "autumn"): datetime(2026, 10, 25, 1, tzinfo=UTC),
    (NEW_YORK, "spring"): datetime(2026, 3, 8, 7, tzinfo=UTC),
    (NEW_YORK, "autumn"): datetime(2026, 11, 1, 6, tzinfo=UTC),
    # Half an hour, and in October to summer time.
    (LORD_HOWE, "autumn"): datetime(2026, 4, 4, 15, tzinfo=UTC),
    (LORD_HOWE, "spring"): datetime(2026, 10, 3, 15, 30, tzinfo=UTC),
}
clock_times = st.times(max_value=time(23, 59)).map(lambda t: f"{t:%H:%M}")
quickly = settings(deadline=None, database=None, derandomize=True, max_examples=200)


def quiet_hours(*times: dict[str, Any], timezone: str = BERLIN) -> QuietHoursConfig:
    return QuietHoursConfig.model_validate({"timezone": timezone, "times": times or [NIGHT]})


NIGHT = {"start": "22:00", "end": "07:00"}


def is_quiet(hours: QuietHoursConfig, wall: str, timezone: str = BERLIN) -> bool:
    moment = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(timezone))
    return hours.current(moment.timestamp()) is not None


def quiet_minutes(hours: QuietHoursConfig, start: datetime, end: datetime) -> list[datetime]:
    minutes = range(int((end - start).total_seconds()) // 60)
    moments = (start + timedelta(minutes=minute) for minute in minutes)
    return [moment for moment in moments if hours.current(moment.timestamp())]


@pytest.mark.parametrize("zone_and_season", CHANGES, ids=str)
def test_the_changes_are_those_of_the_database(zone_and_season: tuple[str, str]) -> None:
    zone, change = ZoneInfo(zone_and_season[0]), CHANGES[zone_and_season]
    before = (change - timedelta(seconds=1)).astimezone(zone)
    assert before.utcoffset() != change.astimezone(zone).utcoffset()


@pytest.mark.parametrize(
    ("wall", "quiet"),
    [
        ("2026-06-01T21:59:59", False),
        ("2026-06-01T22:00", True),
        ("2026-06-02T00:00", True),
        ("2026-06-02T06:59:59", True),
        ("2026-06-02T07:00", False),
    ],
)
def test_hours_may_span_midnight(wall: str, quiet: bool) -> None:
    assert is_quiet(quiet_hours(), wall) is quiet


def test_days_are_those_on_which_the_hours_start() -> None:
    friday = quiet_hours(NIGHT | {"days": ["fri"]})  # 2026-06-05 is a Friday
    assert not is_quiet(friday, "2026-06-05T06:00")
    assert is_quiet(friday, "2026-06-05T22:00")
    assert is_quiet(friday, "2026-06-06T06:59")
    assert not is_quiet(friday, "2026-06-06T22:00")


def test_whole_days_and_nights_together() -> None:
    weekend = {"start": "00:00", "end": "24:00", "days": ["sat", "sun"]}
    hours = quiet_hours(NIGHT, weekend)
    assert is_quiet(hours, "2026-06-06T12:00")
    assert is_quiet(hours, "2026-06-07T23:59")
    assert is_quiet(hours, "2026-06-08T06:59")
    assert not is_quiet(hours, "2026-06-08T12:00")


@pytest.mark.parametrize(
    ("zone", "season", "minutes"),
    [
        (BERLIN, "spring", 8 * 60),
        (BERLIN, "autumn", 10 * 60),
        (NEW_YORK, "spring", 8 * 60),
        (NEW_YORK, "autumn", 10 * 60),
        (LORD_HOWE, "spring", 8 * 60 + 30),
        (LORD_HOWE, "autumn", 9 * 60 + 30),
    ],
)
def test_a_night_of_a_change_is_longer_or_shorter_and_without_a_hole(
    zone: str, season: str, minutes: int
) -> None:
    change = CHANGES[(zone, season)]
    noon = timedelta(hours=12)
    quiet = quiet_minutes(quiet_hours(timezone=zone), change - noon, change + noon)
    assert len(quiet) == minutes
    assert quiet[-1] - quiet[0] == timedelta(minutes=minutes - 1)


@quickly
@given(
    st.sampled_from(sorted(CHANGES)),
    clock_times,
    clock_times | st.just("24:00"),
    st.lists(st.sampled_from(Weekday), min_size=1, unique=True),
    st.integers(-36 * 60, 36 * 60),
)
def test_a_moment_is_quiet_exactly_when_the_clock_on_the_wall_says_so(
    change: tuple[str, str], start: str, end: str, days: list[Weekday], minutes: int
) -> None:
    if start in (end, "24:00"):
        return
    moment = CHANGES[change] + timedelta(minutes=minutes)
    hours = quiet_hours({"start": start, "end": end, "days": days}, timezone=change[0])
    assert (hours.current(moment.timestamp()) is not None) is by_the_wall(moment, change[0], start, end, days)


def by_the_wall(moment: datetime, zone: str, start: str, end: str, days: list[Weekday]) -> bool:
    """Whether the wall's date and time lie between two of its dates and times, written out for yesterday and today."""
    wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    for day in (wall.date() - timedelta(days=1), wall.date()):
        if list(Weekday)[day.weekday()] not in days:
            continue
        begins, ends = on(day, start), on(day, end)
        if ends <= begins:
            ends += timedelta(days=1)
        if begins <= wall < ends:
            return True
    return False


def on(day: date, clock: str) -> datetime:
    hour, minute = map(int, clock.split(":"))
    return datetime.combine(day, time()) + timedelta(hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"timezone": "Europe/Berlim"}, "Did you mean 'Europe/Berlin'?"),
        ({"timezone": "Europe"}, "quiet_hours.timezone: not a time zone"),
        ({"timezone": "../etc/passwd"}, "quiet_hours.timezone: not a time zone"),
        ({"timezone": ""}, "quiet_hours.timezone: not a time zone"),
        ({"times": []}, "quiet_hours.times"),
        (
            {"times": [{"start": "9:00", "end": "10:00"}]},
            'quiet_hours.times.0.start: not a time of day. Write it as "22:00".',
        ),
        ({"times": [{"start": "25:00", "end": "10:00"}]}, "quiet_hours.times.0.start: not a time of day"),
        ({"times": [{"start": "24:00", "end": "10:00"}]}, "quiet_hours.times.0: it has no length"),
        ({"times": [{"start": "10:00", "end": "10:00"}]}, 'A whole day is "00:00" to "24:00".'),
        ({"times": [NIGHT | {"days": ["sunday"]}]}, "Did you mean 'sun'?"),
        ({"times": [NIGHT | {"day": ["sun"]}]}, "Did you mean 'days'?"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_remedy(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validate({"quiet_hours": {"timezone": BERLIN, "times": [NIGHT]} | keys}, "config.json")
    assert problem in str(caught.value)
