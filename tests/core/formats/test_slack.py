from __future__ import annotations

import json

from airflow_cloudact_notify.core.branding import BrandingConfig, Style
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.formats.slack import as_slack
from airflow_cloudact_notify.testing import make_message


def test_people_are_pinged_by_the_text_and_by_a_block_of_their_own() -> None:
    payload = as_slack(content_of(make_message()), "<!subteam^S123>")
    assert payload["text"].startswith("<!subteam^S123> *:x: Pipeline failed: sales*\n")
    assert [block["type"] for block in payload["blocks"]] == ["header", "section"]
    assert payload["blocks"][1]["text"] == {
        "type": "mrkdwn",
        "text": "<!subteam^S123>",
        "verbatim": True,
    }
    assert json.dumps(payload).count("<!subteam") == 2


def test_a_brand_is_shown() -> None:
    style = Style(BrandingConfig(name="Acme", footer="Ask us.", link="https://acme.example"))
    [attachment] = as_slack(content_of(make_message(), style))["attachments"]
    first, *_, brand, last = attachment["blocks"]
    assert first["elements"][0]["text"] == "Error · Pipeline failure · Acme"
    assert [element["text"] for element in brand["elements"]] == ["Ask us.", "<https://acme.example>"]
    assert last["elements"][0]["text"].startswith("pipeline_failure · ")
