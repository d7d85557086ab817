"""Credentials from Airflow connections: the official shapes, our own, and the root's settings."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest

from airflow_cloudact_notify import NotificationHook
from airflow_cloudact_notify.bridge import connections
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.testing import SmtpInbox
from tests.token_server import OAuthInbox, TokenServer

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK


def connection(**fields: Any) -> Any:
    from airflow.sdk import Connection

    extra = fields.pop("extra", None)
    return Connection(conn_id="c", extra=json.dumps(extra) if extra else None, **fields)


@pytest.mark.parametrize(
    ("port", "extra", "expected"),
    [
        pytest.param(465, {}, "implicit", id="tls-from-the-start"),
        pytest.param(587, {"disable_ssl": True}, "starttls", id="starttls"),
        pytest.param(587, {}, "starttls", id="untouched-form-on-587"),
        pytest.param(25, {"disable_ssl": True, "disable_tls": True}, "none", id="plain"),
        pytest.param(2465, {}, "implicit", id="other-port"),
    ],
)
def test_an_official_smtp_connection_keeps_its_meaning(port, extra, expected):
    section = connections._official_smtp(
        connection(conn_type="smtp", host="mail.example", port=port, login="u", password="p", extra=extra)
    )

    assert section["smtp_security"] == expected
    assert (section["smtp_host"], section["smtp_port"]) == ("mail.example", port)
    assert (section["smtp_username"], section["smtp_password"]) == ("u", "p")


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        pytest.param(
            {"password": "https://hooks.slack.com/services/T/B/X"},
            "https://hooks.slack.com/services/T/B/X",
            id="url-in-the-password",
        ),
        pytest.param({"password": "T/B/X"}, "https://hooks.slack.com/services/T/B/X", id="token-only"),
        pytest.param(
            {"host": "hooks.slack-gov.com/services", "password": "/T/B/X"},
            "https://hooks.slack-gov.com/services/T/B/X",
            id="host-and-token",
        ),
        pytest.param(
            {"host": "https://hooks.slack.com/services/", "password": "T/B/X"},
            "https://hooks.slack.com/services/T/B/X",
            id="base-url-and-token",
        ),
    ],
)
def test_an_official_slack_connection_keeps_its_meaning(fields, url):
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    slack_connection = connection(conn_type="slackwebhook", **fields)

    assert connections._official_slack(slack_connection)["webhook_url"] == url
    official = SlackWebhookHook(slack_webhook_conn_id="c")._build_conn_params(slack_connection)
    assert official["url"] == url


def test_destinations_take_server_and_credentials_from_the_connections_they_name(
    configs, slack, add_connection, monkeypatch
):
    with SmtpInbox(login=("acme", "s3cret")) as smtp:
        add_connection(
            "acme_smtp",
            conn_type="smtp",
            host=smtp.host,
            port=smtp.port,
            login="acme",
            password="s3cret",
            extra=json.dumps({"disable_ssl": True, "disable_tls": True, "from_email": "etl@acme.example"}),
        )
        add_connection("acme_slack", conn_type="slackwebhook", password=slack.url)
        configs(
            "acme",
            default_provider="both",
            email={"enabled": True, "conn_id": "acme_smtp", "to_emails": ["data@acme.example"]},
            slack={"enabled": True, "conn_id": "acme_slack"},
        )

        report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

        assert {str(name): bool(result) for name, result in report.items()} == {"email": True, "slack": True}
        assert smtp.messages[0].mail["From"] == "etl@acme.example"
        assert len(slack.payloads) == 1


def test_a_connection_that_is_not_there_is_told_with_its_remedy(configs, slack):
    configs("acme", slack={"enabled": True, "conn_id": "acme_slack"}, default_provider="slack")

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    result = report[SLACK]
    assert result.reason == "misconfigured"
    assert "connection acme_slack: it is not defined" in result.detail
    assert "airflow connections add acme_slack" in result.detail


def test_a_connection_of_the_wrong_type_is_refused(add_connection):
    add_connection("acme_db", conn_type="postgres", host="db", password="s3cret")

    with pytest.raises(ConfigurationError, match="its type is 'postgres'") as caught:
        connections.read_section("acme_db", EMAIL)

    assert "'smtp' or 'cloudact_notify'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_our_own_connection_supplies_root_settings(configs, smtp, add_connection):
    add_connection(
        "cloudact_notify_default",
        conn_type="cloudact_notify",
        host=smtp.host,
        port=smtp.port,
        extra=json.dumps(
            {
                "smtp_use_tls": False,
                "from_email": "a@example.com",
                "to_emails": "x@example.com, y@example.com",
            }
        ),
    )

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    assert report.delivered
    assert smtp.messages[0].recipients == ("x@example.com", "y@example.com")
    assert "connection cloudact_notify_default" in report.config_source


def test_the_options_supply_root_settings(configs, smtp, monkeypatch):
    for option, value in {
        "EMAIL_NOTIFICATIONS_ENABLED": "True",
        "EMAIL_SMTP_HOST": smtp.host,
        "EMAIL_SMTP_PORT": str(smtp.port),
        "EMAIL_FROM_ADDRESS": "a@example.com",
        "EMAIL_TO_ADDRESSES": "x@example.com",
    }.items():
        monkeypatch.setenv(f"AIRFLOW__CLOUDACT_NOTIFY__{option}", value)
    # The inbox has no TLS, and the seed's settings have no word for that: the file says it.
    configs(
        None,
        email={"enabled": True, "smtp_use_tls": False} | {"smtp_host": smtp.host, "smtp_port": smtp.port},
    )

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    assert report.delivered
    assert smtp.messages[0].recipients == ("x@example.com",)
    assert smtp.messages[0].mail["From"] == "a@example.com"


def test_the_connection_test_logs_in_and_does_not_post(slack, add_connection):
    with SmtpInbox(login=("u", "p")) as smtp:
        extra = {"smtp_use_tls": False, "from_email": "a@b.example", "to_emails": "x@y.example"}
        fields = {"conn_type": "cloudact_notify", "host": smtp.host, "port": smtp.port, "login": "u"}
        add_connection(
            "good", password="p", extra=json.dumps(extra | {"slack_webhook_url": slack.url}), **fields
        )
        add_connection("bad", password="wrong-password", extra=json.dumps(extra), **fields)

        works, words = NotificationHook("good").test_connection()
        fails, why = NotificationHook("bad").test_connection()

    assert works, words
    assert "logged in as u" in words
    assert slack.payloads == []
    assert smtp.messages == []
    assert not fails
    assert "535" in why
    assert "wrong-password" not in why


def test_an_official_slack_connections_proxy_is_used(configs, slack, add_connection, monkeypatch):
    # A proxy for plain HTTP takes the whole request: the inbox stands for it, and the webhook's host need not exist.
    proxy = f"http://{slack.host}"
    add_connection(
        "acme_slack",
        conn_type="slackwebhook",
        password=f"http://{slack.host.replace('127.0.0.1', 'slack.invalid')}/services/T/B/X",
        extra=json.dumps({"proxy": proxy}),
    )
    configs("acme", slack={"enabled": True, "conn_id": "acme_slack"}, default_provider="slack")
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", "slack.invalid")

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    assert report.delivered, report.summary
    assert len(slack.payloads) == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("ENABLED", "maybe", id="boolean"),
        pytest.param("CALLBACK_BUDGET_SECONDS", "ten", id="number"),
    ],
)
def test_an_option_that_cannot_be_read_is_logged_and_its_default_taken(
    configs, smtp, monkeypatch, caplog, option, value
):
    from airflow_cloudact_notify.bridge.settings import read_settings

    monkeypatch.setenv(f"AIRFLOW__CLOUDACT_NOTIFY__{option}", value)

    settings = read_settings()

    assert settings.enabled is True
    assert settings.callback_budget_seconds == 10
    assert f"[cloudact_notify]: {option.lower()}: the value cannot be read" in caplog.text


def test_a_root_option_that_cannot_be_read_is_named(configs, smtp, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__EMAIL_SMTP_PORT", "abc")

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    assert "[cloudact_notify]: email_smtp_port: the value cannot be read. Set a whole number." in report.notes


def test_an_official_smtp_connection_logs_in_by_oauth2(configs, add_connection):
    from airflow.providers.smtp.hooks.smtp import build_xoauth2_string

    with TokenServer().running() as tokens, OAuthInbox("etl@acme.example", "token-1") as smtp, smtp.trusted():
        add_connection(
            "acme_smtp",
            conn_type="smtp",
            host=smtp.host,
            port=smtp.port,
            login="etl@acme.example",
            password="the-old-password",
            extra=json.dumps(
                {
                    "disable_ssl": True,
                    "auth_type": "oauth2",
                    "client_id": "the-app",
                    "client_secret": "s3cret-of-the-app",
                    "tenant_id": "acme",
                    "authority": tokens.authority,
                }
            ),
        )
        configs("acme", email={"enabled": True, "conn_id": "acme_smtp", "to_emails": ["data@acme.example"]})

        reports = [
            NotificationHook().notify("pipeline_failure", tenant_id="acme", dedup_key=key) for key in "ab"
        ]

    assert all(report.delivered for report in reports), [report.summary for report in reports]
    assert smtp.seen == [build_xoauth2_string("etl@acme.example", "token-1")] * 2
    assert len(tokens.asked) == 1


def test_the_extras_of_an_official_oauth2_connection_are_read_as_they_are():
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    extra = {
        "auth_type": "oauth2",
        "access_token": "t",
        "client_id": "a",
        "client_secret": "s",
        "tenant_id": "d",
        "scope": "x/.default",
    }
    section = connections._official_smtp(
        connection(conn_type="smtp", host="smtp.office365.com", port=587, login="u", extra=extra)
    )

    assert section["oauth2"] == {key: extra[key] for key in extra if key != "auth_type"}
    source = inspect.getsource(SmtpHook._get_oauth2_token)
    assert set(re.findall(r'extra\.get\("(\w+)"', source)) == section["oauth2"].keys()


def test_an_auth_type_that_is_not_known_is_named(add_connection):
    add_connection("acme_smtp", conn_type="smtp", host="h", extra=json.dumps({"auth_type": "kerberos"}))

    with pytest.raises(ConfigurationError, match="connection acme_smtp: its auth_type is not known"):
        connections.read_section("acme_smtp", EMAIL)
