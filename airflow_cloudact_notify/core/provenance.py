"""Where every effective setting of a tenant comes from: which file at which line, which connection, or a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, SecretStr

from airflow_cloudact_notify.core import documents, positions
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.config_store import SENDERS_IDENTITY, ConfigStore
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.providers.base import DestinationConfig
from airflow_cloudact_notify.core.resolved import ResolvedConfig

DEFAULT = "default"
_NOT_SETTINGS = {"$schema", "description", "extends", "tenant_id", "event_triggers"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective setting; ``value`` is ``None`` for a secret, which ``is_secret`` says."""

    key: str
    value: Any
    source: str
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class _Said:
    """A value, and who says so; two are equal when their values are."""

    value: Any
    source: str = field(compare=False)


def settings(
    configs: ConfigStore,
    tenant_id: str | None,
    event: NotificationEvent,
    resolved: ResolvedConfig,
    connected: Mapping[str, DestinationConfig],
) -> list[Setting]:
    """Return the settings that apply to an event of a tenant, in the order of the models.

    :param connected: the sections that connections complete.
    """
    said = _said(configs, tenant_id, resolved)
    found: list[Setting] = []
    for name, info in NotificationConfig.model_fields.items():
        key = info.alias or name
        value = connected.get(name, getattr(resolved.config, name))
        if key not in _NOT_SETTINGS:
            found += _settings(key, value, said.get(key))
    trigger = resolved.config.trigger(event)
    if trigger is not None:
        texts = next(t for t in said.get("event_triggers", []) if t["event"].value == trigger.event)
        found += _settings(f"trigger {trigger.event}", trigger, texts)
    return [setting for setting in found if not setting.key.endswith(".event")]


def why(configs: ConfigStore, tenant_id: str | None, resolved: ResolvedConfig) -> str:
    """Return why a tenant's file is used or not, in a sentence."""
    if tenant_id is None:
        return "The root's settings were asked for."
    name, _ = _file(configs, tenant_id)
    if _is_own(configs, tenant_id, resolved):
        extends = " It is completed from the root's settings." if resolved.config.extends else ""
        return f"The tenant's file is there, valid and enabled.{extends}"
    if any(problem.file == name for problem in resolved.problems):
        return "The tenant's file cannot be used, so the root's settings apply."
    _, document = _file(configs, tenant_id)
    if document is None:
        return f"The tenant has no file ({name}), so the root's settings apply."
    return f"The tenant's file ({name}) has \"enabled\": false, so the root's settings apply."


def _is_own(configs: ConfigStore, tenant_id: str | None, resolved: ResolvedConfig) -> bool:
    name, _ = _file(configs, tenant_id)
    return resolved.source == name or resolved.source.startswith(f"{name} over ")


def _file(configs: ConfigStore, tenant_id: str | None) -> tuple[str, Document | None]:
    """Return a file's name, and what is said in it, by its lines; ``None`` when it is missing or no use."""
    name = configs.name(tenant_id)
    try:
        content = configs.content(tenant_id)
        if content is None:
            return name, None
        document = documents.parse(content, name)
    except ConfigurationError:
        return name, None
    return name, _labelled(document, name, positions.key_lines(content.decode("utf-8")))


def _said(configs: ConfigStore, tenant_id: str | None, resolved: ResolvedConfig) -> Document:
    """Return the merged documents, with who says each value in its place."""
    root = _file(configs, None)[1]
    if root is None or not _is_on(root):
        root = {}
    for name, layer in configs.root_layers():
        root = documents.merge(root, _labelled(layer, name, {}))
    if not _is_own(configs, tenant_id, resolved) or tenant_id is None:
        return root
    own = _file(configs, tenant_id)[1] or {}
    if resolved.config.extends:
        return documents.merge(own, root)
    identity = {key: said for key, said in root.get("email", {}).items() if key in SENDERS_IDENTITY}
    email = own.get("email")
    return {**own, "email": {**identity, **email}} if isinstance(email, Mapping) else own


def _is_on(root: Document) -> bool:
    said = root.get("enabled")
    return not isinstance(said, _Said) or said.value is not False


def _labelled(document: Mapping[str, Any], name: str, lines: dict[str, int], within: str = "") -> Document:
    labelled: Document = {}
    for key, value in document.items():
        path = f"{within}.{key}" if within else key
        if isinstance(value, Mapping):
            labelled[key] = _labelled(value, name, lines, path)
        elif key == "event_triggers" and isinstance(value, list):
            labelled[key] = [
                _labelled(trigger, name, lines, f"{path}.{index}") for index, trigger in enumerate(value)
            ]
        else:
            labelled[key] = _Said(value, f"{name}:{lines[path]}" if path in lines else name)
    return labelled


def _settings(key: str, value: Any, said: Any) -> Iterator[Setting]:
    if isinstance(value, BaseModel):
        texts = said if isinstance(said, Mapping) else {}
        conn_id = getattr(value, "conn_id", None)
        for name in type(value).model_fields:
            for setting in _settings(f"{key}.{name}", getattr(value, name), texts.get(name)):
                unit = getattr(type(value), "SERVER_KEYS", ())
                is_connections = conn_id and setting.source == DEFAULT and name in unit
                yield _by_connection(setting, conn_id) if is_connections else setting
        return
    source = said.source if isinstance(said, _Said) else DEFAULT
    if isinstance(value, SecretStr):
        yield Setting(key, None, source, is_secret=True)
    else:
        yield Setting(key, value, source)


def _by_connection(setting: Setting, conn_id: str | None) -> Setting:
    return Setting(setting.key, setting.value, f"connection {conn_id}", setting.is_secret)
