"""The import error row: a DAG file that cannot be imported, and who was told, so that it and its end are told once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row, row_key

SCHEMA_VERSION = 1
_KIND = "import_error"


@dataclass(frozen=True, slots=True)
class KnownImportError:
    """One row.

    :param digest: stands for the error's text; another one is another error.
    :param alerted: the destinations that were told.
    :param told_at: when that was, in seconds since 1970.
    """

    file: str
    tenant_id: str | None
    digest: str
    alerted: tuple[str, ...] = ()
    told_at: float = 0.0


class ImportErrors:
    """Reads and writes import error rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def load(self) -> dict[str, KnownImportError]:
        """Return all rows by their files."""
        rows = (
            read_row(self._store, key, SCHEMA_VERSION, _known, "an import error", self._warn)
            for key in self._store.keys(f"{PREFIX}:{_KIND}:")
        )
        return {row.file: row for row in rows if row}

    def save(self, known: KnownImportError) -> None:
        """Write a row."""
        self._store.put(_key(known.file), json.dumps({"v": SCHEMA_VERSION, **asdict(known)}))

    def delete(self, file: str) -> None:
        """Forget a file."""
        self._store.delete(_key(file))


def _known(row: dict[str, Any]) -> KnownImportError:
    return KnownImportError(
        file=str(row["file"]),
        tenant_id=row["tenant_id"],
        digest=str(row["digest"]),
        alerted=tuple(map(str, row["alerted"])),
        told_at=float(row["told_at"]),
    )


def _key(file: str) -> str:
    return row_key(_KIND, file)
