"""Which names a tenant may have, and where its file lies."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from airflow_cloudact_notify.core.errors import ConfigProblem, InvalidTenantIdError
from airflow_cloudact_notify.core.root import ROOT_FILE, ROOT_FOLDER

TENANT_FILE = "notifications.json"
_NEARLY = 0.85
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


def tenant_folders(folder: Path) -> list[str]:
    """Return the names of the folders that hold a tenant's file, in their order.

    A file that cannot be read is there, too: behind a link that leads nowhere, or in a locked folder with a name for a
    tenant.

    :param folder: a ``pathlib``-like path.
    """
    if not isinstance(folder, Path):
        return sorted(file.parent.name for file in folder.glob(f"*/{TENANT_FILE}"))
    try:
        return sorted(child.name for child in folder.iterdir() if _has_file(child))
    except (FileNotFoundError, NotADirectoryError):
        return []


def misnamed_files(folder: Path) -> list[Path]:
    """Return the files that seem to be tenants', and are not for their names: their tenants get the root's settings.

    :param folder: a ``pathlib``-like path.
    """
    if not isinstance(folder, Path) or not folder.is_dir():
        return []
    tenants = [child for child in sorted(folder.iterdir()) if is_tenant_id(child.name) and child.is_dir()]
    return [
        file for tenant in tenants if not _has_file(tenant) for file in tenant.iterdir() if is_misnamed(file)
    ]


def is_misnamed(file: Path) -> bool:
    """Whether a file's name is nearly that of a tenant's, or that of the root's."""
    if file.name == TENANT_FILE or file.parent.name.lower() == ROOT_FOLDER:
        return False
    near = difflib.SequenceMatcher(None, file.name.lower(), TENANT_FILE).ratio()
    return near >= _NEARLY or file.name == Path(ROOT_FILE).name


def _has_file(folder: Path) -> bool:
    try:
        (folder / TENANT_FILE).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return is_tenant_id(folder.name)
    return True


def tenant_file(tenant_id: str) -> str:
    """Return where a tenant's file lies below the folder of all."""
    return f"{tenant_id}/{TENANT_FILE}"
