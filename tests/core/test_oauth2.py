from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core import oauth2, smtp
from airflow_cloudact_notify.core.enums import FailureReason, Outcome
from airflow_cloudact_notify.core.errors import ConfigurationError, DeliveryError
from airflow_cloudact_notify.core.oauth2 import OAuth2Config
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.core.report import DeliveryResult
from airflow_cloudact_notify.core.smtp import SmtpSecurity, SmtpServer
from tests.scripted import ScriptedSmtp
from tests.support import delivered, refused_port
from tests.token_server import OAuthInbox, TokenServer, forget_tokens

USER = "alerts@example.com"
SECRET = "hunter2-client-secret"


@pytest.fixture
def microsoft() -> Iterator[TokenServer]:
    with TokenServer().running() as server:
        yield server


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    with TokenServer().running() as server:
        monkeypatch.setattr(oauth2, "GOOGLE_TOKEN_URI", f"{server.authority}/token")
        yield server


def credentials(server: TokenServer, **more: Any) -> dict[str, Any]:
    known = {
        "client_id": "the-app",
        "client_secret": SECRET,
        "tenant_id": "acme",
        "authority": server.authority,
    }
    return known | more


def mailer(port: int, oauth: dict[str, Any], **section: Any) -> EmailNotificationProvider:
    config = {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_username": USER,
        "to_emails": ["ann@example.com"],
        "oauth2": oauth,
    }
    return EmailNotificationProvider(EmailConfig(**(config | section)), ProviderSettings())


def sent(inbox: OAuthInbox, oauth: dict[str, Any], times: int = 1, **section: Any) -> list[DeliveryResult]:
    with inbox, inbox.trusted():
        provider = mailer(inbox.port, oauth, **section)
        return [delivered(provider) for _ in range(times)]


def why(config: dict[str, Any]) -> tuple[FailureReason, str]:
    with pytest.raises(DeliveryError) as error:
        oauth2.access_token(OAuth2Config(**config))
    assert error.value.__suppress_context__
    assert not error.value.ambiguous
    assert SECRET not in str(error.value)
    return error.value.reason, error.value.detail


# --- the mail server


def test_a_given_token_is_sent_as_sasl_xoauth2() -> None:
    inbox = OAuthInbox(USER, "ya29.given")
    [result] = sent(inbox, {"access_token": "ya29.given"})
    assert result, result
    assert inbox.seen == ["user=alerts@example.com\x01auth=Bearer ya29.given\x01\x01"]
    assert inbox.messages[0].recipients == ("ann@example.com",)


def test_the_sender_is_the_user_where_none_is_named() -> None:
    inbox = OAuthInbox(USER, "t")
    [result] = sent(inbox, {"access_token": "t"}, smtp_username=None, from_email=USER)
    assert result, result


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        pytest.param(
            "535 5.7.3 Authentication unsuccessful", "with Microsoft it needs SMTP.SendAsApp", id="Microsoft"
        ),
        pytest.param("535-5.7.8 Not accepted\r\n535 5.7.8  - gsmtp", "https://mail.google.com/", id="Google"),
        pytest.param(
            "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant",
            "-SmtpClientAuthenticationDisabled $false",
            id="mailbox",
        ),
    ],
)
def test_a_token_that_is_not_taken_is_not_sent_twice_and_has_its_remedy(refusal: str, remedy: str) -> None:
    inbox = OAuthInbox(USER, refusal=refusal)
    [result] = sent(inbox, {"access_token": "ended-long-ago"})
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, FailureReason.AUTH, 1)
    assert remedy in result.detail
    assert "ended-long-ago" not in str(result)
    assert len(inbox.seen) == 1


def test_a_token_is_never_sent_unprotected() -> None:
    with pytest.raises(ConfigurationError, match="a token would be sent unprotected"):
        mailer(25, {"access_token": "t"}, smtp_use_tls=False)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"password": "a-secret-password"}, id="password"),
        pytest.param({"token": "ya29.a-secret-token"}, id="token"),
    ],
)
def test_a_server_that_repeats_what_it_was_sent_gives_nothing_away(how: dict[str, str]) -> None:
    class Repeating(ScriptedSmtp):
        def _say(self, client: Any, usual: str, *names: str) -> str | None:
            if names[-1] == "AUTH":
                usual = f"500 5.5.2 what is {self.commands[-1]}?"
            return super()._say(client, usual, *names)

    with Repeating({"EHLO": "250-loopback\r\n250 AUTH PLAIN XOAUTH2"}) as server:
        to = SmtpServer(server.host, server.port, SmtpSecurity.NONE, username=USER, **how)
        with pytest.raises(DeliveryError) as error, smtp.connection(to, timeout=5):
            pass
    [line] = [line for line in server.commands if line.startswith("AUTH")]
    assert line.split()[2] not in error.value.detail
    assert "what is AUTH" in error.value.detail


# --- Microsoft


def test_client_credentials_get_a_token_that_is_used_again(microsoft: TokenServer) -> None:
    inbox = OAuthInbox(USER, "token-1")
    results = sent(inbox, credentials(microsoft), times=3)
    assert all(results), results
    assert len(inbox.seen) == 3
    [form] = microsoft.asked
    assert form["path"] == "/acme/oauth2/v2.0/token"
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "https://outlook.office.com/.default"
    assert (form["client_id"], form["client_secret"]) == ("the-app", SECRET)


def test_a_token_that_ends_soon_is_not_used_again(microsoft: TokenServer) -> None:
    microsoft.lifetime = 240
    results = sent(OAuthInbox(USER, "token-1", "token-2"), credentials(microsoft), times=2)
    assert all(results), results
    assert len(microsoft.asked) == 2


def test_every_application_has_its_own_token(microsoft: TokenServer) -> None:
    for client_id in ("one", "two", "one"):
        oauth2.access_token(OAuth2Config(**credentials(microsoft, client_id=client_id)))
    assert [form["client_id"] for form in microsoft.asked] == ["one", "two"]


def test_the_scope_is_the_sections(microsoft: TokenServer) -> None:
    oauth2.access_token(OAuth2Config(**credentials(microsoft, scope="https://outlook.office365.us/.default")))
    assert microsoft.asked[0]["scope"] == "https://outlook.office365.us/.default"


@pytest.mark.parametrize(
    ("status", "fields", "reason", "words"),
    [
        pytest.param(
            401,
            {
                "error": "invalid_client",
                "error_description": f"AADSTS7000215: Invalid client secret {SECRET}\nTrace",
            },
            FailureReason.AUTH,
            "AADSTS7000215: Invalid client secret",
            id="wrong secret",
        ),
        pytest.param(
            400, {"error": "unauthorized_client"}, FailureReason.AUTH, "unauthorized_client", id="not allowed"
        ),
        pytest.param(
            429,
            {"error": "temporarily_unavailable"},
            FailureReason.SERVER_ERROR,
            "127.0.0.1 gave no access token (temporarily_unavailable)",
            id="too many",
        ),
        pytest.param(
            503, {}, FailureReason.SERVER_ERROR, "127.0.0.1 gave no access token (HTTP Error: 503)", id="ill"
        ),
    ],
)
def test_a_token_that_is_not_given_has_its_reason(
    microsoft: TokenServer, status: int, fields: dict[str, str], reason: FailureReason, words: str
) -> None:
    for _ in range(2):
        microsoft.answer(status, **fields)
    result = delivered(mailer(587, credentials(microsoft)))
    assert result.reason is reason
    assert words in result.detail
    assert SECRET not in str(result)
    assert result.attempts == (3 if reason.retryable else 1)


def test_a_directory_that_is_not_known_is_a_mistake_in_the_section(microsoft: TokenServer) -> None:
    reason, words = why(credentials(microsoft, tenant_id="unknown"))
    assert (reason, words) == (FailureReason.MISCONFIGURED, "127.0.0.1 knows no tenant_id 'unknown'")


def test_a_token_server_that_cannot_be_reached_is_tried_again() -> None:
    forget_tokens()
    with refused_port() as port:
        unreachable = {"client_id": "a", "client_secret": SECRET, "authority": f"https://127.0.0.1:{port}"}
        result = delivered(mailer(587, unreachable))
    assert (result.reason, result.attempts, result.ambiguous) == (FailureReason.UNREACHABLE, 3, False)
    assert result.detail == "no access token (no connection to 127.0.0.1: Connection refused)"


def test_a_token_servers_certificate_is_checked(microsoft: TokenServer) -> None:
    with mock.patch.dict(os.environ):
        del os.environ["REQUESTS_CA_BUNDLE"]
        reason, words = why(credentials(microsoft))
    assert (reason, "its certificate is not trusted" in words) == (FailureReason.TLS, True)


@pytest.mark.parametrize(
    ("module", "more", "package"),
    [
        ("msal.exceptions", {}, "msal"),
        ("google.auth.transport.requests", {"refresh_token": "r"}, "google-auth"),
    ],
)
def test_a_library_that_is_not_there_says_how_to_get_it(
    module: str, more: dict[str, str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_tokens()
    monkeypatch.setitem(sys.modules, module, None)
    reason, words = why({"client_id": "a", "client_secret": SECRET} | more)
    assert reason is FailureReason.MISCONFIGURED
    assert words == f"OAuth 2.0 needs {package}: pip install 'airflow-provider-cloudact-notify[oauth2]'"


# --- Google


def test_a_refresh_token_gets_a_token_that_is_used_again(google: TokenServer) -> None:
    inbox = OAuthInbox(USER, "token-1")
    results = sent(inbox, credentials(google, refresh_token="1//refresh"), times=3)
    assert all(results), results
    [form] = google.asked
    assert form == {
        "path": "/token",
        "grant_type": "refresh_token",
        "refresh_token": "1//refresh",
        "client_id": "the-app",
        "client_secret": SECRET,
    }


def test_googles_token_that_ends_soon_is_not_used_again(google: TokenServer) -> None:
    google.lifetime = 120
    config = OAuth2Config(**credentials(google, refresh_token="1//refresh"))
    assert [oauth2.access_token(config) for _ in range(2)] == ["token-1", "token-2"]


@pytest.mark.parametrize(
    ("status", "fields", "reason"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
            FailureReason.AUTH,
        ),
        (401, {"error": "invalid_client"}, FailureReason.AUTH),
    ],
)
def test_a_refresh_token_that_is_not_taken_has_its_reason(
    google: TokenServer, status: int, fields: dict[str, str], reason: FailureReason
) -> None:
    google.answer(status, **fields)
    got, words = why(credentials(google, refresh_token="1//refresh"))
    assert (got, fields["error"] in words) == (reason, True)
    assert "1//refresh" not in words


def test_google_that_cannot_be_reached_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_tokens()
    with refused_port() as port:
        monkeypatch.setattr(oauth2, "GOOGLE_TOKEN_URI", f"https://127.0.0.1:{port}/token")
        reason, words = why({"client_id": "a", "client_secret": SECRET, "refresh_token": "r"})
    assert reason is FailureReason.UNREACHABLE
    assert words == "no access token (no connection to 127.0.0.1: Connection refused)"


# --- the section


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"client_id": "a"},
        {"client_secret": "b"},
        {"refresh_token": "r"},
        {"access_token": ""},
        {"access_token": "t", "authority": "http://login.example.com"},
    ],
)
def test_a_section_that_cannot_work_is_refused(section: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"no token and no credentials|authority is not https"):
        OAuth2Config(**section)


def test_all_secrets_of_the_section_are_known_and_none_is_shown() -> None:
    oauth = {"access_token": "tok-1", "client_id": "a", "client_secret": "sec-2", "refresh_token": "ref-3"}
    config = EmailConfig(smtp_password="pass-4", oauth2=oauth)
    assert sorted(config.secrets()) == ["pass-4", "ref-3", "sec-2", "tok-1"]
    assert not any(secret in repr(config) + config.model_dump_json() for secret in config.secrets())
