"""The store: a dumb, last-write-wins map of small texts, because that is what Airflow Variables are."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from airflow_cloudact_notify.core.budget import Caller
from airflow_cloudact_notify.core.errors import OutOfTimeError, StateUnavailable
from airflow_cloudact_notify.core.masking import mask

T = TypeVar("T")

log = logging.getLogger(__name__)

PREFIX = "cloudact_notify"
ROOT = "_root"
"""Stands for the missing tenant id in a key; no tenant id begins with an underscore."""
NONE = "_none"
"""Stands for the missing pipeline."""
MAX_PART = 64
"""Characters of one part of a key: kind, tenant and two others stay as they are."""
MAX_KEY = 250
"""Characters of Airflow's column."""
_SAFE = re.compile(r"[A-Za-z0-9_.-]+")


class StateStore(Protocol):
    """Keeps texts under keys. Every method raises ``StateUnavailable``; callers fail open.

    ``settle_seconds`` is longer than any write of another process takes to be read by this one.
    """

    settle_seconds: float

    def get(self, key: str) -> str | None: ...

    def put(self, key: str, value: str) -> None: ...

    def delete(self, key: str) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...


def scope_key(kind: str, tenant_id: str | None, *scope: str | None) -> str:
    """Return the key of a tenant's row; ``None`` stands for what is not known."""
    return row_key(kind, tenant_id or ROOT, *(part or NONE for part in scope))


def short_hash(text: str) -> str:
    """Return what stands for a text where room is scarce."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def row_key(kind: str, *parts: str) -> str:
    """Return the key of a row: readable where its parts are safe and short, else with a hash in their place.

    Airflow puts a key into a URL path unquoted, and in multi-team mode refuses ``___``.
    """
    key = ":".join((PREFIX, kind, *map(_safe, parts)))
    return key if len(key) <= MAX_KEY else f"{key[: MAX_KEY - 33]}~{_digest(key)}"


def read_row(
    store: StateStore,
    key: str,
    version: int,
    understood: Callable[[dict[str, Any]], T],
    what: str,
    warn: Callable[[str], Any],
) -> T | None:
    """Return what a row holds, ``None`` when there is none that makes sense.

    :param version: that of the rows that are understood.
    :param understood: makes something of such a row; for nonsense it may raise what looking into it raises.
    :param what: what the row should hold, for the warning.
    :param warn: takes a sentence for a person when a row cannot be understood.
    :raises StateUnavailable: when the store does not answer.
    """
    text = store.get(key)
    if text is None:
        return None
    try:
        row = json.loads(text)
        if row["v"] == version:
            return understood(row)
        warn(f"ignoring {key}: it was written by another version")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        warn(f"ignoring {key}: its content is not {what}")
    return None


def _safe(part: str) -> str:
    if _SAFE.fullmatch(part) and len(part) <= MAX_PART and "___" not in part:
        return part
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", part)[:30]
    return f"{readable}~{_digest(part)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class MemoryStateStore:
    """Keeps rows in this process; the oldest go when there are more than ``max_rows``."""

    settle_seconds = 0.005

    def __init__(self, max_rows: int = 10_000) -> None:
        self._rows: OrderedDict[str, str] = OrderedDict()
        self._max_rows = max_rows
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        with self._lock:
            return self._rows.get(key)

    def put(self, key: str, value: str) -> None:
        with self._lock:
            self._rows[key] = value
            self._rows.move_to_end(key)
            if len(self._rows) > self._max_rows:
                self._rows.popitem(last=False)

    def delete(self, key: str) -> None:
        with self._lock:
            self._rows.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        with self._lock:
            return [key for key in self._rows if key.startswith(prefix)]


class BoundedStateStore:
    """Lets ``inner`` answer within the time that ``call`` allows, and not at all after a time-out.

    Whatever goes wrong is told as ``StateUnavailable``.
    """

    def __init__(self, inner: StateStore, call: Caller) -> None:
        self._inner = inner
        self._call = call
        self.settle_seconds = inner.settle_seconds

    def get(self, key: str) -> str | None:
        return self._bounded(f"read {key}", lambda: self._inner.get(key))

    def put(self, key: str, value: str) -> None:
        self._bounded(f"write {key}", lambda: self._inner.put(key, value))

    def delete(self, key: str) -> None:
        self._bounded(f"delete {key}", lambda: self._inner.delete(key))

    def keys(self, prefix: str) -> list[str]:
        return self._bounded(f"list {prefix}*", lambda: self._inner.keys(prefix))

    def _bounded(self, operation: str, function: Callable[[], T]) -> T:
        began = time.monotonic()
        try:
            answer = self._call(operation, function)
        except StateUnavailable:
            raise
        except OutOfTimeError as error:
            raise StateUnavailable(operation, str(error)) from None
        except Exception as error:  # noqa: BLE001 - whatever a store does, its callers fail open
            why = f"{type(error).__name__}: {mask(str(error))[:200]}"
            raise StateUnavailable(operation, why) from None
        log.debug("state: %s: %s, %.0f ms", operation, _size(answer), (time.monotonic() - began) * 1000)
        return answer


def _size(answer: object) -> str:
    if isinstance(answer, list):
        return f"{len(answer)} rows"
    return f"{len(answer)} characters" if isinstance(answer, str) else "nothing"
