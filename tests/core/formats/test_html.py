"""The HTML part: escaped, small, and readable by everybody in light and dark."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import astuple
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from airflow_cloudact_notify.core.branding import BrandingConfig, Style
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.formats.html import DARK, LIGHT, Palette, as_html, templates
from airflow_cloudact_notify.core.looks import LEAST_CONTRAST, contrast
from airflow_cloudact_notify.testing import make_message
from gallery.samples import ACME, EVENTS, FOLLOW_UPS, sample

ALL = [
    pytest.param(
        content_of(sample(event, severity, history=("3rd",)), style), id=f"{event}-{severity}-{number}"
    )
    for event, severity in itertools.product(NotificationEvent, NotificationSeverity)
    for number, style in enumerate((Style(), ACME))
] + [pytest.param(content_of(case.message, case.style), id=case.name) for case in (*FOLLOW_UPS, *EVENTS)]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Walks through a page with the colours that apply, and keeps what each text is read in.

    :param classes: the style sheet's colours by class, which go before an element's own.
    """

    def __init__(self, classes: dict[str, dict[str, str]]) -> None:
        super().__init__()
        self._classes = classes
        self._open: list[tuple[str, dict[str, str]]] = [("", {"color": "#000000", "background": "#ffffff"})]
        self.read: list[tuple[str, str, str]] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.tags.append((tag, given))
        style = dict(self._open[-1][1]) | _declared(given.get("style") or "")
        for name in (given.get("class") or "").split():
            style |= self._classes.get(name, {})
        if tag not in VOID:
            self._open.append((tag, style))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"

    def handle_data(self, data: str) -> None:
        tag, style = self._open[-1]
        if data.strip("\xa0\n ") and tag not in ("style", "title") and style.get("display") != "none":
            self.read.append((data.strip(), style["color"], style["background"]))

    def close(self) -> None:
        super().close()
        assert len(self._open) == 1, self._open


def _declared(style: str) -> dict[str, str]:
    pairs = (part.split(":", 1) for part in style.replace("!important", "").split(";") if ":" in part)
    return {name.strip(): value.strip() for name, value in pairs}


def classes(html: str, media: str) -> dict[str, dict[str, str]]:
    """Return the declarations of a media query by class."""
    block = html.partition(f"@media ({media}){{\n")[2].partition("\n}\n")[0]
    return {name: _declared(style) for name, style in re.findall(r"^\.(\w+)\{(.*)\}$", block, re.MULTILINE)}


def readers(html: str) -> Iterator[Reader]:
    """Yield the page as it is read in light and in dark."""
    for sheet in ({}, classes(html, "prefers-color-scheme:dark")):
        reader = Reader(sheet)
        reader.feed(html)
        reader.close()
        yield reader


@pytest.mark.parametrize("content", ALL)
def test_every_text_can_be_read_in_light_and_dark(content: Any) -> None:
    light, dark = readers(as_html(content))
    assert len(light.read) == len(dark.read) > 5
    for text, ink, ground in (*light.read, *dark.read):
        assert contrast(ink, ground) >= LEAST_CONTRAST, (text, ink, ground)
    assert {ground for _, _, ground in light.read} != {ground for _, _, ground in dark.read}


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_every_ink_of_a_palette_can_be_read_on_every_ground(palette: Palette) -> None:
    page, card, code, _, *inks = astuple(palette)
    for ink, ground in itertools.product(inks, (page, card, code)):
        assert contrast(ink, ground) >= LEAST_CONTRAST, (ink, ground)


@pytest.mark.parametrize("accent", ["#ffffff", "#ffff00", "#000000", "#808080", "#5b21b6"])
def test_any_accent_colour_leaves_the_button_readable(accent: str) -> None:
    style = Style(BrandingConfig(name="Acme", logo_text="A", accent_color=accent))
    content = content_of(make_message(log_url="https://airflow.example/log"), style)
    for reader in readers(as_html(content)):
        on_accent = [(text, ink) for text, ink, ground in reader.read if ground == accent]
        assert {"A", "Open log"} <= {text for text, _ in on_accent}
        assert all(contrast(ink, accent) >= LEAST_CONTRAST for _, ink in on_accent)


@pytest.mark.parametrize("content", ALL)
def test_a_page_loads_nothing_and_is_one_for_everybody(content: Any) -> None:
    html = as_html(content)
    light, _ = readers(html)
    names = {tag for tag, _ in light.tags}
    assert not names & {"img", "script", "link", "iframe", "form", "object", "video"}
    assert "url(" not in html
    assert "@import" not in html
    assert ("html", {"lang": "en", "dir": "ltr"}) in light.tags
    tables = [given for tag, given in light.tags if tag == "table"]
    assert all(given["role"] == "presentation" for given in tables)
    assert [tag for tag, _ in light.tags].count("h1") == 1
    assert len(html.encode()) < 20_000


def test_each_line_of_a_text_runs_in_its_own_direction() -> None:
    content = content_of(
        make_message(
            title="فشل", message="فشل\nrows: 42", details={"error": "خطأ\nTraceback:"}, history=("فشل",)
        )
    )
    light, _ = readers(as_html(content))
    styles = [
        _declared(given["style"]) for tag, given in light.tags if given.get("dir") == "auto" and tag != "td"
    ]
    styles += [
        _declared(given["style"]) for _, given in light.tags if given.get("class") == "pad" and "dir" in given
    ]
    assert len(styles) == 5
    for style in styles:
        assert (style["unicode-bidi"], style["text-align"]) == ("plaintext", "start")


@pytest.mark.parametrize(
    "whole", ["23 h 57 m", "850 ms", "2 d 4 h", "2026-01-02 03:04:05 UTC", "2026-01-02 03:04 +01:00"]
)
def test_no_line_ends_within_a_time_or_a_duration(whole: str) -> None:
    message = make_message(message=f"3 tries ({whole}) & more", history=(f"after {whole} <more>",))
    html = as_html(content_of(message))
    assert f'>3 tries (<span class="whole">{whole}</span>) &amp; more<' in html
    assert f'>after <span class="whole">{whole}</span> &lt;more&gt;<' in html
    assert 'pipeline_failure · <span class="whole">2026-01-02 03:04:05 UTC</span></div>' in html
    assert "\n.whole{white-space:nowrap}\n" in html


def test_it_is_escaped() -> None:
    html = as_html(content_of(make_message(title="<b>&\"'", message="{{ 7 * 7 }}")))
    assert "&lt;b&gt;&amp;&#34;&#39;" in html
    assert "{{ 7 * 7 }}" in html


def test_a_template_that_names_what_is_not_there_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        templates().from_string("{{ nothing }}").render()
