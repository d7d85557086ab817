"""The health row: which destinations of a tenant refuse what they are sent, since when, and who knows of it.

One row per tenant, so that looking costs one read however many destinations there are. It is written only when
something changes: a tenant whose destinations always worked has none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.state.store import PREFIX, StateStore, read_row, scope_key

SCHEMA_VERSION = 1
ROWS = f"{PREFIX}:health:"


@dataclass(frozen=True, slots=True)
class Health:
    """How one destination has been. Times are in seconds since 1970.

    :param failures: permanent ones in a row; 0 since it has worked again.
    :param since: when the first of them was.
    :param tried_at: when the last of them was, or when somebody set out to see whether it works again.
    :param config: what stood for its configuration then.
    :param unhealthy: whether there were so many that it is left alone.
    :param told: whether the root knows of that.
    :param well_since: when it worked again.
    """

    failures: int = 0
    reason: FailureReason | None = None
    detail: str = ""
    since: float = 0.0
    tried_at: float = 0.0
    config: str = ""
    unhealthy: bool = False
    told: bool = False
    well_since: float = 0.0


HealthOfTenant = Mapping[NotificationProvider, Health]


class HealthRows:
    """Reads and writes the rows. Every method raises ``StateUnavailable`` when the store does not answer.

    :param warn: takes a sentence for a person when a row cannot be understood.
    """

    def __init__(self, store: StateStore, warn: Callable[[str], Any]) -> None:
        self._store = store
        self._warn = warn

    def load(self, tenant_id: str | None) -> dict[NotificationProvider, Health]:
        """Return a tenant's row, an empty one when there is none that makes sense."""
        return self.read(_key(tenant_id))[1]

    def read(self, key: str) -> tuple[str | None, dict[NotificationProvider, Health]]:
        """Return the tenant of a row, and what it holds."""
        row = read_row(self._store, key, SCHEMA_VERSION, _of_tenant, "a tenant's health", self._warn)
        return row or (None, {})

    def listed(self) -> list[str]:
        """Return the keys of all rows."""
        return self._store.keys(ROWS)

    def save(self, tenant_id: str | None, health: HealthOfTenant) -> None:
        """Write a tenant's row; an empty one is deleted."""
        if not health:
            self._store.delete(_key(tenant_id))
            return
        destinations = {str(name): asdict(one) for name, one in health.items()}
        row = {"v": SCHEMA_VERSION, "tenant_id": tenant_id, "destinations": destinations}
        self._store.put(_key(tenant_id), json.dumps(row))


def _key(tenant_id: str | None) -> str:
    return scope_key("health", tenant_id)


def _of_tenant(row: dict[str, Any]) -> tuple[str | None, dict[NotificationProvider, Health]]:
    destinations = row["destinations"].items()
    return row["tenant_id"], {NotificationProvider(name): _health(health) for name, health in destinations}


def _health(row: dict[str, Any]) -> Health:
    return Health(
        failures=int(row["failures"]),
        reason=FailureReason(row["reason"]) if row["reason"] else None,
        detail=str(row["detail"]),
        since=float(row["since"]),
        tried_at=float(row["tried_at"]),
        config=str(row["config"]),
        unhealthy=bool(row["unhealthy"]),
        told=bool(row["told"]),
        well_since=float(row["well_since"]),
    )
