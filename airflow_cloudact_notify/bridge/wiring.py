"""The engine, put together with Airflow's settings, connections and Variables."""

from __future__ import annotations

import functools

from airflow_cloudact_notify.bridge import connections, metrics, settings
from airflow_cloudact_notify.bridge.variables import VariableStateStore
from airflow_cloudact_notify.bridge.wish import DEFAULT_CONN_ID
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.root import Layer
from airflow_cloudact_notify.core.service import NotificationService


@functools.cache
def airflow_service(conn_id: str = DEFAULT_CONN_ID) -> NotificationService:
    """Return this process's service.

    :param conn_id: the connection that supplies root settings beside the root's file.
    """
    options = settings.read_settings()
    configs = ConfigStore(
        options.configs_path,
        layers=(
            Layer(f"connection {conn_id}", lambda: connections.read_root(conn_id)),
            Layer(settings.OPTIONS_LAYER, settings.read_root_options, is_local=True),
        ),
        rules=options.rules,
        allowed_webhook_hosts=options.allowed_webhook_hosts,
        path_opener=open_path,
    )
    return NotificationService(
        configs=configs,
        connections=connections.read_section,
        state=VariableStateStore(),
        enabled=options.enabled,
        metrics=metrics.emit,
    )


def open_path(path: str) -> object:
    """Return a path object: ``pathlib``'s, or for a URL Airflow's ``ObjectStoragePath``."""
    if "://" in path:
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(path)
    from airflow_cloudact_notify.core.files import open_path as open_local

    return open_local(path)
