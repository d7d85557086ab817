"""The commands that look at what Airflow has: its Variables, its connections, its metadata database."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.cli.main import main
from airflow_cloudact_notify.core.state.control import Control
from airflow_cloudact_notify.testing import make_message
from tests.airflow.conftest import register

AIRFLOW = Path(sys.executable).with_name("airflow")
BAD = Path(__file__).parent.parent / "cli" / "bad_configs"


@pytest.fixture(autouse=True)
def _log(monkeypatch) -> None:
    log = logging.getLogger("airflow_cloudact_notify")
    monkeypatch.setattr(log, "level", log.level)


@pytest.fixture
def run(capsys):
    """Return a function that runs a command and returns exit code and output."""

    def in_process(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, capsys.readouterr().out

    return in_process


@pytest.fixture
def answered(run):
    """Return a function that runs a command and returns its JSON."""
    return lambda *arguments: json.loads(run(*arguments, "--format", "json")[1])


def fail(tenant_id: str | None = "acme", pipeline_id: str = "sales", **more):
    now = datetime.now(UTC)
    failure = make_message(
        tenant_id=tenant_id,
        pipeline_id=pipeline_id,
        lifecycle="failure",
        occasion=f"{pipeline_id} {time.time()}",
        run_began_at=now,
        occurred_at=now,
        message_id=os.urandom(8).hex(),
        **more,
    )
    return airflow_service().send(failure)


# --- state


def test_a_cooldown_is_listed_explained_and_cleared(tell_all, told, run, answered):
    tell_all("acme", cooldown_seconds=600)
    assert run("cooldowns", "list") == (0, "No cooldown holds anything back.\n")
    fail()
    fail()
    assert len(told()) == 1

    [row] = answered("cooldowns", "list", "--tenant", "acme")
    assert (row["event"], row["pipeline"], row["severity"]) == ("pipeline_failure", "sales", "error")
    assert 590 < row["seconds_left"] <= 600
    assert "10 m" in run("cooldowns", "list")[1]
    [held] = answered("explain", "acme", "pipeline_failure", "--pipeline", "sales")["held_back_by"]
    assert held["reason"] == "cooldown"
    later = (datetime.now(UTC) + timedelta(minutes=11)).isoformat()
    assert (
        answered("explain", "acme", "pipeline_failure", "--pipeline", "sales", "--at", later)["held_back_by"]
        == []
    )

    assert answered("cooldowns", "clear", "--pipeline", "another") == {"cleared": []}
    assert answered("cooldowns", "clear", "--tenant", "acme", "--pipeline", "sales")["cleared"] == [
        row["key"]
    ]
    fail()
    assert len(told()) == 2


def test_the_lists_for_people(tell_all, run):
    tell_all("acme", cooldown_seconds=600)
    assert run("incidents", "list")[1] == "Nothing that was told of is broken.\n"
    assert run("silence", "list")[1] == "Nothing is silenced.\n"
    fail()
    run("silence", "add", "--task", "load", "--until", "2099-01-01", "--comment", "why not", "--by", "anna")

    assert heads_and_cells(run("incidents", "list")[1])[:4] == ["TENANT", "PIPELINE", "TASK", "BROKEN FOR"]
    assert heads_and_cells(run("cooldowns", "list")[1])[6:10] == [
        "acme",
        "pipeline_failure",
        "sales",
        "error",
    ]
    cells = heads_and_cells(run("silence", "list")[1])
    assert cells[8:] == [
        "task load",
        cells[9],
        "2099-01-01 00:00 UTC",
        "anna",
        "why not",
        "Airflow's Variables",
    ]


def heads_and_cells(table: str) -> list[str]:
    return [cell for line in table.splitlines() for cell in re.split(r"  +", line)]


def test_a_narrow_terminal_cuts_nothing_off(capsys, monkeypatch):
    monkeypatch.setattr(output, "_has_colours", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    source = "/opt/airflow/configs/notifications/config.json:12"
    output.table(("SETTING", "FROM"), [("email.smtp_verify_certificate", source)])
    cells = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "".join(cell[-1] for cell in cells[3:] if cell) == source


def test_a_full_hour_is_explained(tell_all, answered):
    tell_all("acme", max_per_hour=1)
    fail()
    [held] = answered("explain", "acme", "pipeline_failure", "--pipeline", "another")["held_back_by"]
    assert held["reason"] == "max_per_hour"


def test_clearing_everything_must_be_asked_for(run, capsys):
    assert main(["cooldowns", "clear"]) == 2
    assert "--all" in capsys.readouterr().err


def test_an_incident_is_listed_until_it_is_over(tell_all, answered, run):
    tell_all("acme", cooldown_seconds=600)
    tell_all()
    fail("acme")
    fail(None, "platform")

    found = answered("incidents", "list")
    assert [(row["tenant"], row["pipeline"], row["told_to"]) for row in found] == [
        (None, "platform", ["email"]),
        ("acme", "sales", ["email"]),
    ]
    assert found[0]["failed_runs"] == 1
    assert [row["tenant"] for row in answered("incidents", "list", "--tenant", "-")] == [None]

    success = make_message(
        event="pipeline_success", lifecycle="success", task_id=None, occurred_at=datetime.now(UTC)
    )
    airflow_service().send(success.model_copy(update={"run_began_at": datetime.now(UTC)}))
    assert [row["pipeline"] for row in answered("incidents", "list")] == ["platform"]


def test_a_silence_holds_from_when_it_is_added_until_it_is_ended(tell_all, told, run, answered):
    tell_all(
        "acme",
        silences=[{"task": "x", "ends_at": "2030-01-01T00:00:00Z", "created_by": "b", "comment": "file"}],
    )
    added = answered(
        "silence", "add", "--pipeline", "sal*", "--for", "2h", "--comment", "moving", "--by", "anna"
    )
    fail()
    assert told() == []
    [held] = answered("explain", "acme", "pipeline_failure", "--pipeline", "sales")["held_back_by"]
    assert "silenced by anna" in held["why"]

    listed = answered("silence", "list")
    assert [(row["id"], row["comment"]) for row in listed] == [(added["id"], "moving"), (None, "file")]
    assert "pipeline sal*" in run("silence", "list")[1]

    assert run("silence", "expire", added["id"]) == (0, "1 ended\n")
    # As in a task's process, which has not looked yet.
    airflow_service().clear_cache()
    fail()
    assert len(told()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(["--for", "2h"], id="everything"),
        pytest.param(["--tenant", "acme"], id="no end"),
        pytest.param(["--tenant", "acme", "--for", "2h", "--until", "2030-01-01"], id="two ends"),
        pytest.param(["--tenant", "acme", "--for", "soon"], id="no length"),
        pytest.param(["--tenant", "acme", "--until", "2020-01-01"], id="over"),
        pytest.param(["--tenant", "acme", "--from", "2030-01-02", "--until", "2030-01-01"], id="backwards"),
        pytest.param(["--tenant", "acme", "--for", "0m"], id="no time"),
        pytest.param(["--tenant", "acme", "--for", "999999w"], id="for ever"),
        pytest.param(["--tenant", "acme", "--for", "2h", "--comment", " "], id="no reason"),
        pytest.param(["--tenant", "acme", "--for", "2h", "--by", " "], id="nobody"),
        pytest.param(["--tenant", " ", "--for", "2h"], id="no tenant"),
        pytest.param(["--event", "pipeline_failed", "--for", "2h"], id="no event"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(wrong, run, answered):
    assert run("silence", "add", "--comment", "x", *wrong)[0] == 2
    assert answered("silence", "list") == []


def test_a_user_without_a_name_is_asked_for_one(run, answered, monkeypatch):
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    monkeypatch.setattr("getpass.getuser", nameless)
    silence = ("silence", "add", "--tenant", "acme", "--for", "2h", "--comment", "moving")
    assert run(*silence)[0] == 2
    added = answered(*silence, "--by", "anna")
    assert added["created_by"] == "anna"
    run("silence", "expire", added["id"])


# --- dead letters


@pytest.fixture
def missed(tell_all, smtp, answered):
    """Return a function that lets a message be missed and returns its dead letter as it is listed."""

    def miss(tenant_id: str = "acme", **more):
        tell_all(tenant_id, retry_config={"max_attempts": 1})
        smtp.answer("552 too big, hunter2")
        assert not fail(tenant_id, **more).delivered
        return answered("dead-letters", "list", "--tenant", tenant_id)[-1]

    return miss


def test_what_was_missed_is_listed_shown_and_delivered(missed, told, run, answered):
    assert run("dead-letters", "list") == (0, "There are no dead letters.\n")
    letter = missed()
    assert (letter["tenant"], letter["missed"]["email"]["reason"]) == ("acme", "rejected")

    assert letter["id"] in run("dead-letters", "list")[1]
    shown = run("dead-letters", "show", letter["id"])[1]
    assert "Pipeline failed: sales" in shown
    assert "552 too big" in shown
    assert answered("dead-letters", "show", letter["id"])["message"]["task_id"] == "load"

    assert answered("dead-letters", "replay", letter["id"]) == {"delivered": 1, "left": []}
    [mail] = told()
    assert "Sent late" in mail.text
    assert answered("dead-letters", "list") == []


def test_a_destination_that_is_left_alone_is_explained(tell_all, smtp, answered):
    tell_all("acme", unhealthy_after=1)
    smtp.answer("535 who are you")
    fail()
    told = answered("explain", "acme", "pipeline_failure", "--pipeline", "another")["told"]
    assert "left alone" in told["email"]
    assert "535" in told["email"]


def test_what_still_fails_stays(missed, smtp, run, answered):
    letter = missed()
    smtp.answer("552 too big")
    code, out = run("dead-letters", "replay", "--all", "--format", "json")
    assert code == 1
    assert json.loads(out)["left"] == [letter["id"]]
    assert len(answered("dead-letters", "list")) == 1


def test_one_tenants_letters_are_dropped_and_no_others(missed, told, run, answered):
    missed("acme")
    beta = missed("beta")
    assert run("dead-letters", "drop", "--tenant", "acme") == (0, "1 dropped\n")
    assert [letter["id"] for letter in answered("dead-letters", "list")] == [beta["id"]]
    assert told() == []


@pytest.mark.parametrize(
    "wrong", [["show", "nonsense"], ["replay"], ["drop"], ["drop", "nonsense"], ["replay", "x", "--all"]]
)
def test_which_letters_must_be_said(wrong, run):
    assert run("dead-letters", *wrong)[0] == 2


# --- maintenance


def test_maintenance_runs_and_remembers_it(tell_all, answered):
    tell_all("acme", cooldown_seconds=1)
    assert answered("maintain") == {"retold": 0, "digests": 0, "recovered": 0, "pruned": 0} | answered(
        "maintain"
    )
    assert time.time() - Control(VariableStateStore()).ran_at() < 60


def test_it_ends_an_outage_by_what_the_database_says(tell_all, told, answered, dag_run_that_succeeded):
    tell_all("acme", cooldown_seconds=600)
    fail("acme", "cli_recovers")
    assert answered("maintain")["recovered"] == 0
    dag_run_that_succeeded("cli_recovers")

    assert answered("maintain")["recovered"] == 1
    assert "Recovered" in told()[-1].subject


@pytest.fixture
def dag_run_that_succeeded():
    """Return a function that puts a DAG with a successful run into the database."""
    from airflow.models.dagrun import DagRun
    from airflow.sdk import DAG
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    def add(dag_id: str) -> None:
        with DAG(dag_id, schedule=None) as dag:
            pass
        register(dag)
        began = datetime.now(UTC)
        with create_session() as session:
            run = DagRun(
                dag_id=dag_id,
                run_id="cli",
                logical_date=began,
                run_after=began,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
                state="success",
            )
            session.add(run)

    return add


# --- import errors


@pytest.fixture
def import_error() -> Iterator:
    """Return a function that puts an import error into the database, or with no text takes it away."""
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    def put(file: str, text: str | None) -> None:
        with create_session() as session:
            session.execute(delete(ParseImportError).where(ParseImportError.filename == file))
            if text:
                session.add(
                    ParseImportError(
                        filename=file, bundle_name="dags-folder", stacktrace=text, timestamp=datetime.now(UTC)
                    )
                )

    yield put
    with create_session() as session:
        session.execute(delete(ParseImportError))


TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\", line 3\nModuleNotFoundError: No module named 'pandsa'"


def test_an_import_error_is_told_once_then_its_end(import_error, tell_all, told, answered):
    tell_all()
    tell_all("acme")
    import_error("acme/daily.py", TRACEBACK)

    assert answered("import-errors") == {"broken": 1, "mended": 0, "known": 0, "failed": 0}
    assert answered("import-errors") == {"broken": 0, "mended": 0, "known": 1, "failed": 0}
    [first] = told()
    assert first.to == ("acme@example.com",)
    assert first.event == "system_error"
    assert "acme/daily.py" in first.subject
    assert "No module named 'pandsa'" in first.text

    import_error("acme/daily.py", TRACEBACK.replace("pandsa", "nunpy"))
    assert answered("import-errors")["broken"] == 1
    assert "nunpy" in told()[1].text

    import_error("acme/daily.py", None)
    assert answered("import-errors")["mended"] == 1
    assert "can be imported again" in told()[2].subject
    assert answered("import-errors") == {"broken": 0, "mended": 0, "known": 0, "failed": 0}
    assert len(told()) == 3


def test_what_changes_from_parse_to_parse_is_no_other_error(import_error, tell_all, told, answered):
    tell_all()
    for address, commit in (("0x7f00aa", "a" * 40), ("0x7f11bb", "b" * 40)):
        import_error("x.py", f"{TRACEBACK} <object at {address}> in /bundles/{commit}/x.py")
        answered("import-errors")
    assert len(told()) == 1


def test_several_files_at_one_moment_are_each_told(import_error, tell_all, told, answered):
    tell_all(cooldown_seconds=600)
    for number in range(3):
        import_error(f"dag_{number}.py", TRACEBACK)
    assert answered("import-errors")["broken"] == 3
    assert len(told()) == 3


def test_the_tenant_is_that_of_the_files_dags(import_error, tell_all, told, answered):
    from airflow.sdk import DAG

    for tenant in (None, "acme", "beta"):
        tell_all(tenant)
    with DAG("cli_tagged", schedule=None, tags=["tenant:acme"]) as dag:
        pass
    register(dag)  # its file is inline.py
    import_error("inline.py", TRACEBACK)
    import_error("teams/beta/etl/daily.py", TRACEBACK)
    import_error("nobodys.py", TRACEBACK)

    answered("import-errors")

    by_file = {mail.subject.rpartition("/")[2]: mail.to[0] for mail in told()}
    assert by_file["inline.py"] == "acme@example.com"
    assert by_file["daily.py"] == "beta@example.com"
    assert by_file["nobodys.py"] == "root@example.com"


def test_what_nobody_could_be_told_is_tried_again(import_error, tell_all, smtp, told, run, answered):
    tell_all(None, retry_config={"max_attempts": 1})
    import_error("x.py", TRACEBACK)
    smtp.answer("554 not now")
    code, _ = run("import-errors")
    assert code == 1
    assert answered("import-errors")["broken"] == 1
    assert len(told()) == 1


def test_an_end_that_nobody_could_be_told_is_tried_again(import_error, tell_all, smtp, told, run, answered):
    tell_all(None, retry_config={"max_attempts": 1})
    import_error("x.py", TRACEBACK)
    answered("import-errors")
    import_error("x.py", None)
    smtp.answer("554 not now")
    assert run("import-errors")[0] == 1
    assert answered("import-errors")["mended"] == 1
    assert len(told()) == 2


# --- the doctor, and the way in


def test_the_doctor_looks_at_what_airflow_has(tell_all, add_connection, answered, monkeypatch):
    tell_all("acme")
    found = {check["about"]: check["state"] for check in answered("doctor")}
    assert found["Variables"] == "ok"
    assert found["base_url"] == "ok"
    assert found["clocks"] == "ok"
    assert found["maintenance"] == "doubt"
    assert VariableStateStore().keys("cloudact_notify:doctor") == []

    answered("maintain")
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ENABLED", "False")
    monkeypatch.setenv("AIRFLOW_VAR_CLOUDACT_NOTIFY:CONTROL:SILENCES", "x")
    airflow_service.cache_clear()
    read_settings.cache_clear()
    found = {check["about"]: check["state"] for check in answered("doctor")}
    assert found["maintenance"] == "ok"
    assert found["enabled"] == "bad"
    assert found["shadowed Variables"] == "bad"


def test_it_looks_for_every_connection_that_a_file_names(configs, add_connection, answered):
    add_connection("acme_smtp", conn_type="smtp", host="smtp.example.com", port=587, login="a@example.com")
    section = {"enabled": True, "to_emails": ["a@example.com"]}
    configs("acme", email=section | {"conn_id": "acme_smtp"})
    configs("beta", email=section | {"conn_id": "beta_smtp"})
    found = {check["about"]: check["state"] for check in answered("doctor") if "connection" in check["about"]}
    assert found == {"connection acme_smtp (acme, email)": "ok", "connection beta_smtp (beta, email)": "bad"}


def test_a_settings_source_may_be_a_connection(configs, add_connection, answered):
    add_connection(
        "acme_smtp", conn_type="smtp", host="smtp.example.com", port=587, login="a@b.io", password="hunter2"
    )
    configs("acme", email={"enabled": True, "conn_id": "acme_smtp", "to_emails": ["a@example.com"]})
    found = {row["key"]: row for row in answered("explain", "acme", "pipeline_failure")["settings"]}
    assert found["email.smtp_host"]["source"] == "connection acme_smtp"
    assert found["email.smtp_password"] | {"key": ""} == {
        "key": "",
        "value": "•••",
        "source": "connection acme_smtp",
        "is_secret": True,
    }


def test_without_a_path_validate_looks_where_airflow_does(configs, answered):
    configs("acme", emial={})
    [found] = answered("validate")["findings"]
    assert found["key"] == "emial"


def test_a_test_message_starts_no_cooldown_and_none_holds_it_back(tell_all, told, run, cooldown_keys):
    tell_all("acme", cooldown_seconds=600)
    for _ in range(2):
        assert run("send-test", "acme")[0] == 0
    assert len(told()) == 2
    assert cooldown_keys() == []


def airflow(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [AIRFLOW, "cloudact-notify", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_airflows_own_command_line_has_the_same_commands():
    from airflow_cloudact_notify.cli.airflow_commands import get_cli_commands
    from airflow_cloudact_notify.cli.commands import COMMANDS

    [group] = get_cli_commands()
    assert group.name == "cloudact-notify"
    assert [command.name for command in group.subcommands] == [command.name for command in COMMANDS]
    shown = airflow("silence", "add", "--help")
    assert shown.returncode == 0
    assert "--max-severity" in shown.stdout


def test_it_ends_with_the_same_exit_codes():
    found = airflow("validate", BAD / "unknown_key", "--format", "json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["findings"][0]["key"] == "email.smtp_prot"
    assert airflow("validate", BAD / "notifications" / "config.json").returncode == 0


def test_without_a_database_it_says_so(tmp_path):
    script = AIRFLOW.with_name("cloudact-notify")
    for command in (["cooldowns", "list"], ["import-errors"]):
        done = subprocess.run(
            [script, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith(
            "cloudact-notify: This needs Airflow's metadata database: "
        )


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path):
    (tmp_path / "configs/acme").mkdir(parents=True)
    email = {"enabled": True, "smtp_host": "a.example", "from_email": "a@b.io", "to_emails": ["a@b.io"]}
    (tmp_path / "configs/acme/notifications.json").write_text(json.dumps({"email": email}))

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "airflow_cloudact_notify.cli", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        )

    listed = ran("silence", "list")
    assert (listed.returncode, listed.stdout) == (2, "")
    explained = ran("explain", "acme", "pipeline_failure", "--format", "json")
    assert [held["reason"] for held in json.loads(explained.stdout)["held_back_by"]] == ["not_known"]
    assert "Traceback" not in listed.stderr + explained.stderr


def test_a_convention_that_fails_leaves_the_file_to_the_root(
    import_error, tell_all, told, answered, monkeypatch
):
    from airflow.sdk import DAG

    tell_all()
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__TENANT_FROM", "no_such_module:function")
    with DAG("cli_untagged", schedule=None) as dag:
        pass
    register(dag)
    import_error("inline.py", TRACEBACK)
    assert answered("import-errors")["broken"] == 1
    assert told()[0].to == ("root@example.com",)
