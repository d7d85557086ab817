"""What is found in files is tried in tests/cli; here is what a variable's value may be believed to be."""

from __future__ import annotations

import json

import pytest

from airflow_cloudact_notify.core.checkup import Checkup
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.files import open_path
from tests.core.folder import Folder

SERVER = {"enabled": True, "smtp_host": "smtp.example.com", "to_emails": ["a@example.com"]}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"email": SERVER | {"from_email": "${ACME_X}"}}, id="an address"),
        pytest.param({"email": SERVER | {"from_email": "a@${ACME_X}"}}, id="part of an address"),
        pytest.param({"email": SERVER | {"from_email": "a@b.io", "smtp_port": "${ACME_X}"}}, id="a number"),
        pytest.param(
            {"email": SERVER | {"from_email": "a@b.io", "smtp_use_tls": "${ACME_X}"}}, id="a switch"
        ),
        pytest.param({"email": SERVER | {"from_email": "a@b.io", "smtp_host": "${ACME_X}"}}, id="a host"),
        pytest.param({"slack": {"enabled": True, "webhook_url": "${ACME_X}"}}, id="a webhook"),
        pytest.param(
            {"email": SERVER | {"from_email": "${ACME_X}", "from_name": "${ACME_X}"}}, id="one for two keys"
        ),
        pytest.param(
            {
                "email": SERVER | {"from_email": "a@b.io"},
                "quiet_hours": {"timezone": "${ACME_X}", "times": [{"start": "22:00", "end": "${ACME_Y}"}]},
            },
            id="what no stand-in fits",
        ),
    ],
)
def test_a_variable_may_hold_what_its_key_needs(document, tmp_path):
    file = Folder(tmp_path).write("acme", document)
    assert Checkup(tmp_path).findings(file) == []


def test_a_mistake_beside_a_variable_is_still_one(tmp_path):
    file = Folder(tmp_path).write("acme", email=SERVER | {"from_email": "${ACME_X}", "smtp_port": 0})
    assert [found.problem.key for found in Checkup(tmp_path).findings(file)] == ["email.smtp_port"]


@pytest.mark.parametrize("own", [{}, {"extends": "root"}], ids=["alone", "over the root's"])
@pytest.mark.parametrize(
    ("email", "is_warning"),
    [
        pytest.param({"smtp_host": "smtp.example.com:587"}, False, id="a wrong server"),
        pytest.param({"from_email": None}, True, id="no sender"),
    ],
)
def test_what_stands_there_and_cannot_work_is_a_mistake_what_may_come_from_elsewhere_is_not(
    own, email, is_warning, tmp_path
):
    folder = Folder(tmp_path)
    folder.write(None, enabled=True, email={"enabled": False})
    file = folder.write("acme", **own, email=SERVER | {"from_email": "a@example.com"} | email)
    [found] = Checkup(tmp_path).findings(file)
    assert (found.rule, found.is_warning) == ("incomplete", is_warning)
    assert found.problem.key == f"email.{next(iter(email))}"


def test_every_section_of_the_models_is_looked_at(tmp_path):
    """A new key needs no change here: what is wrong with it is the model's to say."""
    for name, field in NotificationConfig.model_fields.items():
        wrong = {field.alias or name: {"nonsense": object.__name__}}
        file = tmp_path / "acme" / "notifications.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(wrong))
        assert any(not found.is_warning for found in Checkup(tmp_path).findings(file)), name


def test_what_is_no_file_is_said(tmp_path):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "notifications.json").mkdir()
    [found] = Checkup(tmp_path).findings(tmp_path / "acme" / "notifications.json")
    assert found.rule == "unreadable"


TEMPLATED = {
    "email": SERVER | {"from_email": "a@b.io"},
    "event_triggers": [{"event": "pipeline_failure", "template": "ours", "template_b": "ours"}],
}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        pytest.param({"acme/templates/ours.txt.j2": "{{ title }}"}, [], id="the tenant's own"),
        pytest.param({"notifications/templates/ours.slack.j2": "{{ title }}"}, [], id="the root's"),
        pytest.param({}, [("template-missing", "notifications.json", 1)] * 2, id="none"),
        pytest.param(
            {"acme/templates/ours.txt.j2": "{{ title }}\n{% if %}"},
            [("template-broken", "ours.txt.j2", 2)],
            id="a mistake in it",
        ),
        pytest.param(
            {"acme/templates/ours.txt.j2": "\n{% include 'x' %}"},
            [("template-broken", "ours.txt.j2", 2)],
            id="what is not allowed",
        ),
        pytest.param(
            {"acme/templates/ours.html.j2": b"\xff", "acme/templates/ours.txt.j2": b"\xff"},
            [("template-broken", "ours.html.j2", 1), ("template-broken", "ours.txt.j2", 1)],
            id="not UTF-8",
        ),
    ],
)
def test_templates_are_looked_at(files, found, tmp_path):
    file = Folder(tmp_path).write("acme", TEMPLATED)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    got = [
        (f.rule, f.problem.file.rpartition("/")[2], f.problem.line) for f in Checkup(tmp_path).findings(file)
    ]
    assert got == found


def test_a_template_that_is_a_link_to_what_is_not_the_tenants_is_a_mistake(tmp_path):
    file = Folder(tmp_path).write("acme", TEMPLATED)
    Folder(tmp_path).write("beta", email=SERVER)
    (tmp_path / "acme" / "templates").mkdir()
    (tmp_path / "acme" / "templates" / "ours.txt.j2").symlink_to("../../beta/notifications.json")
    [found] = Checkup(tmp_path).findings(file)
    assert (found.rule, found.problem.reason) == ("template-broken", "a link leads out of its folder")


def test_files_in_object_storage_are_looked_at():
    folder = open_path("memory://checkup/configs")
    for name, text in {"acme/notifications.json": '{\n"emial": {}}', "beta/notifications.json": "{}"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    checkup = Checkup(folder)
    found = {file.parent.name: [f.problem.line for f in checkup.findings(file)] for file in checkup.files()}
    assert found == {"acme": [2], "beta": [1]}
