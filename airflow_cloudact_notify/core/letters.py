"""What is missed is kept: as a dead letter, for a task's next try, or when no store can be reached, in the log."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.content import CAUSE_KEYS
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Miss, Outbox, letter_key, try_key
from airflow_cloudact_notify.core.state.store import StateStore
from airflow_cloudact_notify.core.texts import cut

log = logging.getLogger(__name__)

MAX_CHARACTERS = 32_000
"""Of a kept message, as JSON."""
MAX_LOGGED = 200_000
"""Of a message in the log, as JSON."""
MAX_DETAIL = 500
_TEXT_LIMITS = (4_000, 1_000, 120)
_MAX_SENTENCES = 5

_NEVER = (MessageKind.REPLAY, MessageKind.TEST)
"""A replay's row is there already; who tests, watches."""
_TOLD_NEXT_TIME = (MessageKind.DIGEST, MessageKind.HEALTH)
"""What maintenance could tell nobody, it makes anew."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """Which try of a task it is that tells something; what is told without a task is tried once.

    :param was_told: whether an earlier try was heard by somebody.
    """

    is_first: bool = True
    is_last: bool = True
    was_told: bool = False


FIRST_AND_LAST = Attempt()


class Letters:
    """Keeps messages that destinations missed. What cannot be kept is logged whole.

    :param store: ``None`` when the state may not be asked.
    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    """

    def __init__(
        self, store: StateStore | None, remark: Callable[[str], Any], clock: Callable[[], float] = time.time
    ) -> None:
        self._outbox = Outbox(store, remark) if store else None
        self._remark = remark
        self._clock = clock

    def now(self) -> float:
        """Return the time, in seconds since 1970."""
        return self._clock()

    def keep(
        self,
        message: NotificationMessage,
        missed: Mapping[NotificationProvider, Miss],
        *,
        hours: float,
        was_told: bool,
        attempt: Attempt = FIRST_AND_LAST,
    ) -> str | None:
        """Keep a message that destinations missed, and return its key; ``None`` when it is no dead letter.

        :param hours: after how many it is given up.
        :param was_told: whether another destination took it.
        :param attempt: which try of a task it is: only what the last one missed is a dead letter.
        """
        was_told = was_told or attempt.was_told
        if message.kind in _NEVER or (message.kind in _TOLD_NEXT_TIME and not was_told):
            return None
        now = self._clock()
        key = letter_key(message) if attempt.is_last else try_key(message)
        letter = DeadLetter(fitted(message), missed, now, now + hours * 3600, was_told)
        why = "there is no store for it"
        try:
            if self._outbox is not None:
                self._outbox.save(key, letter)
                return key if attempt.is_last else None
        except StateUnavailable as error:
            why = str(error)
        log_whole(message, missed, f"A message that was not delivered could not be kept ({why})")
        return None

    def of_earlier_try(self, message: NotificationMessage) -> DeadLetter | None:
        """Return what an earlier try of the message's task missed, ``None`` when nothing is known."""
        try:
            return self._outbox.read(try_key(message)) if self._outbox else None
        except StateUnavailable as error:
            self._remark(f"what an earlier try of the task has told is not known: {error}")
            return None

    def forget_try(self, message: NotificationMessage) -> None:
        """Forget what earlier tries missed."""
        try:
            if self._outbox:
                self._outbox.delete(try_key(message))
        except StateUnavailable as error:
            self._remark(f"what an earlier try missed could not be forgotten: {error}")


def log_whole(message: NotificationMessage, missed: Mapping[NotificationProvider, Miss], why: str) -> None:
    """Write a message to the log, all of it in one line, so that it is not lost without a trace."""
    dump = fitted(message, MAX_LOGGED).model_dump(mode="json", exclude_defaults=True)
    lost = {"message": dump, "missed": {str(name): str(miss) for name, miss in missed.items()}}
    log.error("%s: %s", why, json.dumps(lost))


def fitted(message: NotificationMessage, limit: int = MAX_CHARACTERS) -> NotificationMessage:
    """Return a message whose JSON has at most ``limit`` characters; what is cut says so."""
    for longest in _TEXT_LIMITS:
        if _size(message) <= limit:
            return message
        message = message.model_copy(update=_shortened(message, longest))
    if _size(message) <= limit:
        return message
    left_out = len(message.details)
    causes = {
        key: value for key, value in message.details.items() if key in CAUSE_KEYS and isinstance(value, str)
    }
    details = {**causes, "left_out": f"{left_out - len(causes)} details, too long to be kept"}
    return message.model_copy(update={"details": details, "history": message.history[:_MAX_SENTENCES]})


def _size(message: NotificationMessage) -> int:
    return len(json.dumps(message.model_dump(mode="json", exclude_defaults=True)))


def _shortened(message: NotificationMessage, longest: int) -> dict[str, Any]:
    texts = {
        name: cut(value, longest)
        for name in type(message).model_fields
        if type(value := getattr(message, name)) is str and len(value) > longest
    }
    history = tuple(cut(sentence, longest) for sentence in message.history)
    return {**texts, "history": history, "details": _cut_within(message.details, longest)}


def _cut_within(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return cut(value, longest)
    if isinstance(value, dict):
        return {cut(key, longest): _cut_within(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_within(item, longest) for item in value]
    return value
