"""The control rows of maintenance: when it ran last, and whose turn it is."""

from __future__ import annotations

import json
import secrets
import time

from airflow_cloudact_notify.core.state.store import PREFIX, StateStore

SCHEMA_VERSION = 1
LAST_RUN = f"{PREFIX}:control:maintenance"
UNDER_WAY = f"{PREFIX}:control:maintaining"
LONGEST_RUN = 600.0
"""Seconds after which maintenance that did not end counts as killed."""

LONGEST_WAIT = 5.0
"""Seconds that a row's reading and writing is thought to take at most."""


class Control:
    """Reads and writes the rows. Every method raises ``StateUnavailable`` when the store does not answer."""

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._own = secrets.token_hex(8)

    def ran_at(self) -> float:
        """Return when maintenance ended last, in seconds since 1970; 0 when that is not known."""
        try:
            return float(json.loads(self._store.get(LAST_RUN) or "{}")["ran_at"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return 0.0

    def ran(self, now: float) -> None:
        """Keep that maintenance has ended.

        :param now: seconds since 1970.
        """
        self._store.put(LAST_RUN, json.dumps({"v": SCHEMA_VERSION, "ran_at": now}))

    def begins(self, now: float) -> bool:
        """Claim that maintenance is under way, as reporters claim incidents; return whether nobody else does it.

        :param now: seconds since 1970.
        """
        began = time.monotonic()
        until, _ = self._under_way()
        if now < until <= now + LONGEST_RUN:
            return False
        row = {"v": SCHEMA_VERSION, "until": now + LONGEST_RUN, "token": self._own}
        self._store.put(UNDER_WAY, json.dumps(row))
        # Another who has looked just as we did writes as slowly as we do.
        took = min(time.monotonic() - began, LONGEST_WAIT)
        time.sleep(2 * max(self._store.settle_seconds, took))
        return self._under_way()[1] in (self._own, "")

    def ends(self) -> None:
        """Let others begin, if none has: one that took longer than ``LONGEST_RUN`` has been replaced."""
        if self._under_way()[1] == self._own:
            self._store.delete(UNDER_WAY)

    def _under_way(self) -> tuple[float, str]:
        try:
            row = json.loads(self._store.get(UNDER_WAY) or "{}")
            return float(row["until"]), str(row["token"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return 0.0, ""
