"""What is told of files that Airflow cannot import."""

from __future__ import annotations

from airflow_cloudact_notify.core.import_errors import ImportProblem, tell_import_errors
from tests.core.relay import Relay


def test_a_file_that_breaks_breaks_otherwise_and_is_mended_is_told_in_words(relay: Relay) -> None:
    for text in ("SyntaxError: invalid syntax", "ModuleNotFoundError: No module named 'shop'", None):
        problems = [ImportProblem("dags/sales.py", None, text)] if text else []
        tell_import_errors(relay.service, problems, relay.clock())
    broken, otherwise, mended = relay.noticed
    assert "Airflow cannot import dags/sales.py: SyntaxError: invalid syntax" in broken
    assert (
        "Airflow still cannot import dags/sales.py, now for another reason: ModuleNotFoundError:" in otherwise
    )
    assert "New and changed DAGs in it do not run." in otherwise
    assert "Airflow no longer reports an import error for dags/sales.py." in mended


def test_what_nobody_took_is_told_once_when_somebody_takes_it(relay: Relay) -> None:
    relay.folder.write(
        None,
        slack={"enabled": True, "webhook_url": relay.ops.url},
        default_provider="slack",
        retry_config={"max_attempts": 1},
    )
    for problems in ([ImportProblem("dags/sales.py", None, "SyntaxError: invalid syntax")], []):
        for answers in (503, 503, 200):
            relay.ops.answer(answers, "")
            relay.clock.advance(300)
            tell_import_errors(relay.service, problems, relay.clock())
        relay.clock.advance(300)
        relay.maintain()
        assert relay.rows("letter") == []
    assert len(relay.ops.payloads) == 6


def test_a_destination_that_asks_for_a_long_wait_is_not_waited_for(relay: Relay) -> None:
    relay.ops.answer(429, "rate_limited", {"Retry-After": "600"})
    relay.clock.slept.clear()
    problem = ImportProblem("dags/sales.py", None, "SyntaxError: invalid syntax")
    assert tell_import_errors(relay.service, [problem], relay.clock()).failed == 1
    assert sum(relay.clock.slept) < 1
