"""Processes that report a failure at one instant, each with a service of its own over Airflow's Variables."""

from __future__ import annotations

import json
import logging
import multiprocessing
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.service import NotificationService

BUDGET = 10.0
"""Seconds that a callback has, unless it is configured otherwise."""
COOLDOWN = 300

# Airflow is imported once; each process then begins as a fork that has not touched the database.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["load.reporting", "airflow.models.variable"])


def configure(folder: Path, url: str) -> None:
    """Write a root configuration that posts failures to a webhook, or change it."""
    config = {
        "default_provider": "slack",
        "slack": {"enabled": True, "webhook_url": url},
        "event_triggers": [{"event": "pipeline_failure", "cooldown_seconds": COOLDOWN}],
    }
    file = folder / "notifications" / "config.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(config))


def hush() -> None:
    """Let this process say nothing but in reports."""
    logging.disable(logging.CRITICAL)


def service_of(folder: Path, **options: Any) -> NotificationService:
    """Return a service over a folder's configuration and Airflow's Variables."""
    config = json.loads((folder / "notifications" / "config.json").read_text())
    host = urlsplit(config["slack"]["webhook_url"]).netloc
    return NotificationService(
        folder, **({"allowed_webhook_hosts": [host], "state": VariableStateStore()} | options)
    )


def ready_service_of(folder: Path, **options: Any) -> NotificationService:
    """Return a service whose process has looked at a Variable before: the first look costs a model's user seconds.

    A task has none of this to do, which asks the API server.
    """
    service = service_of(folder, **options)
    service.state.get("cloudact_notify:warm_up")
    return service


def failure(pipeline_id: str, part: int = 0) -> NotificationMessage:
    """Return what the callback of a mapped task tells that has failed."""
    return NotificationMessage(
        event="pipeline_failure",
        tenant_id="acme",
        title=f"Task {pipeline_id}.load failed",
        message=f"ValueError: part {part} is broken",
        pipeline_id=pipeline_id,
        pipeline_logging_id="manual__2026-01-02",
        task_id="load",
        map_index=part,
        lifecycle="failure",
        occasion=uuid.uuid4().hex,
    )
