"""What every event in every severity looks like in every medium, and what follows one up.

``make golden`` rewrites the files; the difference is to be looked at.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.formats.html import as_html
from airflow_cloudact_notify.core.formats.slack import as_slack
from airflow_cloudact_notify.core.formats.text import as_text
from airflow_cloudact_notify.core.providers.email import subject_of
from gallery.samples import FOLLOW_UPS, Sample, sample

FOLDER = Path(__file__).parent / "golden"
CASES = {
    f"{event}-{severity}": Sample("", "", sample(event, severity))
    for event, severity in itertools.product(NotificationEvent, NotificationSeverity)
} | {case.name: case for case in FOLLOW_UPS}


def rendered(case: Sample) -> dict[str, str]:
    """Return each medium's file; of the HTML only the card, for its surroundings are always the same."""
    content = content_of(case.message, case.style)
    html = as_html(content)
    card = html[html.index('<tr><td class="bar"') : html.rindex("</table>", 0, html.rindex("</table>"))]
    slack = json.dumps(as_slack(content), indent=1, ensure_ascii=False) + "\n"
    return {"txt": f"Subject: {subject_of(content)}\n\n{as_text(content)}", "html": card, "slack.json": slack}


@pytest.mark.parametrize("name", CASES)
def test_a_message_reads_as_it_did(name: str, request: pytest.FixtureRequest) -> None:
    for suffix, text in rendered(CASES[name]).items():
        file = FOLDER / f"{name}.{suffix}"
        if request.config.getoption("--update-golden"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file.name}: make golden, if it is meant"


def test_every_golden_file_is_a_cases() -> None:
    wanted = {f"{name}.{suffix}" for name in CASES for suffix in ("txt", "html", "slack.json")}
    assert {file.name for file in FOLDER.iterdir()} == wanted
