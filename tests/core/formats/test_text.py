from __future__ import annotations

from airflow_cloudact_notify.core.branding import BrandingConfig, Style
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.formats.text import WIDTH, as_text
from airflow_cloudact_notify.testing import make_message


def test_long_lines_are_broken_and_links_are_not() -> None:
    url = "https://airflow.example/" + "x" * 200
    text = as_text(
        content_of(make_message(message="many words " * 50, log_url=url, details={"error": "y" * 300}))
    )
    assert url in text
    assert all(len(line) <= WIDTH for line in text.splitlines() if url not in line)


def test_nothing_is_escaped() -> None:
    assert "ERROR: <b>&\n" in as_text(content_of(make_message(title="<b>&")))


def test_a_brand_stands_above_and_below() -> None:
    style = Style(BrandingConfig(name="Acme", footer="Ask us.", link="https://acme.example"))
    text = as_text(content_of(make_message(), style))
    assert text.startswith("ERROR: Pipeline failed: sales\nPipeline failure · Acme\n\n")
    assert text.endswith("--\nAsk us.\nhttps://acme.example\npipeline_failure · 2026-01-02 03:04:05 UTC\n")
