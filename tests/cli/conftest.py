"""The command line, in this process and as the installed script."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_cloudact_notify.cli.main import main

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = Path(sys.executable).with_name("cloudact-notify")
SECRET = "hunter2-never-shown"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        return self.out + self.err


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of this machine counts: neither its proxy nor its settings nor its folder."""
    for name in [*os.environ]:
        if name.startswith(("AIRFLOW__CLOUDACT", "CLOUDACT_", "ACME_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    log = logging.getLogger("airflow_cloudact_notify")
    level = log.level
    yield
    log.setLevel(level)  # commands silence it, since they print what it would say


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return a function that runs a command in this process."""

    def in_process(*arguments: object) -> Ran:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        return Ran(code, *capsys.readouterr())

    return in_process


@pytest.fixture
def script() -> Callable[..., Ran]:
    """Return a function that runs the installed console script."""

    def installed(*arguments: object, **env: str) -> Ran:
        done = subprocess.run(
            [SCRIPT, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, **env},
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return installed


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Return a function that compares text with a file; REWRITE_GOLDEN=1 writes the files anew."""

    def compare(name: str, text: str) -> None:
        text = re.sub(r"\d+\.\d ms", "N ms", text)
        file = GOLDEN / f"{name}.txt"
        if os.environ.get("REWRITE_GOLDEN"):
            file.write_text(text)
        assert text == (file.read_text() if file.exists() else "")

    return compare
