"""A real Airflow on SQLite for one demo or test: scheduler, DAG processor, API server and triggerer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
import requests

T = TypeVar("T")

FINAL_STATES = frozenset({"success", "failed"})
WRITES = 3
"""How often a change is tried: SQLite refuses one that meets another."""

# A background job ignores SIGINT and so would its children: Airflow shall hear it all the same.
_AIRFLOW = """\
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv[0] = "airflow"
runpy.run_module("airflow", run_name="__main__")
"""


class AirflowTrouble(RuntimeError):
    """Airflow ended, or did not do something in time; the text holds the last lines it printed."""


class StandaloneAirflow:
    """Runs ``airflow standalone`` in a folder of its own, in a process group of its own, on free ports.

    As a context manager it starts on entry, waits until every component is healthy, and stops on exit.

    :param home: becomes AIRFLOW_HOME: database, logs, and ``airflow.log`` with what Airflow prints.
    :param dags: the folder of DAG files.
    :param env: further environment variables of Airflow's processes. Those of this process are passed on too,
        except ``AIRFLOW*``, which may belong to another installation.
    :param say: takes a line about progress.
    """

    def __init__(
        self, home: Path, dags: Path, env: Mapping[str, str], say: Callable[[str], Any] = print
    ) -> None:
        self.home = home
        self.output = home / "airflow.log"
        api, worker_logs, trigger_logs = free_ports(3)
        self.url = f"http://127.0.0.1:{api}"
        self._env = {
            **_surroundings(),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(api),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            # A failed task's state is written up to one such interval after its callbacks.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            **env,
        }
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._restarted: list[subprocess.Popen[bytes]] = []
        self._http = requests.Session()
        self._http.trust_env = False

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start all components; returns at once."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.output.write_bytes(b"")
        self._process = self._run("standalone")
        self._say(f"starting Airflow, {self.url} (its output: {self.output})")

    def wait_until_healthy(self, timeout: float = 150) -> None:
        """Wait until the metadata database and the four components report that they are well."""

        def healthy() -> bool:
            parts = self.get("/api/v2/monitor/health") or {}
            return bool(parts) and all(part.get("status") == "healthy" for part in parts.values())

        self.wait_for("every component to be healthy", healthy, timeout)
        self._say("Airflow is healthy: " + ", ".join(self.get("/api/v2/monitor/health") or ()))

    def wait_for_dag(self, dag_id: str, timeout: float = 90) -> None:
        """Wait until the DAG processor has read a DAG; a file that cannot be imported ends the wait."""

        def known() -> bool:
            if self.get(f"/api/v2/dags/{dag_id}") is not None:
                return True
            broken = (self.get("/api/v2/importErrors") or {}).get("import_errors")
            if broken:
                raise AirflowTrouble("\n".join(f"{b['filename']}\n{b['stack_trace']}" for b in broken))
            return False

        self.wait_for(f"DAG {dag_id} to be read", known, timeout)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a DAG run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self._change("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)

    def mark_failed(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Do what a person does who marks a task instance as failed in the user interface."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self._change("PATCH", path, {"new_state": "failed"})

    def wait_for_run(self, dag_id: str, run_id: str, timeout: float = 120) -> str:
        """Wait until a DAG run has ended and return its state; its callbacks may still be to come."""

        def ended() -> str | None:
            run = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}") or {}
            return run["state"] if run.get("state") in FINAL_STATES else None

        return self.wait_for(f"run {run_id} of {dag_id} to end", ended, timeout)

    def variables(self, prefix: str) -> dict[str, str]:
        """Return the Airflow Variables whose key begins with ``prefix``."""
        rows: list[dict[str, str]] = []
        while page := (self.get(f"/api/v2/variables?limit=100&offset={len(rows)}") or {}).get("variables"):
            rows += page
        return {row["key"]: row["value"] for row in rows if row["key"].startswith(prefix)}

    def get(self, path: str) -> Any:
        """Return the JSON at a path of the REST API, ``None`` while there is none."""
        try:
            answer = self._http.get(self.url + path, timeout=10)
        except requests.RequestException:
            return None
        return answer.json() if answer.ok else None

    def api_server(self) -> list[int]:
        """Return the ids of the API server's processes."""
        found = (p for p in self._family() if p.status() != psutil.STATUS_ZOMBIE)
        return [p.pid for p in found if "api_server" in " ".join(p.cmdline())]

    def restart_api_server(self) -> None:
        """Start the API server, which must have ended, once more; returns at once."""
        self._restarted.append(self._run("api-server"))

    def set_variable(self, key: str, value: str) -> None:
        """Add an Airflow Variable."""
        self._change("POST", "/api/v2/variables", {"key": key, "value": value})

    def delete_variable(self, key: str) -> None:
        """Delete an Airflow Variable."""
        self._change("DELETE", f"/api/v2/variables/{key}", {})

    def wait_for(self, what: str, look: Callable[[], T | None], timeout: float) -> T:
        """Call ``look`` until it returns something true, and return that.

        :param what: for the message when it does not.
        :raises AirflowTrouble: after ``timeout`` seconds, or when Airflow has ended.
        """
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if self._process is None or self._process.poll() is not None:
                raise AirflowTrouble(f"Airflow ended while waiting for {what}{self._last_lines()}")
            if found := look():
                return found
            time.sleep(0.5)
        raise AirflowTrouble(f"waited {timeout:.0f} s for {what}{self._last_lines()}")

    def stop(self) -> None:
        """End all components: SIGINT first, which lets them end in order, then by force what is left of them."""
        if self._process is None:
            return
        self._say("stopping Airflow")
        family = self._family()
        # On SIGTERM, `airflow standalone` would leave its components running.
        for process in (self._process, *self._restarted):
            process.send_signal(signal.SIGINT)
        _, left = psutil.wait_procs(family, timeout=20)
        for process in left:
            self._say(f"ending process {process.pid} by force")
            process.kill()
        psutil.wait_procs(left, timeout=5)
        for process in (self._process, *self._restarted):
            process.wait(timeout=5)
        self._process = None
        self._restarted = []

    def _run(self, command: str) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-c", _AIRFLOW, command],
                cwd=self.home,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _family(self) -> list[psutil.Process]:
        family = []
        for process in (self._process, *self._restarted):
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = psutil.Process(process.pid) if process else None
                family += [parent, *parent.children(recursive=True)] if parent else []
        return family

    def _change(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        for _ in range(WRITES):
            answer = self._http.request(method, self.url + path, json=body, timeout=30)
            if answer.status_code < 500:
                break
            time.sleep(1)
        if not answer.ok:
            raise AirflowTrouble(f"{method} {path} was refused: {answer.status_code} {answer.text}")

    def _last_lines(self) -> str:
        lines = self.output.read_text(errors="replace").splitlines()[-40:]
        return "\n".join([f"; the end of {self.output}:", *lines])


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _surroundings() -> dict[str, str]:
    """Return this process's environment without another Airflow's settings and without a proxy for loopback."""
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith("AIRFLOW")}
    # Airflow starts its components as `airflow …`: the one of this environment.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    env["NO_PROXY"] = env["no_proxy"] = "127.0.0.1,localhost"
    return env
