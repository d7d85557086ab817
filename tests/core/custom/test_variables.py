"""What templates can say of a message: plain data, always the same names, as the documentation lists them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.custom.filters import filters
from airflow_cloudact_notify.core.custom.language import MAX_DEPTH, MAX_NODES, MAX_TOKENS
from airflow_cloudact_notify.core.custom.meter import MAX_SECONDS, MAX_STEPS, MAX_TEXT, Meter
from airflow_cloudact_notify.core.custom.mrkdwn import MAX_TEXT as MAX_SLACK
from airflow_cloudact_notify.core.custom.sandbox import LOOP_ATTRIBUTES, MAX_SOURCE, TESTS
from airflow_cloudact_notify.core.custom.variables import variables
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.testing import make_message

PAGE = Path(__file__).parents[3] / "docs" / "templates.md"


def test_every_variable_is_there_whatever_a_message_knows():
    least = variables(NotificationMessage(event="system_error"))
    most = variables(
        make_message(
            tenant_id="acme",
            task_id="load",
            map_index=3,
            try_number=1,
            max_tries=2,
            duration_ms=65_000,
            log_url="https://airflow.example/log",
            run_url="https://airflow.example/run",
            dag_url="https://airflow.example/dag",
            runbook_url="https://wiki.example/runbook",
            history=("+3 more",),
            details={"error": "ValueError: no rows", "rows": 3},
        )
    )
    assert list(least) == list(most)
    assert least["task_id"] is None
    assert (most["duration"], most["error"], most["details"]["rows"]) == ("1 m 5 s", "ValueError: no rows", 3)
    assert ["Task", "load [3]"] in most["facts"]
    assert None not in most.values()


def test_a_link_is_one_or_it_is_nothing():
    said = variables(make_message(log_url="javascript:alert(1)", runbook_url="https://wiki.example"))
    assert (said["log_url"], said["runbook_url"]) == (None, "https://wiki.example")


def test_secrets_are_masked_before_a_template_sees_them():
    said = variables(
        make_message(title="password=hunter2", details={"password": "hunter2", "x": ["token=hunter2"]})
    )
    assert "hunter2" not in json.dumps(said)


@given(text=st.text(), number=st.floats() | st.integers())
def test_variables_are_plain_data_that_anybody_can_read(text, number):
    message = make_message(title=text, message=text, details={text: [text, {text: number}], "error": text})
    said = json.dumps(variables(message), ensure_ascii=False)
    said.encode()
    assert not re.search("[\x00-\x08\x0b\x0e-\x1f]", said)


def test_long_texts_are_cut_and_say_so():
    said = variables(
        make_message(
            title="t" * 9_999, message="m" * 99_999, details={"error": "e" * 9_999, "x": ["y" * 9_999]}
        )
    )
    assert len(said["title"]) == 500
    assert len(said["message"]) == 3_000
    assert len(said["details"]["x"][0]) == 1_000
    assert all(text.endswith("… (cut)") for text in (said["title"], said["message"], said["error"]))


# --- the page


def rows(heading: str) -> dict[str, str]:
    text = PAGE.read_text().partition(f"\n## {heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table, f"no table below {heading}"
    cells = [row.strip("|").split("|") for row in table[0].splitlines()[2:]]
    return {name.strip(): " ".join(rest).strip() for name, *rest in cells}


def names(cell: str) -> list[str]:
    return re.findall(r"`([a-z0-9_]+)`", cell)


def test_the_page_lists_every_variable():
    assert [name for cell in rows("Variables") for name in names(cell)] == list(variables(make_message()))


def test_the_page_lists_every_filter_test_and_part_of_a_loop():
    language = rows("Language")
    assert set(names(language["filters"])) == set(filters(Meter(0)))
    assert set(names(language["tests"])) == set(TESTS)
    assert set(names(language["in a loop, of `loop`"])) == set(LOOP_ATTRIBUTES)


def test_the_page_lists_every_part_of_every_destination():
    parts = {str(name): list(provider.TEMPLATE_PARTS) for name, provider in PROVIDERS.items()}
    assert {
        names(cell)[0]: re.findall(r"\.([a-z]+)\.j2", text) for cell, text in rows("Files").items()
    } == parts


def test_the_page_tells_the_limits_there_are():
    text = PAGE.read_text()
    for number in (MAX_SOURCE, MAX_TOKENS, MAX_NODES, MAX_DEPTH, MAX_STEPS, MAX_TEXT, MAX_SLACK):
        assert f"{number:,}" in text
    assert f"{MAX_SECONDS:g} second" in text


def test_times_are_the_tenants() -> None:
    style = NotificationConfig(timezone="Europe/Berlin").style
    assert variables(make_message(), style)["occurred_at"] == "2026-01-02 04:04:05 +01:00"
