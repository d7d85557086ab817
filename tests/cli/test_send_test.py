from __future__ import annotations

import json
import re
import socket

import pytest

from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox
from tests.core.folder import SECRET, Folder
from tests.support import refused_port, silent_port


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path / "configs")


def section(inbox: SmtpInbox, **more):
    return {
        "enabled": True,
        "smtp_host": inbox.host,
        "smtp_port": inbox.port,
        "smtp_use_tls": False,
        "from_email": "alerts@example.com",
        "to_emails": ["team@example.com"],
        **more,
    }


def tried(run, *arguments, tenant="acme"):
    ran = run("send-test", tenant, *arguments, "-c", "configs", "-f", "json")
    return ran.code, {found["destination"]: found for found in json.loads(ran.out)["destinations"]}


def test_for_people(folder, run, golden, monkeypatch):
    with SmtpInbox() as inbox, SlackInbox() as slack:
        monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", slack.host)
        slack.answer(404, "no_service")
        folder.write("acme", email=section(inbox), slack={"enabled": True, "webhook_url": slack.url})
        ran = run("send-test", "acme", "-c", "configs")
    assert ran.code == 1
    golden("send_test", re.sub(r" +(N|\d+\.\d) ms", " N ms", ran.out))


def test_what_arrives_is_marked_as_a_test(folder, run, monkeypatch):
    with SmtpInbox() as inbox, SlackInbox() as slack:
        monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", slack.host)
        folder.write("acme", email=section(inbox), slack={"enabled": True, "webhook_url": slack.url})
        code, found = tried(run)
    assert code == 0
    assert [f["delivered"] for f in found.values()] == [True, True]
    assert "[Test]" in inbox.messages[0].mail["Subject"]
    assert "[Test]" in slack.payloads[0]["text"]


def test_each_step_has_its_time(folder, run, monkeypatch):
    with SmtpInbox(security="starttls", login=("user", SECRET)) as inbox, inbox.trusted():
        monkeypatch.setenv("ACME_PASSWORD", SECRET)
        login = {"smtp_use_tls": True, "smtp_username": "user", "smtp_password": "${ACME_PASSWORD}"}
        folder.write("acme", email=section(inbox, **login))
        code, found = tried(run)
    assert code == 0
    steps = found["email"]["steps_ms"]
    assert list(steps) == ["resolve", "connect", "TLS", "login", "accepted"]
    assert all(took >= 0 for took in steps.values())


def test_afterwards_nothing_is_measured_any_more(folder, run):
    before = (socket.getaddrinfo, socket.socket.connect)
    with SmtpInbox() as inbox:
        folder.write("acme", email=section(inbox))
        tried(run)
    assert (socket.getaddrinfo, socket.socket.connect) == before


def failing_login(inbox):
    return section(inbox, smtp_use_tls=True, smtp_username="user", smtp_password="wrong")


def test_a_wrong_password_fails_at_the_login(folder, run):
    with SmtpInbox(security="starttls", login=("user", "right")) as inbox, inbox.trusted():
        folder.write("acme", email=failing_login(inbox))
        code, found = tried(run)
    assert code == 1
    assert (found["email"]["reason"], found["email"]["failed_at"]) == ("auth", "login")
    assert "password" in found["email"]["remedy"]


def test_an_untrusted_certificate_fails_at_tls(folder, run):
    with SmtpInbox(security="starttls") as inbox:
        folder.write("acme", email=section(inbox, smtp_use_tls=True))
        _, found = tried(run)
    assert (found["email"]["reason"], found["email"]["failed_at"]) == ("tls", "TLS")
    assert "SSL_CERT_FILE" in found["email"]["remedy"]


def test_nobody_there_fails_at_connecting_and_is_tried_once(folder, run):
    with refused_port() as port, SmtpInbox() as inbox:
        folder.write("acme", email=section(inbox, smtp_port=port))
        _, found = tried(run)
    assert (found["email"]["reason"], found["email"]["failed_at"]) == ("unreachable", "connect")


def test_a_host_that_is_not_known_fails_at_resolving(folder, run):
    with SmtpInbox() as inbox:
        folder.write("acme", email=section(inbox, smtp_host="no-such-host.invalid"))
        _, found = tried(run)
    assert found["email"]["failed_at"] == "resolve"


def test_a_silent_server_is_waited_for_as_long_as_the_file_says(folder, run):
    with silent_port() as port, SmtpInbox() as inbox:
        folder.write("acme", email=section(inbox, smtp_port=port), timeout_seconds=5)
        _, found = tried(run)
    assert found["email"]["reason"] == "timeout"


def test_some_recipients_refused_are_named(folder, run):
    with SmtpInbox(refuse={"gone@example.com": "550 no such user"}) as inbox:
        folder.write("acme", email=section(inbox, to_emails=["team@example.com", "gone@example.com"]))
        code, found = tried(run)
    assert code == 0
    assert found["email"]["refused"] == {"gone@example.com": "550 no such user"}


def test_a_file_that_cannot_be_used_is_told_of_although_the_root_is_tried(folder, run):
    with SmtpInbox() as inbox:
        unset = section(inbox, smtp_username="a", smtp_password="${ACME_UNSET}")
        folder.write("acme", email=unset)
        alone = run("send-test", "acme", "-c", "configs")
        folder.write(None, email=section(inbox, to_emails=["root@example.com"]))
        with_root = run("send-test", "acme", "-c", "configs")
    assert alone.code == 2
    assert "ACME_UNSET is not set" in alone.err
    assert with_root.code == 0
    assert "ACME_UNSET is not set" in with_root.out
    assert inbox.messages[0].recipients == ("root@example.com",)


def test_one_broken_destination_does_not_keep_the_others_from_being_tried(folder, run):
    with SmtpInbox() as inbox:
        slack = {"enabled": True, "webhook_url": "${ACME_UNSET}"}
        folder.write("acme", email=section(inbox), slack=slack)
        code, found = tried(run)
    assert code == 1
    assert found["email"]["delivered"]
    assert found["slack"]["reason"] == "misconfigured"


def test_a_destination_that_is_off_can_not_be_chosen(folder, run):
    with SmtpInbox() as inbox:
        folder.write("acme", email=section(inbox))
        ran = run("send-test", "acme", "--provider", "slack", "-c", "configs")
    assert ran.code == 2
    assert "slack is not switched on" in ran.err
    assert inbox.messages == []


def test_nobody_to_send_to_is_said(folder, run):
    folder.write(None, enabled=False)
    ran = run("send-test", "-", "-c", "configs")
    assert ran.code == 2
    assert "Nobody to send to" in ran.err
