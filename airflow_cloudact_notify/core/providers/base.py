"""What a provider is: a configuration section beside a class that renders a message and tries once to send it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, SecretStr, model_validator

from airflow_cloudact_notify.core.branding import Style
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.section import Section


class DestinationConfig(Section):
    """A destination's section of a configuration file."""

    SERVER_KEYS: ClassVar[frozenset[str]]
    """The server and its credentials: one unit, never mixed from two sources."""

    enabled: bool = False
    """Whether this destination is used."""
    conn_id: str | None = None
    """The Airflow connection that names the server and its credentials."""

    @model_validator(mode="after")
    def _one_source_of_credentials(self) -> Self:
        also = sorted(self.SERVER_KEYS & self.model_fields_set - {"conn_id"})
        if self.conn_id and also:
            raise ValueError(
                f"conn_id already names the server and its credentials; remove {', '.join(also)}"
            )
        return self

    def secrets(self) -> Iterator[str]:
        """Yield the values that must not appear in any text."""
        yield from _secrets(self)


def _secrets(model: BaseModel) -> Iterator[str]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()
        elif isinstance(value, BaseModel):
            yield from _secrets(value)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What applies to every provider of a tenant, whatever its kind.

    :param allowed_webhook_hosts: ``host`` or ``host:port`` entries a webhook may name beside the vendor's own.
    :param style: how messages read.
    """

    allowed_webhook_hosts: frozenset[str] = frozenset()
    style: Style = field(default_factory=Style)


def misconfigured(key: str, reason: str, remedy: str) -> ConfigurationError:
    """Return the error for a section that cannot work; who knows the section's file puts it in."""
    return ConfigurationError(ConfigProblem("", key, reason, remedy))


Parts = Mapping[str, str]
"""What a custom template made of a message, by the part of it that it takes the place of."""
NO_PARTS: Parts = MappingProxyType({})

ConfigT = TypeVar("ConfigT", bound=DestinationConfig)
PayloadT = TypeVar("PayloadT")


@dataclass(frozen=True, slots=True)
class Receipt(Generic[PayloadT]):
    """What a server said when it took a payload.

    ``refused`` names the recipients it will not serve, ``deferred`` those worth another attempt, each with its
    answer; ``remainder`` is the payload for the latter. ``taken`` is false when these are all there are.
    """

    taken: bool = True

    refused: Mapping[str, str] = field(default_factory=dict)
    deferred: Mapping[str, str] = field(default_factory=dict)
    remainder: PayloadT | None = None


class BaseNotificationProvider(ABC, Generic[ConfigT, PayloadT]):
    """One configured destination.

    ``render`` is pure; ``send`` makes exactly one attempt. Retrying, waiting and time limits are delivery's.
    Instances are shared between threads: nothing but ``__init__`` assigns to ``self``.

    :raises ConfigurationError: by ``__init__``, when the section cannot work.
    """

    TEMPLATE_PARTS: ClassVar[tuple[str, ...]] = ()
    """The parts of a message that a custom template may write: the ends of its files' names."""

    def __init__(self, config: ConfigT, settings: ProviderSettings) -> None:
        self.config = config
        self.settings = settings

    @abstractmethod
    def render(self, message: NotificationMessage, parts: Parts = NO_PARTS) -> PayloadT:
        """Return what ``send`` transmits. The same message and parts give the same payload.

        :param parts: those of ``TEMPLATE_PARTS`` that take the place of the built-in ones.
        """

    def warm_up(self) -> None:
        """Do what the first ``send`` of a process would spend time on, as far as nobody is asked for it."""

    @abstractmethod
    def send(self, payload: PayloadT, *, timeout: float) -> Receipt[PayloadT]:
        """Make one attempt.

        :param timeout: seconds any wait on the network may last.
        :raises DeliveryError: with the reason; nothing else is expected.
        """

    def only_to(self, recipients: Collection[str]) -> Self:
        """Return the destination for those recipients alone; one that has no recipients is the same.

        :raises ConfigurationError: when none of them is left.
        """
        return self

    @abstractmethod
    def check(self, *, timeout: float) -> str:
        """Try the destination as far as possible without telling anybody, and say in words what was tried.

        :raises DeliveryError: when it would not work.
        """


Provider = BaseNotificationProvider[Any, Any]
"""A destination of whatever kind."""
