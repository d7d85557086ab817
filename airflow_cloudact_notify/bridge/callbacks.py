"""A callback's way: from Airflow's context to the engine, within the budget, and never raising."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from airflow_cloudact_notify.bridge import process
from airflow_cloudact_notify.bridge.context import Context, Moment, lifecycle_of, look, moment_of
from airflow_cloudact_notify.bridge.log_tail import log_tail
from airflow_cloudact_notify.bridge.messages import RunHistory, message_of
from airflow_cloudact_notify.bridge.settings import Settings, read_settings
from airflow_cloudact_notify.bridge.tenants import tenant_of
from airflow_cloudact_notify.bridge.wiring import airflow_service
from airflow_cloudact_notify.bridge.wish import Wish
from airflow_cloudact_notify.bridge.wishes import ready, said
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import Lifecycle, NotificationEvent
from airflow_cloudact_notify.core.errors import InvalidTenantIdError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.tenant_ids import check_tenant_id

log = logging.getLogger(__name__)

_FAILED = ("failed", "upstream_failed")


def notify(
    context: Context, wish: Wish, lifecycle: Lifecycle | None = None, began: float | None = None
) -> NotificationReport | None:
    """Tell what the callback was called for. Whatever goes wrong is logged; ``None`` when nothing could be told.

    Not even ``SystemExit`` leaves: Airflow would try a task again that must not be.

    :param began: when the callback did, by ``time.monotonic``; left out, now.
    """
    began = time.monotonic() if began is None else began
    try:
        settings = read_settings()
        with process.allowance(settings.callback_budget_seconds, began) as seconds:
            budget = Budget(seconds, began=began)
            return _notify(context, wish, _lifecycle(context, wish, lifecycle), settings, budget)
    except (Exception, SystemExit):
        log.exception("The notification could not be sent")
        return None


def _notify(
    context: Context, wish: Wish, lifecycle: Lifecycle, settings: Settings, budget: Budget
) -> NotificationReport | None:
    if not _is_start(context, lifecycle):
        log.info("Not told: a task that goes on, or is not the first of its run, is no start")
        return None
    notes: list[str] = []
    wish = ready(wish, context, budget.call, notes)
    tenant_id, extra = _tenant(context, wish, settings, budget, notes)
    moment = moment_of(context, lifecycle)
    service = airflow_service(wish.conn_id)
    history = RunHistory()
    if moment.of_run and lifecycle in (Lifecycle.SUCCESS, Lifecycle.FAILURE):
        history = _history(moment, lifecycle, tenant_id, service, budget)
    if _is_failed_try(moment, lifecycle):
        extra |= _log_tail(context, tenant_id, service, budget)
    message = message_of(context, moment, lifecycle, wish, tenant_id, history, extra)
    remember = lifecycle is not Lifecycle.DEADLINE or process.is_triggerer()
    if not remember:
        notes.append(
            "a deadline's SyncCallback has no Variables: sent without cooldown; AsyncCallback has them"
        )
    return service.send(message, providers=wish.providers, budget=budget, notes=notes, remember=remember)


def _lifecycle(context: Context, wish: Wish, told: Lifecycle | None) -> Lifecycle:
    """Return what the callback was called for. A missed deadline can be told by any notifier, and is nothing else."""
    found = lifecycle_of(context, wish)
    return found if found is Lifecycle.DEADLINE else told or found


def _is_start(context: Context, lifecycle: Lifecycle) -> bool:
    """Whether a callback for a start is called for one; true of all other callbacks.

    Airflow calls on_execute again when a deferred task is resumed, and each time a rescheduled sensor looks. A run's
    start is its first task's, but not that of another try, nor of another of its mapped instances.
    """
    if lifecycle not in (Lifecycle.EXECUTE, Lifecycle.RUN_STARTED):
        return True
    from_server = look(look(context, "ti", "task_instance"), "_ti_context_from_server")
    if look(context, "task_reschedule_count") or look(from_server, "next_method"):
        return False
    if lifecycle is Lifecycle.EXECUTE:
        return True
    moment = moment_of(context, Lifecycle.EXECUTE)
    return (moment.try_number or 1) == 1 and not moment.map_index


def _tenant(
    context: Context, wish: Wish, settings: Settings, budget: Budget, notes: list[str]
) -> tuple[str | None, dict[str, Any]]:
    """Return the tenant, ``None`` for the root's settings, and what to tell the root of a tenant that cannot be."""
    tenant: str | None = None
    try:
        tenant = tenant_of(context, wish.tenant_id, settings, budget.call)
        return check_tenant_id(tenant) if tenant else None, {}
    except InvalidTenantIdError as error:
        notes.append(f"told to the root instead: {error}")
        return None, {"tenant_id_refused": str(tenant)[:80]}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function must not cost the notification
        notes.append(f"told to the root instead: the tenant could not be found: {said(error)}")
        return None, {"tenant_id_refused": "(it could not be found)"}


def _is_failed_try(moment: Moment, lifecycle: Lifecycle) -> bool:
    return lifecycle in (Lifecycle.FAILURE, Lifecycle.RETRY) and not moment.of_run


def _log_tail(
    context: Context, tenant_id: str | None, service: NotificationService, budget: Budget
) -> dict[str, Any]:
    """Return the end of the task's log as a detail, when the configuration asks for it and it can be read here."""
    lines = service.configs.resolve(tenant_id, budget.call).config.log_tail_lines
    tail = log_tail(look(context, "ti", "task_instance"), lines) if lines else ""
    return {"log_tail": tail} if tail else {}


def _history(
    moment: Moment, lifecycle: Lifecycle, tenant_id: str | None, service: NotificationService, budget: Budget
) -> RunHistory:
    """Return what the run's tasks went through."""
    failed = _failed_tasks(moment.dag_id, moment.run_id, budget)
    if failed or lifecycle is not Lifecycle.SUCCESS:
        return RunHistory(failed_tasks=failed)
    run = NotificationMessage(
        event=NotificationEvent.PIPELINE_SUCCESS,
        tenant_id=tenant_id,
        pipeline_id=moment.dag_id,
        pipeline_logging_id=moment.run_id,
        clear_number=moment.clear_number or 0,
    )
    return RunHistory(retried=service.has_retried(run, budget))


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
