"""Before a demo or a test on a real Airflow: an empty folder, and somebody who says how far it is."""

from __future__ import annotations

import shutil
import time
from pathlib import Path


class Progress:
    """Prints lines with the seconds since it was made."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def __call__(self, line: str) -> None:
        print(f"{self.elapsed:4.0f} s  {line}", flush=True)


def make_anew(folder: Path) -> None:
    """Empty the folder, if it is one that a demo made."""
    mark = folder / ".made-by-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise SystemExit(f"{folder} holds something else than a demo; name another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()
