"""The doctor's checks of Airflow: its options, its Variables, its connections, its clocks."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from airflow_cloudact_notify.cli.health import Check, State
from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.errors import ConfigurationError, StateUnavailable
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.control import Control
from airflow_cloudact_notify.core.state.store import PREFIX
from airflow_cloudact_notify.core.times import duration

PROBE = f"{PREFIX}:doctor:probe"
MAINTENANCE_LATE_SECONDS = 3600.0
CLOCK_DOUBT_SECONDS = 2.0


def airflow_checks(service: NotificationService, tenants: list[str | None]) -> Iterator[Check]:
    """Look at all that notifications use of Airflow."""
    yield from _options(service)
    yield from _secrets_backends()
    variables = _variables(service)
    yield variables
    if variables.state is not State.BAD:
        yield _maintenance(service)
    yield from _connections(service, tenants)
    yield _clocks()


def _options(service: NotificationService) -> Iterator[Check]:
    from airflow.providers.common.compat.sdk import conf

    if not service.is_enabled:
        yield Check(
            "enabled", State.BAD, "[cloudact_notify] enabled is false: nothing is sent", "Set it to True."
        )
    url = conf.get("api", "base_url", fallback=None)
    if url:
        yield Check("base_url", State.OK, url)
    else:
        remedy = "Set [api] base_url to the address at which people open Airflow."
        yield Check("base_url", State.DOUBT, "it is not set: links in messages lead to localhost", remedy)


def _secrets_backends() -> Iterator[Check]:
    from airflow.providers.common.compat.sdk import conf

    backend = conf.get("secrets", "backend", fallback=None)
    if backend:
        remedy = "Let it leave cloudact_notify:* out, with variables_lookup_pattern or variables_prefix."
        found = f"{backend} is asked before every Variable: each look at the state takes longer"
        yield Check("secrets backend", State.DOUBT, found, remedy)
    shadows = sorted(name for name in os.environ if name.upper().startswith(f"AIRFLOW_VAR_{PREFIX.upper()}"))
    if shadows:
        found = f"the environment sets {', '.join(shadows)}, which hides the Variable of that name"
        yield Check("shadowed Variables", State.BAD, found, "Remove it from the environment.")


def _variables(service: NotificationService) -> Check:
    """Write a row, read it back, delete it."""
    token = secrets.token_hex(8)
    try:
        # The first call loads Airflow's models, which no callback waits for.
        service.state.put(PROBE, token[::-1])
        began = time.perf_counter()
        service.state.put(PROBE, token)
        read = service.state.get(PROBE)
        passed = duration((time.perf_counter() - began) * 1000)
        service.state.delete(PROBE)
    except StateUnavailable as error:
        remedy = "Let this user read and write Airflow's Variables; without them repeats are not held back."
        return Check("Variables", State.BAD, str(error), remedy)
    if read != token:
        remedy = "A secrets backend answers in their place: let it leave cloudact_notify:* out."
        return Check("Variables", State.BAD, "what was written is not what is read", remedy)
    return Check("Variables", State.OK, f"can be written and read, in {passed}")


def _maintenance(service: NotificationService) -> Check:
    ran_at = Control(service.state).ran_at()
    remedy = "Put build_maintenance_dag() into a DAG file and unpause it, or run 'cloudact-notify maintain' by cron."
    if not ran_at:
        return Check("maintenance", State.DOUBT, "it has never run: no digests are sent", remedy)
    ago = time.time() - ran_at
    late = ago > MAINTENANCE_LATE_SECONDS
    found = f"it ran {duration(ago * 1000)} ago"
    return Check("maintenance", State.DOUBT if late else State.OK, found, remedy if late else "")


def _connections(service: NotificationService, tenants: list[str | None]) -> Iterator[Check]:
    """Look for every connection that a file names."""
    for tenant_id in tenants:
        resolved = service.configs.resolve(tenant_id)
        for name in resolved.config.enabled_destinations():
            conn_id = resolved.config.destination(name).conn_id
            if not conn_id:
                continue
            about = f"connection {conn_id} ({tenant_id or 'root'}, {name})"
            try:
                service.destinations.provider(name, resolved, call_directly)
            except ConfigurationError as error:
                problem = error.problems[0]
                yield Check(about, State.BAD, problem.reason, problem.remedy)
            else:
                yield Check(about, State.OK, "found")


def _clocks() -> Check:
    """Compare this machine's clock with the database's."""
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    try:
        with create_session() as session:
            theirs = session.scalar(select(func.current_timestamp()))
    except Exception as error:  # noqa: BLE001 - whatever the database raises
        return Check("clocks", State.BAD, f"the database does not answer: {type(error).__name__}")
    if not isinstance(theirs, datetime):
        theirs = datetime.fromisoformat(str(theirs))
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    found = f"this machine and the database are {apart:.1f} s apart"
    if apart <= CLOCK_DOUBT_SECONDS:
        return Check("clocks", State.OK, found)
    return Check("clocks", State.DOUBT, found, "Let NTP set the clocks: cooldowns and claims go by them.")
