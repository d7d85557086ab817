"""A notifier's wish, made ready for one context: templates filled in, functions asked, what cannot be used left out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from airflow_cloudact_notify.bridge.causes import one_sentence
from airflow_cloudact_notify.bridge.context import Context
from airflow_cloudact_notify.bridge.templating import is_template, render
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.budget import Caller
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider, NotificationSeverity
from airflow_cloudact_notify.core.masking import mask

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)

_TEMPLATED = ("tenant_id", "event", "severity", "title", "message", "details")
_KEPT = ("tenant_id", "details")
"""What is used as it was written when it cannot be filled in; for the others there is something in their place."""


def ready(wish: Wish, context: Context, call: Caller, notes: list[str]) -> Wish:
    """Return a copy of the wish for one context: one notifier serves many runs at once.

    An author's mistake does not cost the notification: it is noted, and what would stand there otherwise does.
    ``tenant_id`` may still be a function.

    :param call: runs what the author wrote, which may ask a server.
    """
    filled = {name: _filled(wish, name, context, call, notes) for name in _TEMPLATED}
    if callable(ask := filled["event"]):
        filled["event"] = attempt(
            "ask the notifier's function for the event", lambda: ask(context), call, notes
        )
    filled["event"] = _known(NotificationEvent, filled["event"], notes)
    filled["severity"] = _known(NotificationSeverity, filled["severity"], notes)
    for name in ("title", "message"):
        filled[name] = _text(name, filled[name], call, notes)
    if not isinstance(filled["details"], Mapping):
        notes.append("the notifier's details are no mapping of names to values; they are left out")
        filled["details"] = {}
    return replace(wish, **filled, providers=_providers(wish.providers, notes))


def attempt(what: str, function: Callable[[], T], call: Caller, notes: list[str]) -> T | None:
    """Return what ``function`` does, ``None`` and a note when it fails or takes too long."""
    try:
        return call(what, function)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an author's mistake must not cost the notification
        notes.append(f"could not {what}: {said(error)}")
        return None


def said(error: BaseException) -> str:
    """Return what an exception says, for a note."""
    return mask(one_sentence(error))


def _filled(wish: Wish, name: str, context: Context, call: Caller, notes: list[str]) -> Any:
    value = getattr(wish, name)
    if not value or callable(value) or (isinstance(value, str) and not is_template(value)):
        return value
    filled = attempt(f"fill in the notifier's {name}", functools.partial(render, value, context), call, notes)
    return value if filled is None and name in _KEPT else filled


def _text(name: str, value: Any, call: Caller, notes: list[str]) -> str | None:
    if not value or isinstance(value, str):
        return value or None
    return attempt(f"read the notifier's {name}", functools.partial(str, value), call, notes)


def _known(words: type[Word], value: Any, notes: list[str]) -> Word | None:
    """Return the word of the vocabulary that ``value`` is; another is noted."""
    if not value:
        return None
    try:
        return words(value)
    except ValueError:
        known = ", ".join(words)
        notes.append(f"the notifier names {mask(str(value))!r}, which is none of {known}; it is left out")
        return None


def _providers(names: Sequence[str] | None, notes: list[str]) -> tuple[NotificationProvider, ...] | None:
    """Return the destinations to use in place of the trigger's; when none of the names is known, the trigger's."""
    is_one = isinstance(names, str) or not isinstance(names, Iterable)
    listed: Iterable[Any] = [names] if is_one else names or ()
    known = (_known(NotificationProvider, name, notes) for name in listed)
    return tuple(name for name in known if name) or None
