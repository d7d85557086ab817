"""What Airflow's discovery of providers reads."""

from __future__ import annotations

from typing import Any

VERSION_ADDED = "0.1.0"


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-cloudact-notify",
        "name": "CloudAct Notify",
        "description": "Notifications that many tenants can share: who hears what, once, safely.",
        "hooks": [
            {
                "integration-name": "CloudAct Notify",
                "python-modules": ["airflow_cloudact_notify.hooks.notification"],
            }
        ],
        "operators": [
            {
                "integration-name": "CloudAct Notify",
                "python-modules": ["airflow_cloudact_notify.operators.notify"],
            }
        ],
        "integrations": [
            {
                "integration-name": "CloudAct Notify",
                "tags": ["service"],
            }
        ],
        "notifications": ["airflow_cloudact_notify.notifications.notifier.CloudActNotifier"],
        "connection-types": [_CONNECTION_TYPE],
        "cli": ["airflow_cloudact_notify.cli.airflow_commands.get_cli_commands"],
        "config": {
            "cloudact_notify": {
                "description": "Notifications of airflow-provider-cloudact-notify.",
                "options": _OPTIONS,
            }
        },
    }


def _field(label: str, kind: str = "string", description: str = "", **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": [kind, "null"], **schema},
    }


_CONNECTION_TYPE = {
    "connection-type": "cloudact_notify",
    "hook-name": "CloudAct Notify",
    "hook-class-name": "airflow_cloudact_notify.hooks.notification.NotificationHook",
    "conn-fields": {
        "smtp_use_tls": _field("Use TLS", "boolean", "STARTTLS, or TLS from the start on 465", default=True),
        "from_email": _field("From address", format="email"),
        "from_name": _field("From name"),
        "to_emails": _field("Recipients", description="Separated by commas"),
        "cc_emails": _field("Copies", description="Separated by commas"),
        "subject_prefix": _field("Subject prefix"),
        "slack_webhook_url": _field("Slack webhook URL", format="password"),
        "slack_channel": _field(
            "Slack channel", description="Followed by webhooks of older custom integrations only"
        ),
        "default_provider": _field("Default destination", enum=["email", "slack", "both", None]),
    },
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "extra"],
        "relabeling": {
            "host": "SMTP host",
            "port": "SMTP port",
            "login": "SMTP user name",
            "password": "SMTP password",
        },
        "placeholders": {
            "host": "smtp.example.com",
            "port": "587",
            "to_emails": "team@example.com, oncall@example.com",
            "slack_webhook_url": "https://hooks.slack.com/services/…",
        },
    },
}


def _option(
    description: str,
    kind: str = "string",
    default: str | None = None,
    example: str | None = None,
    *,
    sensitive: bool = False,
) -> dict[str, Any]:
    option = {
        "description": description,
        "version_added": VERSION_ADDED,
        "type": kind,
        "example": example,
        "default": default,
    }
    return option | {"sensitive": True} if sensitive else option


_OPTIONS = {
    "enabled": _option("Whether anything is sent at all.", "boolean", "True"),
    "configs_path": _option(
        "Folder of the configuration files, relative to AIRFLOW_HOME, or a URL that ObjectStoragePath opens.",
        default="configs",
        example="s3://bucket/configs",
    ),
    "default_tenant": _option(
        "Tenant of callbacks whose DAG names none. Empty: the root's settings apply.", example="acme"
    ),
    "tenant_from": _option(
        "How a callback's tenant follows from a naming convention: dag_id:<regular expression>, whose first group is "
        "the tenant, or module:function, which is given Airflow's context.",
        example="dag_id:^([a-z0-9]+)__",
    ),
    "attach": _option(
        "Callbacks that are attached to every DAG, separated by commas: dag.started, dag.success, dag.failure, "
        "task.started, task.success, task.failure, task.retry, task.skipped. A DAG with the tag cloudact_notify:off, "
        "or the param cloudact_notify: false, is left alone.",
        example="dag.failure,task.failure",
    ),
    "preload": _option(
        "Whether a process of Airflow imports the engine before it forks its first other one, so that the tasks "
        "forked from it need not. One that was started for one task, on a pod of its own say, does without.",
        "boolean",
        "True",
    ),
    "callback_budget_seconds": _option(
        "Seconds one callback may take in all, in the triggerer at least 30. Airflow kills a task's callback after 20.",
        "float",
        "10",
    ),
    "allowed_webhook_hosts": _option(
        "Hosts, or host:port, that webhooks may name beside hooks.slack.com and hooks.slack-gov.com, "
        "separated by commas.",
        example="slack-proxy.internal:8443",
    ),
    "tenant_env_pattern": _option(
        "Regular expression of environment variables that tenants' files may name beside CLOUDACT_NOTIFY_* "
        "and {TENANT_ID}_*. Airflow's own are never allowed.",
        example="TENANTS_[A-Z_]+",
    ),
    "tenant_conn_pattern": _option(
        "Regular expression of connections that tenants' files may name beside cloudact_notify_* and "
        "{tenant_id}_*. {tenant_id} in it stands for the tenant's id.",
        example="smtp_shared|{tenant_id}-.*",
    ),
    "email_notifications_enabled": _option("Root default: whether email is sent.", "boolean", "False"),
    "email_smtp_host": _option("Root default: mail server.", example="smtp.example.com"),
    "email_smtp_port": _option("Root default: port of the mail server.", "integer", "587"),
    "email_smtp_username": _option("Root default: user name at the mail server."),
    "email_smtp_password": _option("Root default: password at the mail server.", sensitive=True),
    "email_from_address": _option("Root default: sender.", example="airflow@example.com"),
    "email_to_addresses": _option(
        "Root default: recipients, separated by commas.", example="team@example.com,oncall@example.com"
    ),
    "slack_notifications_enabled": _option("Root default: whether Slack is used.", "boolean", "False"),
    "slack_webhook_url": _option("Root default: incoming webhook.", sensitive=True),
    "slack_channel": _option(
        "Root default: channel, followed by webhooks of older custom integrations only.", example="#alerts"
    ),
}
