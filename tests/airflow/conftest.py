"""Airflow without a running Airflow: a real metadata database (SQLite), the real Execution API, the real callback code.

Tasks run by ``dag.test()``, what the DAG processor calls through the very function it runs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

HOME = Path(tempfile.mkdtemp(prefix="cloudact-notify-airflow-"))
(HOME / "dags").mkdir()
(HOME / "configs").mkdir()
# Airflow reads these when it is first imported, which the tests below this folder do.
os.environ.update(
    AIRFLOW_HOME=str(HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__API__BASE_URL="http://airflow.example:8080",
    # Airflow would write a key of its own into the first configuration file it makes, and not read it again.
    AIRFLOW__CORE__FERNET_KEY="",
)

from airflow_cloudact_notify.core.formats.text import WIDTH  # noqa: E402
from airflow_cloudact_notify.testing import SlackInbox, SmtpInbox  # noqa: E402
from tests.support import headline  # noqa: E402


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Airflow's and its libraries' warnings be warnings; our own stay errors."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("default"))
            item.add_marker(pytest.mark.filterwarnings("error:::airflow_cloudact_notify"))


@pytest.fixture(scope="session", autouse=True)
def database() -> None:
    """Create the metadata database once, and let the Execution API be built, which takes its first caller seconds."""
    from airflow.utils import db

    from airflow_cloudact_notify.bridge.variables import VariableStateStore

    db.initdb()
    with supervisor_comms():
        VariableStateStore().get("cloudact_notify:warm_up")


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    """Forget what a process reads of its settings once, before each test and after it."""
    from airflow_cloudact_notify.bridge import messages, metrics, settings, wiring

    read_once = (
        settings.read_settings,
        wiring.airflow_service,
        messages._base_url,
        messages._warn_of_missing_base_url,
        metrics._legacy_names_on,
    )
    for function in read_once:
        function.cache_clear()
    yield
    for function in read_once:
        function.cache_clear()


@pytest.fixture
def smtp() -> Iterator[SmtpInbox]:
    with SmtpInbox() as inbox:
        yield inbox


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackInbox]:
    with SlackInbox() as inbox:
        monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", inbox.host)
        yield inbox


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Return a function that writes a tenant's file, or the root's for ``None``; nothing is remembered after."""
    folder = tmp_path / "configs"
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH", str(folder))

    def write(tenant_id: str | None, **document: Any) -> None:
        file = folder / (f"{tenant_id}/notifications.json" if tenant_id else "notifications/config.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))

    yield write
    _delete_variables()


_NUMBERS = itertools.count(1)
NOT_DERIVED = ("pipeline_started", "pipeline_success", "pipeline_failure", "pipeline_warning")


@pytest.fixture
def tell_all(configs: Callable[..., None], smtp: SmtpInbox) -> Callable[..., None]:
    """Return a function that writes a tenant's file, or the root's, by which everything is mailed to ``<tenant>@…``.

    Without cooldowns, unless ``cooldown_seconds`` is given; events derived from a failure follow its trigger.
    """

    def write(tenant_id: str | None = None, cooldown_seconds: int = 0, **document: Any) -> None:
        email = {
            "enabled": True,
            "smtp_host": smtp.host,
            "smtp_port": smtp.port,
            "smtp_use_tls": False,
            "from_email": "airflow@example.com",
            "to_emails": [f"{tenant_id or 'root'}@example.com"],
        }
        triggers = [{"event": event, "cooldown_seconds": cooldown_seconds} for event in NOT_DERIVED]
        configs(tenant_id, **{"email": email, "event_triggers": triggers} | document)

    return write


@dataclass(frozen=True)
class Told:
    """A mail as its reader sees it."""

    to: tuple[str, ...]
    subject: str
    text: str

    @property
    def severity(self) -> str:
        label = self.text.partition(":")[0].lower()
        return {"success": "info", "ok": "info"}.get(label, label)

    @property
    def event(self) -> str:
        return self.text.rstrip().splitlines()[-1].partition(" ")[0]

    @property
    def facts(self) -> dict[str, str]:
        blocks = self.text.split("\n\n")
        first = next(b for b in blocks if b.startswith(("Tenant: ", "Pipeline: ", "Task: ", "Run: ")))
        links = next((place for place, b in enumerate(blocks) if b.startswith("Open ")), len(blocks))
        minor = [b for b in blocks[links + 1 :] if not b.startswith("--")]
        return dict(line.split(": ", 1) for b in (first, *minor) for line in b.splitlines())


@pytest.fixture
def told(smtp: SmtpInbox) -> Callable[[], list[Told]]:
    """Return a function that returns what has been mailed."""

    def read() -> list[Told]:
        return [
            Told(
                m.recipients,
                headline(m),
                _unbroken(m.mail.get_body(("plain",)).get_content().replace("\r\n", "\n")),
            )
            for m in smtp.messages
        ]

    return read


def _unbroken(text: str) -> str:
    """Return a mail's text with the lines that were broken at 78 columns made whole."""
    lines = [""]
    for line in text.split("\n"):
        word = line.partition(" ")[0]
        if word not in ("", "Open") and len(lines[-1].rpartition("\n")[2]) + 1 + len(word) > WIDTH:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(lines[1:])


def _delete_variables() -> None:
    from airflow_cloudact_notify.bridge.variables import VariableStateStore

    store = VariableStateStore()
    for key in store.keys("cloudact_notify:"):
        store.delete(key)


@pytest.fixture
def cooldown_keys() -> Callable[[], list[str]]:
    """Return a function that lists the cooldown rows in the database."""
    from airflow_cloudact_notify.bridge.variables import VariableStateStore

    return lambda: sorted(VariableStateStore().keys("cloudact_notify:cooldown:"))


@pytest.fixture
def add_connection() -> Iterator[Callable[..., None]]:
    """Return a function that adds a connection to the database; all are removed after the test."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    added: list[str] = []

    def add(conn_id: str, **fields: Any) -> None:
        with create_session() as session:
            session.add(Connection(conn_id=conn_id, **fields))
        added.append(conn_id)

    yield add
    with create_session() as session:
        for connection in session.query(Connection).filter(Connection.conn_id.in_(added)):
            session.delete(connection)


def register(dag: Any) -> Any:
    """Make a DAG known to the database, as the DAG processor does, and return the bag that holds it."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(os.devnull)
    dag.relative_fileloc = "inline.py"
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return bag


@pytest.fixture
def run_dag() -> Callable[..., Any]:
    """Return a function that runs a DAG's tasks and their callbacks, and returns the DAG run."""

    def run(dag: Any, conf: dict[str, Any] | None = None, **how: Any) -> Any:
        # What the DAG level would do belongs to another process; see run_dag_callbacks.
        on_failure, on_success = dag.on_failure_callback, dag.on_success_callback
        dag.on_failure_callback = dag.on_success_callback = None
        register(dag)
        try:
            return dag.test(run_conf=conf, **how)
        finally:
            dag.on_failure_callback, dag.on_success_callback = on_failure, on_success

    return run


@contextlib.contextmanager
def supervisor_comms() -> Iterator[None]:
    """Give this process what a DAG-processor child has: a supervisor that answers for the Execution API."""
    import psutil
    import structlog
    import uuid6
    from airflow.sdk.execution_time.supervisor import (
        InProcessSupervisorComms,
        InProcessTestSupervisor,
        set_supervisor_comms,
    )

    supervisor = InProcessTestSupervisor(
        id=uuid6.uuid7(),
        pid=os.getpid(),
        process=psutil.Process(),
        process_log=structlog.get_logger("test"),
        client=InProcessTestSupervisor._api_client(),
    )
    supervisor.comms = InProcessSupervisorComms(supervisor=supervisor)
    with set_supervisor_comms(supervisor.comms):
        yield


@pytest.fixture
def supervised() -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Return a context manager: what runs in it runs as in a task or a callback."""
    return supervisor_comms


@pytest.fixture
def make_run() -> Callable[..., Any]:
    """Return a function that makes a DAG run and its task instances, of which nothing has run, and returns its id."""
    from airflow.sdk.definitions.dag import DAG
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    def make(dag: DAG, run_type: str = "manual", *, dated: bool = False, **fields: Any) -> str:
        register(dag)
        number = next(_NUMBERS)
        run_id = f"{run_type}__{number}"
        if dated:
            date = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
            fields |= {"logical_date": date, "data_interval": (date, date)}
        with create_session() as session:
            run = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag)).create_dagrun(
                run_id=run_id,
                run_after=datetime(2026, 1, 1, tzinfo=UTC),
                run_type=DagRunType(run_type),
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.RUNNING,
                session=session,
                **fields,
            )
            run.start_date = datetime(2026, 1, 1, tzinfo=UTC)
        return run_id

    return make


@pytest.fixture
def set_state() -> Callable[..., None]:
    """Return a function that writes to the database what became of a task instance."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    def write(dag: Any, run_id: str, task_id: str, **columns: Any) -> None:
        with create_session() as session:
            session.query(TaskInstance).filter_by(dag_id=dag.dag_id, run_id=run_id, task_id=task_id).update(
                columns
            )

    return write


@pytest.fixture
def run_task_callbacks() -> Callable[..., None]:
    """Return a function that runs a task's callbacks in the DAG processor: the scheduler has lost the task."""
    import structlog
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun as DagRunData
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import TIRunContext
    from airflow.callbacks.callback_requests import TaskCallbackRequest
    from airflow.dag_processing.processor import _execute_callbacks
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    def run(dag: Any, run_id: str, task_id: str, *, retry: bool = False, map_index: int = -1) -> None:
        bag = register(dag)
        with create_session() as session:
            ti = (
                session.query(TaskInstance)
                .filter_by(dag_id=dag.dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
                .one()
            )
            # As the scheduler makes it of a task instance whose heartbeat has stopped.
            request = TaskCallbackRequest(
                filepath=ti.dag_model.relative_fileloc or "",
                bundle_name=ti.dag_version.bundle_name,
                bundle_version=None,
                ti=ti,
                msg="heartbeat timeout",
                task_callback_type=TaskInstanceState.UP_FOR_RETRY if retry else TaskInstanceState.FAILED,
                context_from_server=TIRunContext(
                    dag_run=DagRunData.model_validate(ti.dag_run, from_attributes=True),
                    max_tries=ti.max_tries,
                    variables=[],
                    connections=[],
                    xcom_keys_to_clear=[],
                ),
            )
            request = TaskCallbackRequest.from_json(request.to_json())
        with supervisor_comms():
            _execute_callbacks(bag, [request], structlog.get_logger("test"))

    return run


@pytest.fixture
def run_dag_callbacks() -> Callable[..., None]:
    """Return a function that runs a DAG's own callbacks for a run, as the DAG processor does."""
    import structlog
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.dag_processing.processor import _execute_callbacks
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    def run(dag: Any, run_id: str, *, success: bool, reason: str, last_task: str | None = None) -> None:
        bag = register(dag)
        with create_session() as session:
            dag_run = session.scalars(
                select(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id)
            ).one()
            ti = next(
                (t for t in dag_run.get_task_instances(session=session) if t.task_id == last_task), None
            )
            request = dag_run.produce_dag_callback(
                dag=None, success=success, relevant_ti=ti, reason=reason, execute=False
            )
            request = DagCallbackRequest.from_json(request.to_json())
        with supervisor_comms():
            _execute_callbacks(bag, [request], structlog.get_logger("test"))

    return run
