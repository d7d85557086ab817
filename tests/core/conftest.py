from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox

pytest.register_assert_rewrite("tests.core.providers.contract", "tests.core.relay", "tests.support")

from tests.core.relay import Relay  # noqa: E402 - its asserts are to say what they saw


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is loopback, whatever proxy the machine has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with SlackInbox() as chat, SmtpInbox() as mail, SlackInbox() as ops:
        yield Relay(tmp_path, chat, mail, ops)
