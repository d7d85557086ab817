"""What a callback's message must not say, and where its links lead."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseHook, Param, task

from airflow_cloudact_notify import CloudActNotifier, on_failure

PASSWORD = "Tr0ub4dor-and-3"
WIKI = "https://wiki.example.com/p"


def make_dag(
    dag_id: str, error: BaseException, notifier: CloudActNotifier = on_failure, **arguments: Any
) -> DAG:
    with DAG(
        dag_id,
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        default_args={"on_failure_callback": notifier},
        **arguments,
    ) as dag:

        @task
        def load() -> None:
            raise error

        load()
    return dag


def context(**keys: Any) -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="d", task_id="t", run_id="r", state="failed", log_url="http://airflow.example/log"
    )
    return {"ti": ti, "run_id": "r", "exception": ValueError("no rows")} | keys


# Secrets


def test_the_password_of_a_connection_that_the_task_read_is_masked(
    tell_all, told, smtp, run_dag, add_connection
):
    tell_all()
    add_connection("warehouse", conn_type="generic", host="db", login="etl", password=PASSWORD)
    own = CloudActNotifier(
        title="could not log in with {{ exception }}",
        message="tried {{ exception }}",
        details={"said": ["{{ exception }}"], "object": SimpleNamespace(text=PASSWORD)},
    )
    with DAG("secret", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:

        @task(on_failure_callback=own)
        def load() -> None:
            connection = BaseHook.get_connection("warehouse")
            raise ValueError(f"{connection.password} was refused for {connection.login}")

        load()

    run_dag(dag)

    (mail,) = told()
    assert PASSWORD not in smtp.messages[0].raw.decode()
    assert mail.subject == "could not log in with *** was refused for etl"
    assert "ValueError: *** was refused for etl" in mail.text
    assert mail.facts["Said"] == "*** was refused for etl"


def test_airflows_masker_reaches_what_is_nested_deep_and_what_is_no_text(tell_all, told):
    from airflow.sdk.log import mask_secret

    tell_all()
    secret = "deep-0123456789"
    mask_secret(secret)
    nested: Any = secret
    for depth in range(9):
        nested = {f"level {depth}": [nested]}

    params = {"runbook_url": f"https://wiki.example.com/{secret}"}
    details = {"nested": nested, "error": RuntimeError(secret), "set": {secret}}
    CloudActNotifier(details=details)(context(params=params))

    (mail,) = told()
    assert secret not in mail.text
    assert "Open runbook: https://wiki.example.com/***" in mail.text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"postgresql://etl:{PASSWORD}@db:5432/warehouse", id="dsn"),
        pytest.param(f"Authorization: Bearer {PASSWORD}", id="bearer"),
        pytest.param(f"https://hooks.slack.com/services/T012/B345/{PASSWORD}", id="webhook"),
        pytest.param(f"connect(password={PASSWORD})", id="argument"),
        pytest.param(json.dumps({"api_key": PASSWORD}), id="json"),
    ],
)
def test_what_looks_like_a_secret_is_masked_wherever_it_stands(tell_all, told, smtp, text):
    tell_all()
    error = ValueError(text)
    error.__cause__ = RuntimeError(text)

    CloudActNotifier(title=text, message=text, details={"x": text})(
        context(exception=error, params={"runbook_url": f"https://wiki.example.com/?token={PASSWORD}"})
    )

    assert PASSWORD not in smtp.messages[0].raw.decode()
    (mail,) = told()
    assert "***" in mail.subject


def test_what_the_log_says_of_a_users_function_is_masked(tell_all, caplog):
    tell_all()

    def tenant(_: Any) -> str:
        raise ValueError(f"postgresql://etl:{PASSWORD}@db:5432/tenants")

    CloudActNotifier(tenant_id=tenant)(context())

    assert "told to the root instead" in caplog.text
    assert PASSWORD not in caplog.text


# Links


@pytest.mark.parametrize(
    ("arguments", "link"),
    [
        pytest.param({"params": {"runbook_url": WIKI}}, WIKI, id="param"),
        pytest.param(
            {"params": {"runbook_url": Param("https://wiki.example.com/p", type="string")}},
            "https://wiki.example.com/p",
            id="declared-param",
        ),
        pytest.param(
            {"doc_md": "# Ingest\nSee https://example.com\n[Runbook](https://wiki.example.com/d) and more"},
            "https://wiki.example.com/d",
            id="documentation",
        ),
        pytest.param(
            {
                "params": {"runbook_url": "https://wiki.example.com/p"},
                "doc_md": "Runbook: https://wiki.example.com/d",
            },
            "https://wiki.example.com/p",
            id="param-before-documentation",
        ),
        pytest.param({"doc_md": "See https://example.com"}, None, id="no-runbook"),
        pytest.param({"doc_md": "The runbook is on the shelf"}, None, id="no-link"),
        pytest.param({"params": {"runbook_url": "javascript:alert(1)"}}, None, id="no-web-page"),
        pytest.param({"params": {"runbook_url": 7}}, None, id="no-text"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["task", "dag"])
def test_the_runbook_is_a_param_or_a_link_in_the_documentation(
    tell_all, told, run_dag, run_dag_callbacks, arguments, link, level
):
    tell_all()
    dag = make_dag("documented", ValueError("no rows"), **arguments)
    if level == "dag":
        dag.task_dict["load"].on_failure_callback = []
        dag.on_failure_callback = on_failure

    run = run_dag(dag)
    if level == "dag":
        run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="load")

    (mail,) = told()
    links = [line for line in mail.text.splitlines() if line.startswith("Open runbook: ")]
    assert links == ([f"Open runbook: {link}"] if link else [])


def test_a_tasks_documentation_comes_before_its_dags(tell_all, told):
    tell_all()
    notes = {"task": "Runbook: https://wiki.example.com/t", "dag": "Runbook: https://wiki.example.com/d"}

    on_failure(context(**{name: SimpleNamespace(dag_id="d", doc_md=text) for name, text in notes.items()}))

    (mail,) = told()
    assert "Open runbook: https://wiki.example.com/t" in mail.text


@pytest.mark.parametrize("base_url", ["", "http://airflow.example:8080"], ids=["unset", "set"])
def test_links_that_lead_to_localhost_are_warned_of_once(tell_all, told, monkeypatch, caplog, base_url):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    tell_all()

    for run_id in ("one", "two"):
        on_failure(context(run_id=run_id))

    assert len(told()) == 2
    assert caplog.text.count("[api] base_url is not set") == (0 if base_url else 1)
