from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core.branding import BrandingConfig, Style
from airflow_cloudact_notify.core.content import CAUSE_KEYS, MAX_CAUSE, MAX_FACTS, Action, content_of, label
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.testing import make_message


def test_a_content_holds_everything_in_reading_order() -> None:
    content = content_of(
        make_message(
            severity="critical",
            map_index=0,
            try_number=1,
            duration_ms=850,
            log_url="https://airflow.example/log",
            run_url="https://airflow.example/run",
            dag_url="https://airflow.example/dag",
            runbook_url="https://wiki.example/runbook",
            history=("3rd failed run in a row",),
            details={"table_name": "orders", "error": "ValueError: bad", "owner": "ann"},
        )
    )
    assert (content.look.label, content.kind, content.who) == ("Critical", "Pipeline failure", "acme")
    assert (content.headline, content.body) == ("Pipeline failed: sales", "Task load failed.")
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
    assert content.history == ("3rd failed run in a row",)
    assert content.actions == (
        Action("Open log", "https://airflow.example/log"),
        Action("Open run", "https://airflow.example/run"),
        Action("Open DAG", "https://airflow.example/dag"),
        Action("Open runbook", "https://wiki.example/runbook"),
    )
    assert content.more == (("Owner", "ann"),)
    assert content.footer == "pipeline_failure · 2026-01-02 03:04:05 UTC"
    assert content.gist == "acme · ValueError: bad"


def test_a_tenants_style_is_used() -> None:
    style = Style(BrandingConfig(name="Acme Data"), Times("Europe/Berlin"))
    content = content_of(make_message(duration_ms=61_000), style)
    assert content.who == "Acme Data"
    assert content.footer.endswith("04:04:05 +01:00")


def test_the_same_message_gives_the_same_content() -> None:
    assert content_of(make_message()) == content_of(make_message())


def test_what_is_unknown_is_left_out() -> None:
    nothing = dict.fromkeys(("tenant_id", "pipeline_id", "pipeline_logging_id", "task_id"))
    content = content_of(make_message(**nothing, details={"a": None, "b": "", "c": [], "d": {}}))
    assert (content.facts, content.cause, content.actions, content.more) == ((), "", (), ())
    assert content.gist == "Task load failed."


@pytest.mark.parametrize("value", [0, False, 0.0])
def test_a_zero_is_not_unknown(value: Any) -> None:
    [*_, fact] = content_of(make_message(details={"failed_rows": value})).facts
    assert fact[0] == "Failed rows"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("test", "Test message"),
        ("recovery", "Recovery"),
        ("replay", "Pipeline failure, sent late"),
        ("digest", "Digest"),
        ("health", "Delivery health"),
        ("alert", "Pipeline failure"),
    ],
)
def test_a_message_says_what_kind_it_is_of(kind: str, said: str) -> None:
    content = content_of(make_message(kind=kind))
    assert content.kind == said
    assert content.headline.startswith("[Test] ") is (kind == "test")
    assert content.gist.startswith("Sent late · ") is (kind == "replay")


def test_a_message_without_a_title_has_its_events() -> None:
    assert content_of(make_message(title="\u200b \x00")).headline == "Pipeline failure"


def test_a_body_that_says_the_cause_again_is_left_out() -> None:
    content = content_of(make_message(message="the same", details={"error": "the same"}))
    assert (content.body, content.cause) == ("", "the same")


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
    parts = (content.body, content.cause, content.facts[-1][1])
    assert [len(part) for part in parts] == [3_000, MAX_CAUSE, 1_000]
    assert all(part.endswith("… (cut)") for part in parts)


def test_ten_facts_come_first_thirty_in_all_and_the_rest_is_counted() -> None:
    content = content_of(make_message(details={f"fact_{number}": number for number in range(60)}))
    assert [name for name, _ in content.facts[-2:]] == ["Fact 4", "Fact 5"]
    assert len(content.facts) == 10
    assert content.more[0] == ("Fact 6", "6")
    assert content.more[-1] == ("Left out", "34 more details … (cut)")


def test_one_detail_that_is_left_out_is_one() -> None:
    details = {f"key_{number}": number for number in range(MAX_FACTS + 1 - 4)}
    assert content_of(make_message(details=details)).more[-1] == ("Left out", "1 more detail … (cut)")


def test_many_long_facts_are_no_more_than_can_be_read() -> None:
    content = content_of(make_message(details={f"fact_{number}": "x" * 900 for number in range(20)}))
    assert sum(len(value) for _, value in (*content.facts, *content.more)) < 4_100
    assert content.facts[-1][0] == "Left out"


@pytest.mark.parametrize(
    ("key", "shown"),
    [("table_name", "Table name"), ("rows", "Rows"), ("a\nb", "A b"), ("URL", "URL"), ("", "")],
)
def test_a_key_becomes_a_label(key: str, shown: str) -> None:
    assert label(key) == shown


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://example.com", "/relative"])
@pytest.mark.parametrize("key", ["log_url", "run_url", "dag_url", "runbook_url"])
def test_only_a_web_address_can_be_pressed(key: str, url: str) -> None:
    assert content_of(make_message(**{key: url})).actions == ()
