"""What became of a notification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_cloudact_notify.core.custom.templates import CustomParts
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationProvider,
    Outcome,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import DeliveryFailedError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Held, Plan
from airflow_cloudact_notify.core.resolved import ResolvedConfig


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How one destination's part ended; truthy when delivered.

    ``refused`` names the recipients a mail server refused, each with its answer; ``deferred`` are those of them whom a
    later attempt may serve. ``ambiguous`` says that a server went away before it said whether it had taken the message:
    it may have arrived, or, when delivered, have arrived twice. ``in_place_of`` are destinations that failed, whose
    fall-back this one is. ``elapsed_ms`` covers all attempts and the waits between them.
    """

    destination: NotificationProvider
    outcome: Outcome
    reason: FailureReason | SuppressionReason | None = None
    detail: str = ""
    attempts: int = 0
    elapsed_ms: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    deferred: tuple[str, ...] = ()
    ambiguous: bool = False
    in_place_of: tuple[NotificationProvider, ...] = ()

    def __bool__(self) -> bool:
        return self.outcome is Outcome.DELIVERED

    def __str__(self) -> str:
        text = f"{self.destination} {self.outcome}"
        if why := ": ".join(filter(None, (self.reason, self.detail))):
            text += f" ({why})"
        if self.in_place_of:
            text += f" in place of {', '.join(self.in_place_of)}"
        if self.attempts > 1:
            text += f" after {self.attempts} attempts"
        if self.refused:
            text += "; refused: " + ", ".join(f"{who} ({why})" for who, why in self.refused.items())
        return text


_BUILT_IN = CustomParts()


class NotificationReport(dict[NotificationProvider, DeliveryResult]):
    """Destination to ``DeliveryResult``, for one message.

    ``suppressed`` and ``reason`` say why nothing was sent when that was the decision; ``notes`` are remarks for a
    person (a broken file, a state store that did not answer); ``config_source`` names the configuration used,
    ``custom`` the template and its arm, and where the built-in message took its place; ``dead_letter`` is the key under
    which what was missed is kept.
    """

    def __init__(
        self,
        results: Iterable[DeliveryResult] = (),
        *,
        message: NotificationMessage,
        config_source: str,
        notes: Iterable[str] = (),
        suppressed: SuppressionReason | None = None,
        reason: str = "",
        custom: CustomParts = _BUILT_IN,
        dead_letter: str | None = None,
    ) -> None:
        super().__init__((result.destination, result) for result in results)
        self.message = message
        self.config_source = config_source
        self.notes = tuple(notes)
        self.suppressed = suppressed
        self.reason = reason
        self.custom = custom
        self.dead_letter = dead_letter

    @property
    def delivered(self) -> bool:
        """Whether at least one destination took the message."""
        return any(self.values())

    @property
    def failures(self) -> list[DeliveryResult]:
        """The destinations that did not take the message."""
        return [result for result in self.values() if result.outcome is Outcome.FAILED]

    @property
    def missed(self) -> list[DeliveryResult]:
        """The failures for which no fall-back stepped in; a fall-back's own do not count."""
        return missed(self.values())

    @property
    def summary(self) -> str:
        """One line for a log: who was told, and if not, why not."""
        about = f"{self.message.event} of tenant {self.message.tenant_id or '(root)'}"
        if self.message.pipeline_id:
            about += f", pipeline {self.message.pipeline_id}"
        told = "; ".join(str(result) for result in self.values())
        if self.suppressed:
            told = f"not sent ({self.suppressed}: {self.reason})"
        elif self.custom.choice:
            told += f", {self.custom}"
        told += f"; kept as dead letter {self.dead_letter}" if self.dead_letter else ""
        return " ".join(f"{about}: {told or 'not sent'} [{self.config_source}]".split())

    def raise_for_failures(self) -> None:
        """Raise ``DeliveryFailedError`` when a destination failed and no fall-back stepped in; else do nothing."""
        if self.missed:
            raise DeliveryFailedError([str(result) for result in self.failures])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready data, the value ``NotifyOperator`` leaves in XCom."""
        return {
            "tenant_id": self.message.tenant_id,
            "event": str(self.message.event),
            "severity": str(self.message.effective_severity),
            "title": self.message.title,
            "pipeline_id": self.message.pipeline_id,
            "pipeline_logging_id": self.message.pipeline_logging_id,
            "delivered": self.delivered,
            "suppressed": str(self.suppressed) if self.suppressed else None,
            "reason": self.reason,
            "config_source": self.config_source,
            "template": self.custom.to_dict(),
            "notes": list(self.notes),
            "dead_letter": self.dead_letter,
            "destinations": {str(name): _result_dict(result) for name, result in self.items()},
        }


def _result_dict(result: DeliveryResult) -> dict[str, Any]:
    return {
        "outcome": str(result.outcome),
        "reason": str(result.reason) if result.reason else None,
        "detail": result.detail,
        "attempts": result.attempts,
        "elapsed_ms": result.elapsed_ms,
        "refused": dict(result.refused),
        "deferred": list(result.deferred),
        "ambiguous": result.ambiguous,
        "in_place_of": [str(name) for name in result.in_place_of],
    }


def missed(results: Iterable[DeliveryResult]) -> list[DeliveryResult]:
    """Return the failures for which no fall-back stepped in."""
    results = list(results)
    told = {name for result in results if result for name in result.in_place_of}
    return [
        result
        for result in results
        if result.outcome is Outcome.FAILED and not result.in_place_of and result.destination not in told
    ]


def unserved(results: Iterable[DeliveryResult]) -> list[DeliveryResult]:
    """Return the results of which something is still to be delivered: what was missed, and what was deferred."""
    results = list(results)
    return missed(results) + [result for result in results if result and result.deferred]


def failed(name: NotificationProvider, reason: FailureReason, detail: str) -> DeliveryResult:
    """Return the result of a destination that was not tried."""
    return DeliveryResult(name, Outcome.FAILED, reason, detail)


def report_on(
    message: NotificationMessage,
    resolved: ResolvedConfig,
    plan: Plan,
    held: Held | None,
    results: Iterable[DeliveryResult],
    remarks: Iterable[str],
    custom: CustomParts = _BUILT_IN,
    dead_letter: str | None = None,
) -> NotificationReport:
    """Return the report on a message that was held back, or was sent with these results."""
    if held:
        results = [_suppressed(name, held) for name in (*plan.send_to, *plan.broken)]
    off = Held(SuppressionReason.DESTINATION_OFF, "it is switched off in the configuration")
    return NotificationReport(
        [*results, *(_suppressed(name, off) for name in plan.off)],
        message=message,
        config_source=resolved.source,
        notes=[*map(str, resolved.problems), *remarks],
        suppressed=held.reason if held else None,
        reason=held.why if held else "",
        custom=custom,
        dead_letter=dead_letter,
    )


def _suppressed(name: NotificationProvider, held: Held) -> DeliveryResult:
    return DeliveryResult(name, Outcome.SUPPRESSED, held.reason, held.why)
