"""Files of a folder or a bucket, read once and again when they changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError

REMOTE_RECHECK_SECONDS = 30.0
"""How long a file in object storage is believed before it is looked at again."""


def open_path(path: str) -> Any:
    """Return a path object: ``pathlib``'s, or for a URL such as ``s3://bucket/configs`` a ``UPath``.

    :raises ConfigurationError: when the library for URLs is not installed.
    """
    if "://" not in path:
        return Path(path).expanduser()
    try:
        from upath import UPath
    except ImportError:
        problem = ConfigProblem(
            "configs_path", "", f"{path} needs universal-pathlib", "pip install universal-pathlib."
        )
        raise ConfigurationError(problem) from None
    return UPath(path)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file's content, and what identifies it; both ``None`` when there is no file."""

    content: bytes | None
    stamp: object
    looked_at: float


class Files:
    """Reads files below ``folder``, a ``pathlib``-like path.

    :param is_remote: whether a look at a file costs a request.
    """

    def __init__(self, folder: Any, *, is_remote: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._is_remote = is_remote
        self._clock = clock
        self._seen: dict[str, FileVersion] = {}

    def name(self, file: str) -> str:
        """Return the file's full name, for a person."""
        return str(self._folder / file)

    def read(self, file: str) -> FileVersion:
        """Return the file as it is now.

        :raises ConfigurationError: when it is there but cannot be read.
        """
        seen = self._seen.get(file)
        now = self._clock()
        if self._is_remote and seen and now - seen.looked_at < REMOTE_RECHECK_SECONDS:
            return seen
        path = self._folder / file
        try:
            stamp = self._stamp(path)
            if seen is None or stamp != seen.stamp:
                content = path.read_bytes() if stamp is not None else None
                seen = FileVersion(content, stamp, now)
        except OSError as error:
            reason = f"it cannot be read: {error.strerror or type(error).__name__}"
            problem = ConfigProblem(self.name(file), "", reason, "Let the user that runs Airflow read it.")
            raise ConfigurationError(problem) from None
        if self._is_remote:
            seen = FileVersion(seen.content, seen.stamp, now)
        self._seen[file] = seen
        return seen

    def forget(self, file: str | None = None) -> None:
        """Read one file, or all, anew next time."""
        if file is None:
            self._seen.clear()
        else:
            self._seen.pop(file, None)

    @staticmethod
    def _stamp(path: Any) -> object:
        """Return what changes when the file does; ``None`` when there is no file."""
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return (getattr(stat, "st_mtime_ns", stat.st_mtime), stat.st_size, getattr(stat, "st_ino", 0))
