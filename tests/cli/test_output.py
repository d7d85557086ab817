"""On a terminal there are colours and tables; elsewhere, and where somebody wants none, plain text."""

from __future__ import annotations

import importlib.util
import os
import pty
import subprocess

import pytest

from airflow_cloudact_notify.cli import output
from tests.cli.conftest import SCRIPT


def on_a_terminal(*arguments: str, **env: str) -> str:
    """Return what the script shows on a real terminal."""
    ours, theirs = pty.openpty()
    quiet = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [SCRIPT, *arguments],
        stdout=theirs,
        stderr=theirs,
        env=quiet | {"TERM": "xterm", "COLUMNS": "120"} | env,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    process.wait(60)
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


@pytest.mark.parametrize(
    ("env", "colours"),
    [
        pytest.param({}, True, id="a terminal"),
        pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR"),
        pytest.param({"TERM": "dumb"}, False, id="a dumb one"),
    ],
)
def test_a_terminal_has_colours_unless_somebody_wants_none(env, colours):
    assert ("\x1b[32m" in on_a_terminal("init", **env)) is colours


def test_a_table_is_drawn_on_a_terminal(run):
    run("init", "acme")
    shown = on_a_terminal("explain", "acme", "pipeline_failure", "-c", "configs", PLATFORM_SMTP_PASSWORD="x")
    assert "email.to_emails" in shown
    assert ("─" in shown) is (importlib.util.find_spec("rich") is not None)


def test_elsewhere_it_is_plain(capsys):
    output.table(("A", "LONGER"), [("first", 1), ("x", "")])
    assert capsys.readouterr().out == "A      LONGER\nfirst  1\nx\n"


def test_what_a_pipeline_says_to_a_terminal_is_not_shown(capsys):
    output.table(("PIPELINE", "X"), [("\x1b[31msales\x1b]0;title\x07\nnext", "1")])
    assert capsys.readouterr().out.splitlines()[1] == "sales]0;title next  1"
