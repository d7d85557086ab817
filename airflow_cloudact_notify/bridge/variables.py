"""Airflow Variables as the state store: the only one that tasks, DAG processor and triggerer share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow_cloudact_notify.bridge.process import is_supervised
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.masking import mask

T = TypeVar("T")


class VariableStateStore:
    """Keeps each row in a Variable of its own.

    Under a supervisor (in tasks, callbacks and the triggerer) through the Task SDK, elsewhere (the command line)
    through Airflow's model.
    """

    settle_seconds = 0.12

    def get(self, key: str) -> str | None:
        return _translated(f"read {key}", lambda: _variables().get(key))

    def put(self, key: str, value: str) -> None:
        _translated(f"write {key}", lambda: _variables().put(key, value))

    def delete(self, key: str) -> None:
        _translated(f"delete {key}", lambda: _variables().delete(key))

    def keys(self, prefix: str) -> list[str]:
        return _translated(f"list {prefix}*", lambda: _variables().keys(prefix))


class _SdkVariables:
    """``default`` is always ``None``: Airflow adds any other to what its log masks."""

    def get(self, key: str) -> str | None:
        from airflow.sdk import Variable

        value: str | None = Variable.get(key, default=None)
        return value

    def put(self, key: str, value: str) -> None:
        from airflow.sdk import Variable

        Variable.set(key, value)

    def delete(self, key: str) -> None:
        from airflow.sdk import Variable

        Variable.delete(key)

    def keys(self, prefix: str) -> list[str]:
        from airflow.sdk import Variable

        return list(Variable.keys(prefix=prefix))


class _ModelVariables:
    def get(self, key: str) -> str | None:
        from airflow.models.variable import Variable

        value: str | None = Variable.get(key, default_var=None)
        return value

    def put(self, key: str, value: str) -> None:
        from airflow.models.variable import Variable

        Variable.set(key, value)

    def delete(self, key: str) -> None:
        from airflow.models.variable import Variable

        Variable.delete(key)

    def keys(self, prefix: str) -> list[str]:
        from airflow.models.variable import Variable
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            query = select(Variable.key).where(Variable.key.startswith(prefix, autoescape=True))
            return list(session.scalars(query))


def _variables() -> _SdkVariables | _ModelVariables:
    return _SdkVariables() if is_supervised() else _ModelVariables()


def _translated(operation: str, function: Callable[[], T]) -> T:
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - whatever the database, the API server or a secrets backend raises
        why = str(error).partition("\n[SQL: ")[0]  # SQLAlchemy appends the statement and its values
        raise StateUnavailable(operation, f"{type(error).__name__}: {mask(why)[:200]}") from None
