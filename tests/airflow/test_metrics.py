"""Metrics from real tasks and callbacks, as a StatsD server gets them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from airflow_cloudact_notify import NotifyOperator, on_failure, on_success
from airflow_cloudact_notify.bridge import metrics
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.metrics import METRICS, MetricKind
from airflow_cloudact_notify.maintenance import build_maintenance_dag
from airflow_cloudact_notify.testing import SmtpInbox
from demo.statsd import StatsdListener

LETTER = {MetricKind.COUNTER: "c", MetricKind.GAUGE: "g", MetricKind.TIMER: "ms"}


@pytest.fixture(params=[{}, {"STATSD_INFLUXDB_ENABLED": "True"}], ids=["plain", "with tags"])
def statsd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdListener]:
    """Airflow's metrics go to a listener, as a task's process sets them up."""
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics import stats_utils

    def set_up() -> None:
        names_on = conf.getboolean("metrics", "legacy_names_on")
        stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=names_on)

    with StatsdListener() as listener, monkeypatch.context() as env:
        options = {f"AIRFLOW__METRICS__{option}": value for option, value in request.param.items()}
        for name, value in (listener.env | options).items():
            env.setenv(name, value)
        set_up()
        listener.has_tags = bool(request.param)
        yield listener
    set_up()


def named(listener: StatsdListener, name: str, **tags: str) -> str:
    """Return how a metric is called there."""
    if not listener.has_tags:
        return name
    return ",".join((name, *(f"{tag}={value}" for tag, value in tags.items())))


def seen(listener: StatsdListener, *wanted: str) -> Counter[str]:
    """Return what came in, once all that is wanted has: datagrams take their time."""
    import time

    until = time.monotonic() + 5
    while not set(wanted) <= listener.received.keys() and time.monotonic() < until:
        time.sleep(0.02)
    return listener.received


def test_every_metric_of_a_delivery_comes_from_a_real_task(
    statsd: StatsdListener, configs: Callable[..., None], slack, run_dag
) -> None:
    from airflow.sdk import DAG, task

    with SmtpInbox() as smtp:
        email = {"enabled": True, "smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_use_tls": False}
        people = {"from_email": "a@example.com", "to_emails": ["b@example.com"]}
        slack.answer(404, "no_service")
        configs(
            "acme",
            default_provider="both",
            email=email | people,
            slack={"enabled": True, "webhook_url": slack.url},
        )
        with DAG("metrics", tags=["tenant:acme"], default_args={"on_failure_callback": on_failure}) as dag:

            @task(on_success_callback=on_success)
            def works() -> None:
                """Its success is not routed."""

            @task
            def fails() -> None:
                raise ValueError("it does not work")

            works()
            fails()

        run_dag(dag)

    expected = {
        f"c {named(statsd, 'cloudact_notify.sent', destination='email')}": 1,
        f"c {named(statsd, 'cloudact_notify.failed', destination='slack', reason='not_found')}": 1,
        f"c {named(statsd, 'cloudact_notify.suppressed', reason='not_routed')}": 1,
        f"c {named(statsd, 'cloudact_notify.dead_letters_kept', destination='slack')}": 1,
        f"ms {named(statsd, 'cloudact_notify.latency', destination='email')}": 1,
        f"ms {named(statsd, 'cloudact_notify.latency', destination='slack')}": 1,
        "c cloudact_notify.sent.email": 1,
        "c cloudact_notify.failed.slack.not_found": 1,
        "c cloudact_notify.suppressed.not_routed": 1,
        "c cloudact_notify.dead_letters_kept.slack": 1,
        "ms cloudact_notify.latency.email": 1,
        "ms cloudact_notify.latency.slack": 1,
    }
    if not statsd.has_tags:
        expected["ms cloudact_notify.latency"] = 2
    assert seen(statsd, *expected) == expected


def test_an_operators_notification_is_counted(statsd: StatsdListener, tell_all, run_dag) -> None:
    from airflow.sdk import DAG

    tell_all("acme")
    with DAG("metrics_of_an_operator") as dag:
        NotifyOperator(task_id="tell", tenant_id="acme", event="pipeline_warning", title="Look")
    run_dag(dag)

    assert seen(statsd, "c cloudact_notify.sent.email")["c cloudact_notify.sent.email"] == 1


def test_maintenance_tells_what_waits_and_who_is_unhealthy(
    statsd: StatsdListener, configs, run_dag, slack
) -> None:
    from airflow.sdk import DAG

    slack_section = {"enabled": True, "webhook_url": slack.url}
    configs("acme", default_provider="slack", slack=slack_section, unhealthy_after=1, dead_letter_hours=1)
    slack.answer(404, "no_service")
    with DAG("missed") as dag:
        NotifyOperator(task_id="tell", tenant_id="acme", event="pipeline_warning", title="Look")
    run_dag(dag)
    run_dag(build_maintenance_dag("measures"))

    wanted = {"g cloudact_notify.dead_letters", "g cloudact_notify.unhealthy_destinations.slack"}
    assert seen(statsd, *wanted).keys() >= wanted


def test_maintenance_counts_what_is_given_up(statsd: StatsdListener, configs, run_dag, slack) -> None:
    from airflow.sdk import DAG

    configs("acme", default_provider="slack", slack={"enabled": True, "webhook_url": slack.url})
    slack.answer(404, "no_service")
    with DAG("given_up") as dag:
        NotifyOperator(task_id="tell", tenant_id="acme", event="pipeline_warning", title="Look")
    run_dag(dag)
    store = VariableStateStore()
    [letter] = store.keys("cloudact_notify:letter:")
    store.put(letter, json.dumps(json.loads(store.get(letter) or "") | {"expires_at": 1.0}))
    run_dag(build_maintenance_dag("gives_up"))

    lost = "c cloudact_notify.dead_letters_lost.slack"
    assert seen(statsd, lost)[lost] == 1
    assert store.keys("cloudact_notify:letter:") == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_can_be_handed_to_airflow(statsd: StatsdListener, metric) -> None:
    values = [f"a-{tag}" for tag in metric.tags]

    metrics.emit(metric, 3, *values)

    kind = LETTER[metric.kind]
    wanted = {f"{kind} {named(statsd, metric.name, **dict(zip(metric.tags, values, strict=True)))}"}
    if values:
        wanted.add(f"{kind} {'.'.join((metric.name, *values))}")
    assert seen(statsd, *wanted).keys() == wanted


def test_without_legacy_names_there_are_only_those_with_tags(
    statsd: StatsdListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__LEGACY_NAMES_ON", "False")

    metrics.emit(METRICS[0], 1, "email")

    wanted = f"c {named(statsd, METRICS[0].name, destination='email')}"
    assert seen(statsd, wanted).keys() == {wanted}
