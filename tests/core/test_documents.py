from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_cloudact_notify.core import documents
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.providers.email import EmailConfig
from tests.core.folder import SECRET, email, slack

FILE = "configs/acme/notifications.json"


def problems(document: Any) -> tuple[ConfigProblem, ...]:
    """Return what is wrong with a document, or with the bytes of one; no secret may be in it."""
    read = documents.parse if isinstance(document, bytes) else documents.validate
    with pytest.raises(ConfigurationError) as caught:
        read(document, FILE)
    assert SECRET not in str(caught.value)
    assert all(p.file == FILE and p.reason and p.remedy.endswith((".", "?")) for p in caught.value.problems)
    return caught.value.problems


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("content", "reason", "remedy"),
    [
        pytest.param(b"\xef\xbb\xbf{}", "byte-order mark", "UTF-8 without BOM", id="BOM"),
        pytest.param('{"a": 1}'.encode("utf-16"), "byte-order mark", "UTF-8 without BOM", id="UTF-16"),
        pytest.param('{"é": 1}'.encode("latin-1"), "byte 2 is not UTF-8", "UTF-8", id="Latin 1"),
        pytest.param(b"", "line 1, column 1", "Correct the syntax", id="empty"),
        pytest.param(
            b'{"enabled": true,\n}', "line 1, column 17: a comma too many", "Correct the syntax", id="comma"
        ),
        pytest.param(
            b'{"event_triggers": [\n1,]}', "line 2, column 2: a comma too many", "Correct", id="list's comma"
        ),
        pytest.param(b"{,}", "line 1, column 2", "Correct the syntax", id="comma only"),
        pytest.param(
            b'{\n"enabled": yes}', "line 2, column 12", "Correct the syntax", id="word without quotes"
        ),
        pytest.param(
            b'{"smtp_password": "hunter2-never-shown}', "not valid JSON", "syntax", id="quote missing"
        ),
        pytest.param(b"{} // hunter2-never-shown", "not valid JSON", "Correct the syntax", id="comment"),
        pytest.param(b"{\x00}", "not valid JSON", "Correct the syntax", id="NUL"),
        pytest.param(b"[]", "not a JSON object", "between { and }", id="list"),
        pytest.param(b"null", "not a JSON object", "between { and }", id="null"),
        pytest.param(b'"x"', "not a JSON object", "between { and }", id="text"),
        pytest.param(deep(12), "nested too deeply", "documented keys", id="deep"),
        pytest.param(deep(950), "nested too deeply", "documented keys", id="deeper"),
        pytest.param(deep(100_000), "nested too deeply", "documented keys", id="deeper than Python goes"),
        pytest.param(
            b'{"a": ' + b"9" * 5000 + b"}", "number that is too long", "documented keys", id="number"
        ),
    ],
)
def test_bytes_that_are_no_document_are_refused(content: bytes, reason: str, remedy: str) -> None:
    [problem] = problems(content)
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_a_key_that_stands_twice_is_refused_by_name() -> None:
    [problem] = problems(b'{"email": {"enabled": true, "enabled": false}}')
    assert (problem.key, problem.line) == ("email.enabled", 1)
    assert "twice" in problem.reason


@pytest.mark.parametrize(
    ("document", "key", "reason", "remedy"),
    [
        pytest.param(
            {"enabled": "maybe"}, "enabled", "boolean", "Use true or false.", id="neither true nor false"
        ),
        pytest.param(
            {"enabled": {"a": 1}}, "enabled", "boolean", "Use true or false.", id="object as a switch"
        ),
        pytest.param(
            {"email": email(smtp_port=0)}, "email.smtp_port", "greater", "allowed range", id="port 0"
        ),
        pytest.param(
            {"email": email(smtp_port="x")}, "email.smtp_port", "integer", "whole number", id="port x"
        ),
        pytest.param(
            {"email": {"smtp_hots": "x"}}, "email.smtp_hots", "unknown key", "'smtp_host'?", id="unknown key"
        ),
        pytest.param({"emial": {}}, "emial", "unknown key", "Did you mean 'email'?", id="unknown section"),
        pytest.param(
            {"zzz": SECRET}, "zzz", "unknown key", "Known here: $schema, enabled", id="unlike any key"
        ),
        pytest.param(
            {"event_triggers": [{"event": "pipeline_failure", "cooldown_secs": 5}]},
            "event_triggers.0.cooldown_secs",
            "unknown key",
            "Did you mean 'cooldown_seconds'?",
            id="unknown key of a trigger",
        ),
        pytest.param(
            {"event_triggers": [{"event": "pipeline_failed"}]},
            "event_triggers.0.event",
            "not one of the allowed words",
            "Did you mean 'pipeline_failure'?",
            id="unknown event",
        ),
        pytest.param(
            {"default_provider": "pager"},
            "default_provider",
            "not one of the allowed words",
            "Use 'email', 'slack' or 'both'.",
            id="unknown provider",
        ),
        pytest.param(
            {"default_provider": ["email"]}, "default_provider", "allowed words", "email", id="list as a word"
        ),
        pytest.param(
            {"event_triggers": [{"event": "system_error"}, {"event": "system_error"}]},
            "event_triggers",
            "more than one trigger for system_error",
            "Keep one of them.",
            id="trigger twice",
        ),
        pytest.param(
            {"event_triggers": {}}, "event_triggers", "list", "between [ and ]", id="triggers as object"
        ),
        pytest.param(
            {"event_triggers": ["system_error"]},
            "event_triggers.0",
            "object",
            "{ and }",
            id="trigger as word",
        ),
        pytest.param(
            {"event_triggers": [None]}, "event_triggers.0", "object", "{ and }", id="trigger as null"
        ),
        pytest.param({"email": SECRET}, "email", "not an object", "between { and }", id="section as text"),
        pytest.param({"slack": [SECRET]}, "slack", "not an object", "between { and }", id="section as list"),
        pytest.param({"slack": None}, "slack", "not an object", "between { and }", id="section as null"),
        pytest.param(
            {"slack": {"webhook_url": SECRET}},
            "slack.webhook_url",
            "not a URL",
            "Incoming Webhooks",
            id="no URL",
        ),
        pytest.param(
            {"slack": {"webhook_url": f"https://[{SECRET}"}},
            "slack.webhook_url",
            "not a URL",
            "copy",
            id="half URL",
        ),
        pytest.param(
            {"email": email(to_emails=["nobody"])},
            "email.to_emails.0",
            "address",
            "name@example",
            id="recipient",
        ),
        pytest.param({"email": email(to_emails="a@b.c")}, "email.to_emails", "list", "[ and ]", id="no list"),
        pytest.param(
            {"email": email(smtp_password=5)},
            "email.smtp_password",
            "string",
            "double quotes",
            id="number as text",
        ),
        pytest.param({"email": email(conn_id="x")}, "email", "conn_id already", "Remove", id="two sources"),
        pytest.param({"extends": "acme"}, "extends", "root", '"root"', id="extends somebody else"),
        pytest.param({"description": "\ud800"}, "description", "unicode", "value", id="half a character"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_its_remedy(
    document: dict[str, Any], key: str, reason: str, remedy: str
) -> None:
    [problem] = problems(document)
    assert problem.key == key
    assert reason.lower() in problem.reason.lower()
    assert remedy.lower() in problem.remedy.lower()


def test_every_mistake_is_told_at_once_up_to_twenty() -> None:
    assert [p.key for p in problems({"enabled": "maybe", "emial": {}, "timeout_seconds": 1})] == [
        "enabled",
        "timeout_seconds",
        "emial",
    ]
    assert len(problems({f"unknown_{n}": 1 for n in range(1000)})) == documents.MAX_PROBLEMS


def test_a_key_of_any_kind_is_told_on_one_short_line() -> None:
    [problem] = problems({"a\nERROR faked log line\x1b[2J" + "x" * 100_000: 1})
    assert len(str(problem)) < 600
    assert str(problem).isprintable()
    [problem] = problems(json.dumps({"a\nb": 1}).encode()[:-1] + b', "a\\nb": 2}')
    assert problem.key == "a?b"


def test_words_from_the_environment_become_numbers_and_switches() -> None:
    config = documents.validate(
        {"email": {"enabled": "true", "smtp_port": "25"}, "timeout_seconds": "9"}, FILE
    )
    assert config.email.enabled
    assert config.email.smtp_port == 25
    assert config.timeout_seconds == 9


def test_what_only_the_base_has_is_inherited_key_by_key() -> None:
    merged = documents.merge(
        {"slack": {"channel": "#own"}, "retry_config": {"max_attempts": 5}, "timeout_seconds": 10},
        {"slack": slack(channel="#root"), "retry_config": {"max_delay_seconds": 9}, "description": "root"},
    )
    assert merged == {
        "slack": slack(channel="#own"),
        "retry_config": {"max_attempts": 5, "max_delay_seconds": 9},
        "timeout_seconds": 10,
        "description": "root",
    }


def test_triggers_are_inherited_event_by_event() -> None:
    merged = documents.merge(
        {"event_triggers": [{"event": "system_error", "enabled": False}]},
        {"event_triggers": [{"event": "system_error"}, {"event": "pipeline_failure"}]},
    )
    assert merged["event_triggers"] == [
        {"event": "system_error", "enabled": False},
        {"event": "pipeline_failure"},
    ]


@pytest.mark.parametrize("key", sorted(EmailConfig.SERVER_KEYS))
def test_who_names_any_part_of_a_mail_server_inherits_no_other_part(key: str) -> None:
    base = dict.fromkeys(EmailConfig.SERVER_KEYS, "of the root") | {"from_email": "noreply@example.com"}
    merged = documents.merge({"email": {key: "own"}}, {"email": base})
    assert merged["email"] == {key: "own", "from_email": "noreply@example.com"}


@pytest.mark.parametrize(
    ("own", "base", "merged"),
    [
        pytest.param(
            {"conn_id": "acme_slack"}, slack(), {"enabled": True, "conn_id": "acme_slack"}, id="conn_id"
        ),
        pytest.param(
            {"webhook_url": "https://x"},
            {"enabled": True, "conn_id": "root"},
            {"enabled": True, "webhook_url": "https://x"},
            id="webhook",
        ),
        pytest.param({"channel": "#a"}, slack(), slack(channel="#a"), id="channel"),
        pytest.param({}, slack(), slack(), id="empty section"),
    ],
)
def test_who_names_another_webhook_does_not_inherit_the_roots(
    own: dict[str, Any], base: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert documents.merge({"slack": own}, {"slack": base}) == {"slack": merged}


def test_what_is_merged_with_another_type_is_the_upper_ones() -> None:
    for upper in ("text", None, 5, []):
        document = {"slack": upper, "retry_config": upper, "event_triggers": upper}
        base = {"slack": slack(), "retry_config": {}, "event_triggers": [{"event": "system_error"}]}
        assert documents.merge(document, base)["slack"] == upper
        assert documents.merge(document, base)["retry_config"] == upper


def test_merging_changes_neither_document() -> None:
    over, under = {"slack": {"channel": "#a"}}, {"slack": slack(), "event_triggers": []}
    copies = json.dumps([over, under])
    documents.merge(over, under)
    assert json.dumps([over, under]) == copies


def test_references_are_filled_in_at_any_depth() -> None:
    document = {
        "email": email(smtp_password="${A}", to_emails=["${A}@b.c", "$${A}@b.c"]),
        "description": "x${A}y",
    }
    filled, broken = documents.substituted(document, {"A": "a"}, FILE)
    assert filled["email"]["to_emails"] == ["a@b.c", "${A}@b.c"]
    assert filled["email"]["smtp_password"] == "a"
    assert filled["description"] == "xay"
    assert broken == {}


def test_what_was_filled_in_is_not_filled_in_again() -> None:
    filled, _ = documents.substituted({"description": "${A}"}, {"A": "${B}", "B": SECRET}, FILE)
    assert filled["description"] == "${B}"


def test_an_unset_variable_switches_off_its_destination_only() -> None:
    document = {"email": email(), "slack": slack(webhook_url="${A}", channel="${B}")}
    filled, broken = documents.substituted(document, {}, FILE)
    assert filled == {"email": email(), "slack": {"enabled": False}}
    assert list(broken) == [NotificationProvider.SLACK]
    problem = broken[NotificationProvider.SLACK]
    assert problem.key == "slack.webhook_url"
    assert "A is not set" in problem.reason


@pytest.mark.parametrize(
    ("document", "key"),
    [
        pytest.param({"description": "${A}"}, "description", id="top level"),
        pytest.param({"event_triggers": [{"event": "${A}"}]}, "event_triggers.0.event", id="trigger"),
        pytest.param({"slack": "${A}"}, "slack", id="whole section"),
        pytest.param({"slack": ["${A}"]}, "slack.0", id="section that is a list"),
    ],
)
def test_an_unset_variable_elsewhere_is_an_error(document: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        documents.substituted(document, {}, FILE)
    [problem] = caught.value.problems
    assert problem.key == key
    assert "A is not set" in problem.reason


@pytest.mark.parametrize("more", [{}, {"slack": {"enabled": True}}], ids=["alone", "beside its section"])
@pytest.mark.parametrize("key", ["slack.webhook_url", "slack.", "email.x"])
def test_an_unset_variable_at_a_key_with_dots_is_an_error_of_that_key(key: str, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="MISSING is not set") as error:
        documents.substituted({key: "${MISSING}", **more}, {}, "acme.json")
    assert error.value.problems[0].key == key
