"""What one more kind of destination costs: one module, and one line in each of three places (beside its imports)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import airflow_cloudact_notify

MODULE = """
from pathlib import Path
from typing import ClassVar

from airflow_cloudact_notify.core.enums import FailureReason
from airflow_cloudact_notify.core.errors import DeliveryError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider, DestinationConfig, Parts, Receipt


class NoticeboardConfig(DestinationConfig):
    SERVER_KEYS: ClassVar = frozenset({"path", "conn_id"})

    path: str = ""


class NoticeboardNotificationProvider(BaseNotificationProvider[NoticeboardConfig, str]):
    def render(self, message: NotificationMessage, parts: Parts = {}) -> str:
        return f"{message.effective_severity}: {message.title}"

    def send(self, payload: str, *, timeout: float) -> Receipt[str]:
        try:
            Path(self.config.path).write_text(payload)
        except OSError as error:
            raise DeliveryError(FailureReason.UNREACHABLE, str(error)) from None
        return Receipt()

    def check(self, *, timeout: float) -> str:
        return "the board hangs there"
"""

LINES = {
    "core/enums.py": ('    SLACK = "slack"\n', '    NOTICEBOARD = "noticeboard"\n'),
    "core/providers/__init__.py": (
        "    NotificationProvider.SLACK: SlackNotificationProvider,\n",
        "    NotificationProvider.NOTICEBOARD: NoticeboardNotificationProvider,\n",
    ),
    "core/config.py": (
        "    slack: SlackConfig = SlackConfig()\n",
        "    noticeboard: NoticeboardConfig = NoticeboardConfig()\n",
    ),
}
"""Module, the line that is there, the line that is added below it."""

IMPORTS = {
    "core/providers/__init__.py": "NoticeboardNotificationProvider",
    "core/config.py": "NoticeboardConfig",
}

SCRIPT = """
import asyncio
import json

from airflow_cloudact_notify.core.service import NotificationService

report = asyncio.run(NotificationService("configs").notify("acme", "pipeline_failure", title="Sales are late"))
print(json.dumps(report.to_dict()))
"""


def test_a_new_kind_of_destination_takes_one_module_and_three_lines(tmp_path: Path) -> None:
    package = tmp_path / "airflow_cloudact_notify"
    shutil.copytree(
        Path(airflow_cloudact_notify.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "core/providers/noticeboard.py").write_text(MODULE)
    for module, (there, added) in LINES.items():
        source = (package / module).read_text()
        assert source.count(there) == 1
        (package / module).write_text(source.replace(there, there + added))
    for module, name in IMPORTS.items():
        source = (package / module).read_text()
        future, rest = source.split("import annotations\n", 1)
        line = f"from airflow_cloudact_notify.core.providers.noticeboard import {name}\n"
        (package / module).write_text(f"{future}import annotations\n{line}{rest}")

    board = tmp_path / "board.txt"
    configs = tmp_path / "configs/notifications"
    configs.mkdir(parents=True)
    section = {"enabled": True, "path": str(board)}
    (configs / "config.json").write_text(
        json.dumps({"default_provider": "noticeboard", "noticeboard": section})
    )

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["destinations"]["noticeboard"]["outcome"] == "delivered"
    assert board.read_text() == "error: Sales are late"
