"""The last lines of a task's log, where they can be read: on the machine that the task ran on.

A task's process hands its log to its supervisor, which appends every line at once to a file below
``[logging] base_log_folder``, under the name that ``[logging] log_filename_template`` gives it. A callback finds it
there in the task's process, and in a DAG processor that shares the folder. No server is asked.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_cloudact_notify.bridge.masking import masked
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.texts import CUT

log = logging.getLogger(__name__)

MAX_BYTES = 2_500
"""Of the lines that are told, the last: with the error before them, they fit into one block of Slack's."""
WINDOW = 65_536
"""Bytes of the file that are read, and searched for secrets: one may begin before the lines that are told."""
MAX_LINE = 500


def log_tail(ti: Any, lines: int) -> str:
    """Return the last lines of a task instance's log, masked; nothing when it is not to be found on this machine."""
    try:
        text = _end_of(_path(ti))
    except Exception as error:  # noqa: BLE001 - without it the message is still worth sending
        log.debug("No lines of the task's log are told: it cannot be read here: %s", error)
        return ""
    said = mask(str(masked("\n".join(_said(text))))).rstrip().splitlines()
    return _last([line if len(line) <= MAX_LINE else line[:MAX_LINE] + CUT for line in said[-lines:]])


def _path(ti: Any) -> Path:
    from airflow.utils.helpers import log_filename_template_renderer

    return Path(
        conf.get_mandatory_value("logging", "base_log_folder"), log_filename_template_renderer()(ti=ti)
    )


def _end_of(path: Path) -> str:
    """Return the end of a file, from the beginning of a line on."""
    with path.open("rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - WINDOW)
        file.seek(start)
        content = file.read(WINDOW)
    if start:
        content = content.partition(b"\n")[2]
    return content.decode("utf-8", "replace")


def _said(text: str) -> Iterator[str]:
    """Yield what the lines of a log say, each with its time, and a level above info."""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict) or "event" not in entry:
            yield line
            continue
        event = str(entry["event"])
        # What Airflow's log view folds its lines by.
        if not event.startswith(("::group::", "::endgroup::")):
            level = str(entry.get("level", "info")).upper()
            time = str(entry.get("timestamp", ""))[11:19]
            yield " ".join(part for part in (time, "" if level == "INFO" else level, event) if part)


def _last(lines: list[str]) -> str:
    """Return as many of the last lines as there is room for."""
    text = "\n".join(lines).encode()
    if len(text) <= MAX_BYTES:
        return text.decode()
    _, _, whole_lines = text[-MAX_BYTES:].partition(b"\n")
    return f"{CUT}\n{whole_lines.decode()}"
