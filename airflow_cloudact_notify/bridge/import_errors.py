"""Airflow's import errors, each with the tenant its file belongs to. Reads the metadata database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from airflow_cloudact_notify.bridge.settings import Settings, read_settings
from airflow_cloudact_notify.bridge.tenants import tenant_of
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.import_errors import ImportProblem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Dag:
    """What ``tenant_of`` looks at of a DAG."""

    dag_id: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Error:
    """One of Airflow's import errors; ``dags`` are those that the file held when it could last be imported."""

    bundle: str
    file: str
    text: str
    dags: list[_Dag]


def import_problems(configs: ConfigStore) -> list[ImportProblem]:
    """Return what Airflow says of the files that it cannot import now.

    :raises StateUnavailable: when the metadata database does not answer.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        errors = list(_errors())
    except SQLAlchemyError as error:
        raise StateUnavailable("read the import errors", type(error).__name__) from None
    settings = read_settings()
    return [
        ImportProblem(
            f"{error.bundle}/{error.file}" if error.bundle else error.file,
            _tenant(error, configs, settings),
            error.text,
        )
        for error in errors
    ]


def _errors() -> Iterator[_Error]:
    from airflow.models.dag import DagModel
    from airflow.models.errors import ParseImportError
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        for error in session.scalars(select(ParseImportError).order_by(ParseImportError.id)):
            held = select(DagModel).where(
                DagModel.bundle_name == error.bundle_name, DagModel.relative_fileloc == error.filename
            )
            dags = [_Dag(dag.dag_id, tuple(tag.name for tag in dag.tags)) for dag in session.scalars(held)]
            yield _Error(error.bundle_name or "", error.filename or "", error.stacktrace or "", dags)


def _tenant(error: _Error, configs: ConfigStore, settings: Settings) -> str | None:
    """Return the tenant of the file's DAGs if it is one, else of a folder it is in, else ``default_tenant``."""
    tenants = {_tenant_of(dag, replace(settings, default_tenant=None)) for dag in error.dags} - {None}
    if len(tenants) == 1:
        return tenants.pop()
    if tenants:
        return None  # several tenants': the platform's people see to it
    folders = [*PurePosixPath(error.file).parts[:-1], error.bundle]
    named = next((folder for folder in folders if configs.is_tenant(folder)), None)
    return named or settings.default_tenant


def _tenant_of(dag: _Dag, settings: Settings) -> str | None:
    try:
        return tenant_of({"dag": dag}, None, settings)
    except Exception as error:  # noqa: BLE001 - tenant_from may be anybody's function
        log.warning("whose %s is cannot be said: %s", dag.dag_id, type(error).__name__)
        return None
