"""Which tenant a callback is about, and who is told when that cannot be found."""

from __future__ import annotations

import sys
import types
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_cloudact_notify import CloudActNotifier
from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.tenants import tenant_of

# Every place that can name a tenant, the first to be asked first.
PLACES = (
    "by-argument",
    "by-conf",
    "by-param",
    "by-tag",
    "by-team",
    "by-convention",
    "by-default",
)


def context(*places: str) -> dict[str, Any]:
    """Return a context in which these places name a tenant."""
    return {
        "dag": SimpleNamespace(
            dag_id="by-convention__ingest" if "by-convention" in places else "ingest",
            tags={"daily", "tenant:by-tag"} if "by-tag" in places else {"daily"},
            params={},
        ),
        "params": {"tenant_id": "by-param"} if "by-param" in places else {},
        "dag_run": SimpleNamespace(
            conf={"tenant_id": "by-conf"} if "by-conf" in places else None,
            team_name="by-team" if "by-team" in places else None,
        ),
        "ti": SimpleNamespace(dag_id="ingest", task_id="t", run_id="r", state="failed"),
        "exception": ValueError("no rows"),
    }


def found(
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    argument: Any = None,
    tenant_from: str = "",
    default_tenant: str = "",
) -> str | None:
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__TENANT_FROM", tenant_from)
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__DEFAULT_TENANT", default_tenant)
    read_settings.cache_clear()
    return tenant_of(context, argument, read_settings())


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_the_first_place_that_names_a_tenant_counts(monkeypatch, first):
    asked = PLACES[first:]

    tenant = found(
        context(*asked),
        monkeypatch,
        argument="by-argument" if "by-argument" in asked else None,
        tenant_from="dag_id:^(.+)__",
        default_tenant="by-default" if "by-default" in asked else "",
    )

    assert tenant == PLACES[first]


def test_where_no_place_names_one_the_roots_settings_apply(monkeypatch):
    assert found(context(), monkeypatch) is None
    assert found({}, monkeypatch) is None


@pytest.mark.parametrize(
    ("rule", "dag_id", "tenant"),
    [
        pytest.param("dag_id:^([a-z]+)_", "acme_ingest", "acme", id="group"),
        pytest.param("dag_id:[a-z]+$", "ingest_acme", "acme", id="whole-match"),
        pytest.param("dag_id:^(?:x|(acme))_", "acme_ingest", "acme", id="the-group-among-others"),
        pytest.param("dag_id:^(?:x|(acme))_", "x_ingest", None, id="group-that-matched-nothing"),
        pytest.param("dag_id:^(?P<tenant>[a-z]+):", "acme:ingest", "acme", id="a-colon-in-the-expression"),
        pytest.param("dag_id:^beta_", "acme_ingest", None, id="no-match"),
    ],
)
def test_a_naming_convention_finds_the_tenant_in_the_dags_name(monkeypatch, rule, dag_id, tenant):
    dag_or_run = ({"dag": SimpleNamespace(dag_id=dag_id)}, {"dag_run": {"dag_id": dag_id}})
    for where in dag_or_run:
        assert found(where, monkeypatch, tenant_from=rule) == tenant


@pytest.fixture
def conventions(monkeypatch) -> None:
    module = types.ModuleType("company_conventions")
    module.tenant = lambda context: context["dag"].dag_id.partition("__")[0]
    module.nobody = lambda context: None
    monkeypatch.setitem(sys.modules, "company_conventions", module)


@pytest.mark.usefixtures("conventions")
def test_a_naming_convention_can_be_a_function_of_the_context(monkeypatch):
    assert (
        found(context("by-convention"), monkeypatch, tenant_from="company_conventions:tenant")
        == "by-convention"
    )
    default = {"default_tenant": "by-default"}
    assert found(context(), monkeypatch, tenant_from="company_conventions:nobody", **default) == "by-default"


def test_the_argument_can_be_a_function_of_the_context(monkeypatch):
    assert found(context("by-tag"), monkeypatch, argument=lambda c: c["ti"].task_id) == "t"
    assert found(context("by-tag"), monkeypatch, argument=lambda c: None) == "by-tag"


@pytest.mark.parametrize("nothing", ["", None, [], 0])
def test_an_empty_name_is_none(monkeypatch, nothing):
    bare = context("by-tag")
    bare["dag_run"].conf = {"tenant_id": nothing}

    assert found(bare, monkeypatch) == "by-tag"


@pytest.mark.parametrize("conf", [["tenant_id"], "tenant_id", 7])
def test_a_runs_conf_can_be_anything(monkeypatch, conf):
    bare = context("by-tag")
    bare["dag_run"].conf = conf

    assert found(bare, monkeypatch) == "by-tag"


def raising(context: Any) -> str:
    raise KeyError("customer")


def exiting(context: Any) -> str:
    raise SystemExit(1)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")


def raising_what_cannot_be_printed(context: Any) -> str:
    raise Unprintable


@pytest.mark.parametrize(
    ("argument", "tenant_from", "refused"),
    [
        pytest.param("../acme", "", "../acme", id="no-folder-name"),
        pytest.param(lambda c: "no folder", "", "no folder", id="function-names-no-folder"),
        pytest.param(raising, "", "(it could not be found)", id="function-raises"),
        pytest.param(exiting, "", "(it could not be found)", id="function-exits"),
        pytest.param(raising_what_cannot_be_printed, "", "(it could not be found)", id="unprintable"),
        pytest.param("{{ 1 / 0 }}", "", "{{ 1 / 0 }}", id="broken-template"),
        pytest.param(None, "dag_id:^(acme", "(it could not be found)", id="bad-expression"),
        pytest.param(None, "not_there:tenant", "(it could not be found)", id="no-such-module"),
        pytest.param(None, "sys:tenant", "(it could not be found)", id="no-such-function"),
        pytest.param(None, "dag_id", "(it could not be found)", id="no-rule"),
    ],
)
def test_a_tenant_that_cannot_be_found_is_told_to_the_root_which_is_told_so(
    tell_all, told, monkeypatch, caplog, argument, tenant_from, refused
):
    tell_all()
    tell_all("by-default")
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__TENANT_FROM", tenant_from)
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__DEFAULT_TENANT", "by-default")

    CloudActNotifier(tenant_id=argument)(context())

    (mail,) = told()
    assert mail.to == ("root@example.com",)
    assert mail.facts["Tenant id refused"] == refused
    assert "told to the root instead" in caplog.text
    assert "ValueError: no rows" in mail.text


def test_a_template_can_name_the_tenant(tell_all, told):
    tell_all("by-param")

    CloudActNotifier(tenant_id="{{ params.tenant_id }}")(context("by-param"))

    assert [mail.to for mail in told()] == [("by-param@example.com",)]


def test_a_template_that_names_nobody_leaves_the_choice_to_the_other_places(tell_all, told):
    tell_all("by-tag")

    CloudActNotifier(tenant_id="{{ params.customer }}")(context("by-tag"))

    assert [mail.to for mail in told()] == [("by-tag@example.com",)]
