"""The text of a custom Slack template pings nobody, and is laid out in pieces that Slack takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.block_kit import MAX_SECTION
from airflow_cloudact_notify.core.custom.mrkdwn import MAX_TEXT, cut, harmless, pieces


@pytest.mark.parametrize(
    "ping",
    [
        "<!channel>",
        "<!here>",
        "<!everyone|hi>",
        "<@U123ABC>",
        "<@W1|name>",
        "<!subteam^S123|@ops>",
        "<<!channel>>",
    ],
)
def test_nobody_is_mentioned(ping):
    assert not re.search("<[!@]", harmless(f"see {ping} and <https://example.com|this>"))


def test_links_and_marks_of_the_templates_author_stay():
    text = "*bold* _it_ <https://example.com|this> <#C123> &lt;!channel&gt; a < b"
    assert harmless(text) == text


@given(st.lists(st.text(alphabet="a` \n<>&;|", max_size=5_000), max_size=6).map("\n".join))
def test_pieces_fit_and_each_closes_the_code_that_it_opens(text):
    made = list(pieces(text))
    assert all(0 < len(piece) <= MAX_SECTION for piece in made)
    assert all(piece.count("```") % 2 == 0 for piece in made)
    assert sum(map(len, made)) <= MAX_TEXT + 20 * len(made)


def test_a_long_text_is_cut_between_lines_and_code_goes_on():
    lines = [f"line {number} {'x' * 90}" for number in range(80)]
    first, second, *_ = pieces("\n".join(["```", *lines, "```"]))
    assert first.startswith("```\nline 0 ")
    assert first.endswith("x\n```")
    assert second.startswith("```\nline ")


def test_what_is_cut_says_so_and_leaves_no_half_of_a_link():
    *_, last = pieces(("a" * 99 + "\n") * (MAX_TEXT // 100) + "more")
    assert last.endswith("… (cut)")
    [piece] = pieces("b" * (MAX_SECTION - 30) + "<https://example.com/a/long/one|this>")
    assert piece == "b" * (MAX_SECTION - 30) + "… (cut)"


def test_a_sign_of_less_does_not_cost_the_lines_below_it():
    text = cut("rows < 5\n" + "b" * 100, 60)
    assert text == "rows < 5\n" + "b" * 44 + "… (cut)"
