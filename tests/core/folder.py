"""A folder of configuration files, and what such files usually hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SECRET = "hunter2-never-shown"


class Folder:
    """Writes configuration files below ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, tenant_id: str | None) -> Path:
        """Return a tenant's file, the root's for ``None``; its folder is there."""
        file = self.path / (f"{tenant_id}/notifications.json" if tenant_id else "notifications/config.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def write(self, tenant_id: str | None, document: Any = None, /, **keys: Any) -> Path:
        """Write a file: text and bytes as they are, anything else as JSON."""
        content = keys if document is None else document
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        file = self.file(tenant_id)
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return file


def email(**keys: Any) -> dict[str, Any]:
    """Return an ``email`` section that works."""
    section = {
        "enabled": True,
        "smtp_host": "mail.example.com",
        "smtp_username": "alerts",
        "smtp_password": SECRET,
        "from_email": "noreply@example.com",
        "to_emails": ["ops@example.com"],
    }
    return section | keys


def slack(**keys: Any) -> dict[str, Any]:
    """Return a ``slack`` section that works."""
    return {"enabled": True, "webhook_url": f"https://hooks.slack.com/services/T0/B0/{SECRET}"} | keys
