"""Which names a tenant may have, and where its file lies."""

from __future__ import annotations

import re

from airflow_cloudact_notify.core.errors import ConfigProblem, InvalidTenantIdError
from airflow_cloudact_notify.core.root import ROOT_FOLDER

TENANT_FILE = "notifications.json"
_TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_tenant_id(tenant_id: str) -> bool:
    """Whether ``tenant_id`` may become a folder's name."""
    return _TENANT_ID.fullmatch(tenant_id) is not None and tenant_id.lower() != ROOT_FOLDER


def check_tenant_id(tenant_id: str) -> str:
    """Return ``tenant_id`` when it may become a folder's name.

    :raises InvalidTenantIdError: otherwise.
    """
    if is_tenant_id(tenant_id):
        return tenant_id
    raise InvalidTenantIdError(
        ConfigProblem(
            f"tenant id {tenant_id[:80]!r}",
            "",
            "it cannot be a folder's name",
            "Use up to 64 letters, digits, '_' and '-', a letter or digit first, and not 'notifications'.",
        )
    )


def tenant_file(tenant_id: str) -> str:
    """Return where a tenant's file lies below the folder of all."""
    return f"{tenant_id}/{TENANT_FILE}"
