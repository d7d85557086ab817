"""The rules one by one are tried on files, in tests/cli/bad_configs; here is what they must keep quiet about."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_cloudact_notify.core import lint

EMAIL = {"enabled": True, "smtp_host": "smtp.example.com", "to_emails": ["a@example.com"]}


def rules(document, root=None):
    return [doubt.rule for doubt in lint.doubts(document, root)]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"email": EMAIL}, id="plain"),
        pytest.param({"enabled": False}, id="a file that is off"),
        pytest.param(
            {"email": EMAIL | {"smtp_username": "a", "smtp_password": "${ACME_PASSWORD}"}}, id="a variable"
        ),
        pytest.param(
            {"email": EMAIL | {"smtp_username": "a", "oauth2": {"access_token": "${ACME_TOKEN}"}}},
            id="a token",
        ),
        pytest.param(
            {"enabled": False, "email": {"enabled": False, "smtp_username": "a"}}, id="a section that is off"
        ),
        pytest.param(
            {"email": EMAIL, "silences": [{"event": "data_quality_*"}, {"event": "${ACME_X}"}]}, id="silences"
        ),
        pytest.param({"email": EMAIL | {"smtp_password": ""}}, id="no password"),
        pytest.param({"email": EMAIL | {"smtp_port": 465}}, id="465"),
        pytest.param({"email": EMAIL | {"smtp_port": 465, "smtp_security": "implicit"}}, id="465, said"),
        pytest.param({"email": EMAIL | {"smtp_port": 25, "smtp_use_tls": False}}, id="a relay"),
        pytest.param(
            {"email": EMAIL | {"smtp_host": "smtp.office365.com", "conn_id": "x"}}, id="by connection"
        ),
        pytest.param(
            {"email": EMAIL, "slack": {"proxy": "http://proxy.internal:3128"}},
            id="a proxy without credentials",
        ),
        pytest.param(
            {"email": EMAIL, "event_triggers": [{"event": "system_error", "cooldown_seconds": None}]},
            id="null",
        ),
        pytest.param(
            {"email": EMAIL, "event_triggers": [{"event": "system_error", "providers": ["both"]}]},
            id="one is on",
        ),
        pytest.param(
            {"email": EMAIL, "event_triggers": [{"event": "x", "enabled": False, "providers": ["slack"]}]},
            id="a trigger that is off",
        ),
    ],
)
def test_what_is_fine_is_not_doubted(document):
    assert rules(document) == []


def test_what_a_file_extends_counts():
    document = {"extends": "root", "event_triggers": [{"event": "system_error", "providers": ["slack"]}]}
    assert rules(document, {"slack": {"enabled": True}}) == []
    assert rules(document, {"email": EMAIL}) == ["trigger-reaches-nobody"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"fallback_providers": ["slack"]}, ["unreachable-fallback"], id="off"),
        pytest.param(
            {"fallback_providers": ["slack"], "email": EMAIL, "slack": {"enabled": True}}, [], id="on"
        ),
        pytest.param(
            {"fallback_providers": ["email"], "email": EMAIL}, ["unreachable-fallback"], id="of itself"
        ),
        pytest.param(
            {"event_triggers": [{"event": "x", "providers": ["email"], "fallback_providers": ["email"]}]},
            ["unreachable-fallback"],
            id="told anyway",
        ),
        pytest.param(
            {
                "slack": {"enabled": True},
                "event_triggers": [{"event": "x", "providers": ["email"], "fallback_providers": ["slack"]}],
            },
            [],
            id="another",
        ),
    ],
)
def test_a_fall_back_must_be_able_to_help(document, expected):
    assert rules({"email": EMAIL} | document) == expected


def test_a_proxy_with_credentials_is_a_secret():
    assert rules({"email": EMAIL, "slack": {"proxy": "http://u:p@proxy"}}) == ["literal-secret"]


def test_a_secret_within_a_section_is_one():
    oauth2 = {"client_id": "x", "client_secret": "hunter2"}
    [doubt] = lint.doubts({"email": EMAIL | {"oauth2": oauth2}})
    assert (doubt.rule, doubt.key) == ("literal-secret", "email.oauth2.client_secret")
    assert rules({"email": EMAIL | {"oauth2": oauth2 | {"client_secret": "${ACME_SECRET}"}}}) == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["root", "email", "a@b.io", ""]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "email",
                    "slack",
                    "event_triggers",
                    "providers",
                    "to_emails",
                    "cooldown_seconds",
                    "smtp_host",
                ]
            ),
            children,
            max_size=3,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None, database=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["email", "slack", "event_triggers", "extends", "enabled"]), ANYTHING))
def test_no_document_is_too_strange(document):
    for doubt in lint.doubts(document):
        assert doubt.remedy.endswith((".", "?"))
