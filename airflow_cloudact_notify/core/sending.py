"""One message on its way: claimed, rendered while the claim settles, sent, and written down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_cloudact_notify.core import delivery, policy
from airflow_cloudact_notify.core.bookkeeping import Bookkeeping, Claimed
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config_store import ConfigStore, ResolvedConfig
from airflow_cloudact_notify.core.custom.templates import CustomParts, custom_parts
from airflow_cloudact_notify.core.delivery import Delivery, Terms
from airflow_cloudact_notify.core.destinations import Destinations, Provider
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.gates import last_place
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.report import DeliveryResult

log = logging.getLogger(__name__)

INTERRUPTED = "The process that told this first was interrupted: it may repeat."


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of a message: held back, or these results.

    ``message`` is what was told, with its history, ``custom`` what a custom template made of it.
    """

    message: NotificationMessage
    held: Held | None = None
    results: list[DeliveryResult] = field(default_factory=list)
    custom: CustomParts = field(default_factory=CustomParts)

    @property
    def delivered(self) -> bool:
        return any(self.results)


@dataclass(frozen=True, slots=True)
class Sending:
    """The steps of one message; ``remarks`` grow on the way."""

    plan: Plan
    resolved: ResolvedConfig
    budget: Budget
    books: Bookkeeping
    configs: ConfigStore
    destinations: Destinations
    sleep: Callable[[float], None]
    remarks: list[str]

    def send(self, message: NotificationMessage) -> Sent:
        """Send a message unless something holds it back; then count it."""
        lease = policy.lease(self.resolved.config, self.budget.seconds)
        claimed = self.plan.held or self.books.claim(message, self.plan, lease)
        log.debug("claim: %s", _outcome(claimed))
        if isinstance(claimed, Held):
            if self.books.held(message, self.plan, claimed):
                return Sent(message, claimed)
            claimed = None
        sent = self._tell(message, claimed)
        if sent.held:
            self.books.held(message, self.plan, sent.held)
        return sent

    def _tell(self, message: NotificationMessage, claimed: Claimed | None) -> Sent:
        told = message
        if claimed:
            claimed, told = self._with_history(claimed)
        deliveries, unready, custom = self._prepared(told)
        if claimed and (lost := self.books.settle(claimed, self.plan, self.budget.remaining_for_state())):
            log.debug("claim: lost: %s", lost.why)
            return Sent(message, lost)
        log.debug("destinations ready: %s", ", ".join(d.name for d in deliveries) or "none")
        if claimed and claimed.interrupted and claimed.other:
            self.remarks.append(f"told in place of a process that was killed meanwhile: {told.title}")
        results = delivery.run(deliveries, self.budget) + unready
        self.budget.end_delivery()
        if any(results):
            self.books.delivered(told, self.plan, claimed, [r.destination for r in results if r])
        elif claimed:
            self.books.failed(claimed, self.plan)
        self.remarks.extend(custom.remarks)
        return Sent(told, None, results, custom)

    def _with_history(self, claimed: Claimed) -> tuple[Claimed, NotificationMessage]:
        """Return what to tell, with what went before it."""
        claimed, history = self.books.history(claimed)
        again = (INTERRUPTED,) if claimed.interrupted else ()
        full = (last_place(self.plan, claimed.place),) if claimed.place and claimed.place.is_last else ()
        told = claimed.told
        return claimed, told.model_copy(update={"history": (*told.history, *again, *history, *full)})

    def _prepared(
        self, message: NotificationMessage
    ) -> tuple[list[Delivery], list[DeliveryResult], CustomParts]:
        ready, unready = self.destinations.ready(self.plan.send_to, self.resolved, self.budget.call)
        if unready and not ready:
            ready, unready = self._in_their_place(message, unready)
        config = self.resolved.config
        terms = Terms(config.retry_config, config.timeout_seconds, self.budget, self.sleep)
        custom = custom_parts(message, config.trigger(message.event), ready, self.configs.files, self.budget)
        return delivery.prepare(message, ready, terms, custom.parts), unready, custom

    def _in_their_place(
        self, message: NotificationMessage, unready: list[DeliveryResult]
    ) -> tuple[dict[NotificationProvider, Provider], list[DeliveryResult]]:
        """Return who else can be told when no planned destination can: a mistake must not silence its tenant."""
        resolved, call = self.resolved, self.budget.call
        others = [name for name in resolved.config.enabled_destinations() if name not in self.plan.send_to]
        ready, _ = self.destinations.ready(others, resolved, call)
        if ready:
            return ready, unready
        root = self.configs.resolve(None, call)
        if root.source != resolved.source:
            ready, _ = self.destinations.ready(policy.plan(message, root).send_to, root, call)
        if not ready:
            return {}, unready
        self.remarks.extend(f"told to the destinations of {root.source} instead: {why}" for why in unready)
        return ready, []


def _outcome(claimed: Held | Claimed | None) -> str:
    if isinstance(claimed, Held):
        return f"held back ({claimed.reason}: {claimed.why})"
    if claimed is None:
        return "none is needed, or the state does not answer"
    return f"{claimed.key} written" + (", in place of a killed process" if claimed.interrupted else "")
