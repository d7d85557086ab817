"""Jinja for what DAG authors write into notifiers: sandboxed, lenient, and into copies only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import ChainableUndefined
from jinja2.sandbox import SandboxedEnvironment

from airflow_cloudact_notify.bridge.context import look


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """Return ``value`` with its templates filled in; what the context does not know becomes empty text.

    :raises jinja2.TemplateError: for a template that cannot be read or filled.
    """
    if isinstance(value, str):
        return (
            _environment(context).from_string(value).render(dict(context)) if _is_template(value) else value
        )
    if isinstance(value, Mapping):
        return {key: render(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, context) for item in value]
    return value


def _known(value: Any) -> Any:
    return "" if value is None else value


def _is_template(text: str) -> bool:
    return "{{" in text or "{%" in text or "{#" in text


def _environment(context: Mapping[str, Any]) -> SandboxedEnvironment:
    # Plain text for the engine, which escapes for each medium itself.
    environment = SandboxedEnvironment(undefined=ChainableUndefined, autoescape=False, finalize=_known)
    dag = look(context, "dag")
    environment.globals.update(look(dag, "user_defined_macros") or {})
    environment.filters.update(look(dag, "user_defined_filters") or {})
    return environment
