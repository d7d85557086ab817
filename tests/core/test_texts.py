from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.texts import cut, cut_in_the_middle, one_line, readable, wrapped


@pytest.mark.parametrize(("limit", "expected"), [(5, "12345"), (4, None), (100, "12345")])
def test_a_cut_text_has_at_most_the_limit(limit: int, expected: str | None) -> None:
    if expected is None:
        assert cut("1234567890123", 10) == "123… (cut)"
    else:
        assert cut("12345", limit) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="nothing to do"),
        pytest.param("a\r\nb\nc\td", "a\nb\nc\td", id="line ends and tabs stay"),
        pytest.param("\x1b[1;31mERROR\x1b[0m done", "ERROR done", id="colours of a terminal"),
        pytest.param("a\x00b\x07c", "abc", id="control characters"),
        pytest.param("a\x0bb\u2028c\u00a0d", "a b c d", id="unusual blanks"),
        pytest.param("a\udcffb", "a\ufffdb", id="half a character"),
        pytest.param("\u202eabc", "abc", id="a change of direction"),
        pytest.param("👨‍👩‍👧 ü é ß 日本", "👨‍👩‍👧 ü é ß 日本", id="every language and emoji"),
        pytest.param("نمی\u200cشود\n", "نمی\u200cشود\n", id="Persian"),
        pytest.param("👨‍👩‍👧\nü", "👨‍👩‍👧\nü", id="emoji on lines"),
    ],
)
def test_what_no_medium_shows_is_left_out(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_one_line_is_one_line() -> None:
    assert one_line(" a\r\n b\t\tc\x00\u2028d ") == "a b c d"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("Task sales.load failed", 70, "Task sales.load failed"),
        ("Task sales.load_everything failed", 22, "Task sales.…ing failed"),
        ("Task sales and failed", 12, "Task s…ailed"),
    ],
)
def test_a_line_that_is_cut_in_the_middle_keeps_both_ends(text: str, limit: int, expected: str) -> None:
    assert cut_in_the_middle(text, limit) == expected


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", [""], id="nothing"),
        pytest.param("one two three", ["one two", "three"], id="at blanks"),
        pytest.param("  one two three", ["  one two", "three"], id="what it begins with stays"),
        pytest.param("abcdefghijklmno", ["abcdefghij", "klmno"], id="a long word"),
        pytest.param("日本語日本語", ["日本語日本", "語"], id="wide letters"),
        pytest.param("123456789👩‍👧!", ["123456789", "👩‍👧!"], id="what is seen as one letter"),
        pytest.param("a\n\nb", ["a", "", "b"], id="its own lines stay"),
    ],
)
def test_a_text_is_broken_into_lines(text: str, lines: list[str]) -> None:
    assert wrapped(text, 10).split("\n") == lines


@given(st.text(), st.integers(2, 90))
def test_nothing_of_a_text_is_lost_when_it_is_broken(text: str, width: int) -> None:
    text = readable(text)
    lines = wrapped(text, width)
    assert "".join(lines.split()) == "".join(text.split())
    assert all(len(line) <= width for line in lines.split("\n") if line.isascii())
