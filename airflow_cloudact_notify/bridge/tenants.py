"""Which tenant a callback is about."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_cloudact_notify.bridge.context import Context, look
from airflow_cloudact_notify.bridge.settings import Settings
from airflow_cloudact_notify.core.budget import Caller, call_directly

TAG = "tenant:"

Tenant = str | Callable[[Context], str | None] | None


def tenant_of(
    context: Context, argument: Tenant, settings: Settings, call: Caller = call_directly
) -> str | None:
    """Return the tenant a callback is about, ``None`` for the root's settings.

    In this order: the notifier's argument (a text, or a function of the context), ``dag_run.conf["tenant_id"]``, the
    DAG's param ``tenant_id``, its tag ``tenant:<id>``, the run's team, ``[cloudact_notify] tenant_from``,
    ``[cloudact_notify] default_tenant``.

    :param call: runs the functions among these.
    """
    dag, dag_run = look(context, "dag"), look(context, "dag_run")
    conf = look(dag_run, "conf")
    candidates: tuple[Callable[[], Any], ...] = (
        lambda: _asked(argument, context, call) if callable(argument) else argument,
        lambda: look(conf, "tenant_id") if isinstance(conf, Mapping) else None,
        lambda: _param(look(context, "params"), "tenant_id") or _param(look(dag, "params"), "tenant_id"),
        lambda: _tag(look(dag, "tags") or ()),
        lambda: look(dag_run, "team_name"),
        lambda: _by_convention(settings.tenant_from, context, call),
        lambda: settings.default_tenant,
    )
    return next((str(tenant) for find in candidates if (tenant := find())), None)


def _tag(tags: Any) -> str | None:
    names = sorted(str(tag) for tag in tags)
    return next((name.removeprefix(TAG) for name in names if name.startswith(TAG)), None)


def _param(params: Any, name: str) -> Any:
    value = look(params, name)
    # A DAG's own params are Param objects until Airflow resolves them for a task.
    return look(value, "value") if hasattr(value, "value") else value


def _asked(function: Callable[[Context], Any], context: Context, call: Caller) -> Any:
    return call("ask for the tenant", lambda: function(context))


def _by_convention(rule: str | None, context: Context, call: Caller) -> Any:
    """Apply ``tenant_from``: ``dag_id:<regex>`` (the first group, else the whole match), or ``module:function``."""
    if not rule:
        return None
    kind, _, rest = rule.partition(":")
    if not rest:
        raise ValueError(f"tenant_from is {rule!r}, which is neither dag_id:<regex> nor module:function")
    if kind != "dag_id":
        return _asked(getattr(importlib.import_module(kind), rest), context, call)
    dag_id = look(look(context, "dag"), "dag_id") or look(look(context, "ti"), "dag_id")
    found = re.search(rest, str(dag_id or look(look(context, "dag_run"), "dag_id") or ""))
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]
