"""Airflow connections as sections of a configuration: the official types as they are, and our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Connection

from airflow_cloudact_notify.bridge.process import is_supervised
from airflow_cloudact_notify.bridge.settings import split
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.oauth2 import OAuth2Config

CONN_TYPE = "cloudact_notify"


def read_section(conn_id: str, kind: NotificationProvider) -> Mapping[str, Any]:
    """Return the server and its credentials that a connection names, as keys of a destination's section.

    :raises ConfigurationError: when there is no such connection, or it is of a type that cannot serve ``kind``.
    """
    connection = _find(conn_id)
    if connection is None:
        remedy = f"Add it with 'airflow connections add {conn_id} …' or in the UI."
        raise _problem(conn_id, "it is not defined", remedy)
    translate = _TRANSLATIONS.get((kind, connection.conn_type))
    if translate is None:
        types = " or ".join(repr(conn_type) for name, conn_type in _TRANSLATIONS if name is kind)
        raise _problem(conn_id, f"its type is {connection.conn_type!r}", f"{kind} takes {types}.")
    return _filled(translate(connection))


def read_root(conn_id: str) -> Document | None:
    """Return the root settings that a connection of our own type holds, ``None`` when it is not defined.

    :raises ConfigurationError: when it is of another type.
    """
    connection = _find(conn_id)
    if connection is None:
        return None
    if connection.conn_type != CONN_TYPE:
        raise _problem(conn_id, f"its type is {connection.conn_type!r}", f"Make it of type {CONN_TYPE!r}.")
    return root_settings(connection)


def root_settings(connection: Connection) -> Document:
    """Return what a connection of our own type says, as a configuration."""
    extra = connection.extra_dejson
    email = _own_email(connection) | {
        "to_emails": split(extra.get("to_emails")),
        "cc_emails": split(extra.get("cc_emails")),
    }
    slack = _own_slack(connection) | {"channel": extra.get("slack_channel")}
    sections = {
        "email": _filled({"enabled": bool(connection.host), **email}),
        "slack": _filled({"enabled": bool(slack["webhook_url"]), **slack}),
    }
    enabled = {name: section for name, section in sections.items() if section["enabled"]}
    default = extra.get("default_provider") or ("slack" if list(enabled) == ["slack"] else "email")
    return {"enabled": bool(enabled), "default_provider": default, **enabled}


def _find(conn_id: str) -> Connection | None:
    try:
        if is_supervised():
            return BaseHook.get_connection(conn_id)
        from airflow.models.connection import Connection as ConnectionModel

        return ConnectionModel.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None
    except PermissionError:
        remedy = (
            "A deadline's SyncCallback has only those of AIRFLOW_CONN_* variables; AsyncCallback has all."
        )
        raise _problem(conn_id, "Airflow does not let this process read it", remedy) from None
    except Exception as error:  # noqa: BLE001 - whatever the database, the API server or a secrets backend raises
        reason = f"it could not be read: {type(error).__name__}"
        raise _problem(conn_id, reason, "Check Airflow's API server and its secrets backends.") from None


def _own_email(connection: Connection) -> Document:
    extra = connection.extra_dejson
    return {
        "smtp_host": connection.host,
        "smtp_port": connection.port,
        "smtp_username": connection.login,
        "smtp_password": connection.password,
        "smtp_use_tls": extra.get("smtp_use_tls"),
        "from_email": extra.get("from_email"),
        "from_name": extra.get("from_name"),
        "subject_prefix": extra.get("subject_prefix"),
    }


def _own_slack(connection: Connection) -> Document:
    return {"webhook_url": connection.extra_dejson.get("slack_webhook_url")}


def _official_smtp(connection: Connection) -> Document:
    """Read the shape of ``airflow.providers.smtp``: TLS from the start unless ``disable_ssl``, else STARTTLS."""
    extra = connection.extra_dejson
    auth_type = extra.get("auth_type") or "basic"
    if auth_type not in ("basic", "oauth2"):
        raise _problem(connection.conn_id or "", "its auth_type is not known", "Use basic or oauth2.")
    by_token = auth_type == "oauth2"
    return {
        "smtp_host": connection.host,
        "smtp_port": connection.port or (25 if extra.get("disable_ssl") else 465),
        "smtp_username": connection.login,
        "smtp_password": None if by_token else connection.password,
        "oauth2": _filled({key: extra.get(key) for key in OAuth2Config.model_fields}) if by_token else None,
        "smtp_security": _official_security(connection),
        "smtp_verify_certificate": extra.get("ssl_context") != "none",
        "from_email": extra.get("from_email"),
    }


def _official_security(connection: Connection) -> str:
    extra = connection.extra_dejson
    # No server speaks TLS from the start on 587: an untouched form means STARTTLS there.
    if not extra.get("disable_ssl") and connection.port != 587:
        return "implicit"
    return "none" if extra.get("disable_tls") else "starttls"


def _official_slack(connection: Connection) -> Document:
    """Read the shape of ``airflow.providers.slack``: the URL, or its last part, in the password."""
    token = (connection.password or "").strip()
    if "://" not in token:
        base = connection.host or "hooks.slack.com/services"
        if "://" not in base:
            base = f"{connection.schema or 'https'}://{base}"
        token = f"{base.rstrip('/')}/{token.lstrip('/')}".rstrip("/") if token else ""
    return {"webhook_url": token, "proxy": connection.extra_dejson.get("proxy")}


_TRANSLATIONS: dict[tuple[NotificationProvider, str | None], Callable[[Connection], Document]] = {
    (NotificationProvider.EMAIL, "smtp"): _official_smtp,
    (NotificationProvider.EMAIL, CONN_TYPE): _own_email,
    (NotificationProvider.SLACK, "slackwebhook"): _official_slack,
    (NotificationProvider.SLACK, CONN_TYPE): _own_slack,
}


def _filled(section: Document) -> Document:
    return {key: value for key, value in section.items() if value not in (None, "", [])}


def _problem(conn_id: str, reason: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(ConfigProblem(f"connection {conn_id}", "", reason, remedy))
