"""What sums up others is said as a person would say it."""

from __future__ import annotations

import pytest

from airflow_cloudact_notify.core.state.held import Tally
from airflow_cloudact_notify.core.summaries import MAX_LINES, digest_of, more, overview_of
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.testing import make_message

NOON = 1_767_355_200.0


def tally(count: int) -> Tally:
    return Tally(count, NOON, "", "")


@pytest.mark.parametrize(
    ("count", "said"), [(1, "+1 more"), (999, "+999 more"), (1_000, "1,000+ more"), (1_001, "1,000+ more")]
)
def test_repeats_are_counted_up_to_a_thousand(count: int, said: str) -> None:
    assert more(tally(count), Times()) == f"{said} since 2026-01-02 12:00 UTC"


@pytest.mark.parametrize(("count", "said"), [(1, "1 more report"), (2, "2 more reports")])
def test_a_digest_counts_as_a_person_does(count: int, said: str) -> None:
    assert (
        digest_of(make_message(title="sales failed"), tally(count), Times()).title == f"{said}: sales failed"
    )


@pytest.mark.parametrize(
    ("kinds", "title", "last"),
    [
        (1, "1 report was held back", "- 1 × sales failed, last 1970-01-01 00:00 UTC"),
        (MAX_LINES + 1, "21 reports were held back", "- and 1 more report of 1 other kind"),
        (MAX_LINES + 2, "22 reports were held back", "- and 2 more reports of 2 other kinds"),
    ],
)
def test_an_overview_counts_as_a_person_does(kinds: int, title: str, last: str) -> None:
    overview = overview_of("acme", [(make_message(title="sales failed"), tally(1))] * kinds, Times())
    assert (overview.title, overview.message.splitlines()[-1]) == (title, last)


@pytest.mark.parametrize(
    ("counts", "title", "last"),
    [
        ([999, 2], "1,001 reports were held back", "- 2 × sales failed, last 1970-01-01 00:00 UTC"),
        ([1_000, 2], "1,002+ reports were held back", "- 2 × sales failed, last 1970-01-01 00:00 UTC"),
        (
            [1_500] * (MAX_LINES + 2),
            "22,000+ reports were held back",
            "- and 2,000+ more reports of 2 other kinds",
        ),
    ],
)
def test_an_overview_tells_where_counting_stopped(counts: list[int], title: str, last: str) -> None:
    held = [(make_message(title="sales failed"), tally(count)) for count in counts]
    overview = overview_of("acme", held, Times())
    assert (overview.title, overview.message.splitlines()[-1]) == (title, last)


def test_a_digest_leads_to_what_it_is_about() -> None:
    url = "https://airflow.example/dags/sales"
    assert digest_of(make_message(dag_url=url), tally(2), Times()).dag_url == url
