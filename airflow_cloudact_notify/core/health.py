"""Whether a destination is worth sending to: after some permanent failures in a row it is left alone for a while.

State fails open: what cannot be read does not keep anybody from sending.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import SecretStr

from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.providers.base import DestinationConfig
from airflow_cloudact_notify.core.report import DeliveryResult, failed
from airflow_cloudact_notify.core.state.health import Health, HealthRows
from airflow_cloudact_notify.core.state.store import StateStore
from airflow_cloudact_notify.core.times import duration

log = logging.getLogger(__name__)

PROBE_SECONDS = 900.0
"""How long an unhealthy destination is left alone before one message tries whether it works again."""
MEMORY_SECONDS = 86_400.0
"""How long failures count as being in a row."""
MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose destinations they are, ``None`` for the root, and after how many failures one is unhealthy."""

    tenant_id: str | None
    unhealthy_after: int


class HealthBook:
    """Reads and writes a tenant's health for one message.

    :param store: ``None`` when the state may not be asked.
    :param remark: takes a sentence for a person.
    :param clock: seconds since 1970.
    """

    def __init__(
        self, store: StateStore | None, remark: Callable[[str], Any], clock: Callable[[], float] = time.time
    ) -> None:
        self._rows = HealthRows(store, remark) if store else None
        self._remark = remark
        self._clock = clock
        self._known: Mapping[NotificationProvider, Health] = {}

    def look(self, owner: Owner) -> bool:
        """Read how the owner's destinations have been, and return whether that is known."""
        if self._rows is None:
            return False
        try:
            self._known = self._rows.load(owner.tenant_id)
        except StateUnavailable as error:
            self._remark(f"how healthy the destinations are is not known: {error}")
            return False
        return True

    def unhealthy(
        self, owner: Owner, configs: Mapping[NotificationProvider, DestinationConfig]
    ) -> list[DeliveryResult]:
        """Return a failed result for each destination that is to be left alone.

        One that is due to be tried is not among them: it is kept that this message tries it, so that others do not.
        """
        now, left_alone, tried = self._clock(), [], dict(self._known)
        for name, config in configs.items():
            health = self._known.get(name)
            if health is None or not health.unhealthy:
                continue
            if is_due(health, fingerprint(config), now):
                tried[name] = replace(health, tried_at=now, config=fingerprint(config))
                continue
            since = duration(max(0.0, now - health.since) * 1000)
            why = f"left alone, since it has failed for {since}: {health.reason}: {health.detail}"
            left_alone.append(failed(name, FailureReason.UNHEALTHY, why))
        if tried != self._known:
            self._known = tried
            self._save(owner)
        return left_alone

    def learn(
        self,
        owner: Owner,
        results: Iterable[DeliveryResult],
        configs: Mapping[NotificationProvider, DestinationConfig],
    ) -> None:
        """Keep what results say about destinations, when it is news."""
        results = list(results)
        # The row is read again: others have written it meanwhile, or it was not looked at.
        if not any(_is_news(self._known.get(r.destination), r) for r in results) or not self.look(owner):
            return
        changed, now = dict(self._known), self._clock()
        for result in results:
            name, before = result.destination, self._known.get(result.destination, Health())
            if not _is_news(before, result):
                continue
            config = fingerprint(configs[name]) if name in configs else ""
            after = after_result(before, result, config, now, owner.unhealthy_after)
            changed[name] = after
            _tell(owner, name, before, after)
        if changed != self._known:
            self._known = changed
            self._save(owner)

    def _save(self, owner: Owner) -> None:
        try:
            if self._rows is not None:
                self._rows.save(owner.tenant_id, self._known)
        except StateUnavailable as error:
            self._remark(f"how healthy the destinations are could not be kept: {error}")


def after_result(
    health: Health, result: DeliveryResult, config: str, now: float, unhealthy_after: int
) -> Health:
    """Return how a destination is after it took a message, or failed for good.

    :param config: what stands for its configuration.
    """
    if result:
        return Health(
            told=health.told, reason=health.reason, detail=health.detail, since=health.since, well_since=now
        )
    goes_on = health.failures and 0 <= now - health.tried_at <= MEMORY_SECONDS
    failures = health.failures + 1 if goes_on or health.unhealthy else 1
    return replace(
        health,
        failures=failures,
        reason=result.reason if isinstance(result.reason, FailureReason) else None,
        detail=result.detail[:MAX_DETAIL],
        since=health.since if failures > 1 else now,
        tried_at=now,
        config=config,
        unhealthy=health.unhealthy or failures >= unhealthy_after,
    )


def is_due(health: Health, config: str, now: float) -> bool:
    """Whether a destination that has failed is worth a look: some time has passed, or its configuration is another.

    :param config: what stands for its configuration now.
    """
    return config != health.config or not 0 <= now - health.tried_at < PROBE_SECONDS


def fingerprint(config: DestinationConfig) -> str:
    """Return what stands for a destination's configuration, its secrets included.

    It is so short that it says nothing about a password: that one in 65,536 changes goes unseen does no harm.
    """
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name in type(config).model_fields
        for value in [getattr(config, name)]
    }
    return hashlib.sha256(json.dumps(values, default=str, sort_keys=True).encode()).hexdigest()[:4]


def _is_news(health: Health | None, result: DeliveryResult) -> bool:
    if result:
        return health is not None and health.failures > 0
    if not isinstance(result.reason, FailureReason) or not result.reason.permanent:
        return False
    return not (health and health.unhealthy and health.reason is result.reason)


def _tell(owner: Owner, name: NotificationProvider, before: Health, after: Health) -> None:
    whose = owner.tenant_id or "(root)"
    if after.unhealthy and not before.unhealthy:
        log.error("%s of tenant %s is unhealthy: %s: %s", name, whose, after.reason, after.detail)
    elif before.unhealthy and not after.unhealthy:
        log.warning("%s of tenant %s works again", name, whose)
