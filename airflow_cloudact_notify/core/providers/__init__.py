"""Every kind of destination: one line each."""

from __future__ import annotations

from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.providers.base import Provider
from airflow_cloudact_notify.core.providers.email import EmailNotificationProvider
from airflow_cloudact_notify.core.providers.slack import SlackNotificationProvider

PROVIDERS: dict[NotificationProvider, type[Provider]] = {
    NotificationProvider.EMAIL: EmailNotificationProvider,
    NotificationProvider.SLACK: SlackNotificationProvider,
}
