from __future__ import annotations

import json

import pytest

from tests.core.folder import SECRET, Folder


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Folder:
    """A root and a tenant that extends it."""
    monkeypatch.setenv("CLOUDACT_NOTIFY_PASSWORD", SECRET)
    folder = Folder(tmp_path / "configs")
    root = {
        "email": {
            "enabled": True,
            "smtp_host": "smtp.example.com",
            "smtp_username": "alerts@example.com",
            "smtp_password": "${CLOUDACT_NOTIFY_PASSWORD}",
            "to_emails": ["platform@example.com"],
        },
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": 60}],
    }
    tenant = {
        "extends": "root",
        "email": {"to_emails": ["team@example.com"], "subject_prefix": "[Acme]"},
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": 600}],
    }
    folder.write(None, json.dumps(root, indent=2))
    folder.write("acme", json.dumps(tenant, indent=2))
    return folder


def explained(run, *arguments):
    return json.loads(run("explain", *arguments, "-c", "configs", "-f", "json").out)


def sources(found) -> dict[str, str]:
    return {setting["key"]: setting["source"] for setting in found["settings"]}


def test_for_people(folder, run, golden):
    ran = run("explain", "acme", "pipeline_failure", "--pipeline", "daily_ingest", "-c", "configs")
    assert ran.code == 0
    golden("explain", ran.out)


def test_every_setting_says_the_file_and_line_it_comes_from(folder, run):
    found = sources(explained(run, "acme", "pipeline_failure"))

    assert found["email.to_emails"] == "configs/acme/notifications.json:4"
    assert found["email.smtp_host"] == "configs/notifications/config.json:4"
    assert found["trigger pipeline_failure.cooldown_seconds"] == "configs/acme/notifications.json:12"


def test_defaults_are_shown_when_asked_for(folder, run):
    assert "retry_config.max_attempts" not in sources(explained(run, "acme", "pipeline_failure"))
    assert (
        sources(explained(run, "acme", "pipeline_failure", "--all"))["retry_config.max_attempts"] == "default"
    )


def test_a_tenant_without_a_file_has_the_roots_settings(folder, run):
    found = explained(run, "beta", "pipeline_failure")
    assert "has no file" in found["why"]
    assert set(sources(found).values()) == {
        f"configs/notifications/config.json:{n}" for n in (3, 4, 5, 6, 7, 14)
    }


def test_a_tenant_that_does_not_extend_takes_the_senders_identity_from_the_root(folder, run):
    folder.write(
        "beta",
        email={"enabled": True, "smtp_host": "relay.internal", "to_emails": ["b@example.com"]},
    )
    folder.write(None, email={"enabled": True, "from_email": "root@example.com"})
    found = explained(run, "beta", "pipeline_failure")
    assert sources(found)["email.from_email"] == "configs/notifications/config.json:1"


def test_a_file_that_is_off_or_wrong_says_so(folder, run):
    folder.write("beta", enabled=False)
    folder.write("gamma", emial={})
    assert '"enabled": false' in explained(run, "beta", "pipeline_failure")["why"]
    wrong = explained(run, "gamma", "pipeline_failure")
    assert "cannot be used" in wrong["why"]
    assert "Did you mean 'email'?" in wrong["problems"][0]


def test_one_that_cannot_be_read_says_so(folder, run):
    (folder.path / "beta/notifications.json").mkdir(parents=True)
    found = explained(run, "beta", "pipeline_failure")
    assert "cannot be used" in found["why"]
    assert "cannot be read" in found["problems"][0]
    assert found["told"] == {"email": "tells platform@example.com"}


@pytest.mark.parametrize(
    ("event", "more", "reason"),
    [
        pytest.param("pipeline_success", {}, "not_routed", id="chatter"),
        pytest.param(
            "pipeline_warning",
            {"event_triggers": [{"event": "pipeline_warning", "enabled": False}]},
            "event_off",
            id="switched off",
        ),
        pytest.param(
            "pipeline_failure",
            {
                "silences": [
                    {
                        "pipeline": "daily_*",
                        "ends_at": "2030-01-01T00:00:00Z",
                        "created_by": "anna",
                        "comment": "moving",
                    }
                ]
            },
            "silenced",
            id="a silence",
        ),
        pytest.param(
            "pipeline_failure",
            {"quiet_hours": {"timezone": "Europe/Berlin", "times": [{"start": "22:00", "end": "06:00"}]}},
            "quiet_hours",
            id="quiet hours",
        ),
    ],
)
def test_what_would_hold_it_back_is_named(event, more, reason, folder, run):
    folder.write("acme", extends="root", **more)
    found = explained(run, "acme", event, "--pipeline", "daily_ingest", "--at", "2029-12-01T23:30+01:00")
    assert [held["reason"] for held in found["held_back_by"]] == [reason]


def test_time_is_what_is_asked_for(folder, run):
    hours = {"timezone": "Europe/Berlin", "times": [{"start": "22:00", "end": "06:00"}]}
    folder.write("acme", extends="root", quiet_hours=hours)

    at_noon = explained(run, "acme", "pipeline_failure", "--at", "2026-01-31T12:00+01:00")
    assert at_noon["held_back_by"] == []
    assert run("explain", "acme", "pipeline_failure", "--at", "noon").code == 2


@pytest.mark.parametrize("time", ["yesterday", "0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00"])
def test_what_is_no_time_is_said(time, folder, run):
    ran = run("explain", "acme", "pipeline_failure", "-c", "configs", "--at", time)
    assert ran.code == 2
    assert time in ran.err


def test_who_is_told_follows_the_trigger(folder, run):
    folder.write("acme", extends="root", event_triggers=[{"event": "system_error", "providers": ["both"]}])
    found = explained(run, "acme", "system_error")
    assert found["told"] == {"email": "tells platform@example.com", "slack": "is switched off"}
    assert found["severity"] == "critical"
    assert explained(run, "acme", "system_error", "--severity", "info")["severity"] == "info"


def test_a_fall_back_stands_in(folder, run):
    slack = {"enabled": True, "webhook_url": "https://hooks.slack.com/services/T0/B0/X"}
    folder.write("acme", extends="root", slack=slack, fallback_providers=["slack"])
    told = explained(run, "acme", "pipeline_failure")["told"]
    assert list(told) == ["email", "slack"]
    assert told["slack"].startswith("stands in when")


def test_a_channel_is_promised_only_where_the_webhook_follows_it(folder, run):
    slack = {"enabled": True, "webhook_url": "https://hooks.slack.com/services/T0/B0/X", "channel": "#alerts"}
    folder.write("acme", default_provider="slack", slack=slack)
    told = explained(run, "acme", "pipeline_failure")["told"]
    assert told == {
        "slack": "tells whoever reads the channel of its webhook, or #alerts if the webhook follows 'channel'"
    }
