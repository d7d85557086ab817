"""Deadline alerts on a real Airflow: one told in the triggerer, one on the executor."""

from __future__ import annotations

import json
import sqlite3
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.testing import SmtpInbox
from demo.standalone import StandaloneAirflow
from tests.support import headline

DAG_FILE = """
import time
from datetime import timedelta

from airflow.sdk import DAG, AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback, task

from airflow_cloudact_notify import CloudActNotifier


def alert(kind, tenant):
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=2),
        callback=kind(CloudActNotifier, kwargs={"tenant_id": tenant, "message": "{{ dag_run.dag_run_id }}"}),
    )


with DAG("late", schedule=None, deadline=[alert(AsyncCallback, "asynchronous"), alert(SyncCallback, "synchronous")]):

    @task
    def take_long():
        time.sleep(3)

    take_long()
"""


@dataclass
class Seen:
    """What the inbox holds, as pairs of recipient and run, and what Airflow's database says of each callback."""

    messages: list[tuple[str, str]]
    callbacks: list[tuple[str, str, str | None]]
    cooldowns: set[str]
    subjects: set[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Let two runs be late, one after the other, and wait until Airflow is through with all four callbacks."""
    folder = tmp_path_factory.mktemp("deadlines")
    (folder / "dags").mkdir()
    (folder / "dags" / "late.py").write_text(textwrap.dedent(DAG_FILE))
    with SmtpInbox() as inbox:
        write_config(folder / "configs/asynchronous/notifications.json", inbox, "asynchronous@example.com")
        # The other tenant has no file: the root's settings apply, for which a connection is looked for as well.
        write_config(folder / "configs/notifications/config.json", inbox, "root@example.com")
        env = {"AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(folder / "configs")}
        with StandaloneAirflow(folder / "home", folder / "dags", env) as airflow:
            airflow.wait_for_dag("late")
            for number, run_id in enumerate(("first", "second"), 1):
                airflow.trigger("late", run_id, {})
                airflow.wait_for_run("late", run_id)
                airflow.wait_for(
                    f"the callbacks of the {run_id} run", lambda n=2 * number: finished(folder) >= n, 60
                )
            yield Seen(
                messages=[(m.recipients[0], run_of(m)) for m in inbox.messages],
                callbacks=callbacks(folder),
                cooldowns=set(airflow.variables("cloudact_notify:cooldown:")),
                subjects={headline(m) for m in inbox.messages},
            )


def write_config(file: Path, inbox: Any, recipient: str) -> None:
    section = {
        "enabled": True,
        "smtp_host": inbox.host,
        "smtp_port": inbox.port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": [recipient],
    }
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"email": section}))


def callbacks(folder: Path) -> list[tuple[str, str, str | None]]:
    with sqlite3.connect(f"file:{folder / 'home' / 'airflow.db'}?mode=ro", uri=True) as database:
        return sorted(database.execute("select type, state, output from callback"))


def finished(folder: Path) -> int:
    return sum(state in ("success", "failed") for _, state, _ in callbacks(folder))


def run_of(message: Any) -> str:
    text = message.mail.get_body(("plain",)).get_content()
    return next(run for run in ("first", "second") if f"Run: {run}" in text)


@pytest.mark.standalone
def test_each_callback_ends_well_and_returns_nothing(seen):
    # The second of the triggerer's shows that it survived the first.
    assert seen.callbacks == [("executor", "success", None)] * 2 + [("triggerer", "success", None)] * 2


@pytest.mark.standalone
def test_in_the_triggerer_a_cooldown_holds_and_on_the_executor_there_is_none(seen):
    assert sorted(seen.messages) == [
        ("asynchronous@example.com", "first"),
        ("root@example.com", "first"),
        ("root@example.com", "second"),
    ]
    assert seen.cooldowns == {"cloudact_notify:cooldown:asynchronous:pipeline_warning:late"}


@pytest.mark.standalone
def test_both_tell_that_the_deadline_was_missed(seen):
    assert seen.subjects == {"DAG late missed its deadline"}
