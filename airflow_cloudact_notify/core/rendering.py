"""From a message to what every medium shows: one neutral content, the same facts in the same order."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage

if TYPE_CHECKING:
    import jinja2

CAUSE_KEYS = ("error", "exception", "error_message", "log_tail", "traceback")
"""Details that are shown as the cause, in a block of fixed-width text, first come first."""
MAX_CAUSE = 6_000
MAX_FACT = 1_000
MAX_BODY = 20_000

_COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNUSUAL = re.compile(r"[^\n\t -~]")
_EMOJI_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Look:
    """How a severity looks. Colours keep a contrast of 4.5 with white text."""

    label: str
    emoji: str
    colour: str


LOOKS = {
    NotificationSeverity.INFO: Look("Info", ":information_source:", "#1b66c9"),
    NotificationSeverity.WARNING: Look("Warning", ":warning:", "#9a6700"),
    NotificationSeverity.ERROR: Look("Error", ":x:", "#c9302c"),
    NotificationSeverity.CRITICAL: Look("Critical", ":rotating_light:", "#8b0f1a"),
}


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, in reading order. Texts are plain: each medium escapes for itself."""

    look: Look
    headline: str
    body: str
    facts: tuple[tuple[str, str], ...]
    cause: str
    links: tuple[tuple[str, str], ...]
    footer: str


def content_of(message: NotificationMessage) -> Content:
    """Return what to show of a message; what is unknown is left out."""
    headline = one_line(message.title)
    return Content(
        look=LOOKS[message.effective_severity],
        headline=f"[Test] {headline}" if message.kind is MessageKind.TEST else headline,
        body=cut(readable("\n".join((message.message, *message.history))).strip(), MAX_BODY),
        facts=tuple(_facts(message)),
        cause=cut(readable(_cause(message)).strip(), MAX_CAUSE),
        links=tuple(_links(message)),
        footer=f"{message.event} · {message.occurred_at:%Y-%m-%d %H:%M:%S %Z}",
    )


def _links(message: NotificationMessage) -> Iterator[tuple[str, str]]:
    for name, url in (("Open log", message.log_url), ("Open runbook", message.runbook_url)):
        if url and url.startswith(("http://", "https://")):
            yield name, url


def readable(text: str) -> str:
    """Return ``text`` without what no medium shows: colour codes of terminals, control characters, half characters."""
    if text.isprintable():
        return text
    return _UNUSUAL.sub(_shown, _COLOUR_CODE.sub("", text).replace("\r\n", "\n"))


def _shown(match: re.Match[str]) -> str:
    c = match[0]
    if c.isprintable() or c == _EMOJI_JOINER:
        return c
    if "\ud800" <= c <= "\udfff":
        return "\ufffd"
    return " " if c.isspace() else ""


def one_line(text: str) -> str:
    """Return ``text`` readable, with every run of white space as one blank."""
    return " ".join(readable(text).split())


def cut(text: str, limit: int) -> str:
    """Return at most ``limit`` characters; what was cut says so."""
    mark = "… (cut)"
    return text if len(text) <= limit else text[: limit - len(mark)] + mark


def duration(milliseconds: float) -> str:
    """Return a duration as a person says it: ``850 ms``, ``12 s``, ``4 m 5 s``, ``3 h 12 m``, ``2 d 4 h``."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = round(milliseconds / 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    first = next(index for index, (value, _) in enumerate(parts) if value)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value)


def _facts(message: NotificationMessage) -> list[tuple[str, str]]:
    known = [
        ("Tenant", message.tenant_id),
        ("Pipeline", message.pipeline_id),
        ("Task", _task(message)),
        ("Run", message.pipeline_logging_id),
        ("Try", _try(message)),
        ("Duration", None if message.duration_ms is None else duration(message.duration_ms)),
    ]
    details = [
        (label(key), _detail(value))
        for key, value in message.details.items()
        if key not in CAUSE_KEYS and value not in (None, "", [], {})
    ]
    return [(name, cut(readable(value), MAX_FACT)) for name, value in known + details if value]


def _task(message: NotificationMessage) -> str | None:
    if message.task_id is None or message.map_index is None:
        return message.task_id
    return f"{message.task_id} [{message.map_index}]"


def _try(message: NotificationMessage) -> str | None:
    if not message.try_number:
        return None
    return f"{message.try_number} of {message.max_tries}" if message.max_tries else str(message.try_number)


def label(key: str) -> str:
    """Return a detail's key as a person would write it: ``table_name`` → ``Table name``."""
    words = one_line(key.replace("_", " "))
    return words[:1].upper() + words[1:]


def _detail(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cause(message: NotificationMessage) -> str:
    causes = [_detail(message.details[key]) for key in CAUSE_KEYS if message.details.get(key)]
    return "\n\n".join(dict.fromkeys(causes))


@functools.cache
def templates() -> jinja2.Environment:
    """Return the environment of the built-in templates; HTML is escaped, text is not."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("airflow_cloudact_notify.core", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"], default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
