"""The cluster policy, called by Airflow's own parsing: what it attaches, where, and what it leaves alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.policies import hookimpl
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, Param, PokeReturnValue, TaskGroup, setup, task, teardown
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.serialization.serialized_objects import DagSerialization
from airflow.settings import get_policy_plugin_manager

from airflow_cloudact_notify import CloudActNotifier, on_execute, on_failure, on_success
from airflow_cloudact_notify.plugins.policy import Attached, attached_words
from tests.support import headline

DAG_WORDS = {
    "dag.failure": ("on_failure_callback", "failure"),
    "dag.success": ("on_success_callback", "success"),
}
TASK_WORDS = {
    "task.started": ("on_execute_callback", "execute"),
    "task.success": ("on_success_callback", "success"),
    "task.failure": ("on_failure_callback", "failure"),
    "task.retry": ("on_retry_callback", "retry"),
    "task.skipped": ("on_skipped_callback", "skipped"),
}
OF_DAGS = ("on_failure_callback", "on_success_callback")
OF_TASKS = tuple(attribute for attribute, _ in TASK_WORDS.values())

Attach = Callable[[str], None]


@pytest.fixture
def attach(monkeypatch: pytest.MonkeyPatch) -> Iterator[Attach]:
    """Return a function that sets ``[cloudact_notify] attach``."""

    def option(words: str) -> None:
        monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ATTACH", words)
        attached_words.cache_clear()

    attached_words.cache_clear()
    yield option
    attached_words.cache_clear()


@pytest.fixture
def other_policy() -> Iterator[Callable[[Any], None]]:
    """Return a function that makes an object the policies of this Airflow's people."""
    manager = get_policy_plugin_manager()
    added = []

    def add(policies: Any) -> None:
        manager.register(policies)
        added.append(policies)

    yield add
    for policies in added:
        manager.unregister(policies)


@pytest.fixture
def root_mailbox(configs: Callable[..., None], smtp: Any) -> Any:
    """Route all events to one inbox, none of them held back by a cooldown."""
    section = {
        "enabled": True,
        "smtp_host": smtp.host,
        "smtp_port": smtp.port,
        "smtp_use_tls": False,
        "from_email": "airflow@example.com",
        "to_emails": ["root@example.com"],
    }
    events = ("pipeline_started", "pipeline_success", "pipeline_failure")
    triggers = [{"event": event, "cooldown_seconds": 0} for event in events]
    configs(None, email=section, event_triggers=triggers)
    return smtp


def empty_dag(dag_id: str = "d", **arguments: Any) -> DAG:
    return DAG(dag_id, start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None, **arguments)


def dag_of_one(dag_id: str = "d", *, on_task: dict[str, Any] | None = None, **arguments: Any) -> DAG:
    with empty_dag(dag_id, **arguments) as dag:
        BaseOperator(task_id="t", **(on_task or {}))
    return dag


def failing_dag(dag_id: str, **on_task: Any) -> DAG:
    with empty_dag(dag_id) as dag:

        @task(**on_task)
        def fail() -> None:
            raise ValueError("no rows")

        fail()
    return dag


def bagged(dag: DAG) -> DAG:
    """Take a DAG through what Airflow does with each one it parses."""
    DagBag(os.devnull).bag_dag(dag)
    return dag


def attached(thing: Any, attribute: str) -> list[str]:
    """Return what the callbacks of ours that are attached to a DAG or task are for."""
    callbacks = getattr(thing, attribute) or []
    callbacks = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    return [str(c.lifecycle) for c in callbacks if isinstance(c, Attached)]


def everything_attached(dag: DAG) -> dict[tuple[str, str], list[str]]:
    """Return all that is attached to a DAG (under its id) and to its tasks."""
    places = [(dag.dag_id, dag, a) for a in OF_DAGS] + [
        (t.task_id, t, a) for t in dag.tasks for a in OF_TASKS
    ]
    return {(name, a): found for name, thing, a in places if (found := attached(thing, a))}


def subjects(inbox: Any) -> list[str]:
    return sorted(headline(m) for m in inbox.messages)


@pytest.mark.parametrize(("word", "expected"), DAG_WORDS.items(), ids=str)
def test_a_word_for_dags_attaches_to_the_dag_only(attach, word, expected):
    attach(word)

    attribute, lifecycle = expected

    assert everything_attached(bagged(dag_of_one())) == {("d", attribute): [lifecycle]}


@pytest.mark.parametrize(("word", "expected"), TASK_WORDS.items(), ids=str)
def test_a_word_for_tasks_attaches_to_the_tasks_only(attach, word, expected):
    attach(word)

    attribute, lifecycle = expected

    assert everything_attached(bagged(dag_of_one())) == {("t", attribute): [lifecycle]}


def test_a_runs_start_is_attached_to_one_of_its_first_tasks(attach):
    attach("dag.started")
    with empty_dag() as dag:
        [BaseOperator(task_id="b"), BaseOperator(task_id="a")] >> BaseOperator(task_id="_later")

    assert everything_attached(bagged(dag)) == {("a", "on_execute_callback"): ["run_started"]}


def test_a_runs_start_is_rather_told_by_a_task_that_is_sure_to_run(attach):
    attach("dag.started")
    with empty_dag() as dag:
        BaseOperator.partial(task_id="a_may_have_no_instances").expand(doc=[])
        EmptyOperator(task_id="b_needs_no_process")
        BaseOperator(task_id="c")

    assert everything_attached(bagged(dag)) == {("c", "on_execute_callback"): ["run_started"]}


def test_all_words_work_together(attach):
    attach(", ".join(["dag.started", *DAG_WORDS, *TASK_WORDS]) + " ,, ")

    assert everything_attached(bagged(dag_of_one())) == {
        ("d", "on_failure_callback"): ["failure"],
        ("d", "on_success_callback"): ["success"],
        ("t", "on_execute_callback"): ["execute", "run_started"],
        ("t", "on_success_callback"): ["success"],
        ("t", "on_failure_callback"): ["failure"],
        ("t", "on_retry_callback"): ["retry"],
        ("t", "on_skipped_callback"): ["skipped"],
    }


def test_nothing_is_attached_unless_the_option_asks_for_it(attach):
    dag = bagged(dag_of_one())

    assert everything_attached(dag) == {}
    assert not dag.has_on_failure_callback


@pytest.mark.parametrize("words", ["", "dag.started,dag.failure,task.failure"], ids=["off", "on"])
def test_parsing_imports_neither_notifier_nor_engine(tmp_path, words):
    (tmp_path / "ordinary.py").write_text(
        "from airflow.sdk import DAG, BaseOperator\nwith DAG('d'):\n    BaseOperator(task_id='t')\n"
    )
    program = f"""
        import sys
        from airflow.dag_processing.dagbag import DagBag

        bag = DagBag({str(tmp_path)!r})
        assert not bag.import_errors, bag.import_errors
        ours = {{name.partition(".")[2] for name in sys.modules if name.startswith("airflow_cloudact_notify.")}}
        print(bag.dags["d"].has_on_failure_callback, *sorted(ours))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, "AIRFLOW__CLOUDACT_NOTIFY__ATTACH": words},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    # The last is what Airflow's own discovery of providers reads.
    assert done.stdout.splitlines()[-1].split() == [
        str(bool(words)),
        "plugins",
        "plugins.policy",
        "provider_info",
    ]


def test_an_attached_callback_says_what_it_is(attach):
    attach("task.failure")
    [callback] = bagged(dag_of_one()).get_task("t").on_failure_callback

    assert repr(callback) == "<CloudActNotifier for failure, attached by [cloudact_notify] attach>"


# Chained


def users_own(context: Any) -> None:
    """A callback of the DAG's author."""


def users_other(context: Any) -> None:
    """Another one."""


@pytest.mark.parametrize(
    ("present", "kept"),
    [
        pytest.param(None, [], id="none"),
        pytest.param(users_own, [users_own], id="one"),
        pytest.param([users_own, users_other], [users_own, users_other], id="several"),
        pytest.param([], [], id="an-empty-list"),
    ],
)
@pytest.mark.parametrize("level", ["dag", "task"])
def test_the_users_own_callbacks_stay_and_come_first(attach, level, present, kept):
    attach(f"{level}.failure")
    arguments: dict[str, Any] = {"on_failure_callback": present}
    dag = bagged(dag_of_one(**arguments) if level == "dag" else dag_of_one(on_task=arguments))

    *before, ours = (dag if level == "dag" else dag.get_task("t")).on_failure_callback

    assert before == kept
    assert isinstance(ours, Attached)


def test_a_list_that_tasks_share_through_default_args_is_not_written_to(attach):
    attach("task.failure,dag.failure")
    shared = [users_own]
    with empty_dag(default_args={"on_failure_callback": shared}, on_failure_callback=shared) as dag:
        BaseOperator(task_id="one")
        BaseOperator(task_id="two")
        BaseOperator.partial(task_id="mapped").expand(doc=["a", "b"])

    bagged(dag)

    assert shared == [users_own]
    for thing in (dag, *dag.tasks):
        assert [type(c) for c in thing.on_failure_callback] == [type(users_own), Attached]


def test_what_other_policies_attach_stays_and_what_they_replace_is_no_loss(attach, other_policy):
    class Theirs:
        @hookimpl
        def dag_policy(self, dag: Any) -> None:
            dag.on_failure_callback = users_own

        @hookimpl
        def task_policy(self, task: Any) -> None:
            task.on_failure_callback = [users_own]

    attach("dag.failure,task.failure")
    other_policy(Theirs())
    with empty_dag() as dag:
        BaseOperator(task_id="one") >> BaseOperator(task_id="two")

    bagged(dag)

    for thing in (dag, *dag.tasks):
        assert [type(c) for c in thing.on_failure_callback] == [type(users_own), Attached]


# Never twice


class TheirNotifier(CloudActNotifier):
    """A notifier that a user derived from ours."""


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(on_failure, id="ready-instance"),
        pytest.param(CloudActNotifier(tenant_id="acme"), id="notifier"),
        pytest.param(TheirNotifier(), id="derived"),
        pytest.param([users_own, on_failure], id="in-a-list"),
    ],
)
@pytest.mark.parametrize("level", ["dag", "task"])
def test_where_a_user_has_one_of_ours_none_is_added(attach, level, theirs):
    attach(f"{level}.failure")
    arguments: dict[str, Any] = {"on_failure_callback": theirs}
    dag = bagged(dag_of_one(**arguments) if level == "dag" else dag_of_one(on_task=arguments))

    assert everything_attached(dag) == {}


def test_a_dag_that_is_parsed_twice_is_covered_once(attach):
    attach("dag.started,dag.failure,task.failure,task.started")
    with empty_dag() as dag:
        BaseOperator(task_id="t")
        BaseOperator.partial(task_id="u").expand(doc=["a", "b"])

    once = everything_attached(bagged(dag))

    assert everything_attached(bagged(dag)) == once


def test_where_another_policy_has_put_one_of_ours_none_is_added(attach, other_policy):
    class Theirs:
        @hookimpl
        def task_policy(self, task: Any) -> None:
            task.on_success_callback = [*task.on_success_callback, on_success]

    attach("task.success")
    other_policy(Theirs())

    assert everything_attached(bagged(dag_of_one())) == {}


def test_the_start_of_a_task_is_not_that_of_its_run(attach):
    attach("dag.started,task.started")
    dag = bagged(dag_of_one(on_task={"on_execute_callback": on_execute}))

    assert everything_attached(dag) == {("t", "on_execute_callback"): ["run_started"]}


# Left alone


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"tags": ["etl", "cloudact_notify:off"]}, id="tag"),
        pytest.param({"params": {"cloudact_notify": False}}, id="param-false"),
        pytest.param({"params": {"cloudact_notify": "off"}}, id="param-off"),
        pytest.param({"params": {"cloudact_notify": Param(False, type="boolean")}}, id="param-object"),
    ],
)
def test_a_dag_that_opts_out_is_left_alone(attach, arguments):
    attach("dag.started,dag.failure,task.failure")
    dag = bagged(dag_of_one(**arguments))

    assert everything_attached(dag) == {}
    assert not dag.has_on_failure_callback


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"tags": ["cloudact_notify:on"]}, id="another-tag"),
        pytest.param({"params": {"cloudact_notify": True}}, id="param-true"),
        pytest.param({"params": {"cloudact_notify": "acme"}}, id="param-of-another-meaning"),
    ],
)
def test_nothing_else_opts_out(attach, arguments):
    attach("dag.failure")

    assert everything_attached(bagged(dag_of_one(**arguments))) == {("d", "on_failure_callback"): ["failure"]}


def test_an_empty_operator_stays_one_that_needs_no_process(attach):
    attach("dag.success,task.started,task.success,task.failure")
    with empty_dag() as dag:
        EmptyOperator(task_id="e")

    found = everything_attached(bagged(dag))

    assert found == {("d", "on_success_callback"): ["success"], ("e", "on_failure_callback"): ["failure"]}


# Where Airflow needs a word from us


def test_the_scheduler_learns_of_the_callbacks(attach):
    attach("dag.failure,dag.success,task.failure")
    with empty_dag() as dag:
        BaseOperator(task_id="t")
        BaseOperator.partial(task_id="m").expand(doc=["a"])

    bagged(dag)
    seen = DagSerialization.from_dict(DagSerialization.to_dict(dag))

    assert dag.has_on_failure_callback
    assert dag.has_on_success_callback
    assert seen.has_on_failure_callback
    assert seen.has_on_success_callback
    assert all(seen.get_task(name).has_on_failure_callback for name in ("t", "m"))
    assert not seen.get_task("t").has_on_success_callback


@pytest.mark.parametrize("word", ["dag.failure", "dag.success"])
def test_a_flag_is_set_for_nothing_else(attach, word):
    attach(word)
    dag = bagged(dag_of_one())

    assert (dag.has_on_failure_callback, dag.has_on_success_callback) == (
        word == "dag.failure",
        word == "dag.success",
    )


def test_every_kind_of_task_is_covered(attach):
    attach("task.failure")
    with empty_dag() as dag:

        @setup
        def create() -> int:
            return 1

        @teardown
        def remove() -> None:
            pass

        @task
        def work(part: int) -> int:
            return part

        @task.sensor
        def wait() -> PokeReturnValue:
            return PokeReturnValue(is_done=True)

        with TaskGroup("group"), TaskGroup("inner"):
            inside = work.override(task_id="inside")(1)
        mapped = work.partial().expand(part=[1, 2])
        dynamic = [BaseOperator(task_id=f"made_{n}") for n in range(3)]
        create() >> wait() >> inside >> mapped >> dynamic >> remove()

    bagged(dag)

    assert isinstance(dag.get_task("work"), MappedOperator)
    assert {name for name, _ in everything_attached(dag)} == {
        "create",
        "remove",
        "work",
        "wait",
        "group.inner.inside",
        "made_0",
        "made_1",
        "made_2",
    }


def test_the_dags_a_file_makes_in_a_loop_are_all_covered(attach, tmp_path):
    attach("dag.failure,task.failure")
    (tmp_path / "factory.py").write_text(
        textwrap.dedent(
            """
            from airflow.sdk import DAG, BaseOperator

            for tenant in ("acme", "beta"):
                with DAG(f"{tenant}_ingest", default_args={"on_failure_callback": print}):
                    BaseOperator(task_id="t")
            """
        )
    )

    bag = DagBag(str(tmp_path))

    assert bag.import_errors == {}
    for tenant in ("acme", "beta"):
        dag = bag.dags[f"{tenant}_ingest"]
        assert {name for name, _ in everything_attached(dag)} == {dag.dag_id, "t"}


# Mistakes


def test_a_dag_without_tasks_loads(attach):
    attach("dag.started,dag.failure,task.failure")

    assert everything_attached(bagged(empty_dag())) == {("d", "on_failure_callback"): ["failure"]}


def test_an_unknown_word_is_logged_once_and_the_others_work(attach, caplog):
    attach("task.failed,task.failure")

    dags = [bagged(dag_of_one("one")), bagged(dag_of_one("two"))]

    assert [everything_attached(dag) for dag in dags] == [{("t", "on_failure_callback"): ["failure"]}] * 2
    [record] = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "unknown word 'task.failed'" in record.getMessage()
    assert "task.failure" in record.getMessage()


def test_an_error_in_the_policy_is_logged_and_the_dag_loads(attach, caplog, tmp_path):
    attach("dag.failure,task.failure")
    (tmp_path / "odd.py").write_text(
        textwrap.dedent(
            """
            from airflow.sdk import DAG, BaseOperator, Param

            # Asked for its value, this param raises: it has none before a run is triggered.
            with DAG("odd", schedule=None, params={"cloudact_notify": Param(type="string")}):
                BaseOperator(task_id="t")
            """
        )
    )

    bag = DagBag(str(tmp_path))

    assert bag.import_errors == {}
    assert list(bag.dags) == ["odd"]
    assert [r.getMessage() for r in caplog.records if r.exc_info] == [
        "No notifications were attached to DAG odd",
        "No notifications were attached to the tasks of DAG odd",
    ]


# Told


def test_a_dag_without_a_line_of_ours_is_told_of(attach, root_mailbox, run_dag, run_dag_callbacks, tmp_path):
    file = Path(tmp_path, "nothing_of_ours.py")
    file.write_text(
        textwrap.dedent(
            """
            from airflow.sdk import DAG, task

            with DAG("nothing_of_ours", schedule=None):

                @task
                def fail():
                    raise ValueError("no rows")

                fail()
            """
        )
    )
    attach("")
    run = run_dag(DagBag(str(file)).dags["nothing_of_ours"])
    assert subjects(root_mailbox) == []

    attach("dag.failure")
    parsed = DagBag(str(file)).dags["nothing_of_ours"]
    run_dag_callbacks(parsed, run.run_id, success=False, reason="task_failure", last_task="fail")

    assert subjects(root_mailbox) == ["DAG nothing_of_ours failed"]


def test_each_instance_of_a_mapped_task_is_told_of(attach, root_mailbox, run_dag):
    attach("task.failure")
    with empty_dag("mapped") as dag:

        @task
        def fail(part: int) -> None:
            raise ValueError(f"part {part}")

        fail.expand(part=[1, 2])

    run_dag(dag)

    assert subjects(root_mailbox) == ["Task mapped.fail failed"] * 2


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(on_failure, id="which-the-policy-sees"),
        pytest.param(lambda context: on_failure(context), id="which-the-policy-cannot-see"),
    ],
)
def test_a_failure_that_the_users_own_callback_tells_is_told_once(attach, root_mailbox, run_dag, theirs):
    attach("task.failure")

    run_dag(failing_dag("told_already", on_failure_callback=theirs))

    assert subjects(root_mailbox) == ["Task told_already.fail failed"]


def test_a_run_whose_task_was_told_of_by_its_own_callback_is_not_told_of_again(
    attach, root_mailbox, run_dag, run_dag_callbacks
):
    dag = failing_dag("task_spoke", on_failure_callback=on_failure)
    attach("")
    run = run_dag(dag)

    attach("dag.failure")
    run_dag_callbacks(dag, run.run_id, success=False, reason="task_failure", last_task="fail")

    assert subjects(root_mailbox) == ["Task task_spoke.fail failed"]


def test_a_runs_start_is_told_once_although_its_first_task_is_tried_again(attach, root_mailbox, run_dag):
    attach("dag.started")
    with empty_dag("tried_again") as dag:

        @task(retries=2, retry_delay=timedelta(0))
        def flaky(ti: Any = None) -> None:
            if ti.try_number < 3:
                raise ValueError("not yet")

        @task
        def beside() -> None:
            pass

        flaky()
        beside.override(task_id="other_first")()

    run = run_dag(dag)

    assert str(run.state) == "success"
    assert subjects(root_mailbox) == ["DAG tried_again started"]


def test_a_runs_start_is_told_once_although_its_first_task_has_many_instances(attach, root_mailbox, run_dag):
    attach("dag.started")
    with empty_dag("many") as dag:

        @task
        def part(number: int) -> None:
            pass

        part.expand(number=[1, 2, 3])

    run_dag(dag)

    assert subjects(root_mailbox) == ["DAG many started"]


def test_starts_are_told_once_although_a_sensor_is_rescheduled(attach, root_mailbox, run_dag):
    attach("dag.started,task.started")
    looks = []
    with empty_dag("sensing") as dag:

        @task.sensor(mode="reschedule", poke_interval=0)
        def wait() -> bool:
            looks.append(1)
            return len(looks) > 2

        wait()

    run_dag(dag)

    assert len(looks) == 3
    assert subjects(root_mailbox) == ["DAG sensing started", "Task sensing.wait started"]


def test_starts_are_told_once_although_a_task_is_deferred(attach, root_mailbox, run_dag):
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    class Deferring(BaseOperator):
        def execute(self, context: Any) -> None:
            self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="resume")

        def resume(self, context: Any, event: Any) -> None:
            pass

    attach("dag.started,task.started")
    with empty_dag("deferring") as dag:
        Deferring(task_id="t")

    run = run_dag(dag)

    assert str(run.state) == "success"
    assert subjects(root_mailbox) == ["DAG deferring started", "Task deferring.t started"]


FORKED = """
import os
import sys
import airflow.sdk

def has():
    return [name in sys.modules for name in ("airflow_cloudact_notify.core.service", "requests")]

before = has()
if os.fork() == 0:
    print(*before, *has(), flush=True)
    os._exit(0)
os.wait()
"""
"""Prints what a process has imported before it forks, and what its fork has."""


def in_a_new_process(program: str, preload: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program in a process that starts with ``[cloudact_notify] preload`` set so, or left out."""
    options = {} if preload is None else {"AIRFLOW__CLOUDACT_NOTIFY__PRELOAD": preload}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **options},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("preload", "in_the_fork"), [(None, "True True"), ("False", "False False")])
def test_the_engine_is_imported_before_airflow_forks_unless_the_option_is_off(preload, in_the_fork):
    done = in_a_new_process(FORKED, preload)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"False False {in_the_fork}"


def test_a_process_that_was_started_for_one_task_imports_nothing_ahead():
    of_one = {"token": "t", "dag_rel_path": "a.py", "bundle_info": {"name": "dags-folder"}, "log_path": None}
    ti = {
        "task_id": "t",
        "dag_id": "d",
        "run_id": "r",
        "try_number": 1,
        "pool_slots": 1,
        "priority_weight": 1,
    }
    ti |= {"id": str(uuid.uuid4()), "dag_version_id": str(uuid.uuid4())}
    workload = json.dumps({**of_one, "ti": ti, "type": "ExecuteTask"})
    nobody = {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:9/execution/",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "1",
    }
    command = ("-m", "airflow.sdk.execution_time.execute_workload", "--json-string", workload)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        env={**os.environ, **nobody},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Executing workload" in done.stdout, done.stderr[-2_000:]
    assert "airflow.sdk.execution_time.supervisor" in done.stderr
    assert "airflow_cloudact_notify.core.service" not in done.stderr


def test_a_preload_that_fails_is_logged_and_airflow_goes_on():
    done = in_a_new_process(
        f'import sys; sys.modules["airflow_cloudact_notify.core.outages"] = None\n{FORKED}'
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False False False False"
    assert "[cloudact_notify] preload did not work" in done.stdout + done.stderr
