"""The ``[cloudact_notify]`` section of Airflow's configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from airflow.providers.common.compat.sdk import conf

from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.references import ReferenceRules

SECTION = "cloudact_notify"
OPTIONS_LAYER = f"the [{SECTION}] options"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that are not root settings; ``callback_budget_seconds`` covers all a callback does."""

    enabled: bool
    configs_path: str
    default_tenant: str | None
    callback_budget_seconds: float
    allowed_webhook_hosts: frozenset[str]
    rules: ReferenceRules


def read_settings() -> Settings:
    """Return the options as they are now."""
    return Settings(
        enabled=conf.getboolean(SECTION, "enabled", fallback=True),
        configs_path=_below_airflow_home(_text("configs_path") or "configs"),
        default_tenant=_text("default_tenant"),
        callback_budget_seconds=conf.getfloat(SECTION, "callback_budget_seconds", fallback=10.0),
        allowed_webhook_hosts=frozenset(host.lower() for host in split(_text("allowed_webhook_hosts"))),
        rules=ReferenceRules(_text("tenant_env_pattern"), _text("tenant_conn_pattern")),
    )


def read_root_options() -> Document | None:
    """Return the options that are root settings, as a configuration; ``None`` when they enable nothing."""
    document = {
        "email": _without_empty(
            enabled=conf.getboolean(SECTION, "email_notifications_enabled", fallback=False),
            smtp_host=_text("email_smtp_host"),
            smtp_port=conf.getint(SECTION, "email_smtp_port", fallback=587),
            smtp_username=_text("email_smtp_username"),
            smtp_password=_text("email_smtp_password"),
            from_email=_text("email_from_address"),
            to_emails=split(_text("email_to_addresses")),
        ),
        "slack": _without_empty(
            enabled=conf.getboolean(SECTION, "slack_notifications_enabled", fallback=False),
            webhook_url=_text("slack_webhook_url"),
            channel=_text("slack_channel"),
        ),
    }
    enabled = {name: section for name, section in document.items() if section.get("enabled")}
    if not enabled:
        return None
    return {"default_provider": "email" if "email" in enabled else "slack", **enabled}


def split(text: str | None) -> list[str]:
    """Return the parts of a text separated by commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _text(option: str) -> str | None:
    value = conf.get(SECTION, option, fallback=None)
    return value.strip() or None if value else None


def _without_empty(**values: object) -> Document:
    return {key: value for key, value in values.items() if value not in (None, "", [])}


def _below_airflow_home(path: str) -> str:
    if "://" in path:
        return path
    home = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser()
    return str(home / Path(path).expanduser())
