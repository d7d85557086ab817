"""A callback's way: from Airflow's context to the engine, within the budget, and never raising."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from airflow_cloudact_notify.bridge import process
from airflow_cloudact_notify.bridge.context import Context, is_of_run, lifecycle_of, moment_of
from airflow_cloudact_notify.bridge.messages import RunHistory, message_of
from airflow_cloudact_notify.bridge.settings import read_settings
from airflow_cloudact_notify.bridge.templating import render
from airflow_cloudact_notify.bridge.tenants import tenant_of
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config_store import check_tenant_id
from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.core.errors import InvalidTenantIdError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport

log = logging.getLogger(__name__)

_TEMPLATED = ("tenant_id", "event", "severity", "title", "message", "details")
_FAILED = ("failed", "upstream_failed")


def notify(context: Context, wish: Wish, lifecycle: Lifecycle | None = None) -> NotificationReport | None:
    """Tell what the callback was called for. Whatever goes wrong is logged; ``None`` when nothing could be told.

    Not even ``SystemExit`` leaves: Airflow would try a task again that must not be.
    """
    try:
        settings = read_settings()
        with process.allowance(settings.callback_budget_seconds) as seconds, Budget(seconds) as budget:
            return _notify(context, wish, lifecycle or lifecycle_of(context), budget)
    except (Exception, SystemExit):
        log.exception("The notification could not be sent")
        return None


def _notify(context: Context, wish: Wish, lifecycle: Lifecycle, budget: Budget) -> NotificationReport | None:
    if lifecycle is Lifecycle.RUN_STARTED and not _is_first_of_run(context):
        return None
    notes: list[str] = []
    wish = _rendered(wish, context, notes)
    tenant_id, extra = _tenant(context, wish, notes)
    moment = moment_of(context, lifecycle)
    service = airflow_service(wish.conn_id)
    history = RunHistory()
    if is_of_run(context) and lifecycle in (Lifecycle.SUCCESS, Lifecycle.FAILURE):
        history = RunHistory(failed_tasks=_failed_tasks(moment.dag_id, moment.run_id, budget))
        if lifecycle is Lifecycle.SUCCESS:
            run = NotificationMessage(
                event="pipeline_success",
                tenant_id=tenant_id,
                pipeline_id=moment.dag_id,
                pipeline_logging_id=moment.run_id,
            )
            history = replace(history, retried=service.has_retried(run, budget))
    message = message_of(context, moment, lifecycle, wish, tenant_id, history, extra)
    remember = lifecycle is not Lifecycle.DEADLINE or process.is_triggerer()
    if not remember:
        notes.append(
            "a deadline's SyncCallback has no Variables: sent without cooldown; AsyncCallback has them"
        )
    return service.send(message, providers=wish.providers, budget=budget, notes=notes, remember=remember)


def _is_first_of_run(context: Context) -> bool:
    """Whether the task's start is its run's: not that of another try, nor of another of its mapped instances."""
    moment = moment_of(context, Lifecycle.EXECUTE)
    return (moment.try_number or 1) == 1 and not moment.map_index


def _tenant(context: Context, wish: Wish, notes: list[str]) -> tuple[str | None, dict[str, Any]]:
    """Return the tenant, ``None`` for the root's settings, and what to tell the root of a tenant that cannot be."""
    tenant: str | None = None
    try:
        tenant = tenant_of(context, wish.tenant_id, read_settings())
        return check_tenant_id(tenant) if tenant else None, {}
    except InvalidTenantIdError as error:
        notes.append(f"told to the root instead: {error}")
        return None, {"tenant_id_refused": str(tenant)[:80]}
    except Exception as error:  # noqa: BLE001 - a user's function or expression must not cost the notification
        notes.append(
            f"told to the root instead: the tenant could not be found: {type(error).__name__}: {error}"
        )
        return None, {"tenant_id_refused": "(it could not be found)"}


def _failed_tasks(dag_id: str | None, run_id: str | None, budget: Budget) -> Sequence[str]:
    """Return the run's tasks that failed, those that could not run for it included; nothing when nobody answers."""
    if not (process.is_supervised() and dag_id and run_id):
        return ()
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        states = budget.call(
            f"read the states of {dag_id}'s tasks",
            lambda: RuntimeTaskInstance.get_task_states(dag_id=dag_id, run_ids=[run_id]),
        )
        run = states.get(run_id) or {}
        return sorted(task for task, state in run.items() if str(getattr(state, "value", state)) in _FAILED)
    except Exception as error:  # noqa: BLE001 - without the names the message is still worth sending
        log.debug("The states of the run's tasks are not known: %s", error)
        return ()


def _rendered(wish: Wish, context: Context, notes: list[str]) -> Wish:
    """Return a copy of the wish with its templates filled in: one notifier serves many runs at once."""
    try:
        return replace(wish, **{name: render(getattr(wish, name), context) for name in _TEMPLATED})
    except Exception as error:  # noqa: BLE001 - a template's mistake must not cost the notification
        notes.append(f"a template of the notifier could not be filled in: {type(error).__name__}: {error}")
        return wish
