"""Every kind of destination: one line each."""

from __future__ import annotations

from typing import Any

from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider
from airflow_cloudact_notify.core.providers.email import EmailNotificationProvider
from airflow_cloudact_notify.core.providers.slack import SlackNotificationProvider

PROVIDERS: dict[NotificationProvider, type[BaseNotificationProvider[Any, Any]]] = {
    NotificationProvider.EMAIL: EmailNotificationProvider,
    NotificationProvider.SLACK: SlackNotificationProvider,
}
