from __future__ import annotations

import re
from typing import Any

import jinja2
import pytest

from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.rendering import (
    CAUSE_KEYS,
    LOOKS,
    content_of,
    cut,
    duration,
    label,
    one_line,
    readable,
    templates,
)
from airflow_cloudact_notify.testing import make_message


def test_a_content_holds_everything_in_reading_order() -> None:
    content = content_of(
        make_message(
            severity="critical",
            map_index=0,
            try_number=1,
            duration_ms=850,
            log_url="https://airflow.example/log",
            details={"table_name": "orders", "error": "ValueError: bad"},
        )
    )
    assert (content.look.label, content.headline, content.body) == (
        "Critical",
        "Pipeline failed: sales",
        "Task load failed.",
    )
    assert content.facts == (
        ("Tenant", "acme"),
        ("Pipeline", "sales"),
        ("Task", "load [0]"),
        ("Run", "manual__2026-01-02"),
        ("Try", "1"),
        ("Duration", "850 ms"),
        ("Table name", "orders"),
    )
    assert content.cause == "ValueError: bad"
    assert content.links == (("Open log", "https://airflow.example/log"),)
    assert content.footer == "pipeline_failure · 2026-01-02 03:04:05 UTC"


def test_the_same_message_gives_the_same_content() -> None:
    assert content_of(make_message()) == content_of(make_message())


def test_what_is_unknown_is_left_out() -> None:
    nothing = dict.fromkeys(("tenant_id", "pipeline_id", "pipeline_logging_id", "task_id"))
    content = content_of(make_message(**nothing, details={"a": None, "b": "", "c": [], "d": {}}))
    assert (content.facts, content.cause, content.links) == ((), "", ())


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_a_zero_is_not_unknown(value: Any) -> None:
    [*_, fact] = content_of(make_message(details={"failed_rows": value})).facts
    assert fact[0] == "Failed rows"


def test_a_test_says_that_it_is_one() -> None:
    assert content_of(make_message(kind="test")).headline == "[Test] Pipeline failed: sales"


def test_the_severity_is_the_messages_else_the_events() -> None:
    assert content_of(make_message(event="system_error")).look.label == "Critical"
    assert content_of(make_message(event="system_error", severity="info")).look.label == "Info"


def test_causes_are_told_once_each_and_not_among_the_facts() -> None:
    details = dict.fromkeys(CAUSE_KEYS, "the same") | {"traceback": "Traceback (most recent call last)"}
    content = content_of(make_message(details=details))
    assert content.cause == "the same\n\nTraceback (most recent call last)"
    assert not {name for name, _ in content.facts} & {label(key) for key in CAUSE_KEYS}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(["not_null", "unique"], "not_null, unique", id="a list of words"),
        pytest.param([1, 2.5], "1, 2.5", id="a list of numbers"),
        pytest.param([{"a": 1}], '[{"a": 1}]', id="a list of objects"),
        pytest.param({"ä": "ö"}, '{"ä": "ö"}', id="an object"),
        pytest.param(True, "true", id="a truth"),
        pytest.param(12, "12", id="a number"),
        pytest.param("two\nlines", "two\nlines", id="a text"),
    ],
)
def test_a_detail_is_shown_as_a_person_writes_it(value: Any, shown: str) -> None:
    [*_, fact] = content_of(make_message(details={"some_key": value})).facts
    assert fact == ("Some key", shown)


def test_long_texts_are_cut_and_say_so() -> None:
    text = "x" * 50_000
    content = content_of(make_message(message=text, details={"error": text, "other": text}))
    assert [len(content.body), len(content.cause), len(content.facts[-1][1])] == [20_000, 6_000, 1_000]
    assert all(part.endswith("… (cut)") for part in (content.body, content.cause, content.facts[-1][1]))


@pytest.mark.parametrize(("limit", "expected"), [(5, "12345"), (4, None), (100, "12345")])
def test_a_cut_text_has_at_most_the_limit(limit: int, expected: str | None) -> None:
    if expected is None:
        assert cut("1234567890123", 10) == "123… (cut)"
    else:
        assert cut("12345", limit) == expected


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0 ms"), (0.4, "0 ms"), (850, "850 ms"), (999, "999 ms"), (1_000, "1 s"), (12_300, "12 s"),
        (59_999, "1 m"), (60_000, "1 m"), (245_000, "4 m 5 s"), (3_600_000, "1 h"), (3_605_000, "1 h"),
        (11_520_000, "3 h 12 m"), (187_200_000, "2 d 4 h"), (86_400_000, "1 d"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_a_person_does(milliseconds: float, words: str) -> None:
    assert duration(milliseconds) == words


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
        pytest.param("👨‍👩‍👧\nü", "👨‍👩‍👧\nü", id="emoji on lines"),
    ],
)
def test_what_no_medium_shows_is_left_out(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_one_line_is_one_line() -> None:
    assert one_line(" a\r\n b\t\tc\x00\u2028d ") == "a b c d"


@pytest.mark.parametrize(
    ("key", "shown"),
    [("table_name", "Table name"), ("rows", "Rows"), ("a\nb", "A b"), ("URL", "URL"), ("", "")],
)
def test_a_key_becomes_a_label(key: str, shown: str) -> None:
    assert label(key) == shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://example.com", "/relative"])
def test_only_a_web_address_is_linked(url: str) -> None:
    assert content_of(make_message(log_url=url)).links == ()


def test_every_severity_has_a_look() -> None:
    assert LOOKS.keys() == set(NotificationSeverity)
    assert len({look.colour for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("look", LOOKS.values(), ids=lambda look: look.label)
def test_white_text_can_be_read_on_every_colour(look: Any) -> None:
    # https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio - 4.5 for normal text
    channels = [int(part, 16) / 255 for part in re.findall("..", look.colour[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_html_is_escaped_and_text_is_not() -> None:
    content = content_of(make_message(title="<b>&"))
    assert "&lt;b&gt;&amp;" in templates().get_template("email.html.j2").render(c=content)
    assert "<b>&" in templates().get_template("email.txt.j2").render(c=content)


def test_a_template_that_names_what_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates().from_string("{{ nothing }}").render()
