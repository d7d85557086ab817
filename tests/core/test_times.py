from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_cloudact_notify.core.times import Times, duration

NIGHT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"), (0.4, "0 ms"), (850, "850 ms"), (999, "999 ms"), (999.6, "1 s"), (1_000, "1 s"), (12_300, "12 s"),
        (59_999, "1 m"), (60_000, "1 m"), (245_000, "4 m 5 s"), (3_600_000, "1 h"), (3_605_000, "1 h"),
        (11_520_000, "3 h 12 m"), (187_200_000, "2 d 4 h"), (86_400_000, "1 d"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_a_person_does(milliseconds: float, words: str) -> None:
    assert duration(milliseconds) == Times().duration(milliseconds) == words


@pytest.mark.parametrize(
    ("times", "when", "said"),
    [
        pytest.param(Times(), NIGHT, "2026-01-02 03:04:05 UTC", id="UTC"),
        pytest.param(Times("Europe/Berlin"), NIGHT, "2026-01-02 04:04:05 +01:00", id="winter"),
        pytest.param(Times("Europe/Berlin"), SUMMER, "2026-07-02 05:04:05 +02:00", id="summer"),
        pytest.param(Times("America/New_York"), NIGHT, "2026-01-01 22:04:05 -05:00", id="the day before"),
        pytest.param(Times("Asia/Kathmandu"), NIGHT, "2026-01-02 08:49:05 +05:45", id="three quarters"),
        pytest.param(Times("Europe/Berlin", "de"), NIGHT, "02.01.2026, 04:04:05 +01:00", id="German"),
        pytest.param(Times("UTC", "en_GB"), NIGHT, "2 Jan 2026, 03:04:05 UTC", id="British"),
    ],
)
def test_a_time_is_told_in_its_zone_with_its_offset(times: Times, when: datetime, said: str) -> None:
    assert times.moment(when) == said


def test_a_minute_is_told_without_its_seconds() -> None:
    assert Times("Europe/Berlin").at(NIGHT.timestamp()) == "2026-01-02 04:04 +01:00"
    assert Times("Europe/Berlin", "de").at(NIGHT.timestamp()) == "02.01.26, 04:04 +01:00"


def test_a_locale_has_its_own_words_for_durations() -> None:
    assert Times("UTC", "de").duration(11_520_000) == "3 Std. 12 Min."
