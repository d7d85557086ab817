"""Sent rows: one for each message that a tenant was sent in an hour, so that their number can be capped.

As held rows they are never rewritten. The reporters of one incident count once: their rows carry the same mark.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_cloudact_notify.core.state.store import PREFIX, ROOT, StateStore, row_key

HOUR = 3600


class Sends:
    """Adds and ranks sent rows. Every method raises ``StateUnavailable`` when the store does not answer."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def count(self, tenant_id: str | None, now: float, kind: str) -> int:
        """Return how many messages of a kind a tenant was sent in the hour.

        :param now: seconds since 1970.
        """
        return len({_mark(key) for key in self._keys(tenant_id, now, kind)})

    def add(self, tenant_id: str | None, now: float, kind: str, mark: str) -> str:
        """Keep that a message is sent, and return the row's key.

        :param now: seconds since 1970.
        :param mark: a word for the message, the same for all that report it.
        """
        key = f"{_prefix(tenant_id, now, kind)}{round(now * 1000):014d}-{mark}"
        self._store.put(key, "1")
        return key

    def rank(self, tenant_id: str | None, now: float, kind: str, mark: str) -> int:
        """Return how many other messages of the hour came before.

        :param now: seconds since 1970, as ``add`` was given it.
        """
        marks = list(dict.fromkeys(map(_mark, self._keys(tenant_id, now, kind))))
        return marks.index(mark) if mark in marks else 0

    def delete(self, key: str) -> None:
        """Forget a row."""
        self._store.delete(key)

    def over(self, now: float) -> list[str]:
        """Return the keys of earlier hours, of all tenants.

        :param now: seconds since 1970.
        """
        keys = self._store.keys(f"{PREFIX}:sent:")
        return [key for key in keys if key.split(":")[-2] != _hour(now)]

    def _keys(self, tenant_id: str | None, now: float, kind: str) -> list[str]:
        return sorted(self._store.keys(_prefix(tenant_id, now, kind)))


def hour_of(now: float) -> int:
    """Return the number of the hour that a moment falls into.

    :param now: seconds since 1970.
    """
    return int(now // HOUR)


def end_of_hour(now: float) -> datetime:
    """Return when the hour of a moment ends.

    :param now: seconds since 1970.
    """
    return datetime.fromtimestamp((hour_of(now) + 1) * HOUR, UTC)


def _hour(now: float) -> str:
    return str(hour_of(now))


def _prefix(tenant_id: str | None, now: float, kind: str) -> str:
    return row_key("sent", tenant_id or ROOT, kind, _hour(now)) + ":"


def _mark(key: str) -> str:
    return key.rpartition("-")[2]
