"""Jinja for what DAG authors write into notifiers: sandboxed, lenient, and into copies only."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import ChainableUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from airflow_cloudact_notify.bridge.context import look


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """Return ``value`` with its templates filled in; what the context does not know becomes empty text.

    :raises jinja2.TemplateError: for a template that cannot be read or filled.
    """
    if isinstance(value, str):
        return _template(value, context).render(dict(context)) if is_template(value) else value
    if isinstance(value, Mapping):
        return {key: render(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, context) for item in value]
    return value


def _known(value: Any) -> Any:
    return "" if value is None else value


def is_template(text: str) -> bool:
    """Whether there is anything to fill in."""
    return "{{" in text or "{%" in text or "{#" in text


def _template(text: str, context: Mapping[str, Any]) -> Template:
    dag = look(context, "dag")
    macros, filters = look(dag, "user_defined_macros"), look(dag, "user_defined_filters")
    if not (macros or filters):
        return _compiled(text)
    environment = _environment()
    environment.globals.update(macros or {})
    environment.filters.update(filters or {})
    return environment.from_string(text)


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    """Return a template that uses nothing of its DAG's: a notifier's texts stay the same from run to run."""
    return _environment().from_string(text)


def _environment() -> SandboxedEnvironment:
    # Plain text for the engine, which escapes for each medium itself.
    return SandboxedEnvironment(undefined=ChainableUndefined, autoescape=False, finalize=_known)
