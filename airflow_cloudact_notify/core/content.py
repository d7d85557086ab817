"""From a message to what every medium shows: one neutral content, the same things in the same order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.branding import BrandingConfig, Style, is_web_address
from airflow_cloudact_notify.core.looks import EVENTS, Look, look_of
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.texts import CUT, counted, cut, one_line, readable

CAUSE_KEYS = ("error", "exception", "error_message", "log_tail", "traceback")
"""Details that are shown as the cause, in a block of fixed-width text, first come first."""
MINOR_KEYS = ("last_task", "run_type", "triggered_by", "owner", "tags")
"""Details that are shown last: a reader in a hurry needs none of them."""

# An HTML part of these stays below 100 KB, whatever the characters: Gmail cuts mails off at 102 KB.
MAX_HEADLINE = 300
MAX_BODY = 3_000
MAX_CAUSE = 5_000
MAX_HISTORY = 600
FACTS_FIRST = 10
"""Facts above the cause; the rest come after what can be pressed."""
MAX_FACTS = 30
MAX_NAME = 60
MAX_FACT = 1_000
MAX_ALL_FACTS = 4_000

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What a reader can press."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, in reading order. Texts are plain: each medium escapes for itself.

    :param kind: what sort of message it is: its event's name, or that it is a test, a digest or late.
    :param who: the tenant, by the name its branding gives it; empty for the root.
    :param history: sentences about what went before.
    :param more: facts that a reader in a hurry needs not.
    :param footer: event and time.
    """

    look: Look
    kind: str
    who: str
    headline: str
    body: str
    facts: Facts
    cause: str
    history: tuple[str, ...]
    actions: tuple[Action, ...]
    more: Facts
    footer: str
    branding: BrandingConfig
    is_late: bool = False

    @property
    def gist(self) -> str:
        """One line for a lock screen, or a list of mails: that it is late, whom it concerns, and why."""
        why = one_line(self.cause[:500].partition("\n")[0]) or one_line(self.body[:500])
        late = "Sent late" if self.is_late else ""
        return cut(" · ".join(part for part in (late, self.who, why) if part), 200)


def content_of(message: NotificationMessage, style: Style | None = None) -> Content:
    """Return what to show of a message; what is unknown is left out."""
    style = style or Style()
    facts = _shown((*_known(message, style), *_details(message, minor=False)))
    minor = _shown(_details(message, minor=True))
    cause = cut(readable(_cause(message)).strip(), MAX_CAUSE)
    body = cut(readable(message.message).strip(), MAX_BODY)
    return Content(
        look=look_of(message),
        kind=_kind(message),
        who=one_line(style.branding.name or message.tenant_id or ""),
        headline=_headline(message),
        body="" if body == cause else body,
        facts=facts[:FACTS_FIRST],
        cause=cause,
        history=tuple(cut(one_line(said), MAX_HISTORY) for said in message.history[:5]),
        actions=tuple(_actions(message)),
        more=(*facts[FACTS_FIRST:], *minor),
        footer=f"{message.event} · {style.times.moment(message.occurred_at)}",
        branding=style.branding,
        is_late=message.kind is MessageKind.REPLAY,
    )


_KINDS = {
    MessageKind.TEST: "Test message",
    MessageKind.DIGEST: "Digest",
    MessageKind.RECOVERY: "Recovery",
    MessageKind.HEALTH: "Delivery health",
}


def _kind(message: NotificationMessage) -> str:
    event = EVENTS[message.event]
    return f"{event}, sent late" if message.kind is MessageKind.REPLAY else _KINDS.get(message.kind, event)


def _headline(message: NotificationMessage) -> str:
    headline = one_line(message.title) or EVENTS[message.event]
    return cut(f"[Test] {headline}" if message.kind is MessageKind.TEST else headline, MAX_HEADLINE)


def _actions(message: NotificationMessage) -> Iterator[Action]:
    links = (
        ("Open log", message.log_url),
        ("Open run", message.run_url),
        ("Open DAG", message.dag_url),
        ("Open runbook", message.runbook_url),
    )
    for label, url in links:
        if url and is_web_address(url):
            yield Action(label, url)


def _known(message: NotificationMessage, style: Style) -> Iterator[tuple[str, str | None]]:
    yield "Tenant", message.tenant_id
    yield "Pipeline", message.pipeline_id
    yield "Task", _task(message)
    yield "Run", message.pipeline_logging_id
    yield "Try", _try(message)
    yield "Duration", None if message.duration_ms is None else style.times.duration(message.duration_ms)


def _details(message: NotificationMessage, *, minor: bool) -> Iterator[tuple[str, str]]:
    for key, value in message.details.items():
        if key not in CAUSE_KEYS and (key in MINOR_KEYS) is minor and value not in (None, "", [], {}):
            yield label(key), _detail(value)


def _shown(facts: Iterable[tuple[str, str | None]]) -> Facts:
    """Return facts in a number and size that can be read; what is left out is counted."""
    said = [(cut(one_line(name), MAX_NAME), readable(value).strip()) for name, value in facts if value]
    said = [(name, value) for name, value in said if name and value]
    shown, left = [], MAX_ALL_FACTS
    for name, value in said[:MAX_FACTS]:
        if left < MAX_NAME:
            break
        shown.append((name, cut(value, min(MAX_FACT, left))))
        left -= len(name) + len(shown[-1][1])
    if len(said) > len(shown):
        shown.append(("Left out", f"{counted(len(said) - len(shown), 'more detail')} {CUT}"))
    return tuple(shown)


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
