from __future__ import annotations

import email
import email.policy
import json
from pathlib import Path

import pytest

from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.testing import make_message
from tests.core.folder import Folder


@pytest.fixture(autouse=True)
def both(tmp_path, monkeypatch) -> Folder:
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", "127.0.0.1:9")
    folder = Folder(tmp_path / "configs")
    folder.write(
        "acme",
        default_provider="both",
        email={
            "enabled": True,
            "smtp_host": "127.0.0.1",
            "from_email": "alerts@example.com",
            "to_emails": ["team@example.com"],
        },
        slack={"enabled": True, "webhook_url": "http://127.0.0.1:9/services/T0/B0/X"},
    )
    return folder


@pytest.mark.parametrize("event", NotificationEvent)
def test_every_event_has_a_sample(event, run):
    ran = run("preview", "acme", event, "-c", "configs")
    assert ran.code == 0
    assert "--- email ---" in ran.out
    assert "--- slack ---" in ran.out
    assert ran.out.count(event) == 2


def test_it_is_the_same_each_time(run):
    texts = {run("preview", "acme", "pipeline_failure", "-c", "configs").out for _ in range(2)}
    assert len(texts) == 1


def test_it_writes_what_a_mail_program_and_a_browser_can_show(run):
    ran = run("preview", "acme", "pipeline_failure", "-c", "configs", "--out", "out")

    assert ran.out.count("written") == 4
    mail = email.message_from_bytes(Path("out/email.eml").read_bytes(), policy=email.policy.default)
    assert mail["To"] == "team@example.com"
    assert "<html" in Path("out/email.html").read_text()
    assert "load_orders" in Path("out/email.txt").read_text()
    assert json.loads(Path("out/slack.json").read_text())["attachments"]


def test_a_recorded_message_can_be_shown(run):
    recorded = Path("message.json")
    recorded.write_text(make_message(title="It broke on Tuesday").model_dump_json())
    out = run("preview", "acme", "pipeline_failure", "--message", recorded, "-c", "configs").out
    assert out.count("It broke on Tuesday") >= 2


@pytest.mark.parametrize("content", ["", "[]", '{"event": "pipeline_failure", "nonsense": 1}'])
def test_what_is_no_message_is_said(content, run):
    Path("message.json").write_text(content)
    ran = run("preview", "acme", "pipeline_failure", "--message", "message.json", "-c", "configs")
    assert ran.code == 2
    assert "holds no message" in ran.err


def test_one_destination_can_be_chosen(run):
    found = json.loads(
        run("preview", "acme", "pipeline_failure", "--provider", "slack", "-c", "configs", "-f", "json").out
    )
    assert found["payloads"].keys() == {"slack.json"}


def test_one_that_is_off_is_said(both, run):
    both.write("acme", enabled=True, email={"enabled": False}, slack={"enabled": False})
    assert run("preview", "acme", "pipeline_failure", "-c", "configs").code == 2
    ran = run("preview", "acme", "pipeline_failure", "--provider", "slack", "-c", "configs")
    assert ran.code == 1
    assert "slack is switched off" in ran.err


def test_why_it_is_the_roots_message_is_said(both, run):
    root = json.loads((both.path / "acme/notifications.json").read_text())
    both.write(None, root | {"slack": {"enabled": False}})
    both.write("acme", root | {"emial": {}})
    ran = run("preview", "acme", "pipeline_failure", "-c", "configs")
    assert ran.code == 1
    assert "To: team@example.com" in ran.out
    assert "Did you mean 'email'?" in ran.err


def test_a_browser_is_asked_to_show_the_mail(run, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run("preview", "acme", "pipeline_failure", "-c", "configs", "--open").code == 0
    [url] = opened
    assert url.startswith(tmp_path.as_uri())
    assert url.endswith("/email.html")


@pytest.fixture
def template(both):
    """Return a function that writes the slack part of the template that a trigger of the tenant names."""

    def write(text: str) -> None:
        document = json.loads((both.path / "acme/notifications.json").read_text())
        both.write("acme", document | {"event_triggers": [{"event": "pipeline_failure", "template": "ours"}]})
        (both.path / "acme/templates").mkdir(exist_ok=True)
        (both.path / "acme/templates/ours.slack.j2").write_text(text)

    return write


def test_a_custom_template_is_filled_in(template, run):
    template("So sad about {{ pipeline_id }}")
    ran = run("preview", "acme", "pipeline_failure", "--provider", "slack", "-c", "configs")
    assert ran.code == 0
    assert "So sad about daily_ingest" in ran.out


def test_one_that_fails_is_said_and_the_built_in_message_shown(template, run):
    template("{{ 1 / 0 }}")
    ran = run("preview", "acme", "pipeline_failure", "--provider", "slack", "-c", "configs")
    assert ran.code == 1
    assert "load_orders" in ran.out
    assert "built-in message instead" in ran.err
