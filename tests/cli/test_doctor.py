from __future__ import annotations

import json

import pytest

from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from tests.core.folder import Folder
from tests.support import refused_port


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path / "configs")


def diagnosed(run, *arguments):
    ran = run("doctor", "-c", "configs", "-f", "json", *arguments)
    return ran.code, {check["about"]: check for check in json.loads(ran.out)}


def email(inbox, **more):
    server = {"enabled": True, "smtp_host": inbox.host, "smtp_port": inbox.port, "smtp_use_tls": False}
    return server | {"from_email": "a@example.com", "to_emails": ["b@example.com"]} | more


def test_without_a_folder_it_says_how_to_make_one(run):
    code, found = diagnosed(run)
    assert code == 1
    assert found["configs_path"]["state"] == "bad"
    assert "cloudact-notify init" in found["configs_path"]["remedy"]


def test_without_a_folder_the_network_is_not_tried(run):
    assert diagnosed(run, "--network") == diagnosed(run)


def test_sound_files_are_sound(folder, run):
    folder.write("acme", enabled=False)
    code, found = diagnosed(run)
    assert code == 0
    assert found["files"]["state"] == "ok"
    assert "airflow-provider-cloudact-notify" in found["versions"]["found"]
    assert found["Airflow"]["state"] == "not seen"


def test_mistakes_and_unset_variables_are_counted(folder, run):
    folder.write("acme", emial={})
    folder.write("beta", description="${BETA_UNSET}", enabled=False)
    code, found = diagnosed(run)
    assert code == 1
    assert found["files"]["found"].startswith("2 mistakes")


def test_one_is_told_as_one(folder, run):
    folder.write("acme", emial={})
    _, found = diagnosed(run)
    assert found["configs_path"]["found"].endswith("holds 1 configuration file")
    assert found["files"]["found"].startswith("1 mistake, the first: ")


def test_the_network_is_tried_without_telling_anybody(folder, run, monkeypatch):
    with SmtpInbox() as inbox, SlackInbox() as slack, refused_port() as port:
        monkeypatch.setenv(
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", f"{slack.host},127.0.0.1:{port}"
        )
        folder.write("acme", email=email(inbox), slack={"enabled": True, "webhook_url": slack.url})
        gone = {"enabled": True, "webhook_url": f"http://127.0.0.1:{port}/services/T/B/X"}
        folder.write("beta", email=email(inbox, smtp_port=port), slack=gone)
        assert "acme: email" not in diagnosed(run)[1]
        code, found = diagnosed(run, "--network")
    assert code == 1
    states = {about: check["state"] for about, check in found.items() if ": " in about}
    assert states == {"acme: email": "ok", "acme: slack": "ok", "beta: email": "bad", "beta: slack": "bad"}
    assert inbox.messages == []
    assert slack.payloads == []


def test_for_people(folder, run):
    folder.write("acme", emial={})
    ran = run("doctor", "-c", "configs")
    assert "Did you mean 'email'?" in ran.out
    assert "validate --env" in ran.out
