"""Whatever a pipeline says, what is sent parses, stays within every limit, pings nobody and can be read."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core.branding import Style
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.formats.text import WIDTH
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.core.providers.slack import SlackConfig, SlackNotificationProvider
from airflow_cloudact_notify.core.texts import readable
from airflow_cloudact_notify.testing import make_message
from gallery.samples import ACME
from tests.core.formats.test_html import readers

NASTY = (
    "<!channel>", "<!here|x>", "<@U123ABC>", "<!subteam^S123>", "@here", "@channel", "\r\nBcc: evil@example.com\r\n",
    "\r\n\r\n", "```", "`", "</div></td></table>", "<script>alert(1)</script>", "<img src=x onerror=y>", "&lt;", "&",
    "{{ 7 * 7 }}", "{% for x in y %}", "{#", "=?utf-8?q?x=0D=0ABcc=3A_evil=40example=2Ecom?=", "=?utf-8?b?", "?=",
    "\u202e", "\u2066", "\u200f", "שלום", "مرحبا", "\u0301" * 9, "👨‍👩‍👧🇫🇷", "\U0001f3f4\U000e0067\U000e007f",
    "\U00020000", "\U000f0000", "\ufdd0", "\x00\x07\x1b[31m", "\x0b\x0c\x85\u2028", "\udcff", "\n.\n", "From ",
    "*b* _i_ ~s~ :x:", " ", "x" * 90,
    "https://evil.example/", "javascript:alert(1)", "%s%n", "${HOME}", "\\", '"', "'", "<!--", "]]>", "<",
)  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=60)), max_size=12).map("".join)
LONG = [
    (sign * 1_000_000)[:1_000_000]
    for sign in ("x", "<", "&", '"', "\U0001f525", "\u0301", "`", "\n", "word ", "=?utf-8?", "1 s ")
]

MAILER = EmailNotificationProvider(
    EmailConfig(smtp_host="localhost", from_email="pipelines@example.com", to_emails=["ann@example.com"]),
    ProviderSettings(style=ACME),
)
CHAT = SlackNotificationProvider(
    SlackConfig(webhook_url="https://hooks.slack.com/services/T0/B0/x"), ProviderSettings()
)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]


def saying(text: str) -> NotificationMessage:
    """Return a message that says a text wherever one can be said."""
    return make_message(
        tenant_id=text,
        title=text,
        message=f"body {text}",
        pipeline_id=text,
        pipeline_logging_id=text,
        task_id=text,
        details={"error": f"{text}", text[:5_000]: text, "list": [text] * 3, "tags": [text]},
        history=(text,),
        log_url="https://airflow.example/" + text[:3_000],
        runbook_url=text,
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


def cause_of(message: NotificationMessage) -> str:
    return readable(str(message.details.get("error", ""))).strip()


def columns(line: str) -> int:
    """Return how wide a line is: a letter of East Asia takes two columns, what is put on another letter none."""
    width = {"W": 2, "F": 2}
    marks = ("Mn", "Me", "Cf")
    return sum(
        0 if unicodedata.category(c) in marks else width.get(unicodedata.east_asian_width(c), 1) for c in line
    )


def mail_is_sound(message: NotificationMessage) -> None:
    raw = MAILER.render(message).mail.as_bytes()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail.keys() == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["ann@example.com"]
    assert len(mail["Subject"].strip()) <= 70
    text, page = (part.get_content() for part in mail.iter_parts())
    links = {action.url for action in content_of(message).actions}
    for line in text.splitlines():
        assert columns(line) <= WIDTH or line.partition(": ")[2] in links or line == ACME.branding.link
    assert len(page.encode()) < 100_000
    for reader in readers(page):
        assert {tag for tag, _ in reader.tags} <= {
            "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "span", "h1", "a", "br",
        }  # fmt: skip
    assert squeezed(cause_of(message)[:200]) in squeezed(text)
    assert squeezed(cause_of(message)[:200]) in squeezed(html.unescape(page))


def chat_is_sound(message: NotificationMessage) -> None:
    payload = json.loads(json.dumps(CHAT.render(message)))
    [attachment] = payload["attachments"]
    assert 1 <= len(payload["text"]) <= 4_000
    assert len(payload["blocks"]) + len(attachment["blocks"]) <= 50
    for kind, text in texts(payload):
        assert 1 <= len(text) <= {"header": 150, "field": 2_000, "button": 75}.get(kind, 3_000)
        if kind not in ("header", "plain"):
            assert "<" not in text
            assert ">" not in text
            assert not re.search(r"&(?!amp;|lt;|gt;)", text), "cut inside an entity"
    for block in attachment["blocks"]:
        assert len(block.get("fields", [])) <= 10
        assert all(len(field["text"]) <= 2_000 for field in block.get("fields", []))
        assert len(block.get("elements", [])) <= (25 if block["type"] == "actions" else 10)
        for button in block.get("elements", []) if block["type"] == "actions" else []:
            assert len(button["url"]) <= 3_000
    if cause := cause_of(message):
        code = next(text for kind, text in texts(payload) if kind == "section" and text.startswith("```"))
        assert html.unescape(code[3:]).startswith(cause.replace("```", "'''")[:200])
        assert "```" not in code[3:-3]


def texts(payload: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what Slack shows, and where."""
    yield "text", payload["text"]
    for block in (*payload["blocks"], *payload["attachments"][0]["blocks"]):
        if "text" in block:
            yield _kind(block["type"], block["text"]), block["text"]["text"]
        for field in block.get("fields", []):
            yield _kind("field", field), field["text"]
        for element in block.get("elements", []):
            if element["type"] == "button":
                yield "button", element["text"]["text"]
            else:
                yield _kind("context", element), element["text"]


def _kind(block: str, text: dict[str, Any]) -> str:
    return "plain" if text["type"] == "plain_text" and block != "header" else block


@settings(deadline=None, max_examples=150)
@given(TEXTS)
@example("".join(NASTY))
@example("```````` `")
@example("<!channel><!channel><!channel>\r\n\r\n```<!--<!--")
def test_a_mail_is_sound_whatever_it_says(text: str) -> None:
    mail_is_sound(saying(text))


@settings(deadline=None, max_examples=150)
@given(TEXTS)
@example("".join(NASTY))
@example("```````` `")
def test_a_slack_message_is_sound_whatever_it_says(text: str) -> None:
    chat_is_sound(saying(text))


@pytest.mark.parametrize("text", LONG, ids=lambda text: ascii(text[:8]))
def test_a_megabyte_is_cut_visibly_and_soundly(text: str) -> None:
    message = saying(text)
    mail_is_sound(message)
    chat_is_sound(message)
    if readable(text).strip():
        assert "… (cut)" in json.dumps(CHAT.render(message), ensure_ascii=False)
        assert "… (cut)" in MAILER.render(message).mail.get_body(("plain",)).get_content()


def test_a_whole_plane_of_unicode_can_be_said() -> None:
    for plane in range(17):
        for start in range(plane << 16, (plane + 1) << 16, 1 << 13):
            message = make_message(details={"error": "".join(map(chr, range(start, start + 200)))})
            mail_is_sound(message)
            chat_is_sound(message)


def test_what_is_configured_cannot_ping_either() -> None:
    style = Style(ACME.branding.model_copy(update={"name": "<!channel>", "footer": "<!here>"}))
    provider = SlackNotificationProvider(CHAT.config, ProviderSettings(style=style))
    payload = provider.render(make_message())
    marked = [text for kind, text in texts(payload) if kind != "plain"]
    assert all("<" not in text.replace(f"<{ACME.branding.link}>", "") for text in marked)
