"""Photograph the messages with a headless Chromium, and write the page that shows the pictures.

``python -m gallery`` writes into docs/gallery. Needs ``chromium`` on the path (Debian: ``apt-get install chromium
fonts-noto-color-emoji fonts-dejavu-core``).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.formats.html import as_html
from airflow_cloudact_notify.core.formats.slack import as_slack
from gallery.pictures import Picture, photographed
from gallery.samples import EVENTS, FOLLOW_UPS, SEVERITIES, Sample
from gallery.slack_view import drawn

HERE = Path(__file__).parent.parent
FOLDER = HERE / "docs" / "gallery"
SAMPLES = (*FOLLOW_UPS, *EVENTS, *SEVERITIES)


def pictures(sample: Sample) -> Iterator[Picture]:
    """Yield what is photographed of a message: those in full detail from each side, the others once."""
    content = content_of(sample.message, sample.style)
    page = as_html(content)
    if sample in FOLLOW_UPS:
        for width in (600, 320):
            for dark in (False, True):
                shade = "dark" if dark else "light"
                yield Picture(f"{sample.name}-email-{width}-{shade}", page, width, dark)
    else:
        yield Picture(f"{sample.name}-email", page, 600)
    if sample.only_mail:
        return
    is_critical = sample.message.effective_severity is NotificationSeverity.CRITICAL
    payload = as_slack(content, "<!subteam^oncall>" if is_critical else "")
    yield Picture(f"{sample.name}-slack", drawn(payload, 600), 600)


def page() -> str:
    """Return the page that shows the pictures."""
    lines = [
        "# Gallery",
        "",
        "What arrives, photographed: the HTML part of mails in Chromium, and Slack messages drawn from the JSON that",
        "is posted (by `gallery/slack_view.py`; Slack's own fonts and spacing differ). `make gallery` does it anew.",
    ]
    for sample in SAMPLES:
        names = [picture.name for picture in pictures(sample)]
        lines += ["", f"## {sample.about}", ""]
        lines += [f"![{name.replace('-', ' ')}]({name}.png)" for name in names]
    return "\n".join(lines) + "\n"


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("chromium is not there: apt-get install chromium fonts-noto-color-emoji", file=sys.stderr)
        return 1
    wanted = [picture for sample in SAMPLES for picture in pictures(sample)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    for picture in wanted:
        photographed(picture, FOLDER, browser)
    (FOLDER / "README.md").write_text(page(), encoding="utf-8")
    print(f"{len(wanted)} pictures, {sum(f.stat().st_size for f in FOLDER.glob('*.png')):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
