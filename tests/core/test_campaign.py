"""The fault campaign in small, and that its books and its search would find something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core import letters, masking, replays
from campaign import run
from campaign.books import Books
from campaign.run import EMAIL, Campaign, Result
from campaign.secrets import SECRETS, Search
from campaign.servers import MailServer

# Deliveries that were given up may still hold their connections when a test ends.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "ROUNDS", 3)
    monkeypatch.setattr(run, "CALM_ROUNDS", 10)
    monkeypatch.setattr(run, "BUDGET_SECONDS", 1.2)


def played(path: Path, seed: int = 7, faults: float = 0.5) -> Result:
    with Campaign(path, seed) as campaign:
        return campaign.run(45, faults)


def test_the_books_balance_and_no_secret_is_found(tmp_path: Path) -> None:
    result = played(tmp_path)
    assert result.problems == []
    assert result.leaks == []
    assert sum(result.met[name] for name in result.met if name != "fine") > 10
    assert result.letters["delivered late"] > 0
    assert result.searched > 100_000


def test_a_letter_that_is_lost_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(letters.Letters, "keep", lose)
    assert any("and not in the log" in problem for problem in played(tmp_path).problems)


def test_a_letter_that_vanishes_later_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deliver(self: Any, key: str, letter: Any) -> None:
        self._outbox.delete(key)

    monkeypatch.setattr(replays._Run, "deliver", deliver)
    assert any("was kept, and is nowhere" in problem for problem in played(tmp_path).problems)


def test_a_mail_may_be_taken_in_parts_but_by_no_recipient_twice() -> None:
    server, books = MailServer("seed"), Books()
    server.met["defer_one"] += 1
    for recipient, problems in (("ann", 0), ("bob", 0), ("bob", 1)):
        server.note("run-0001", sure=True, recipients=[recipient])
        books.balance(0, [], [], {("acme", EMAIL): server})
        assert len(books.problems) == problems


def test_a_secret_that_is_not_masked_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_SECRETS", ())
    leaks = played(tmp_path, faults=0.0).leaks
    assert {leak.partition(":")[0].partition(" to ")[0] for leak in leaks} >= {"a row", "a message"}


@pytest.mark.parametrize("secret", SECRETS.values())
def test_the_search_finds_half_a_secret(secret: str) -> None:
    search = Search()
    search.look("a text", f"... {secret[: len(secret) * 3 // 4]} ...")
    assert len(search.found) == 1
