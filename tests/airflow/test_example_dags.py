"""Every example DAG is run, and tells what it says it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from tests.support import headline

EXAMPLES = Path(__file__).parents[2] / "example_dags"

STATE_AND_SUBJECTS = {
    "example_data_quality": ("failed", {"2 checks failed on raw_customer_data"}),
    # What a missed deadline tells is tested in test_deadlines.py.
    "example_deadline_alert": ("success", set()),
    "example_default_args_callbacks": ("success", set()),
    "example_maintenance": ("success", set()),
    "example_notify_operator": ("success", {"42 late rows in raw_orders"}),
    "example_task_and_dag_callbacks": (
        "success",
        {"Task example_task_and_dag_callbacks.import_orders started"},
    ),
}


def load(name: str) -> DAG:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(EXAMPLES / f"{name}.py"))
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    return dag


def files() -> list[str]:
    return sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture
def everything_to_smtp(configs: Any, smtp: Any) -> Any:
    """Route all events of every tenant to one inbox."""
    configs(
        None,
        email={
            "enabled": True,
            "smtp_host": smtp.host,
            "smtp_port": smtp.port,
            "smtp_use_tls": False,
            "from_email": "airflow@example.com",
            "to_emails": ["root@example.com"],
        },
        event_triggers=[{"event": "pipeline_started"}, {"event": "pipeline_success"}],
    )
    return smtp


@pytest.mark.parametrize("name", files())
def test_an_example_runs_and_tells(name, everything_to_smtp, run_dag):
    state, subjects = STATE_AND_SUBJECTS[name]
    dag = load(name)
    # Airflow cannot test a DAG that has one.
    dag.deadline = None

    run = run_dag(dag)

    assert str(run.state) == state
    assert {headline(m) for m in everything_to_smtp.messages} == subjects


def test_the_examples_failure_callbacks_tell_both_audiences(everything_to_smtp, run_dag):
    dag = load("example_task_and_dag_callbacks")
    dag.get_task("import_orders").python_callable = lambda: 0

    run = run_dag(dag)

    assert str(run.state) == "failed"
    subjects = [headline(m) for m in everything_to_smtp.messages]
    assert "Task example_task_and_dag_callbacks.book_invoices failed" in subjects
    assert "example_task_and_dag_callbacks: the invoices could not be booked" in subjects
