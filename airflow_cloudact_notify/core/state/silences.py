"""The control row of silences that were made while Airflow runs; those of files are not here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row, short_hash

SCHEMA_VERSION = 1
SILENCES = f"{PREFIX}:control:silences"


class Silences:
    """Reads and writes the row. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when something in the row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def load(self) -> dict[str, SilenceConfig]:
        """Return the silences by their ids; what makes no sense silences nothing."""
        row = read_row(self._store, SILENCES, SCHEMA_VERSION, self._understood, "silences", self._warn)
        return row or {}

    def add(self, silence: SilenceConfig) -> str:
        """Keep a silence and return its id."""
        self._save([*self.load().values(), silence])
        return silence_id(silence)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget silences; an id that is not known does no harm."""
        gone, known = set(ids), self.load()
        if gone & known.keys():
            self._save([silence for key, silence in known.items() if key not in gone])

    def prune(self, now: float) -> int:
        """Forget the silences that are over, and return how many.

        :param now: seconds since 1970.
        """
        over = [key for key, silence in self.load().items() if silence.is_over(now)]
        self.remove(over)
        return len(over)

    def _understood(self, row: dict[str, Any]) -> dict[str, SilenceConfig]:
        silences, entries = {}, row["silences"]
        if not isinstance(entries, list):
            raise TypeError("silences is no list")
        for number, entry in enumerate(entries, 1):
            try:
                silence = SilenceConfig.model_validate(entry)
            except ValidationError as error:
                keys = ", ".join(".".join(map(str, e["loc"])) or "all of it" for e in error.errors())
                self._warn(f"ignoring silence {number} of {SILENCES}: wrong are {keys[:200]}")
            else:
                silences[silence_id(silence)] = silence
        return silences

    def _save(self, silences: list[SilenceConfig]) -> None:
        if not silences:
            self._store.delete(SILENCES)
            return
        entries = [silence.model_dump(mode="json", exclude_none=True) for silence in silences]
        self._store.put(SILENCES, json.dumps({"v": SCHEMA_VERSION, "silences": entries}))


def silence_id(silence: SilenceConfig) -> str:
    """Return what stands for a silence: two that say the same are one."""
    return short_hash(silence.model_dump_json(exclude_none=True))[:8]
