"""The control row of maintenance: when it ran last."""

from __future__ import annotations

import json

from airflow_cloudact_notify.core.state.store import PREFIX, StateStore

SCHEMA_VERSION = 1
LAST_RUN = f"{PREFIX}:control:maintenance"


class Control:
    """Reads and writes the row. Every method raises ``StateUnavailable`` when the store does not answer."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

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
