"""Airflow's own masker: it knows the secrets of the connections and variables that were read."""

from __future__ import annotations

from typing import TypeVar, cast

from airflow.providers.common.compat.sdk import redact

T = TypeVar("T")


def masked(value: T) -> T:
    """Return ``value`` without what Airflow knows to be secret."""
    return cast("T", redact(value))
