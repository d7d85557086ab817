"""What a DAG's author asks of a notifier. Light: DAG files import it, and they are parsed all the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DEFAULT_CONN_ID = "cloudact_notify_default"
"""The connection that supplies root settings beside the root's file; it need not be defined."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Whatever is left out comes from the context and the files; the texts may be templates.

    ``tenant_id`` and ``event`` may be functions of Airflow's context.
    """

    tenant_id: str | Callable[[Mapping[str, Any]], str | None] | None = None
    event: str | Callable[[Mapping[str, Any]], str | None] | None = None
    severity: str | None = None
    title: str | None = None
    message: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    providers: Sequence[str] | None = None
    conn_id: str = DEFAULT_CONN_ID
