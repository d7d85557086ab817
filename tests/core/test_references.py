from __future__ import annotations

from typing import Any

import pytest

from airflow_cloudact_notify.core.references import Reference, ReferenceRules, references, substitute, unset

TENANTS = {"acme", "acme_corp", "acme-eu", "beta-corp", "beta_corp", "gamma-corp"}
RULES = ReferenceRules()


def is_tenant(name: str) -> bool:
    return name in TENANTS


@pytest.mark.parametrize(
    ("tenant", "name", "allowed"),
    [
        pytest.param("acme", "ACME_SMTP_PASSWORD", True, id="own"),
        pytest.param("acme", "CLOUDACT_NOTIFY_SMTP_PASSWORD", True, id="everybody's"),
        pytest.param("gamma-corp", "GAMMA_CORP_X", True, id="own with a dash"),
        pytest.param("acme", "HOME", False, id="the machine's"),
        pytest.param("acme", "acme_x", False, id="lower case"),
        pytest.param("acme", "ACMEX", False, id="no separator"),
        pytest.param("acme", "BETA_X", False, id="another tenant's"),
        pytest.param("acme", "ACME_CORP_X", False, id="of a tenant with a longer name"),
        pytest.param("acme", "ACME_EU_X", False, id="of a tenant with a longer name and a dash"),
        pytest.param("acme_corp", "ACME_CORP_X", True, id="own with an underscore"),
        pytest.param("beta_corp", "BETA_CORP_X", True, id="shared spelling, the underscore's"),
        pytest.param("beta-corp", "BETA_CORP_X", False, id="shared spelling, not the dash's"),
        pytest.param("acme", "AIRFLOW__CORE__FERNET_KEY", False, id="Airflow's"),
        pytest.param("airflow", "AIRFLOW__CORE__FERNET_KEY", False, id="Airflow's, tenant airflow"),
        pytest.param("airflow", "AIRFLOW_CONN_DB", False, id="Airflow's connection, tenant airflow"),
        pytest.param("airflow", "AIRFLOW_VAR_X", False, id="Airflow's variable, tenant airflow"),
        pytest.param("airflow", "AIRFLOW_SMTP", True, id="own, tenant airflow"),
        pytest.param("acme", "", False, id="nothing"),
    ],
)
def test_a_tenant_names_its_own_variables_and_everybodys(tenant: str, name: str, allowed: bool) -> None:
    assert RULES.allows_variable(tenant, name, is_tenant) is allowed


@pytest.mark.parametrize(
    ("tenant", "name", "allowed"),
    [
        pytest.param("acme", "acme_smtp", True, id="own"),
        pytest.param("acme", "cloudact_notify_smtp", True, id="everybody's"),
        pytest.param("beta-corp", "beta-corp_smtp", True, id="own with a dash"),
        pytest.param("acme", "acme_corp_smtp", False, id="of a tenant with a longer name"),
        pytest.param("acme", "acme-eu_smtp", False, id="of a tenant with a dash"),
        pytest.param("acme_corp", "acme_corp_smtp", True, id="own with an underscore"),
        pytest.param("acme", "smtp_default", False, id="the platform's"),
        pytest.param("acme", "ACME_smtp", False, id="upper case"),
        pytest.param("acme", "acme", False, id="no separator"),
    ],
)
def test_a_tenant_names_its_own_connections_and_everybodys(tenant: str, name: str, allowed: bool) -> None:
    assert RULES.allows_connection(tenant, name, is_tenant) is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        pytest.param("shared_.*", True, id="fits"),
        pytest.param("shared", False, id="fits in part"),
        pytest.param("{tenant_id}-shared|shared_{tenant_id}", False, id="tenant's id"),
        pytest.param("(", False, id="no regular expression"),
        pytest.param("", False, id="empty"),
    ],
)
def test_the_administrator_may_allow_more(pattern: str, allowed: bool) -> None:
    rules = ReferenceRules(tenant_env_pattern=pattern, tenant_conn_pattern=pattern)
    assert rules.allows_variable("acme", "shared_x", is_tenant) is allowed
    assert rules.allows_connection("acme", "shared_x", is_tenant) is allowed


def test_a_pattern_may_hold_the_tenants_id() -> None:
    rules = ReferenceRules(tenant_conn_pattern="smtp-{tenant_id}")
    assert rules.allows_connection("acme", "smtp-acme", is_tenant)
    assert not rules.allows_connection("acme", "smtp-beta", is_tenant)


def test_no_pattern_allows_airflows_own_variables() -> None:
    rules = ReferenceRules(tenant_env_pattern=".*")
    assert rules.allows_variable("acme", "HOME", is_tenant)
    assert not rules.allows_variable("acme", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", is_tenant)
    assert not rules.allows_variable("acme", "airflow__database__sql_alchemy_conn", is_tenant)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        pytest.param({"a": "${X}"}, [("a", "X")], id="whole"),
        pytest.param({"a": "b${X}c${Y}"}, [("a", "X"), ("a", "Y")], id="two in a text"),
        pytest.param({"a": [{"b": "${X}"}]}, [("a.0.b", "X")], id="deep"),
        pytest.param({"a": "$${X} $X {X} ${"}, [], id="none"),
        pytest.param({"a": 5, "b": None, "c": True}, [], id="other types"),
        pytest.param({"a": "${}"}, [("a", "")], id="empty"),
    ],
)
def test_references_are_found_with_their_keys(document: Any, found: list[tuple[str, str]]) -> None:
    assert [(reference.key, reference.name) for reference in references(document)] == found


def test_a_text_made_to_be_slow_is_searched_all_the_same() -> None:
    text = "${" * 500_000
    assert list(references({"a": text})) == []
    assert substitute(text, {}) == text


@pytest.mark.parametrize("name", ["A:-hunter2", "A=hunter2", "hunter 2", "A\nhunter2", "", "1A"])
def test_a_reference_that_is_no_name_is_refused_without_what_may_be_its_default(name: str) -> None:
    problem = unset(Reference(("slack", "webhook_url"), name), {name: "x"}, "file")
    assert problem is not None
    assert problem.key == "slack.webhook_url"
    assert "is not an environment variable's name" in problem.reason
    assert "hunter2" not in str(problem)
    assert str(problem).isprintable()


def test_a_variable_that_is_empty_counts_as_unset() -> None:
    assert unset(Reference(("a",), "X"), {"X": ""}, "file") is not None
    assert unset(Reference(("a",), "X"), {"X": "x"}, "file") is None
