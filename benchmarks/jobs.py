"""What is measured, each in a fresh process: functions that return what it took. Times are in milliseconds."""

from __future__ import annotations

import gc
import importlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import CONTENDERS, context_of, of_run
from benchmarks.servers import LOOPBACK
from benchmarks.supervisor import Supervisor


def _milliseconds(since: float) -> float:
    return (time.perf_counter() - since) * 1000


def import_of(module: str, name: str) -> dict[str, float]:
    """Import a name from a module, as a DAG file does; it is not the first thing that is imported there."""
    importlib.import_module("colorsys")
    began = time.perf_counter()
    getattr(importlib.import_module(module), name)
    return {"ms": _milliseconds(began)}


def first(who: str, place: str, state: bool = False) -> dict[str, float]:
    """Tell once in a process that never has; ``callback`` is without what the DAG file had imported before."""
    supervisor = Supervisor().install()
    context = context_of()
    further = {"tenant": "claimed", "state": True} if state else {}
    began = time.perf_counter()
    tell = CONTENDERS[who](place, **further)
    parsed = time.perf_counter()
    tell(context)
    calls = sum(supervisor.calls.values())
    return {"all": _milliseconds(began), "callback": _milliseconds(parsed), "calls": calls}


def many(who: str, place: str, count: int) -> dict[str, float]:
    """Tell ``count`` times in one process; per notification, ``waited`` being what the supervisor took of it."""
    supervisor = Supervisor().install()
    contexts = [context_of(run) for run in range(count)]
    tell = CONTENDERS[who](place)
    began = time.perf_counter()
    for context in contexts:
        tell(context)
    return {"ms": _milliseconds(began) / count, "waited": supervisor.seconds * 1000 / count}


def delayed(who: str) -> dict[str, float]:
    """Tell servers that take 300 ms each, in a process that has told before."""
    Supervisor().install()
    context = context_of()
    CONTENDERS[who]("usual")(context)
    tell = CONTENDERS[who]("slow")
    began = time.perf_counter()
    tell(context)
    return {"ms": _milliseconds(began)}


def troubled(who: str, place: str, only: str | None = None) -> float:
    """Tell servers in trouble, in seconds.

    :param only: ``chat`` or ``mail`` leaves the other of the official pair out.
    """
    Supervisor().install()
    context = context_of()
    tell = _one_of_the_pair(only, place) if only else CONTENDERS[who](place)
    began = time.perf_counter()
    tell(context)
    return time.perf_counter() - began


def _one_of_the_pair(only: str, place: str) -> Callable[[Any], None]:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    notifier: Any = (
        SlackWebhookNotifier(slack_webhook_conn_id=f"slack_{place}", text="hello")
        if only == "chat"
        else SmtpNotifier(
            smtp_conn_id=f"smtp_{place}", to="a@example.com", subject="hello", html_content="hello"
        )
    )

    def tell(context: Any) -> None:
        try:
            notifier(context)
        except Exception:  # noqa: BLE001 - Airflow logs it
            return

    return tell


def memory(who: str, place: str) -> dict[str, float]:
    """Tell once; the most memory that the process had more of meanwhile, in MB."""
    Supervisor().install()
    context = context_of()
    gc.collect()
    before = _status("VmRSS")
    CONTENDERS[who](place)(context)
    return {"mb": (_status("VmHWM") - before) / 1024}


def _status(name: str) -> int:
    """Return a figure that Linux knows of this process, in kB. A fork's high-water mark begins anew."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def parse(file: str) -> dict[str, float]:
    """Parse a DAG file as the DAG processor does, which does each in a process of its own."""
    from airflow.dag_processing.dagbag import DagBag

    began = time.perf_counter()
    bag = DagBag(file)
    took = _milliseconds(began)
    assert not bag.import_errors, bag.import_errors
    assert len(bag.dags) == 1
    return {"ms": took}


def quiet(occasion: str, count: int) -> dict[str, float]:
    """Do not tell ``count`` times; ``calls`` is how often each asked the supervisor.

    ``own`` is our own time for each: without Airflow's Variables, their code in this process included.

    :param occasion: ``suppressed`` by a cooldown, or ``off``: an INFO event that is switched off.
    """
    supervisor = Supervisor(call_seconds=0.0).install()
    from airflow_cloudact_notify import CloudActNotifier

    CloudActNotifier(tenant_id="claimed", lifecycle="failure")(context_of())
    tell = CloudActNotifier(
        tenant_id="claimed", lifecycle="failure" if occasion == "suppressed" else "success"
    )
    contexts = [context_of(run) for run in range(2, 2 + count + 1)]
    tell(contexts.pop())
    supervisor.calls.clear()
    in_variables = _time_in_variables()
    began = time.perf_counter()
    for context in contexts:
        tell(context)
    own = _milliseconds(began) - sum(in_variables)
    return {"own": own / count, "calls": sum(supervisor.calls.values()) / count}


def _time_in_variables() -> list[float]:
    """Return what will hold the time of each call of Airflow's Variables from now on."""
    from airflow.sdk import Variable

    times: list[float] = []

    def timed(call: Callable[..., Any]) -> Any:
        def instead(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                times.append(_milliseconds(began))

        return staticmethod(instead)

    Variable.get, Variable.set = timed(Variable.get), timed(Variable.set)
    return times


def calls() -> dict[str, dict[str, int]]:
    """Walk every path of a notification, and count what each asks of the supervisor."""
    supervisor = Supervisor(call_seconds=0.0).install()
    from airflow_cloudact_notify import CloudActNotifier

    def asked(lifecycle: str, context: dict[str, Any]) -> dict[str, int]:
        supervisor.calls.clear()
        CloudActNotifier(tenant_id="claimed", lifecycle=lifecycle)(context)
        return dict(supervisor.calls)

    return {
        "a start (INFO, no cooldown)": asked("execute", context_of(1)),
        "a task's success that is off": asked("success", context_of(1)),
        "a failure, first of its incident": asked("failure", context_of(1)),
        "the same try again": asked("failure", context_of(1)),
        "a further failure, held back by the cooldown": asked("failure", context_of(2)),
        "a run's failure that a task has told of": asked("failure", of_run(context_of(1), "task_failure")),
        "a retry": asked("retry", context_of(3)),
        "a run's success that ends the incident": asked("success", of_run(context_of(4), "success")),
        "a run's success, nothing broken": asked("success", of_run(context_of(5), "success")),
    }


def lookup(folder: str, tenants: int, count: int) -> dict[str, float]:
    """Look up the configurations of ``count`` tenants of many that nobody has asked for yet; for each, in ms."""
    from airflow_cloudact_notify.core.config_store import ConfigStore

    store = ConfigStore(folder, allowed_webhook_hosts=frozenset({LOOPBACK}))
    store.resolve("tenant_0")
    names = [f"tenant_{number}" for number in range(1, tenants, max(1, tenants // count))][:count]
    began = time.perf_counter()
    for name in names:
        assert store.resolve(name).providers
    return {"ms": _milliseconds(began) / len(names)}


def validate(folder: str, tenants: int) -> dict[str, float]:
    """Do what ``cloudact-notify validate`` does with every tenant's file and the root's, in seconds."""
    from airflow_cloudact_notify.core.checkup import Checkup

    began = time.perf_counter()
    checkup = Checkup(Path(folder), allowed_webhook_hosts=frozenset({LOOPBACK}))
    files = list(checkup.files())
    mistakes = [found for file in files for found in checkup.findings(file) if not found.is_warning]
    took = time.perf_counter() - began
    assert not mistakes, mistakes[0]
    assert len(files) == tenants + 1
    return {"s": took}
