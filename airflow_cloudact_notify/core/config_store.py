"""Which configuration applies to a tenant: its own file first, the root's second, and never silence for a typo."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core import documents, references
from airflow_cloudact_notify.core.budget import Caller, call_directly
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import (
    ConfigProblem,
    ConfigurationError,
    InvalidTenantIdError,
    OutOfTimeError,
)
from airflow_cloudact_notify.core.files import Files, open_path
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import BaseNotificationProvider, ProviderSettings
from airflow_cloudact_notify.core.references import ReferenceRules

log = logging.getLogger(__name__)

TENANT_FILE = "notifications.json"
ROOT_FOLDER = "notifications"
ROOT_FILE = f"{ROOT_FOLDER}/config.json"
LAYER_RECHECK_SECONDS = 60.0
"""How long a root layer (a connection, say) is believed before it is read again."""
SENDERS_IDENTITY = ("from_email", "from_name", "subject_prefix")

_TENANT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

Provider = BaseNotificationProvider[Any, Any]


def check_tenant_id(tenant_id: str) -> str:
    """Return ``tenant_id`` when it may become a folder's name.

    :raises InvalidTenantIdError: otherwise.
    """
    if _TENANT_ID.fullmatch(tenant_id) and tenant_id.lower() != ROOT_FOLDER:
        return tenant_id
    raise InvalidTenantIdError(
        ConfigProblem(
            f"tenant id {tenant_id[:80]!r}",
            "",
            "it cannot be a folder's name",
            "Use up to 64 letters, digits, '_' and '-', a letter or digit first, and not 'notifications'.",
        )
    )


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """The configuration that applies, where it came from, and what was found wrong on the way.

    ``providers`` holds the destinations that are ready; those that name a connection are made when they are needed.
    ``broken`` holds enabled destinations that cannot be used, each with its problem; ``config`` has them switched off.
    """

    config: NotificationConfig
    source: str
    providers: Mapping[NotificationProvider, Provider] = field(default_factory=dict)
    broken: Mapping[NotificationProvider, ConfigProblem] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()

    @property
    def reaches_nobody(self) -> bool:
        """Whether every destination it switches on is broken."""
        return bool(self.broken) and not self.config.enabled_destinations()


NOTHING = ResolvedConfig(NotificationConfig(enabled=False), "nothing is enabled")


@dataclass(frozen=True, slots=True)
class Layer:
    """Root settings from elsewhere than the root's file; ``read`` returns ``None`` when there are none."""

    name: str
    read: Callable[[], Document | None]


@dataclass(frozen=True, slots=True)
class _Base:
    """The root's settings, before they are validated as a whole."""

    document: Document
    source: str
    broken: Mapping[NotificationProvider, ConfigProblem]
    problems: tuple[ConfigProblem, ...] = ()


class ConfigStore:
    """Resolves tenants' configurations from files, and reads again what changed.

    :param configs_path: a folder, or a URL such as ``s3://bucket/configs``.
    :param layers: further sources of root settings; the root's file is stronger, then they count in their order.
    """

    def __init__(
        self,
        configs_path: str | Path,
        *,
        layers: tuple[Layer, ...] = (),
        rules: ReferenceRules | None = None,
        allowed_webhook_hosts: frozenset[str] = frozenset(),
        env: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        path_opener: Callable[[str], Any] = open_path,
    ) -> None:
        self.configs_path = str(configs_path)
        self._files = Files(path_opener(self.configs_path), is_remote="://" in self.configs_path, clock=clock)
        self._layers = layers
        self._rules = rules or ReferenceRules()
        self.allowed_webhook_hosts = allowed_webhook_hosts
        self._env = env
        self._clock = clock
        self._layer_documents: dict[str, tuple[float, Document | None]] = {}
        self._resolved: dict[str | None, tuple[object, ResolvedConfig]] = {}
        self._last_good: dict[str | None, ResolvedConfig] = {}
        self._last_good_root_file: _Base | None = None

    def resolve(self, tenant_id: str | None, call: Caller = call_directly) -> ResolvedConfig:
        """Return what applies to a tenant; ``None`` asks for the root's.

        :param call: how to ask services that may not answer in time.
        :raises InvalidTenantIdError: before any path is built.
        """
        if tenant_id is not None:
            check_tenant_id(tenant_id)
        stamp = self._stamp(tenant_id)
        known_stamp, resolved = self._resolved.get(tenant_id, (None, NOTHING))
        if stamp is not None and stamp == known_stamp:
            return resolved
        resolved = self._root(call) if tenant_id is None else self._tenant_or_root(tenant_id, call)
        for problem in resolved.problems:
            log.error("Notification configuration: %s (using: %s)", problem, resolved.source)
        self._resolved[tenant_id] = (self._stamp(tenant_id), resolved)
        return resolved

    def is_tenant(self, tenant_id: str) -> bool:
        """Whether there is a file of this tenant."""
        if not _TENANT_ID.fullmatch(tenant_id):
            return False
        return self._files.read(_tenant_file(tenant_id)).content is not None

    def clear(self, tenant_id: str | None = None) -> None:
        """Forget what was read, of one tenant or of all."""
        if tenant_id is None:
            self._files.forget()
            self._layer_documents.clear()
            self._resolved.clear()
        else:
            self._files.forget(_tenant_file(tenant_id))
            self._resolved.pop(tenant_id, None)

    def _stamp(self, tenant_id: str | None) -> object:
        """Return what changes when the tenant's configuration may have; ``None`` to resolve anew."""
        try:
            root = self._files.read(ROOT_FILE).stamp
            own = self._files.read(_tenant_file(tenant_id)).stamp if tenant_id else None
        except ConfigurationError:
            return None
        now = self._clock()
        if any(now - read_at > LAYER_RECHECK_SECONDS for read_at, _ in self._layer_documents.values()):
            return None
        return (root, own, tuple(read_at for read_at, _ in self._layer_documents.values()))

    # --- a tenant's own file

    def _tenant_or_root(self, tenant_id: str, call: Caller) -> ResolvedConfig:
        try:
            own = self._tenant(tenant_id, call)
        except ConfigurationError as error:
            if (last := self._last_good.get(tenant_id)) is not None:
                return replace(last, source=f"{last.source}, last good version", problems=error.problems)
            return _with_problems(self._root(call), error.problems)
        if own is None:
            self._last_good.pop(tenant_id, None)
            return self._root(call)
        if own.reaches_nobody:
            return _with_problems(self._root(call), tuple(own.broken.values()))
        self._last_good[tenant_id] = own
        return _with_problems(own, tuple(own.broken.values()))

    def _tenant(self, tenant_id: str, call: Caller) -> ResolvedConfig | None:
        """Return a tenant's own configuration; ``None`` when it has none, or has it switched off."""
        file = _tenant_file(tenant_id)
        document = self._parsed(file)
        if document is None:
            return None
        name = self._files.name(file)
        self._check_references(document, tenant_id, name)
        document, broken = self._substituted(document, name)
        config = documents.validate(document, name)
        if config.tenant_id not in (None, tenant_id):
            reason = f"it names another tenant than its folder, {tenant_id}"
            raise ConfigurationError(ConfigProblem(name, "tenant_id", reason, "Make the two agree."))
        if not config.enabled:
            return None
        if config.extends:
            base = self._base(call)
            inherited = {k: problem for k, problem in base.broken.items() if k.value not in document}
            config = documents.validate(documents.merge(document, base.document), name)
            return self._finished(config, f"{name} over {base.source}", inherited | broken)
        return self._finished(self._with_identity(config, call), name, broken)

    def _check_references(self, document: Document, tenant_id: str, name: str) -> None:
        """Refuse a tenant's file that names what is not the tenant's."""
        allowed = f"{tenant_id.upper().replace('-', '_')}_*"
        problems = [
            ConfigProblem(
                name,
                reference.key,
                f"a tenant's file may not name the environment variable {reference.name}",
                f"Use CLOUDACT_NOTIFY_* or {allowed}, or let the platform's administrator allow it with "
                "[cloudact_notify] tenant_env_pattern.",
            )
            for reference in references.references(document)
            if not self._rules.allows_variable(tenant_id, reference.name, self.is_tenant)
        ]
        problems += [
            ConfigProblem(
                name,
                f"{section}.conn_id",
                f"a tenant's file may not name the connection {conn_id}",
                f"Use cloudact_notify_* or {tenant_id}_*, or let the platform's administrator allow it with "
                "[cloudact_notify] tenant_conn_pattern.",
            )
            for section, conn_id in documents.connections(document)
            if not self._rules.allows_connection(tenant_id, conn_id, self.is_tenant)
        ]
        if problems:
            raise ConfigurationError(*problems)

    def _with_identity(self, config: NotificationConfig, call: Caller) -> NotificationConfig:
        """Complete the sender's name and address, and nothing else, from the root's."""
        email = config.email
        if not email.enabled or all(getattr(email, key) for key in SENDERS_IDENTITY):
            return config
        root_email: Mapping[str, Any] = self._root_file().document.get("email", {})
        if not email.from_email and not root_email.get("from_email"):
            root_email = self._base(call).document.get("email", {})
        identity = {
            key: root_email[key]
            for key in SENDERS_IDENTITY
            if root_email.get(key) and not getattr(email, key)
        }
        return config.model_copy(update={"email": email.model_copy(update=identity)})

    # --- the root's settings

    def _root(self, call: Caller) -> ResolvedConfig:
        base = self._base(call)
        if not base.document:
            return replace(NOTHING, problems=base.problems)
        try:
            config = documents.validate(base.document, base.source)
        except ConfigurationError as error:
            return replace(NOTHING, problems=base.problems + error.problems)
        resolved = self._finished(config, base.source, base.broken)
        return _with_problems(resolved, base.problems + tuple(resolved.broken.values()))

    def _base(self, call: Caller) -> _Base:
        """Return the root's file over the further layers, each only if it is enabled."""
        base = self._root_file()
        for layer in self._layers:
            try:
                document = self._layer_document(layer, call)
            except ConfigurationError as error:
                base = replace(base, problems=base.problems + error.problems)
                continue
            if document and document.get("enabled", True):
                source = f"{base.source} over {layer.name}" if base.document else layer.name
                base = replace(base, document=documents.merge(base.document, document), source=source)
        return base

    def _root_file(self) -> _Base:
        """Return the root's file as it is, else its last good version, else nothing."""
        name = self._files.name(ROOT_FILE)
        try:
            document = self._parsed(ROOT_FILE)
            document, broken = self._substituted(document or {"enabled": False}, name)
            enabled = documents.validate(document, name).enabled
        except ConfigurationError as error:
            last = self._last_good_root_file
            if last is None:
                return _Base({}, name, {}, error.problems)
            return replace(last, source=f"{last.source}, last good version", problems=error.problems)
        self._last_good_root_file = _Base(document, name, broken) if enabled else _Base({}, name, {})
        return self._last_good_root_file

    def _layer_document(self, layer: Layer, call: Caller) -> Document | None:
        read_at, document = self._layer_documents.get(layer.name, (float("-inf"), None))
        if self._clock() - read_at <= LAYER_RECHECK_SECONDS:
            return document
        try:
            document = call(f"read {layer.name}", layer.read)
        except OutOfTimeError as error:
            problem = ConfigProblem(layer.name, "", str(error), "Check Airflow's API server.")
            raise ConfigurationError(problem) from None
        if document is not None:
            documents.validate(document, layer.name)
        self._layer_documents[layer.name] = (self._clock(), document)
        return document

    # --- both

    def _parsed(self, file: str) -> Document | None:
        content = self._files.read(file).content
        return None if content is None else documents.parse(content, self._files.name(file))

    def _substituted(
        self, document: Document, name: str
    ) -> tuple[Document, dict[NotificationProvider, ConfigProblem]]:
        """Fill in the environment's values; a destination that names an unset one is switched off.

        :raises ConfigurationError: when something else than a destination names an unset one.
        """
        broken = {}
        for reference in references.references(document):
            problem = references.unset(reference, self._env, name)
            if problem is None:
                continue
            section = reference.key.partition(".")[0]
            if section not in documents.destination_sections():
                raise ConfigurationError(problem)
            if isinstance(document[section], Mapping) and document[section].get("enabled"):
                broken[NotificationProvider(section)] = problem
            document = {**document, section: {"enabled": False}}
        return references.substitute(document, self._env), broken

    def _finished(
        self,
        config: NotificationConfig,
        source: str,
        broken: Mapping[NotificationProvider, ConfigProblem],
    ) -> ResolvedConfig:
        """Make the destinations ready, and switch off those that cannot work."""
        settings = ProviderSettings(config.timeout_seconds, self.allowed_webhook_hosts)
        providers, broken = {}, dict(broken)
        for name in config.enabled_destinations():
            section = config.destination(name)
            if section.conn_id:
                continue
            try:
                providers[name] = PROVIDERS[name](section, settings)
            except ConfigurationError as error:
                problem = error.problems[0]
                broken[name] = replace(problem, file=source, key=f"{name}.{problem.key}")
        off = {name.value: config.destination(name).model_copy(update={"enabled": False}) for name in broken}
        return ResolvedConfig(config.model_copy(update=off), source, providers, broken)


def _tenant_file(tenant_id: str) -> str:
    return f"{tenant_id}/{TENANT_FILE}"


def _with_problems(resolved: ResolvedConfig, problems: tuple[ConfigProblem, ...]) -> ResolvedConfig:
    return replace(resolved, problems=tuple(dict.fromkeys((*problems, *resolved.problems))))
