"""A metadata database of Airflow's for one load test, without a running Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

URL = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


@contextmanager
def metadata_database() -> Iterator[Path]:
    """Make a folder with a database that this process and its children use; both are gone afterwards.

    The database is SQLite's, or a new one on the PostgreSQL server that ``TEST_POSTGRES`` names (an SQLAlchemy URL of
    a database that may be connected to).
    """
    with tempfile.TemporaryDirectory(prefix="cloudact-notify-load-") as folder, _url(folder) as url:
        os.environ |= {"AIRFLOW_HOME": folder, URL: url, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        # In a process of its own: children must not inherit an open connection.
        command = [sys.executable, "-c", "from airflow.utils import db; db.initdb()"]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise SystemExit(f"the metadata database could not be made: {made.stderr[-2000:]}")
        yield Path(folder)


def database_name() -> str:
    """Return the dialect of the database, as a person calls it."""
    return os.environ[URL].partition(":")[0].partition("+")[0]


@contextmanager
def _url(folder: str) -> Iterator[str]:
    server = os.environ.get("TEST_POSTGRES")
    if not server:
        yield f"sqlite:///{folder}/airflow.db"
        return
    from sqlalchemy import create_engine, make_url, text

    name = f"cloudact_notify_load_{uuid.uuid4().hex[:12]}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()
