"""Notifications for Apache Airflow that many tenants can share: who hears what, once, safely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from airflow_cloudact_notify.core.config import (
        EventTriggerConfig,
        NotificationConfig,
        NotificationRetryConfig,
    )
    from airflow_cloudact_notify.core.enums import (
        NotificationEvent,
        NotificationProvider,
        NotificationSeverity,
    )
    from airflow_cloudact_notify.core.errors import DataQualityError
    from airflow_cloudact_notify.core.message import NotificationMessage
    from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider
    from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
    from airflow_cloudact_notify.core.providers.slack import SlackConfig, SlackNotificationProvider
    from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
    from airflow_cloudact_notify.core.service import NotificationService
    from airflow_cloudact_notify.hooks.notification import NotificationHook
    from airflow_cloudact_notify.notifications.notifier import (
        CloudActNotifier,
        on_execute,
        on_failure,
        on_retry,
        on_skipped,
        on_success,
    )
    from airflow_cloudact_notify.operators.notify import NotifyOperator

__all__ = [
    "BaseNotificationProvider",
    "CloudActNotifier",
    "DataQualityError",
    "DeliveryResult",
    "EmailConfig",
    "EmailNotificationProvider",
    "EventTriggerConfig",
    "NotificationConfig",
    "NotificationEvent",
    "NotificationHook",
    "NotificationMessage",
    "NotificationProvider",
    "NotificationReport",
    "NotificationRetryConfig",
    "NotificationService",
    "NotificationSeverity",
    "NotifyOperator",
    "SlackConfig",
    "SlackNotificationProvider",
    "__version__",
    "get_notification_service",
    "on_execute",
    "on_failure",
    "on_retry",
    "on_skipped",
    "on_success",
]

# Everything is imported when it is first used: a DAG file that imports this package is parsed every 30 seconds.
_HOME = {
    "BaseNotificationProvider": "core.providers.base",
    "CloudActNotifier": "notifications.notifier",
    "DataQualityError": "core.errors",
    "DeliveryResult": "core.report",
    "EmailConfig": "core.providers.email",
    "EmailNotificationProvider": "core.providers.email",
    "EventTriggerConfig": "core.config",
    "NotificationConfig": "core.config",
    "NotificationEvent": "core.enums",
    "NotificationHook": "hooks.notification",
    "NotificationMessage": "core.message",
    "NotificationProvider": "core.enums",
    "NotificationReport": "core.report",
    "NotificationRetryConfig": "core.config",
    "NotificationService": "core.service",
    "NotificationSeverity": "core.enums",
    "NotifyOperator": "operators.notify",
    "SlackConfig": "core.providers.slack",
    "SlackNotificationProvider": "core.providers.slack",
    "on_execute": "notifications.notifier",
    "on_failure": "notifications.notifier",
    "on_retry": "notifications.notifier",
    "on_skipped": "notifications.notifier",
    "on_success": "notifications.notifier",
}


def get_notification_service() -> NotificationService:
    """Return this process's service: with Airflow's settings, connections and Variables where Airflow is installed."""
    import importlib.util

    if importlib.util.find_spec("airflow") is None:
        from airflow_cloudact_notify.core.service import default_service

        return default_service()
    from airflow_cloudact_notify.bridge.wiring import airflow_service

    return airflow_service()


def __getattr__(name: str) -> Any:
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
