"""The state store over Airflow Variables, under a supervisor and on the command line."""

from __future__ import annotations

import pytest

from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.errors import StateUnavailable

KEY = "cloudact_notify:cooldown:acme:pipeline_failure:daily.ingest"


@pytest.fixture(params=["supervised", "command-line"])
def store(request, supervised):
    if request.param == "supervised":
        with supervised():
            yield VariableStateStore()
    else:
        yield VariableStateStore()


def test_rows_are_kept_listed_and_deleted(store):
    store.put(KEY, '{"v": 1}')
    assert store.get(KEY) == '{"v": 1}'
    assert store.keys("cloudact_notify:cooldown:acme") == [KEY]
    assert store.keys("cloudact_notify:cooldown:other") == []

    store.put(KEY, '{"v": 2}')
    assert store.get(KEY) == '{"v": 2}'

    store.delete(KEY)
    assert store.get(KEY) is None
    assert store.keys("cloudact_notify:") == []


def test_deleting_what_is_not_there_is_no_error(store):
    store.delete(KEY)

    assert store.get(KEY) is None


def test_what_one_process_kind_writes_the_other_reads(supervised):
    with supervised():
        VariableStateStore().put(KEY, "told")

    assert VariableStateStore().get(KEY) == "told"
    VariableStateStore().delete(KEY)


def test_a_database_that_fails_is_told_in_one_way(monkeypatch):
    from airflow.models.variable import Variable

    def fail(*_args, **_kwargs):
        raise ConnectionError("no route to postgres://airflow:hunter2@db/airflow")

    monkeypatch.setattr(Variable, "get", fail)

    with pytest.raises(StateUnavailable) as caught:
        VariableStateStore().get(KEY)

    assert caught.value.operation == f"read {KEY}"
    assert "hunter2" not in str(caught.value)


def test_a_row_is_not_quoted_when_the_database_refuses_it(monkeypatch):
    from airflow.models.variable import Variable
    from sqlalchemy.exc import OperationalError

    def fail(*_args, **_kwargs):
        raise OperationalError("INSERT", {"val": "a whole message"}, Exception("database is locked"))

    monkeypatch.setattr(Variable, "set", fail)

    with pytest.raises(StateUnavailable, match=r"database is locked$") as caught:
        VariableStateStore().put(KEY, "a whole message")

    assert "a whole message" not in str(caught.value)


@pytest.mark.parametrize("before", range(100, 200, 7))
def test_a_secret_in_a_long_error_is_masked_wherever_it_stands(before, monkeypatch):
    from airflow.models.variable import Variable

    def fail(*_args, **_kwargs):
        raise ConnectionError("x" * before + " postgresql://airflow:hunter2hunter2hunter2@db/airflow")

    monkeypatch.setattr(Variable, "get", fail)

    with pytest.raises(StateUnavailable) as caught:
        VariableStateStore().get(KEY)

    assert "hunter2" not in str(caught.value)
