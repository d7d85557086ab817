"""Files of a folder or a bucket, read once and again when they changed."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.budget import Caller, call_directly
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError, OutOfTimeError

log = logging.getLogger(__name__)

REMOTE_RECHECK_SECONDS = 30.0
"""How long a file in object storage is believed before it is looked at again."""
MAX_BYTES = 1_000_000
LEADS_OUT = "a link leads out of its folder"
PUT_IT_THERE = "Put the file itself there; a link may lead to another one in the same folder."


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


def leads_out(path: Any, folder: Any) -> bool:
    """Whether links on the way to a file lead out of the folder that it seems to lie in: never in object storage."""
    real, home = (os.path.realpath(str(place).removeprefix("file://")) for place in (path, folder))
    return not Path(real).is_relative_to(home)


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file's content, and what identifies it; both ``None`` when there is no file."""

    content: bytes | None
    stamp: object
    looked_at: float


class Files:
    """Reads files below ``folder``, a ``pathlib``-like path.

    A folder in it is its tenant's: no link there makes a file of another, or of the platform, the tenant's.

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

    def read(self, file: str, call: Caller = call_directly) -> FileVersion:
        """Return the file as it is now.

        :param call: how to ask object storage, which may not answer in time.
        :raises ConfigurationError: when it is there but cannot be read.
        """
        seen = self._seen.get(file)
        if self._is_remote and seen and self._clock() - seen.looked_at < REMOTE_RECHECK_SECONDS:
            log.debug("%s: looked at a moment ago", self.name(file))
            return seen
        try:
            if self._is_remote:
                version = call(f"read {self.name(file)}", lambda: self._look(file, seen))
            else:
                version = self._look(file, seen)
        except OutOfTimeError as error:
            raise self._unreadable(file, str(error), "Check the object storage.") from None
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - every object storage has errors of its own
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise self._unreadable(file, reason, "Let the user that runs Airflow read it.") from None
        self._seen[file] = version
        log.debug("%s: %s", self.name(file), _found(version, seen))
        return version

    def forget(self, folder: str | None = None) -> None:
        """Read the files of one folder, or all, anew next time."""
        self._seen = {
            file: version
            for file, version in list(self._seen.items())
            if folder is not None and not file.startswith(f"{folder}/")
        }

    def _look(self, file: str, seen: FileVersion | None) -> FileVersion:
        path, now = self._folder / file, self._clock()
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            if not self._is_remote and path.is_symlink():
                raise self._unreadable(file, "it is a link that leads nowhere", "Correct the link.") from None
            return FileVersion(None, None, now)
        stamp = (getattr(found, "st_mtime_ns", found.st_mtime), found.st_size, getattr(found, "st_ino", 0))
        if seen is not None and seen.stamp == stamp:
            return replace(seen, looked_at=now)
        if not self._is_remote and not stat.S_ISREG(found.st_mode):
            raise self._unreadable(file, "not a file", f"Put a file in place of the {_kind(found.st_mode)}.")
        top, slash, _ = file.partition("/")
        if leads_out(path, self._folder / top if slash else self._folder):
            raise self._unreadable(file, LEADS_OUT, PUT_IT_THERE)
        if found.st_size > MAX_BYTES:
            raise self._unreadable(file, f"larger than {MAX_BYTES:,} bytes", "Keep to the documented keys.")
        return FileVersion(path.read_bytes(), stamp, now)

    def _unreadable(self, file: str, reason: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(ConfigProblem(self.name(file), "", f"it cannot be read: {reason}", remedy))


def _found(version: FileVersion, seen: FileVersion | None) -> str:
    if version.content is None:
        return "there is none"
    unchanged = seen is not None and seen.stamp == version.stamp
    return "unchanged" if unchanged else f"read, {len(version.content)} bytes"


def _kind(mode: int) -> str:
    return "folder" if stat.S_ISDIR(mode) else "pipe or device"
