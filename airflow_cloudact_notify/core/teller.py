"""How maintenance sends what it has to tell: nothing of it keeps the rest waiting for long."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.errors import InvalidTenantIdError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import DeliveryResult
from airflow_cloudact_notify.core.service import NotificationService

log = logging.getLogger(__name__)

TELL_SECONDS = 30.0
"""What the sending of one message may take. What does not fit is told by the next maintenance."""


class Teller:
    """Sends messages, one after the other. When one waited in vain, those that failed are not asked again alone."""

    def __init__(self, service: NotificationService) -> None:
        self.service = service
        self._down: set[tuple[str | None, str]] = set()

    def tell(
        self,
        message: NotificationMessage,
        providers: Sequence[NotificationProvider] = (),
        alerted: Iterable[str] = (),
    ) -> list[NotificationProvider]:
        """Send a message and return the destinations that took it.

        :param providers: the destinations to use in place of those the trigger names.
        :param alerted: the destinations that hear of it beside those, since they were told of what it ends.
        """
        try:
            resolved = self.service.configs.resolve(message.tenant_id)
        except InvalidTenantIdError as error:
            log.warning("not told: %s", error)
            return []
        owner = None if resolved.of_root else message.tenant_id
        plan = policy.plan(message, resolved, providers or None)
        wanted = (*plan.send_to, *plan.fall_back, *alerted) or resolved.config.enabled_destinations()
        if wanted and all((owner, name) in self._down for name in wanted):
            log.info("not told now, since its destinations just failed: %s", message.title)
            return []
        report = self.service.send(message, providers=providers, budget=Budget(TELL_SECONDS))
        in_vain = report.missed if report.delivered else report.failures
        if any(map(_took_its_time, in_vain)):
            self._down.update((owner, result.destination) for result in in_vain)
        return [name for name, result in report.items() if result]


def _took_its_time(result: DeliveryResult) -> bool:
    reason = result.reason
    return isinstance(reason, FailureReason) and (
        reason.retryable or reason is FailureReason.BUDGET_EXHAUSTED
    )
