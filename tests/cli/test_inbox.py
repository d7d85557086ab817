"""What the README promises a new person: from an empty folder to a delivered test message."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_cloudact_notify.cli.init import INBOX_PORT
from tests.cli.conftest import SCRIPT


@pytest.fixture
def inbox():
    """Start the inbox at free ports and give its port for mail; it ends after one message."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(str(free.getsockname()[1]))
    process = subprocess.Popen(
        [SCRIPT, "inbox", "--smtp-port", ports[0], "--http-port", ports[1], "--count", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONUNBUFFERED": "1"},
    )
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    yield process, ports[0]
    process.kill()
    process.wait()
    process.stdout.close()


def test_from_an_empty_folder_to_a_delivered_message(inbox, script, tmp_path):
    process, port = inbox
    assert script("init", "acme", "--inbox").code == 0
    root = tmp_path / "configs/notifications/config.json"
    assert f'"smtp_port": {INBOX_PORT}' in root.read_text()
    root.write_text(root.read_text().replace(str(INBOX_PORT), port))  # the usual port may be taken here
    assert script("validate", "configs", "--strict").code == 0

    sent = script("send-test", "acme", "--configs", "configs")

    assert sent.code == 0
    assert "email: delivered" in sent.out
    shown = process.communicate(timeout=30)[0]
    assert "Mail to data-team@example.com" in shown
    assert "[Test]" in shown


def test_a_port_that_is_taken_is_said(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("inbox", "--smtp-port", "0", "--http-port", port, "--count", "0")
    assert ran.code == 2
    assert f"No inbox at port {port}: Address already in use" in ran.err
    assert "--http-port" in ran.err


def test_a_port_that_cannot_be_is_said(run):
    ran = run("inbox", "--smtp-port", "99999", "--count", "0")
    assert ran.code == 2
    assert "'99999' is no port" in ran.err


def test_a_pipe_shows_it_at_once():
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "airflow_cloudact_notify.cli",
            "inbox",
            "--smtp-port",
            "0",
            "--http-port",
            "0",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
        cwd=Path(__file__).parents[2],
    )
    try:
        assert "Mail server" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def test_the_ports_are_what_init_writes(run):
    from airflow_cloudact_notify.cli.commands import COMMANDS

    [inbox] = [command for command in COMMANDS if command.name == "inbox"]
    [port] = [argument for argument in inbox.arguments if "--smtp-port" in argument.flags]
    assert port.options["default"] == INBOX_PORT
