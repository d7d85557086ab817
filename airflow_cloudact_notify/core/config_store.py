"""Which configuration applies to a tenant: its own file first, the root's second, and never silence for a typo."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core import documents
from airflow_cloudact_notify.core.budget import Caller, call_directly
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.files import Files, open_path
from airflow_cloudact_notify.core.providers.email import EmailConfig
from airflow_cloudact_notify.core.references import ReferenceRules
from airflow_cloudact_notify.core.resolved import NOTHING, ResolvedConfig, make_ready
from airflow_cloudact_notify.core.root import ROOT_FILE, Layer, Root, RootSettings
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.tenant_ids import check_tenant_id, is_tenant_id, tenant_file

log = logging.getLogger(__name__)

SENDERS_IDENTITY = ("from_email", "from_name", "subject_prefix")


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
        self.files = Files(path_opener(self.configs_path), is_remote="://" in self.configs_path, clock=clock)
        self._root = Root(self.files, layers, env, clock)
        self._rules = rules or ReferenceRules()
        self.allowed_webhook_hosts = allowed_webhook_hosts
        self._env = env
        self._resolved: dict[str | None, tuple[object, ResolvedConfig]] = {}
        self._last_good: dict[str, tuple[object, ResolvedConfig]] = {}

    def resolve(self, tenant_id: str | None, call: Caller = call_directly) -> ResolvedConfig:
        """Return what applies to a tenant; ``None`` asks for the root's.

        :param call: how to ask services that may not answer in time.
        :raises InvalidTenantIdError: before any path is built.
        """
        if tenant_id is not None:
            check_tenant_id(tenant_id)
        # Looked at before anything is read: a file that changes meanwhile is read again next time.
        own = self._stamp(tenant_file(tenant_id), call) if tenant_id else None
        files = (self._stamp(ROOT_FILE, call), own)
        stamp, resolved = self._resolved.get(tenant_id, (None, NOTHING))
        if stamp == (files, self._root.layers_stamp()):
            log.debug("configuration of %s: %s, as before", tenant_id or "the root", resolved.source)
            return resolved
        resolved = self._of_root(call) if tenant_id is None else self._of_tenant(tenant_id, own, call)
        for problem in resolved.problems:
            log.error("Notification configuration: %s (using: %s)", problem, resolved.source)
        log.debug("configuration of %s: %s", tenant_id or "the root", resolved.source)
        self._resolved[tenant_id] = ((files, self._root.layers_stamp()), resolved)
        return resolved

    def is_tenant(self, tenant_id: str, call: Caller = call_directly) -> bool:
        """Whether there is a file of this tenant."""
        if not is_tenant_id(tenant_id):
            return False
        try:
            return self.files.read(tenant_file(tenant_id), call).content is not None
        except ConfigurationError:
            # What cannot be read is there.
            return True

    def name(self, tenant_id: str | None) -> str:
        """Return the full name of a tenant's file, the root's for ``None``."""
        return self.files.name(_file(tenant_id))

    def content(self, tenant_id: str | None) -> bytes | None:
        """Return what a tenant's file holds, the root's for ``None``, if it is there.

        :raises ConfigurationError: when it cannot be read.
        """
        return self.files.read(_file(tenant_id)).content

    def root_layers(self) -> Iterator[tuple[str, Document]]:
        """Yield the names and settings of what completes the root's file, the strongest first."""
        return self._root.layers(call_directly)

    def clear(self, tenant_id: str | None = None) -> None:
        """Forget what was read, of one tenant or of all."""
        if tenant_id is None:
            self.files.forget()
            self._root.forget()
            self._resolved.clear()
        else:
            self.files.forget(tenant_id)
            self._resolved.pop(tenant_id, None)

    def _stamp(self, file: str, call: Caller) -> object:
        """Return what changes when a file does; while it cannot be read it is never the same."""
        try:
            return self.files.read(file, call).stamp
        except ConfigurationError:
            return object()

    def _of_root(self, call: Caller) -> ResolvedConfig:
        root = self._root.settings(call)
        if not root.document:
            return replace(NOTHING, source=f"{NOTHING.source} in {root.source}", problems=root.problems)
        # What was valid source by source is valid when merged: no rule spans two of them.
        config = documents.validate(root.document, root.source)
        resolved = make_ready(config, root.source, root.broken, self.allowed_webhook_hosts)
        problems = root.problems + tuple(resolved.broken.values())
        return replace(resolved.with_problems(problems), of_root=True)

    def _of_tenant(self, tenant_id: str, stamp: object, call: Caller) -> ResolvedConfig:
        try:
            own = self._own(tenant_id, call)
        except ConfigurationError as error:
            last_stamp, last = self._last_good.get(tenant_id, (stamp, NOTHING))
            # The same file may be refused now: what it names has become another tenant's.
            if last_stamp != stamp:
                return replace(last, source=f"{last.source}, last good version", problems=error.problems)
            return self._of_root(call).with_problems(error.problems)
        if own is None:
            self._last_good.pop(tenant_id, None)
            return self._of_root(call)
        if own.reaches_nobody:
            log.debug("%s: no destination of it can be used, so the root's settings apply", own.source)
            return self._of_root(call).with_problems(own.problems)
        self._last_good[tenant_id] = (stamp, own)
        return own

    def _own(self, tenant_id: str, call: Caller) -> ResolvedConfig | None:
        """Return a tenant's own configuration; ``None`` when it has none, or has it switched off.

        :raises ConfigurationError: when its file is no use.
        """
        name = self.files.name(tenant_file(tenant_id))
        content = self.files.read(tenant_file(tenant_id), call).content
        if content is None:
            return None
        original = documents.parse(content, name)
        self._check_variables(original, tenant_id, name, call)
        document, broken = documents.substituted(original, self._env, name)
        self._check_connections(original, document, tenant_id, name, call)
        config = documents.validate(document, name)
        if config.tenant_id not in (None, tenant_id):
            reason = f"it names another tenant than its folder, {tenant_id}"
            raise ConfigurationError(ConfigProblem(name, "tenant_id", reason, "Make the two agree."))
        if not config.enabled:
            log.debug("%s: enabled is false, so the root's settings apply", name)
            return None
        root = self._root.settings(call) if config.extends else RootSettings({}, name)
        wanted = documents.merge(original, root.document)
        broken = {kind: problem for kind, problem in broken.items() if documents.is_enabled(wanted, kind)}
        if config.extends:
            config = documents.validate(documents.merge(document, root.document), name)
            broken |= _inherited(root.broken, original, config)
            source = f"{name} over {root.source}"
        else:
            config, source = self._with_identity(config, call), name
        own = self._with_silences(make_ready(config, source, broken, self.allowed_webhook_hosts), call)
        return own.with_problems(root.problems + tuple(own.broken.values()))

    def _check_variables(self, document: Document, tenant_id: str, name: str, call: Caller) -> None:
        """Refuse a tenant's file that names environment variables which are not the tenant's."""
        is_tenant = partial(self.is_tenant, call=call)
        if problems := self._rules.variables_not_allowed(document, tenant_id, name, is_tenant):
            raise ConfigurationError(*problems)

    def _check_connections(
        self, original: Document, document: Document, tenant_id: str, name: str, call: Caller
    ) -> None:
        """Refuse a tenant's file that names connections which are not the tenant's."""
        problems = self._rules.connections_not_allowed(
            documents.connections(original),
            documents.connections(document),
            tenant_id,
            name,
            partial(self.is_tenant, call=call),
        )
        if problems:
            raise ConfigurationError(*problems)

    def _with_identity(self, config: NotificationConfig, call: Caller) -> NotificationConfig:
        """Complete the sender's name and address, and nothing else, from the root's."""
        email = config.email
        missing = [key for key in SENDERS_IDENTITY if not getattr(email, key)]
        if not email.enabled or not missing:
            return config
        root_email = _email_of(self._root.file(call))
        if not (email.from_email or root_email.from_email):
            root_email = _email_of(self._root.settings(call))
        identity = {key: getattr(root_email, key) for key in missing}
        # The keys do not count as set: a sender that the tenant's connection names goes first.
        complete = EmailConfig.model_construct(email.model_fields_set, **{**dict(email), **identity})
        return config.model_copy(update={"email": complete})

    def _with_silences(self, own: ResolvedConfig, call: Caller) -> ResolvedConfig:
        """Add the silences of the root's file: those hold for every tenant."""
        of_root = self._root.file(call).document.get("silences", [])
        silences = [*own.config.silences, *map(SilenceConfig.model_validate, of_root)]
        unique = list(dict.fromkeys(silences))
        return replace(own, config=own.config.model_copy(update={"silences": unique}))


def _file(tenant_id: str | None) -> str:
    return ROOT_FILE if tenant_id is None else tenant_file(check_tenant_id(tenant_id))


def _email_of(settings: RootSettings) -> EmailConfig:
    return documents.validate_section(EmailConfig, settings.document.get("email", {}), settings.source)


def _inherited(
    broken: Mapping[NotificationProvider, ConfigProblem], own: Document, config: NotificationConfig
) -> dict[NotificationProvider, ConfigProblem]:
    """Return the root's broken destinations that a tenant neither repairs nor switches off."""
    return {
        kind: problem
        for kind, problem in broken.items()
        if own.get(kind.value, {}).get("enabled", True) and not config.destination(kind).enabled
    }
