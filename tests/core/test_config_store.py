from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import (
    ConfigProblem,
    ConfigurationError,
    InvalidTenantIdError,
    OutOfTimeError,
)
from airflow_cloudact_notify.core.references import ReferenceRules
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.root import LAYER_RECHECK_SECONDS, Layer
from airflow_cloudact_notify.core.tenant_ids import check_tenant_id
from airflow_cloudact_notify.testing import FrozenClock
from tests.core.folder import SECRET, Folder, email, slack

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(folder: Folder, clock: FrozenClock) -> ConfigStore:
    """Return a store of a folder whose root sends email."""
    folder.write(None, description="root", email=email())
    env = {
        "CLOUDACT_NOTIFY_WEBHOOK": slack()["webhook_url"],
        FERNET_KEY: SECRET,
        "ACME_CORP_PASSWORD": SECRET,
    }
    return ConfigStore(folder.path, env=env, clock=clock)


def of(resolved: ResolvedConfig) -> str | None:
    """Return whose configuration it is."""
    return resolved.config.description


# --- tenant, then root


def test_a_tenants_own_file_is_used_whole(folder: Folder, store: ConfigStore) -> None:
    file = folder.write("acme", description="own", slack=slack())
    resolved = store.resolve("acme")
    assert of(resolved) == "own"
    assert resolved.config.enabled_destinations() == (SLACK,)
    assert resolved.source == str(file)
    assert resolved.problems == ()


def test_a_tenant_without_a_file_is_told_by_the_root(folder: Folder, store: ConfigStore) -> None:
    resolved = store.resolve("beta")
    assert of(resolved) == "root"
    assert resolved.source == str(folder.file(None))
    assert not (folder.path / "beta").exists()


def test_a_tenant_whose_file_is_switched_off_is_told_by_the_root(folder: Folder, store: ConfigStore) -> None:
    folder.write("acme", enabled=False, description="own", slack=slack())
    assert of(store.resolve("acme")) == "root"


def test_when_nothing_is_enabled_the_source_says_where_it_was_looked_for(folder: Folder) -> None:
    resolved = ConfigStore(folder.path).resolve("acme")
    assert not resolved.config.enabled
    assert resolved.problems == ()
    assert resolved.source == f"nothing is enabled in {folder.path}/notifications/config.json"
    folder.write(None, enabled=False, email=email())
    assert not ConfigStore(folder.path).resolve(None).config.enabled


@pytest.mark.parametrize("tenant_id", ["a", "acme_corp", "Acme-9", "9", "x" * 64])
def test_a_tenant_id_is_letters_digits_underscores_and_dashes(tenant_id: str) -> None:
    assert check_tenant_id(tenant_id) == tenant_id


@pytest.mark.parametrize(
    "tenant_id",
    [
        pytest.param("../x", id="out of the folder"),
        pytest.param("..", id="parent"),
        pytest.param(".", id="itself"),
        pytest.param("", id="empty"),
        pytest.param("a/b", id="slash"),
        pytest.param("a\\b", id="backslash"),
        pytest.param("/etc", id="absolute"),
        pytest.param("a\x00", id="NUL"),
        pytest.param("a\n", id="line feed at the end"),
        pytest.param("a b", id="blank"),
        pytest.param("_a", id="underscore first"),
        pytest.param("-a", id="dash first"),
        pytest.param("café", id="unicode letter"),
        pytest.param("١", id="unicode digit"),
        pytest.param("s3://bucket", id="URL"),
        pytest.param("x" * 65, id="too long"),
        pytest.param("x" * 1_000_000, id="much too long"),
        pytest.param("notifications", id="the root's folder"),
        pytest.param("Notifications", id="the root's folder where case does not count"),
    ],
)
def test_another_tenant_id_is_refused_before_any_path_is_built(store: ConfigStore, tenant_id: str) -> None:
    with pytest.raises(InvalidTenantIdError) as caught:
        store.resolve(tenant_id)
    assert isinstance(caught.value, ValueError)
    assert "Use up to 64 letters" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert not store.is_tenant(tenant_id) or tenant_id.lower() == "notifications"


# --- a file with a mistake

MISTAKES = [
    pytest.param(b"\xef\xbb\xbf{}", "", "byte-order mark", id="BOM"),
    pytest.param(b'{"slack": {"webhook_url": "hunter2-never-shown"', "", "not valid JSON", id="invalid JSON"),
    pytest.param(b"", "", "not valid JSON", id="empty file"),
    pytest.param({"enabled": "maybe"}, "enabled", "true or false", id="neither true nor false"),
    pytest.param({"slack": slack(chanel="#a")}, "slack.chanel", "'channel'?", id="unknown key"),
    pytest.param(
        {"slack": slack(webhook_url="${CLOUDACT_NOTIFY_UNSET}")},
        "slack.webhook_url",
        "CLOUDACT_NOTIFY_UNSET is not set",
        id="unset variable",
    ),
    pytest.param(
        {"description": "${ACME_X}"}, "description", "ACME_X is not set", id="unset variable elsewhere"
    ),
    pytest.param(
        {"slack": "${CLOUDACT_NOTIFY_UNSET}"}, "slack", "is not set", id="unset variable as a section"
    ),
    pytest.param(
        {"slack": "${CLOUDACT_NOTIFY_WEBHOOK}"}, "slack", "not an object", id="variable as a section"
    ),
    pytest.param({"email": email(smtp_port=0)}, "email.smtp_port", "allowed range", id="port 0"),
    pytest.param(
        {"slack": slack(webhook_url=SECRET)}, "slack.webhook_url", "not a URL", id="webhook that is no URL"
    ),
    pytest.param(
        {"slack": slack(webhook_url=f"https://evil.example/{SECRET}")},
        "slack.webhook_url",
        "allowed_webhook_hosts",
        id="webhook on a foreign host",
    ),
    pytest.param(
        {"slack": slack(webhook_url=f"http://hooks.slack.com/{SECRET}")},
        "slack.webhook_url",
        "not https",
        id="webhook that is not protected",
    ),
    pytest.param({"slack": {"enabled": True}}, "slack.webhook_url", "missing", id="webhook missing"),
    pytest.param({"email": email(to_emails=[])}, "email.to_emails", "at least one", id="nobody to send to"),
    pytest.param(b'{"slack": {}, "slack": {}}', "slack", "stands twice", id="key twice"),
    pytest.param(
        {"event_triggers": [{"event": "system_error"}] * 2},
        "event_triggers",
        "more than one trigger",
        id="trigger",
    ),
    pytest.param({"tenant_id": "beta", "slack": slack()}, "tenant_id", "two agree", id="another tenant's id"),
    pytest.param(
        {"slack": slack(webhook_url=f"${{{FERNET_KEY}}}")},
        "slack.webhook_url",
        "may not name the environment variable AIRFLOW__CORE__FERNET_KEY",
        id="Airflow's variable",
    ),
    pytest.param(
        {"description": f"${{{FERNET_KEY}}}"}, "description", "may not name", id="Airflow's, elsewhere"
    ),
    pytest.param(
        {"slack": slack(channel="${HOME}")}, "slack.channel", "may not name", id="the machine's variable"
    ),
    pytest.param(
        {"slack": {"enabled": True, "conn_id": "beta_slack"}},
        "slack.conn_id",
        "may not name",
        id="connection",
    ),
    pytest.param(
        {"slack": {"enabled": True, "conn_id": "${CLOUDACT_NOTIFY_WEBHOOK}"}},
        "slack.conn_id",
        "may not name",
        id="connection named by a variable",
    ),
    pytest.param(
        {"slack": {"enabled": True, "conn_id": slack()["webhook_url"]}},
        "slack.conn_id",
        "may not name",
        id="webhook in place of a connection",
    ),
    pytest.param(
        {"email": {"enabled": True, "conn_id": "acme_x", "smtp_host": "x"}},
        "email",
        "conn_id",
        id="two servers",
    ),
]


@pytest.mark.parametrize(("document", "key", "words"), MISTAKES)
def test_a_mistake_in_a_tenants_file_is_told_and_the_root_delivers(
    folder: Folder,
    store: ConfigStore,
    caplog: pytest.LogCaptureFixture,
    document: Any,
    key: str,
    words: str,
) -> None:
    file = folder.write("acme", document)
    resolved = store.resolve("acme")
    [problem] = resolved.problems
    assert (problem.file, problem.key) == (str(file), key)
    assert words in str(problem)
    assert problem.remedy
    assert SECRET not in str(problem)
    assert of(resolved) == "root"
    assert list(resolved.providers) == [EMAIL]
    assert str(problem) in caplog.text
    assert SECRET not in caplog.text
    assert SECRET not in repr(resolved)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda file: (file.unlink(), file.mkdir()), id="folder in place of the file"),
        pytest.param(lambda file: (file.unlink(), file.symlink_to(file)), id="link to itself"),
        pytest.param(lambda file: file.write_bytes(b" " * 1_000_001), id="huge file"),
        pytest.param(lambda file: file.write_text("[" * 100_000), id="deep file"),
        pytest.param(lambda file: file.write_text('{"event_triggers": "garbage"}'), id="garbage"),
    ],
)
@pytest.mark.parametrize("tenant_id", ["acme", None])
def test_a_file_that_is_no_use_has_its_last_good_version_used(
    folder: Folder, store: ConfigStore, tenant_id: str | None, spoil: Callable[[Path], Any]
) -> None:
    file = folder.write(tenant_id, description="good", slack=slack())
    assert of(store.resolve(tenant_id)) == "good"
    spoil(file)
    for _ in range(2):
        resolved = store.resolve(tenant_id)
        assert of(resolved) == "good"
        assert list(resolved.providers) == [SLACK]
        assert resolved.source == f"{file}, last good version"
        [problem] = resolved.problems
        assert problem.file == str(file)


def test_a_tenants_file_that_is_repaired_is_used_again(folder: Folder, store: ConfigStore) -> None:
    folder.write("acme", "nonsense")
    assert of(store.resolve("acme")) == "root"
    folder.write("acme", description="repaired", slack=slack())
    resolved = store.resolve("acme")
    assert of(resolved) == "repaired"
    assert resolved.problems == ()


def test_a_file_that_is_removed_is_not_remembered_as_good(folder: Folder, store: ConfigStore) -> None:
    file = folder.write("acme", description="own", slack=slack())
    store.resolve("acme")
    file.unlink()
    assert of(store.resolve("acme")) == "root"
    folder.write("acme", "nonsense")
    assert of(store.resolve("acme")) == "root"


def test_an_invalid_root_without_a_good_version_leaves_tenants_with_a_file_alone(
    folder: Folder, store: ConfigStore
) -> None:
    file = folder.write(None, '{"enabled": "maybe"}')
    folder.write("acme", description="own", slack=slack())
    assert of(store.resolve("acme")) == "own"
    resolved = store.resolve("beta")
    assert not resolved.config.enabled
    [problem] = resolved.problems
    assert (problem.file, problem.key) == (str(file), "enabled")


def test_an_unset_variable_costs_its_destination_only(folder: Folder, store: ConfigStore) -> None:
    folder.write("acme", description="own", email=email(), slack=slack(webhook_url="${ACME_UNSET}"))
    resolved = store.resolve("acme")
    assert of(resolved) == "own"
    assert list(resolved.providers) == [EMAIL]
    assert list(resolved.broken) == [SLACK]
    assert resolved.config.enabled_destinations() == (EMAIL,)
    assert [problem.key for problem in resolved.problems] == ["slack.webhook_url"]


def test_an_unset_variable_of_a_destination_that_is_off_is_no_problem(
    folder: Folder, store: ConfigStore
) -> None:
    folder.write("acme", email=email(), slack=slack(enabled=False, webhook_url="${ACME_UNSET}"))
    resolved = store.resolve("acme")
    assert resolved.problems == ()
    assert dict(resolved.broken) == {}


def test_the_root_may_name_any_variable(folder: Folder, store: ConfigStore) -> None:
    folder.write(None, email=email(smtp_password=f"${{{FERNET_KEY}}}"))
    password = store.resolve(None).config.email.smtp_password
    assert password is not None
    assert password.get_secret_value() == SECRET


def test_a_tenant_may_not_name_what_belongs_to_a_tenant_with_a_longer_name(
    folder: Folder, store: ConfigStore
) -> None:
    document = {
        "description": "own",
        "email": {"enabled": True, "conn_id": "acme_corp_smtp", "to_emails": ["a@example.com"]},
    }
    folder.write("acme", document)
    assert of(store.resolve("acme")) == "own"
    folder.write("acme_corp", slack=slack())
    store.clear()
    resolved = store.resolve("acme")
    assert of(resolved) == "root", "it was good, but what it names is no longer the tenant's"
    assert "may not name the connection acme_corp_smtp" in str(resolved.problems[0])
    fresh = ConfigStore(folder.path, env={"ACME_CORP_PASSWORD": SECRET})
    assert of(fresh.resolve("acme")) == "root"
    folder.write("acme", email=email(smtp_password="${ACME_CORP_PASSWORD}"))
    assert "may not name the environment variable ACME_CORP_PASSWORD" in str(
        fresh.resolve("acme").problems[0]
    )
    folder.write("acme_corp", email=email(smtp_password="${ACME_CORP_PASSWORD}"))
    assert fresh.resolve("acme_corp").problems == ()


def test_a_neighbour_whose_file_cannot_be_read_is_a_tenant_all_the_same(
    folder: Folder, store: ConfigStore
) -> None:
    folder.file("acme_corp").mkdir()
    folder.write("acme", description="own", slack={"enabled": True, "conn_id": "acme_corp_slack"})
    [problem] = store.resolve("acme").problems
    assert "may not name the connection acme_corp_slack" in problem.reason


def test_the_administrators_patterns_allow_more(folder: Folder) -> None:
    folder.write(
        "acme", description="own", slack={"enabled": True, "conn_id": "shared", "channel": "${REGION}"}
    )
    rules = ReferenceRules(tenant_env_pattern="REGION", tenant_conn_pattern="shared")
    resolved = ConfigStore(folder.path, rules=rules, env={"REGION": "#eu"}).resolve("acme")
    assert of(resolved) == "own"
    assert resolved.config.slack.channel == "#eu"
    assert dict(resolved.providers) == {}, "a destination that names a connection is made when it is needed"


def test_allowed_hosts_may_be_named_by_webhooks(folder: Folder) -> None:
    folder.write("acme", slack=slack(webhook_url="http://127.0.0.1:8080/x"))
    store = ConfigStore(folder.path, allowed_webhook_hosts=frozenset({"127.0.0.1:8080"}))
    assert list(store.resolve("acme").providers) == [SLACK]


# --- extends, and the sender's identity


def root_with_both(folder: Folder) -> None:
    folder.write(None, email=email(subject_prefix="[root]"), slack=slack(channel="#root"), timeout_seconds=10)


def test_a_file_that_extends_the_root_is_completed_key_by_key(folder: Folder, store: ConfigStore) -> None:
    root_with_both(folder)
    folder.write("acme", extends="root", email={"to_emails": ["own@example.com"]}, slack={"channel": "#own"})
    resolved = store.resolve("acme")
    assert resolved.problems == ()
    assert sorted(resolved.providers) == [EMAIL, SLACK]
    config = resolved.config
    assert config.email.to_emails == ["own@example.com"]
    assert config.email.smtp_host == "mail.example.com"
    assert config.slack.channel == "#own"
    assert config.timeout_seconds == 10
    assert resolved.source == f"{folder.file('acme')} over {folder.file(None)}"


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"smtp_host": "own.example.com"}, id="another host"),
        pytest.param({"smtp_port": 2525}, id="another port"),
        pytest.param({"smtp_use_tls": False}, id="another protection"),
        pytest.param({"smtp_username": "own"}, id="another user"),
        pytest.param({"conn_id": "acme_smtp"}, id="a connection"),
    ],
)
def test_who_names_another_server_inherits_no_credential(
    folder: Folder, store: ConfigStore, own: dict[str, Any]
) -> None:
    root_with_both(folder)
    folder.write("acme", extends="root", email=own, slack={})
    made = store.resolve("acme").config.email
    assert made.smtp_password is None
    assert made.smtp_username in (None, own.get("smtp_username"))
    assert made.smtp_host in (None, own.get("smtp_host"))


def test_a_tenant_may_switch_off_what_the_root_has_on(folder: Folder, store: ConfigStore) -> None:
    root_with_both(folder)
    folder.write("acme", extends="root", slack={"enabled": False})
    assert store.resolve("acme").config.enabled_destinations() == (EMAIL,)


def test_the_roots_variables_are_not_the_tenants_to_name_but_are_inherited(
    folder: Folder, store: ConfigStore
) -> None:
    folder.write(None, email=email(smtp_password=f"${{{FERNET_KEY}}}"))
    folder.write("acme", extends="root", description="own")
    resolved = store.resolve("acme")
    assert of(resolved) == "own"
    assert list(resolved.providers) == [EMAIL]


@pytest.mark.parametrize(
    ("root", "own", "broken"),
    [
        pytest.param({}, {"webhook_url": "${ACME_UNSET}"}, [SLACK], id="switched on by the root"),
        pytest.param({"enabled": False}, {"webhook_url": "${ACME_UNSET}"}, [], id="switched off by the root"),
        pytest.param(
            {}, {"enabled": False, "webhook_url": "${ACME_UNSET}"}, [], id="switched off by the tenant"
        ),
        pytest.param({"webhook_url": "${UNSET}"}, None, [SLACK], id="broken by the root"),
        pytest.param(
            {"webhook_url": "${UNSET}"}, {"channel": "#a"}, [SLACK], id="broken by the root, completed"
        ),
        pytest.param(
            {"webhook_url": "${UNSET}"}, {"enabled": False}, [], id="broken by the root, switched off"
        ),
        pytest.param({"webhook_url": "${UNSET}"}, slack(), [], id="broken by the root, repaired"),
    ],
)
def test_an_unset_variable_is_told_when_it_costs_a_destination(
    folder: Folder,
    store: ConfigStore,
    root: dict[str, Any],
    own: dict[str, Any] | None,
    broken: list[NotificationProvider],
) -> None:
    folder.write(None, email=email(), slack=slack(**root))
    folder.write("acme", {"extends": "root"} | ({} if own is None else {"slack": own}))
    resolved = store.resolve("acme")
    assert list(resolved.broken) == broken
    assert len(resolved.problems) == len(broken)
    assert EMAIL in resolved.providers


def test_without_extends_only_the_senders_identity_comes_from_the_root(
    folder: Folder, store: ConfigStore
) -> None:
    folder.write(
        None,
        email=email(
            from_email=" noreply@bücher.example ",
            from_name="Root",
            subject_prefix="[root]",
            cc_emails=["c@x"],
        ),
        timeout_seconds=10,
    )
    own = {
        "enabled": True,
        "smtp_host": "own.example.com",
        "to_emails": ["a@example.com"],
        "from_name": "Own",
    }
    folder.write("acme", email=own)
    config = store.resolve("acme").config
    assert config.email.from_email == "noreply@xn--bcher-kva.example"
    assert config.email.from_name == "Own"
    assert config.email.subject_prefix == "[root]"
    assert config.email.smtp_username is None
    assert config.email.smtp_password is None
    assert config.email.cc_emails == []
    assert config.timeout_seconds == 30


def test_the_identity_of_a_root_that_is_switched_off_is_not_used(folder: Folder, store: ConfigStore) -> None:
    folder.write(None, enabled=False, email=email())
    folder.write("acme", email=email(from_email=None, smtp_username="u"), slack=slack())
    resolved = store.resolve("acme")
    assert [problem.key for problem in resolved.problems] == ["email.from_email"]
    assert list(resolved.providers) == [SLACK]


# --- reading again


def test_nothing_is_made_anew_while_nothing_changed(folder: Folder, store: ConfigStore) -> None:
    folder.write("acme", email=email(), slack=slack())
    first = store.resolve("acme")
    again = store.resolve("acme")
    assert again is first
    assert again.providers[EMAIL] is first.providers[EMAIL]


@pytest.mark.parametrize("changed", ["acme", None])
def test_a_change_of_the_tenants_file_or_the_roots_is_seen(
    folder: Folder, store: ConfigStore, changed: str | None
) -> None:
    folder.write("acme", extends="root", slack=slack(), timeout_seconds=11)
    folder.write(None, email=email(), timeout_seconds=12)
    assert store.resolve("acme").config.timeout_seconds == 11
    folder.write(changed, {"email": email(subject_prefix="new"), **({"extends": "root"} if changed else {})})
    assert store.resolve("acme").config.email.subject_prefix == "new"


def test_a_file_that_changes_while_it_is_read_is_read_again(folder: Folder) -> None:
    folder.write(None, description="first", email=email())

    def read() -> Document | None:
        folder.write(None, description="second version", email=email())
        return None

    store = ConfigStore(folder.path, layers=(Layer("a layer", read),))
    store.resolve("acme")
    assert of(store.resolve("acme")) == "second version"


def test_the_cache_is_cleared_for_one_tenant_or_for_all(folder: Folder, store: ConfigStore) -> None:
    for tenant_id in ("acme", "beta"):
        folder.write(tenant_id, description="own", slack=slack())
    acme, beta = store.resolve("acme"), store.resolve("beta")
    store.clear("acme")
    assert store.resolve("acme") is not acme
    assert store.resolve("beta") is beta
    store.clear()
    assert store.resolve("beta") is not beta


# --- layers


class Source:
    """A layer that counts how often it is read; ``says`` may be an error."""

    def __init__(self, name: str, says: Document | Exception | None) -> None:
        self.says = says
        self.reads = 0
        self.layer = Layer(name, self.read)

    def read(self) -> Document | None:
        self.reads += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.fixture
def connection() -> Source:
    return Source("the connection", {"description": "connection", "email": email(from_name="Connection")})


@pytest.fixture
def options() -> Source:
    return Source("the options", {"description": "options", "email": email(), "slack": slack()})


@pytest.fixture
def layered(folder: Folder, clock: FrozenClock, connection: Source, options: Source) -> ConfigStore:
    return ConfigStore(folder.path, layers=(connection.layer, options.layer), env={}, clock=clock)


def test_the_file_counts_over_the_connection_and_that_over_the_options(
    folder: Folder, layered: ConfigStore
) -> None:
    folder.write(None, email=email(smtp_host="file.example.com"))
    resolved = layered.resolve(None)
    assert resolved.config.email.smtp_host == "file.example.com"
    assert resolved.config.email.from_name == "Connection"
    assert list(resolved.providers) == [EMAIL, SLACK]
    assert of(resolved) == "connection"
    assert resolved.source == f"{folder.file(None)} over the connection over the options"


@pytest.mark.parametrize(
    ("file", "connection_says", "options_say", "expected"),
    [
        pytest.param({"description": "file", "email": email()}, None, None, "file", id="file"),
        pytest.param(
            None, {"description": "connection", "email": email()}, None, "connection", id="connection"
        ),
        pytest.param(None, None, {"description": "options", "email": email()}, "options", id="options"),
        pytest.param(
            {"enabled": False, "description": "file"},
            {"enabled": False, "description": "connection"},
            {"description": "options", "email": email()},
            "options",
            id="options, the others switched off",
        ),
        pytest.param({"enabled": False}, {"enabled": False}, None, None, id="nothing"),
    ],
)
def test_any_one_of_them_enabled_suffices(
    folder: Folder,
    layered: ConfigStore,
    connection: Source,
    options: Source,
    file: Document | None,
    connection_says: Document | None,
    options_say: Document | None,
    expected: str | None,
) -> None:
    connection.says, options.says = connection_says, options_say
    if file is not None:
        folder.write(None, file)
    resolved = layered.resolve("acme")
    assert of(resolved) == expected
    assert resolved.config.enabled is (expected is not None)


def test_an_invalid_root_leaves_the_connection_and_the_options(folder: Folder, layered: ConfigStore) -> None:
    folder.write(None, "nonsense")
    resolved = layered.resolve("acme")
    assert of(resolved) == "connection"
    assert resolved.source == "the connection over the options"
    assert len(resolved.problems) == 1


FAILURES = [
    pytest.param(
        ConfigurationError(ConfigProblem("the connection", "", "its type is 'http'", "Make it of ours.")),
        "its type is 'http'",
        id="of another type",
    ),
    pytest.param(OutOfTimeError("no answer within 3 s"), "no answer within 3 s", id="out of time"),
    pytest.param(RuntimeError(f"postgresql://u:{SECRET}@db"), "RuntimeError", id="unexpected"),
    pytest.param({"email": {"smtp_prot": 1}}, "smtp_port", id="mistake in it"),
]


@pytest.mark.parametrize(("says", "words"), FAILURES)
def test_a_layer_that_fails_is_skipped_with_a_problem_and_asked_again(
    layered: ConfigStore, connection: Source, says: Any, words: str
) -> None:
    good, connection.says = connection.says, says
    resolved = layered.resolve("acme")
    assert of(resolved) == "options"
    [problem] = resolved.problems
    assert problem.file == "the connection"
    assert words in str(problem)
    assert SECRET not in str(problem)
    connection.says = good
    resolved = layered.resolve("acme")
    assert of(resolved) == "connection"
    assert resolved.problems == ()


@pytest.mark.parametrize(("says", "words"), FAILURES)
def test_a_layer_that_fails_after_it_was_good_is_believed_as_it_was(
    layered: ConfigStore, connection: Source, clock: FrozenClock, says: Any, words: str
) -> None:
    layered.resolve("acme")
    connection.says = says
    clock.advance(LAYER_RECHECK_SECONDS + 1)
    resolved = layered.resolve("acme")
    assert of(resolved) == "connection"
    assert words in str(resolved.problems[0])


def test_a_layer_is_read_once_in_a_while(
    layered: ConfigStore, connection: Source, clock: FrozenClock
) -> None:
    first = layered.resolve("acme")
    layered.resolve("beta")
    assert connection.reads == 1
    assert layered.resolve("acme") is first
    clock.advance(LAYER_RECHECK_SECONDS + 1)
    layered.resolve("acme")
    assert connection.reads == 2
    layered.clear()
    layered.resolve("acme")
    assert connection.reads == 3


def test_a_tenant_with_a_complete_file_costs_no_look_at_the_layers(
    folder: Folder, layered: ConfigStore, connection: Source
) -> None:
    folder.write("acme", email=email(from_name="Own", subject_prefix="[own]"), slack=slack())
    layered.resolve("acme")
    assert connection.reads == 0


def test_a_local_layer_is_read_when_no_service_answers(folder: Folder) -> None:
    def nobody_answers(operation: str, function: Callable[[], Any]) -> Any:
        raise OutOfTimeError("no answer within 3 s")

    options = Layer("the options", lambda: {"email": email()}, is_local=True)
    connection = Layer("a connection", lambda: {"email": email()})
    store = ConfigStore(folder.path, layers=(connection, options))

    resolved = store.resolve(None, nobody_answers)

    assert resolved.config.email.enabled
    assert "the options" in resolved.source


def test_layers_are_read_within_what_the_caller_allows(layered: ConfigStore) -> None:
    asked = []

    def call(operation: str, function: Callable[[], Any]) -> Any:
        asked.append(operation)
        return function()

    layered.resolve("acme", call)
    assert asked == ["read the connection", "read the options"]


def test_a_problem_is_logged_as_an_error_that_says_what_is_used_instead(
    folder: Folder, store: ConfigStore, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write("acme", "nonsense")
    store.resolve("acme")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"(using: {folder.file(None)})" in record.getMessage()


def test_a_missing_library_for_urls_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(ConfigurationError, match="pip install universal-pathlib"):
        ConfigStore("memory://configs")
