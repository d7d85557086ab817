"""What the demo does, and what must come of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ACME = "acme_corp"
TENANTS = {
    ACME: "has a file of its own: email and Slack",
    "beta_customer": "has no file: the platform's settings apply",
    "internal_test": "has switched its file off: the platform's settings apply",
}

TASK = "task process"
DAG_PROCESSOR = "DAG processor"

FAILING, KILLED, SUCCEEDING, OPERATOR = "demo_failing", "demo_killed", "demo_succeeding", "demo_operator"
DAGS = (SUCCEEDING, FAILING, KILLED, OPERATOR)
WARM_UP = "demo_warm_up"

COOLDOWN, NOT_ROUTED = "cooldown", "not_routed"


@dataclass(frozen=True, slots=True)
class Run:
    """One DAG run, for one tenant."""

    dag_id: str
    tenant: str
    run_id: str


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """One decision of the provider: who was told of what, from which kind of process.

    :param delivered_to: destinations; none when it was held back.
    :param held_by: the reason it was held back.
    """

    tenant: str
    dag_id: str
    event: str
    told_by: str
    delivered_to: tuple[str, ...] = ()
    held_by: str | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """Runs that are started together, and the notices they must lead to."""

    name: str
    what: str
    runs: tuple[Run, ...]
    notices: tuple[Notice, ...]


def chapters() -> tuple[Chapter, ...]:
    """Return the demo's two chapters; the second happens within the cooldown that the first has started."""
    first = [(dag_id, tenant) for dag_id in (FAILING, SUCCEEDING, OPERATOR) for tenant in TENANTS]
    repeat = [(FAILING, tenant) for tenant in TENANTS]
    return (
        Chapter(
            "first",
            "runs that fail, succeed, notify by operator, and one that is killed",
            _runs("first", [*first, (KILLED, ACME)]),
            tuple(notice for tenant in TENANTS for notice in _first_notices(tenant)),
        ),
        Chapter(
            "repeat",
            "the failing and the killed runs once more, within the cooldown",
            _runs("repeat", [*repeat, (KILLED, ACME)]),
            tuple(notice for tenant in TENANTS for notice in _repeated_notices(tenant)),
        ),
    )


def _runs(chapter: str, which: list[tuple[str, str]]) -> tuple[Run, ...]:
    return tuple(Run(dag_id, tenant, f"{chapter}-{tenant}") for dag_id, tenant in which)


def _first_notices(tenant: str) -> Iterator[Notice]:
    on_failure = ("email", "slack") if tenant == ACME else ("email",)
    usual = ("slack",) if tenant == ACME else ("email",)
    yield Notice(tenant, FAILING, "pipeline_failure", TASK, on_failure)
    yield Notice(tenant, FAILING, "pipeline_failure", DAG_PROCESSOR, held_by=COOLDOWN)
    if tenant == ACME:
        yield Notice(tenant, KILLED, "pipeline_failure", DAG_PROCESSOR, on_failure)
        yield Notice(tenant, SUCCEEDING, "pipeline_started", TASK, usual)
    else:
        yield Notice(tenant, SUCCEEDING, "pipeline_started", TASK, held_by=NOT_ROUTED)
    yield Notice(tenant, SUCCEEDING, "pipeline_success", DAG_PROCESSOR, usual)
    yield Notice(tenant, OPERATOR, "data_quality_warning", TASK, usual)


def _repeated_notices(tenant: str) -> Iterator[Notice]:
    yield Notice(tenant, FAILING, "pipeline_failure", TASK, held_by=COOLDOWN)
    yield Notice(tenant, FAILING, "pipeline_failure", DAG_PROCESSOR, held_by=COOLDOWN)
    if tenant == ACME:
        yield Notice(tenant, KILLED, "pipeline_failure", DAG_PROCESSOR, held_by=COOLDOWN)
