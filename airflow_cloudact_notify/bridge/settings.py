"""The ``[cloudact_notify]`` section of Airflow's configuration."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from airflow.providers.common.compat.sdk import conf

from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.references import ReferenceRules

log = logging.getLogger(__name__)

T = TypeVar("T", bool, int, float)

SECTION = "cloudact_notify"
OPTIONS_LAYER = f"the [{SECTION}] options"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options that are not root settings; ``callback_budget_seconds`` covers all a callback does."""

    enabled: bool
    configs_path: str
    default_tenant: str | None
    tenant_from: str | None
    callback_budget_seconds: float
    allowed_webhook_hosts: frozenset[str]
    rules: ReferenceRules


@functools.cache
def read_settings() -> Settings:
    """Return this process's options; one that cannot be read is logged, and its default taken."""
    return Settings(
        enabled=_or_default(conf.getboolean, "enabled", True),
        configs_path=_below_airflow_home(_text("configs_path") or "configs"),
        default_tenant=_text("default_tenant"),
        tenant_from=_text("tenant_from"),
        callback_budget_seconds=_or_default(conf.getfloat, "callback_budget_seconds", 10.0),
        allowed_webhook_hosts=frozenset(host.lower() for host in split(_text("allowed_webhook_hosts"))),
        rules=ReferenceRules(_text("tenant_env_pattern"), _text("tenant_conn_pattern")),
    )


def read_root_options() -> Document | None:
    """Return the options that are root settings, as a configuration; ``None`` when they enable nothing.

    :raises ConfigurationError: when one cannot be read.
    """
    document = {
        "email": _without_empty(
            enabled=_read(conf.getboolean, "email_notifications_enabled", False),
            smtp_host=_text("email_smtp_host"),
            smtp_port=_read(conf.getint, "email_smtp_port", 587),
            smtp_username=_text("email_smtp_username"),
            smtp_password=_text("email_smtp_password"),
            from_email=_text("email_from_address"),
            to_emails=split(_text("email_to_addresses")),
        ),
        "slack": _without_empty(
            enabled=_read(conf.getboolean, "slack_notifications_enabled", False),
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


def _read(reader: Callable[..., T], option: str, default: T) -> T:
    try:
        return reader(SECTION, option, fallback=default)
    except Exception:  # noqa: BLE001 - Airflow has several classes for this, depending on the process
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(default)]
        problem = ConfigProblem(f"[{SECTION}]", option, "the value cannot be read", f"Set {kind}.")
        raise ConfigurationError(problem) from None


def _or_default(reader: Callable[..., T], option: str, default: T) -> T:
    try:
        return _read(reader, option, default)
    except ConfigurationError as error:
        log.error("%s Using %s.", error, default)  # noqa: TRY400 - the traceback would add nothing
        return default


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
