"""A process that replays dead letters, to be killed: ``python -m tests.core.replaying``, see ``replay``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from urllib.parse import quote, unquote

from airflow_cloudact_notify.core import replays
from airflow_cloudact_notify.core.service import NotificationService


class FolderStore:
    """Keeps each row in a file of its own, which outlives the process.

    :param pause: seconds that each change takes, as with a database that is far away.
    """

    settle_seconds = 0.005

    def __init__(self, folder: Path, pause: float = 0.0) -> None:
        self._folder = folder
        self._pause = pause

    def get(self, key: str) -> str | None:
        file = self._file(key)
        return file.read_text() if file.exists() else None

    def put(self, key: str, value: str) -> None:
        time.sleep(self._pause)
        half_written = self._folder / f".{os.getpid()}"
        half_written.write_text(value)
        half_written.replace(self._file(key))

    def delete(self, key: str) -> None:
        time.sleep(self._pause)
        self._file(key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> list[str]:
        names = (unquote(file.name) for file in self._folder.iterdir() if not file.name.startswith("."))
        return [name for name in names if name.startswith(prefix)]

    def _file(self, key: str) -> Path:
        return self._folder / quote(key, safe="")


def replay(rows: str, configs: str, host: str, now: str, pause: str) -> None:
    """Replay what is due, by a clock that stands still."""
    state = FolderStore(Path(rows), float(pause))
    service = NotificationService(
        configs, allowed_webhook_hosts=[host], state=state, clock=lambda: float(now), settle=lambda _: None
    )
    print(replays.replay(service, float(now)), flush=True)


if __name__ == "__main__":
    replay(*sys.argv[1:])
