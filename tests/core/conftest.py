from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.core.providers.contract", "tests.support")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback is loopback, whatever proxy the machine has."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
