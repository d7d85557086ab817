"""The destinations of a plan, made ready: those that name a connection get their server and credentials from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core import documents
from airflow_cloudact_notify.core.budget import Caller
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.errors import (
    ConfigProblem,
    ConfigurationError,
    DeliveryError,
    OutOfTimeError,
)
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import (
    DestinationConfig,
    Provider,
    ProviderSettings,
)
from airflow_cloudact_notify.core.report import DeliveryResult, failed
from airflow_cloudact_notify.core.resolved import ResolvedConfig

ConnectionReader = Callable[[str, NotificationProvider], Mapping[str, Any]]
"""Takes a connection's id and the kind of destination; returns keys of its section.

Raises ``ConfigurationError`` when there is no such connection or it is of another kind.
"""

CONNECTION_RECHECK_SECONDS = 60.0
"""How long a connection's credentials are believed before it is read again."""


def no_connections(conn_id: str, kind: NotificationProvider) -> Mapping[str, Any]:
    """Refuse: without Airflow there are no connections."""
    problem = ConfigProblem(
        f"connection {conn_id}",
        "",
        "connections are Airflow's, and this service runs without it",
        "Name the server in the section itself.",
    )
    raise ConfigurationError(problem)


@dataclass(frozen=True, slots=True)
class _Made:
    section: DestinationConfig
    settings: ProviderSettings
    made_at: float
    provider: Provider


class Destinations:
    """Makes providers from configurations, and keeps those whose making cost a look-up."""

    def __init__(
        self,
        connections: ConnectionReader,
        allowed_webhook_hosts: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._allowed_webhook_hosts = frozenset(allowed_webhook_hosts)
        self._clock = clock
        self._made: dict[tuple[str, NotificationProvider], _Made] = {}

    def ready(
        self, names: Iterable[NotificationProvider], resolved: ResolvedConfig, call: Caller
    ) -> tuple[dict[NotificationProvider, Provider], list[DeliveryResult]]:
        """Return the destinations that can be sent to, and a failed result for each that cannot."""
        ready, unready = {}, []
        for name in names:
            try:
                ready[name] = self.provider(name, resolved, call)
            except ConfigurationError as error:
                unready.append(failed(name, FailureReason.MISCONFIGURED, str(error)))
            except DeliveryError as error:
                unready.append(failed(name, error.reason, error.detail))
            except Exception as error:  # noqa: BLE001 - one look-up's trouble must not cost the others their message
                unready.append(
                    failed(name, FailureReason.INTERNAL, f"not made ready: {type(error).__name__}")
                )
        return ready, unready

    def provider(self, name: NotificationProvider, resolved: ResolvedConfig, call: Caller) -> Provider:
        """Return one destination's provider.

        :raises ConfigurationError: when its connection is missing or says too little.
        :raises DeliveryError: when its connection could not be read in time.
        """
        if name in resolved.providers:
            return resolved.providers[name]
        config = resolved.config
        section = config.destination(name)
        settings = ProviderSettings(self._allowed_webhook_hosts, config.style)
        made = self._made.get((resolved.source, name))
        if made and (made.section, made.settings) != (section, settings):
            made = None
        now = self._clock()
        if made and now - made.made_at <= CONNECTION_RECHECK_SECONDS:
            return made.provider
        try:
            provider = self._with_connection(name, section, settings, call)
        except DeliveryError:
            if made:
                return made.provider
            raise
        self._made[resolved.source, name] = _Made(section, settings, now, provider)
        return provider

    def forget(self) -> None:
        """Make everything anew next time."""
        self._made.clear()

    def _with_connection(
        self,
        name: NotificationProvider,
        section: DestinationConfig,
        settings: ProviderSettings,
        call: Caller,
    ) -> Provider:
        conn_id = section.conn_id or ""
        source = f"connection {conn_id}"
        try:
            fields = call(f"read {source}", lambda: self._connections(conn_id, name))
        except OutOfTimeError as error:
            raise DeliveryError(FailureReason.TIMEOUT, f"{source} could not be read: {error}") from None
        defaults = section.model_dump(exclude=set(section.SERVER_KEYS))
        own = section.model_dump(exclude_unset=True, exclude={"conn_id"})
        complete = documents.validate_section(type(section), {**defaults, **fields, **own}, source)
        try:
            return PROVIDERS[name](complete, settings)
        except ConfigurationError as error:
            problem = error.problems[0]
            raise ConfigurationError(
                ConfigProblem(source, problem.key, problem.reason, problem.remedy)
            ) from None
