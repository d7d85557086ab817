from __future__ import annotations

import pytest

from airflow_cloudact_notify.core import block_kit


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        pytest.param("a < b & b > c", "a &lt; b &amp; b &gt; c", id="the three characters"),
        pytest.param("<!channel>", "&lt;!channel&gt;", id="a mention"),
        pytest.param("&lt;", "&amp;lt;", id="what is escaped already"),
        pytest.param('"it\'s" 100%', '"it\'s" 100%', id="nothing else"),
    ],
)
def test_three_characters_are_escaped(text: str, escaped: str) -> None:
    assert block_kit.escape(text) == escaped


def test_what_fits_is_left_as_it_is() -> None:
    assert block_kit.fit("x" * 20, 20) == "x" * 20


@pytest.mark.parametrize("limit", range(20, 60))
@pytest.mark.parametrize("text", ["&" * 30, "<>" * 30, "a&b" * 30, "x" * 90])
def test_a_cut_is_visible_and_never_inside_an_entity(text: str, limit: int) -> None:
    cut = block_kit.fit(block_kit.escape(text), limit)
    assert len(cut) <= limit
    assert cut.endswith(block_kit.CUT)
    whole = cut.removesuffix(block_kit.CUT)
    unescaped = whole.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert text.startswith(unescaped)


def test_facts_come_in_fives_with_each_value_beside_its_name() -> None:
    blocks = list(block_kit.facts((f"Name {number}", f"value {number}") for number in range(12)))
    assert [len(block["fields"]) for block in blocks] == [10, 10, 4]
    assert [field["text"] for field in blocks[2]["fields"]] == [
        "*Name 10*",
        "value 10",
        "*Name 11*",
        "value 11",
    ]


@pytest.mark.parametrize("text", ["__init__", "*x*", "~x~", "`x`", "raw_*_2026", "a:100:b", "<!here> & more"])
def test_a_facts_value_is_shown_as_it_is(text: str) -> None:
    [block] = block_kit.facts([("Table", text)])
    name, value = block["fields"]
    assert name == {"type": "mrkdwn", "text": "*Table*", "verbatim": True}
    assert value == {"type": "plain_text", "text": text, "emoji": False}


@pytest.mark.parametrize("text", ["Nulls in `x`", "p95 *"])
def test_a_facts_name_keeps_its_marks(text: str) -> None:
    [block] = block_kit.facts([(text, "12")])
    assert block["fields"][0] == {"type": "plain_text", "text": text, "emoji": False}


def test_no_facts_make_no_block() -> None:
    assert list(block_kit.facts([])) == []


def test_back_ticks_cannot_end_a_block_of_code() -> None:
    text = block_kit.code("before ``` <!channel> ```````` after")["text"]["text"]
    assert text == "```before ''' &lt;!channel&gt; ''''''`` after```"
    assert text.strip("`").count("```") == 0


@pytest.mark.parametrize("text", ["x" * 9_000, "<" * 9_000, "`" * 9_000])
def test_code_and_section_stay_within_their_limit(text: str) -> None:
    assert len(block_kit.code(text)["text"]["text"]) <= block_kit.MAX_SECTION
    assert len(block_kit.section(text)["text"]["text"]) <= block_kit.MAX_SECTION


def test_an_empty_text_is_one_that_slack_takes() -> None:
    assert block_kit.section("")["text"]["text"] == " "


def test_buttons_have_short_texts_and_usable_urls() -> None:
    links = [
        ("x" * 200, "https://example.com/"),
        ("too long", "https://example.com/" + "x" * 3_000),
        ("no web address", "javascript:alert(1)"),
    ]
    [row] = block_kit.buttons(links)
    assert [(len(button["text"]["text"]), button["url"]) for button in row["elements"]] == [
        (75, "https://example.com/")
    ]


def test_buttons_without_a_usable_url_make_no_block() -> None:
    assert list(block_kit.buttons([("Log", "ftp://example.com")])) == []


def test_a_row_has_as_many_buttons_as_slack_takes() -> None:
    [row] = block_kit.buttons([("Log", f"https://example.com/{number}") for number in range(30)])
    assert len(row["elements"]) == block_kit.MAX_BUTTONS


@pytest.mark.parametrize("text", ["<!here>", "**kwargs of __main__ & `x` ~ *.csv", "> quoted"])
def test_texts_are_shown_as_they_are(text: str) -> None:
    shown = {"type": "plain_text", "text": text, "emoji": True}
    assert block_kit.context(text)["elements"] == [shown]
    assert block_kit.section(text)["text"] == shown


def test_a_web_address_below_can_be_pressed() -> None:
    [words, link] = block_kit.context("Ask us.", "https://acme.example/?a=1&b=<!channel>")["elements"]
    assert words["text"] == "Ask us."
    assert link["text"] == "<https://acme.example/?a=1&amp;b=&lt;!channel&gt;>"
    [link] = block_kit.context("", "https://acme.example")["elements"]
    assert link["text"] == "<https://acme.example>"
    [words] = block_kit.context("", "https://acme.example/" + "&" * 500)["elements"]
    assert words["text"] == " "
