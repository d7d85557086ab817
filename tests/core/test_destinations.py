from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.destinations import (
    CONNECTION_RECHECK_SECONDS,
    Destinations,
    no_connections,
)
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError, OutOfTimeError
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.testing import FrozenClock
from tests.core.folder import SECRET, Folder, email, slack

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
SERVER = {"smtp_host": "mail.example.com", "smtp_username": "u", "smtp_password": SECRET}


class Connections:
    """Connections by id; one may be an error."""

    def __init__(self, **connections: Mapping[str, Any] | Exception) -> None:
        self.by_id = connections
        self.asked: list[tuple[str, str]] = []

    def __call__(self, conn_id: str, kind: NotificationProvider) -> Mapping[str, Any]:
        self.asked.append((conn_id, str(kind)))
        found = self.by_id[conn_id]
        if isinstance(found, Exception):
            raise found
        return found


def resolved(**sections: Any) -> ResolvedConfig:
    return ResolvedConfig(NotificationConfig.model_validate(sections), "acme.json")


def by_connection(**keys: Any) -> ResolvedConfig:
    section = {
        "enabled": True,
        "conn_id": "acme_smtp",
        "from_email": "own@example.com",
        "to_emails": ["a@b.c"],
    }
    return resolved(email=section | keys)


def out_of_time(operation: str, function: Callable[[], Any]) -> Any:
    raise OutOfTimeError("no answer within 3 s")


def test_a_connection_supplies_server_and_credentials_and_the_section_the_rest() -> None:
    connections = Connections(acme_smtp=SERVER | {"from_email": "connection@example.com"})
    provider = Destinations(connections).provider(EMAIL, by_connection(), call_directly)
    assert provider.config.smtp_host == "mail.example.com"
    assert provider.config.smtp_password.get_secret_value() == SECRET
    assert provider.config.from_email == "own@example.com"
    assert provider.config.to_emails == ["a@b.c"]
    assert connections.asked == [("acme_smtp", "email")]


def test_the_sender_that_a_connection_names_goes_before_the_roots(folder: Folder) -> None:
    folder.write(None, email=email(from_email="root@example.com", subject_prefix="[root]"))
    folder.write("acme", email={"enabled": True, "conn_id": "acme_smtp", "to_emails": ["a@b.c"]})
    tenant = ConfigStore(folder.path).resolve("acme")
    named = Connections(acme_smtp=SERVER | {"from_email": "connection@example.com"})
    provider = Destinations(named).provider(EMAIL, tenant, call_directly)
    assert provider.config.from_email == "connection@example.com"
    assert provider.config.subject_prefix == "[root]"
    provider = Destinations(Connections(acme_smtp=SERVER)).provider(EMAIL, tenant, call_directly)
    assert provider.config.from_email == "root@example.com"


@pytest.fixture
def folder(tmp_path: Any) -> Folder:
    return Folder(tmp_path)


def test_a_connection_is_asked_once_in_a_while() -> None:
    connections, clock = Connections(acme_smtp=SERVER), FrozenClock()
    destinations = Destinations(connections, clock=clock)
    first = destinations.provider(EMAIL, by_connection(), call_directly)
    assert destinations.provider(EMAIL, by_connection(), call_directly) is first
    assert len(connections.asked) == 1
    destinations.provider(EMAIL, by_connection(from_name="changed"), call_directly)
    assert len(connections.asked) == 2
    clock.advance(CONNECTION_RECHECK_SECONDS + 1)
    destinations.provider(EMAIL, by_connection(from_name="changed"), call_directly)
    assert len(connections.asked) == 3
    destinations.forget()
    destinations.provider(EMAIL, by_connection(from_name="changed"), call_directly)
    assert len(connections.asked) == 4


def test_credentials_that_cannot_be_read_again_in_time_are_used_as_they_were() -> None:
    clock = FrozenClock()
    destinations = Destinations(Connections(acme_smtp=SERVER), clock=clock)
    first = destinations.provider(EMAIL, by_connection(), call_directly)
    clock.advance(CONNECTION_RECHECK_SECONDS + 1)
    assert destinations.provider(EMAIL, by_connection(), out_of_time) is first
    _, [late] = destinations.ready([EMAIL], by_connection(conn_id="acme_other"), out_of_time)
    assert late.reason is FailureReason.TIMEOUT
    assert "connection acme_other could not be read" in late.detail


NOT_DEFINED = ConfigurationError(ConfigProblem("connection acme_smtp", "", "it is not defined", "Add it."))


@pytest.mark.parametrize(
    ("connection", "reason", "words"),
    [
        pytest.param(
            NOT_DEFINED, FailureReason.MISCONFIGURED, "acme_smtp: it is not defined. Add it.", id="missing"
        ),
        pytest.param(RuntimeError(SECRET), FailureReason.INTERNAL, "RuntimeError", id="unexpected error"),
        pytest.param({}, FailureReason.MISCONFIGURED, "acme_smtp: smtp_host: missing", id="says too little"),
        pytest.param(
            {"smtp_host": "x", "smtp_port": 0},
            FailureReason.MISCONFIGURED,
            "acme_smtp: smtp_port",
            id="port 0",
        ),
        pytest.param(
            {"smtp_hots": SECRET},
            FailureReason.MISCONFIGURED,
            "acme_smtp: smtp_hots: unknown key",
            id="unknown key",
        ),
    ],
)
def test_a_connection_that_is_no_use_costs_its_destination_only(
    connection: Any, reason: FailureReason, words: str
) -> None:
    config = by_connection(conn_id="acme_smtp").config.model_copy(
        update={"slack": resolved(slack={"enabled": True, "conn_id": "acme_slack"}).config.slack}
    )
    connections = Connections(acme_smtp=connection, acme_slack={"webhook_url": slack()["webhook_url"]})
    both = ResolvedConfig(config, "acme.json")
    ready, [unready] = Destinations(connections).ready([EMAIL, SLACK], both, call_directly)
    assert list(ready) == [SLACK]
    assert unready.destination is EMAIL
    assert unready.reason is reason
    assert words in unready.detail
    assert SECRET not in str(unready)


def test_a_webhook_that_comes_from_a_connection_is_on_an_allowed_host_too() -> None:
    config = resolved(slack={"enabled": True, "conn_id": "acme_slack"})
    connections = Connections(acme_slack={"webhook_url": f"https://evil.example/{SECRET}"})
    _, [refused] = Destinations(connections).ready([SLACK], config, call_directly)
    assert "connection acme_slack: webhook_url: the webhook's host 'evil.example'" in refused.detail
    assert SECRET not in refused.detail
    ready, _ = Destinations(connections, ["evil.example"]).ready([SLACK], config, call_directly)
    assert list(ready) == [SLACK]


def test_without_airflow_there_are_no_connections() -> None:
    _, [unready] = Destinations(no_connections).ready([EMAIL], by_connection(), call_directly)
    assert "connection acme_smtp: connections are Airflow's" in unready.detail


def test_a_destination_that_names_its_server_needs_no_connection(folder: Folder) -> None:
    folder.write("acme", email=email())
    tenant = ConfigStore(folder.path).resolve("acme")
    provider = Destinations(no_connections).provider(EMAIL, tenant, call_directly)
    assert provider is tenant.providers[EMAIL]
