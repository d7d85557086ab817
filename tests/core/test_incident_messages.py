"""An incident as its readers see it: mails of one thread, each saying what went before, in the tenant's own time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.outages import Streak
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.core.summaries import again
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.testing import FrozenClock, SmtpInbox
from tests.core.folder import Folder
from tests.core.storm import report, success


class Reader:
    """A tenant's inbox, and a service that mails to it."""

    def __init__(self, path: Path, inbox: SmtpInbox) -> None:
        self.folder, self.inbox = Folder(path), inbox
        self.clock, self.state = FrozenClock(), MemoryStateStore()
        self.configure()

    def configure(self, **keys: Any) -> None:
        email = {
            "enabled": True,
            "smtp_host": self.inbox.host,
            "smtp_port": self.inbox.port,
            "smtp_use_tls": False,
            "from_email": "pipelines@example.com",
            "to_emails": ["ann@example.com"],
        }
        self.folder.write(None, {"email": email} | keys)
        self.service = NotificationService(
            self.folder.path,
            state=self.state,
            clock=self.clock,
            sleep=self.clock.sleep,
            settle=self.clock.sleep,
        )

    def fails(self, run: str, began: int, **more: Any) -> None:
        assert self.service.send(report(lifecycle="failure", run=run, began=began, **more)).delivered
        self.clock.advance(301)

    @property
    def mails(self) -> list[Any]:
        return [got.mail for got in self.inbox.messages]

    def text(self, number: int) -> str:
        return str(self.mails[number].get_body(("plain",)).get_content()).replace("\r\n", "\n")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with SmtpInbox() as inbox:
        yield Reader(tmp_path, inbox)


def test_failure_repeats_and_recovery_are_one_thread(reader: Reader) -> None:
    reader.fails("r1", 1)
    reader.fails("r2", 2)
    reader.fails("r3", 3, event="system_error")
    assert reader.service.send(success(run="r4", began=4)).delivered
    first, *following = reader.mails
    assert (first["References"], first["In-Reply-To"]) == (None, None)
    assert [mail["References"] for mail in following] == [first["Message-ID"]] * 3
    assert [mail["In-Reply-To"] for mail in following] == [first["Message-ID"]] * 3
    assert len({mail["Message-ID"] for mail in reader.mails}) == 4


def test_the_next_incident_is_another_thread(reader: Reader) -> None:
    reader.fails("r1", 1)
    reader.service.send(success(run="r2", began=2))
    reader.clock.advance(301)
    reader.fails("r3", 3)
    reader.fails("r4", 4)
    third, fourth = reader.mails[2:]
    assert third["References"] is None
    assert fourth["References"] == third["Message-ID"]


def test_a_digest_is_of_the_thread_it_adds_to(reader: Reader) -> None:
    reader.fails("r1", 1)
    for run, is_held in (("r2", False), ("r3", True)):
        assert bool(reader.service.send(report(lifecycle="failure", run=run)).suppressed) is is_held
    reader.clock.advance(301)
    assert maintain(reader.service, lambda _: None, reader.clock()).digests == 1
    first, _, digest = reader.mails
    assert digest["References"] == first["Message-ID"]


def test_a_failure_says_which_in_a_row_it_is_and_since_when(reader: Reader) -> None:
    reader.configure(timezone="Europe/Berlin")
    reader.fails("r1", 1)
    reader.clock.advance(3 * 3600)
    reader.fails("r2", 2)
    reader.fails("r3", 3)
    assert "Failing" not in reader.text(0)
    assert "2nd failed run in a row, failing since 2026-01-02 04:04 +01:00 (3 h 5 m)" in reader.text(1)
    assert "3rd failed run in a row, failing since 2026-01-02 04:04 +01:00" in reader.text(2)
    assert reader.service.send(success(run="r4", began=4)).delivered
    assert "3 failed runs" in reader.text(3)


def test_without_a_cooldown_it_says_so_too(reader: Reader) -> None:
    reader.configure(event_triggers=[{"event": "pipeline_failure", "cooldown_seconds": 0}])
    reader.fails("r1", 1)
    reader.fails("r2", 2)
    assert "2nd failed run in a row" in reader.text(1)
    assert reader.mails[1]["References"] == reader.mails[0]["Message-ID"]


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "Failing since"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (112, "112th"), (1_002, "1,002nd")],
)  # fmt: skip
def test_a_number_in_a_row_is_said_as_a_person_does(number: int, said: str) -> None:
    assert again(Streak(number, 0.0, 60.0, ""), Times()).startswith(said)


def test_what_is_held_back_costs_no_look_at_the_outage(reader: Reader) -> None:
    reader.fails("r1", 1)
    reader.clock.advance(-301)
    looked: list[str] = []

    class Watched(MemoryStateStore):
        def get(self, key: str) -> str | None:
            looked.append(key)
            return reader_state.get(key)

        def keys(self, prefix: str) -> list[str]:
            looked.append(prefix)
            return reader_state.keys(prefix)

    reader_state, reader.state = reader.state, Watched()
    reader.configure()
    assert reader.service.send(report(lifecycle="failure", run="r2", began=2)).suppressed
    assert looked
    assert not any("outage" in key for key in looked)


def test_a_runbook_comes_from_the_message_the_trigger_or_the_file(reader: Reader) -> None:
    trigger = {
        "event": "pipeline_failure",
        "runbook_url": "https://wiki.example/trigger",
        "cooldown_seconds": 0,
    }
    reader.configure(runbook_url="https://wiki.example/file", event_triggers=[trigger])
    reader.fails("r1", 1)
    reader.fails("r2", 2, runbook_url="https://wiki.example/dag")
    reader.service.send(report(event="pipeline_warning"))
    links = [line for number in range(3) for line in reader.text(number).splitlines() if "runbook" in line]
    assert [link.rpartition("/")[2] for link in links] == ["trigger", "dag", "file"]


def test_a_tenants_branding_reaches_its_mails(reader: Reader) -> None:
    reader.configure(
        branding={"name": "Acme Data", "accent_color": "#5B21B6"}, locale="de", timezone="Europe/Berlin"
    )
    reader.fails("r1", 1, duration_ms=61_000, log_url="https://airflow.example/log")
    [mail] = reader.mails
    assert mail["Subject"] == "[ERROR] Acme Data: Pipeline failed: sales"
    assert "background:#5b21b6" in mail.get_body(("html",)).get_content()
    assert "Duration: 1 Min. 1 Sek." in reader.text(0)
    assert "02.01.2026, 04:04:05 +01:00" in reader.text(0)


def test_rows_of_an_outage_from_before_threads_are_still_read(reader: Reader) -> None:
    reader.fails("r1", 1)
    [key] = reader.state.keys("cloudact_notify:outage:")
    row = json.loads(reader.state.get(key) or "")
    del row["thread_id"]
    reader.state.put(key, json.dumps(row))
    reader.fails("r2", 2)
    reader.fails("r3", 3)
    assert reader.mails[1]["References"] is None
    assert "2nd failed run" in reader.text(1)
    assert reader.mails[2]["References"] == reader.mails[1]["Message-ID"]
