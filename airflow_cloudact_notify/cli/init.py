"""``cloudact-notify init``: a starting set of files that is valid as it is."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.core import schema
from airflow_cloudact_notify.core.root import ROOT_FILE
from airflow_cloudact_notify.core.tenant_ids import TENANT_FILE, check_tenant_id

INBOX_PORT = 1025


def run(arguments: argparse.Namespace) -> int:
    """Write what is not there yet."""
    folder, tenant_id = Path(arguments.configs), arguments.tenant
    documents: dict[str, Any] = {
        schema.FILE: schema.json_schema(),
        ROOT_FILE: _root(is_inbox=arguments.inbox),
    }
    if tenant_id:
        documents[f"{check_tenant_id(tenant_id)}/{TENANT_FILE}"] = _tenant(tenant_id)
    written, kept = [], []
    for name, document in documents.items():
        file = folder / name
        if file.exists():
            kept.append(str(file))
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(str(file))
    if arguments.format == "json":
        output.say_json({"written": written, "kept": kept})
        return 0
    for file_name in written:
        output.say(f"{output.styled('written', 'green')}  {file_name}")
    for file_name in kept:
        output.say(f"{output.styled('kept', 'dim')}     {file_name} (it was there)")
    output.say(f"\nNext: fill in who is told, then cloudact-notify validate {folder}")
    return 0


def _root(*, is_inbox: bool) -> dict[str, Any]:
    server: dict[str, Any] = {
        "smtp_host": "smtp.example.com",
        "smtp_port": 587,
        "smtp_username": "alerts@example.com",
        "smtp_password": "${PLATFORM_SMTP_PASSWORD}",
    }
    if is_inbox:
        server = {"smtp_host": "127.0.0.1", "smtp_port": INBOX_PORT, "smtp_use_tls": False}
    return {
        "$schema": f"../{schema.FILE}",
        "description": "The root's settings: they apply to every tenant without a file of its own",
        "enabled": True,
        "email": {
            "enabled": True,
            **server,
            "from_email": "alerts@example.com",
            "to_emails": ["data-platform@example.com"],
        },
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": 300}],
    }


def _tenant(tenant_id: str) -> dict[str, Any]:
    return {
        "$schema": f"../{schema.FILE}",
        "description": "The mail server is the root's, the people are this tenant's",
        "extends": "root",
        "tenant_id": tenant_id,
        "email": {"enabled": True, "to_emails": ["data-team@example.com"]},
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": 600}],
    }
