"""A tenant's resolved configuration, with its destinations made ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import Provider, ProviderSettings


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """The configuration that applies, where it came from, and what was found wrong on the way.

    ``providers`` holds the destinations that are ready; those that name a connection are made when they are needed.
    ``broken`` holds enabled destinations that cannot be used, each with its problem; ``config`` has them switched off.
    ``of_root`` says that it is the root's, whichever tenant it applies to.
    """

    config: NotificationConfig
    source: str
    providers: Mapping[NotificationProvider, Provider] = field(default_factory=dict)
    broken: Mapping[NotificationProvider, ConfigProblem] = field(default_factory=dict)
    problems: tuple[ConfigProblem, ...] = ()
    of_root: bool = False

    @property
    def reaches_nobody(self) -> bool:
        """Whether every destination it switches on is broken."""
        return bool(self.broken) and not self.config.enabled_destinations()

    def with_problems(self, problems: tuple[ConfigProblem, ...]) -> Self:
        """Return it with these problems before its own, each once."""
        return replace(self, problems=tuple(dict.fromkeys((*problems, *self.problems))))


NOTHING = ResolvedConfig(NotificationConfig(enabled=False), "nothing is enabled", of_root=True)


def make_ready(
    config: NotificationConfig,
    source: str,
    broken: Mapping[NotificationProvider, ConfigProblem],
    allowed_webhook_hosts: frozenset[str],
) -> ResolvedConfig:
    """Make the destinations ready, and switch off those that cannot work."""
    settings = ProviderSettings(allowed_webhook_hosts, config.style)
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
