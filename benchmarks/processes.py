"""Fresh processes that have what a task's process has: forks of one that has imported it, as Airflow's own are.

A job is a function of ``benchmarks.jobs``: it runs in a fork of its own, and what it returns comes back as JSON.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

LONGEST = 600.0
"""Seconds a job may take before the benchmark gives up."""


class TaskProcesses:
    """Starts jobs, each in a process of its own; several may run at once.

    :param also: modules that have been imported, too.
    """

    def __init__(self, env: Mapping[str, str], also: Sequence[str] = ()) -> None:
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.processes", *also],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def start(self, job: str, **arguments: Any) -> Future[Any]:
        """Start a job and return what will be its result."""
        number, future = next(self._numbers), Future[Any]()
        self._waiting[number] = future
        assert self._process.stdin
        print(json.dumps([number, job, arguments]), file=self._process.stdin, flush=True)
        return future

    def run(self, job: str, **arguments: Any) -> Any:
        """Run a job and return its result."""
        return self.start(job, **arguments).result(LONGEST)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            # Airflow may print something of its own.
            if line.startswith("result "):
                number, result, error = json.loads(line.removeprefix("result "))
                future = self._waiting.pop(number)
                if error:
                    future.set_exception(RuntimeError(error))
                else:
                    future.set_result(result)
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the task processes have gone"))


def _import_what_a_task_has() -> None:
    """Import what has been imported in a task's process when Airflow comes to the DAG file."""
    import asyncio
    import concurrent.futures
    import ssl

    import airflow.sdk
    import airflow.sdk.execution_time.supervisor
    import airflow.sdk.execution_time.task_runner
    import httpx
    import jinja2
    import pydantic
    import tenacity

    import benchmarks.jobs

    for module in (asyncio, concurrent.futures, ssl, airflow, httpx, jinja2, pydantic, tenacity, benchmarks):
        assert module


def _serve() -> None:
    _import_what_a_task_has()
    for name in sys.argv[1:]:
        importlib.import_module(name)
    # As Airflow's executors do before they fork, so that collecting garbage does not copy the parent's memory.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            _work(*json.loads(line))


def _work(number: int, job: str, arguments: dict[str, Any]) -> None:
    """Do a job in this process, which is a fork made for it, and end."""
    from benchmarks import jobs

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "client"
    try:
        answer = [number, getattr(jobs, job)(**arguments), ""]
    except BaseException as error:  # noqa: BLE001 - the fork must end here
        answer = [number, None, f"{job}({arguments}): {type(error).__name__}: {error}"]
    os.write(1, f"result {json.dumps(answer)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve()
