"""A replay whose process is killed at any moment loses nothing, and repeats at most the message that was in flight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from airflow_cloudact_notify.core.state.control import LONGEST_RUN
from tests.core.relay import Relay, title_of
from tests.core.replaying import FolderStore

TITLES = [f"failure {number}" for number in range(20)]


def replaying(relay: Relay, rows: Path, pause: float) -> subprocess.Popen[str]:
    arguments = (rows, relay.folder.path, relay.chat.host, relay.clock(), pause)
    command = [sys.executable, "-m", "tests.core.replaying", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)


@pytest.mark.parametrize("delay", [0, 0.02, 0.07])
@pytest.mark.parametrize("after", [1, 4])
def test_kill_9(relay: Relay, tmp_path: Path, after: int, delay: float) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    relay.state = FolderStore(rows)
    relay.service = relay.make()
    relay.miss(*TITLES)

    with replaying(relay, rows, 0.05) as first:
        while len(relay.chat.payloads) < after and first.poll() is None:
            time.sleep(0.0005)
        time.sleep(delay)
        os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    until_killed = len(relay.chat.payloads)
    assert after <= until_killed < len(TITLES)

    relay.clock.advance(LONGEST_RUN)
    with replaying(relay, rows, 0) as second:
        said, _ = second.communicate(timeout=60)
    assert "Replayed(" in said

    told = [title_of(payload) for payload in relay.chat.payloads]
    repeated = [text for text in told if told.count(text) > 1]
    assert list(dict.fromkeys(told)) == TITLES, "nothing is lost, and the order is kept"
    assert len(told) <= len(TITLES) + 1
    marked = ["may repeat" in text for text in relay.chatted]
    assert not any(marked[:until_killed])
    assert not any(marked[until_killed + 1 :])
    if repeated:
        assert told[until_killed] == repeated[0]
        assert marked[until_killed], "a repeat says that it may be one"
    assert relay.rows("letter") == []
