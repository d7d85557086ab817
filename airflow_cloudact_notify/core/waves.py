"""Who is sent to first, and who steps in for those that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_cloudact_notify.core import delivery, policy
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import EventTriggerConfig
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.custom.templates import CustomParts, custom_parts
from airflow_cloudact_notify.core.delivery import Delivery, Terms
from airflow_cloudact_notify.core.destinations import Destinations
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.health import HealthBook, Owner
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.providers.base import DestinationConfig, Provider
from airflow_cloudact_notify.core.report import DeliveryResult, failed
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.texts import cut

BEFORE_FALL_BACK = 0.6
"""Part of a budget that the destinations may use when there is a fall-back, which gets most of the rest."""
OF_DELIVERY = 0.85
"""Part of it that delivery may use: what was missed is written down in the rest."""
MAX_REASON = 200
"""Characters of a failure that its fall-back's message tells."""

Missed = Mapping[NotificationProvider, Sequence[str]]
"""Destination to the recipients that missed a message; to none when everybody did."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Destinations that are sent to side by side, all of one configuration.

    :param sections: the configuration of each that is ready.
    :param unready: a failed result for each that cannot be sent to.
    :param custom: what a custom template made of the message.
    """

    resolved: ResolvedConfig
    budget: Budget
    deliveries: list[Delivery] = field(default_factory=list)
    sections: Mapping[NotificationProvider, DestinationConfig] = field(default_factory=dict)
    unready: list[DeliveryResult] = field(default_factory=list)
    custom: CustomParts = field(default_factory=CustomParts)

    def send(self) -> list[DeliveryResult]:
        """Send to all, and return what came of it."""
        return delivery.run(self.deliveries, self.budget) + self.unready


@dataclass(frozen=True, slots=True)
class Waves:
    """Makes a message's destinations ready.

    :param owner: whose destinations they are.
    :param missed: who of them missed the message before; for one that is not named, everybody did.
    """

    plan: Plan
    resolved: ResolvedConfig
    owner: Owner
    configs: ConfigStore
    destinations: Destinations
    health: HealthBook
    budget: Budget
    sleep: Callable[[float], None]
    missed: Missed = field(default_factory=dict)

    def first(self, message: NotificationMessage) -> Wave:
        """Return the destinations that the plan names."""
        share = BEFORE_FALL_BACK if self.plan.fall_back else OF_DELIVERY
        trigger = self.resolved.config.trigger(message.event)
        wave = self._wave(message, self.plan.send_to, self.resolved, share, trigger)
        broken = [
            failed(name, FailureReason.MISCONFIGURED, str(why)) for name, why in self.plan.broken.items()
        ]
        return replace(wave, unready=wave.unready + broken)

    def second(
        self, message: NotificationMessage, first: Wave, short: Sequence[DeliveryResult]
    ) -> Wave | None:
        """Return who steps in for destinations that failed: their fall-back.

        Where mistakes in the configuration leave nobody who could even be tried, that is whoever else the tenant
        names, and at last the root: a mistake must not silence its tenant.

        :param short: the results of those that failed.
        """
        told = in_place_of(short, message)
        silenced = not first.deliveries and all(r.reason is not FailureReason.UNHEALTHY for r in short)
        names = self.plan.fall_back
        if not names and silenced:
            enabled = self.resolved.config.enabled_destinations()
            names = tuple(name for name in enabled if name not in self.plan.send_to)
        wave = self._wave(told, names, self.resolved, OF_DELIVERY)
        if wave.deliveries or not silenced:
            return wave if names else None
        if self.resolved.of_root:
            return None
        root = self.configs.resolve(None, self.budget.call)
        return self._wave(told, policy.plan(message, root).send_to, root, OF_DELIVERY)

    def _wave(
        self,
        message: NotificationMessage,
        names: Iterable[NotificationProvider],
        resolved: ResolvedConfig,
        share: float,
        trigger: EventTriggerConfig | None = None,
    ) -> Wave:
        """Return destinations made ready; the built-in message is theirs unless a trigger names a template."""
        ready, unready = self.destinations.ready(names, resolved, self.budget.call)
        sections = {name: provider.config for name, provider in ready.items()}
        if resolved is self.resolved:
            unready += self.health.unhealthy(self.owner, sections)
        left_alone = {result.destination for result in unready}
        usable = {
            name: narrowed
            for name, provider in ready.items()
            if name not in left_alone and (narrowed := self._narrowed(name, provider))
        }
        config, budget = resolved.config, self.budget.part(share)
        terms = Terms(config.retry_config, config.timeout_seconds, budget, self.sleep)
        files, style = self.configs.files, config.style
        custom = custom_parts(message, trigger, usable, files, self.budget, style)
        deliveries = delivery.prepare(message, usable, terms, custom.parts)
        return Wave(resolved, budget, deliveries, sections, unready, custom)

    def _narrowed(self, name: NotificationProvider, provider: Provider) -> Provider | None:
        """Return the destination for those who missed the message, ``None`` when none of them is a recipient now."""
        recipients = self.missed.get(name)
        try:
            return provider.only_to(recipients) if recipients else provider
        except ConfigurationError:
            return None


def in_place_of(short: Iterable[DeliveryResult], message: NotificationMessage) -> NotificationMessage:
    """Return what a fall-back is told: the message, and why it comes this way.

    :param short: the results of those that failed.
    """
    return message.model_copy(update={"history": (*map(_reason, short), *message.history)})


def _reason(result: DeliveryResult) -> str:
    why = f"{result.reason}: {result.detail}" if result.detail else f"{result.reason}"
    return f"This is a fall-back: {result.destination} failed ({cut(why, MAX_REASON)})."
