"""``cloudact-notify send-test``: a real message, marked as a test, with the time of each of its steps."""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.cli.remedies import remedy
from airflow_cloudact_notify.cli.stopwatch import LAST, stopwatch
from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.destinations import Destinations
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
)
from airflow_cloudact_notify.core.errors import CloudActNotifyError, ConfigurationError, DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.resolved import ResolvedConfig


@dataclass(frozen=True, slots=True)
class _Trial:
    """What came of one destination; ``steps`` in milliseconds, ``failed_at`` the step that did not end."""

    destination: NotificationProvider
    delivered: bool
    steps: dict[str, float] = field(default_factory=dict)
    failed_at: str = ""
    reason: str = ""
    detail: str = ""
    remedy: str = ""
    refused: dict[str, str] = field(default_factory=dict)


def run(arguments: argparse.Namespace) -> int:
    """Send to one destination after the other, once each."""
    service = place.service_of(arguments)
    tenant_id = place.tenant_of(arguments)
    resolved = service.configs.resolve(tenant_id)
    names = _names(arguments, resolved)
    message = _message(tenant_id)
    trials = [_tried(name, message, resolved, service.destinations) for name in names]
    problems = [*map(str, resolved.problems)]
    if arguments.format == "json":
        tried = [_dict(trial) for trial in trials]
        output.say_json({"config_source": resolved.source, "problems": problems, "destinations": tried})
    else:
        output.say(f"Test message of tenant {tenant_id or '(root)'} by {resolved.source}")
        for problem in problems:
            output.say(f"{output.styled('problem', 'red')}  {problem}")
        for trial in trials:
            _show(trial)
    return 0 if all(trial.delivered for trial in trials) else 1


def _names(arguments: argparse.Namespace, resolved: ResolvedConfig) -> list[NotificationProvider]:
    wanted = [single for name in arguments.provider or () for single in NotificationProvider(name).expand()]
    there = [*resolved.config.enabled_destinations(), *resolved.broken]
    if off := [name for name in wanted if name not in there]:
        raise CloudActNotifyError(f"{', '.join(off)} is not switched on in {resolved.source}.")
    if not there:
        why = "\n".join((resolved.source, *map(str, resolved.problems), *place.hints(arguments)))
        raise CloudActNotifyError(f"Nobody to send to: no destination is switched on.\n{why}")
    return [name for name in there if not wanted or name in wanted]


def _message(tenant_id: str | None) -> NotificationMessage:
    return NotificationMessage(
        kind=MessageKind.TEST,
        tenant_id=tenant_id,
        event=NotificationEvent.PIPELINE_SUCCESS,
        severity=NotificationSeverity.INFO,
        title="Notifications reach you",
        message="Somebody tried this destination with 'cloudact-notify send-test'. Nothing is wrong.",
        details={"sent_from": socket.gethostname()},
        occurred_at=datetime.now(UTC),
    )


def _tried(
    name: NotificationProvider,
    message: NotificationMessage,
    resolved: ResolvedConfig,
    destinations: Destinations,
) -> _Trial:
    if name in resolved.broken:
        problem = resolved.broken[name]
        why = f"{problem.file}: {problem.key}: {problem.reason}"
        return _Trial(name, False, reason="misconfigured", detail=why, remedy=problem.remedy)
    try:
        provider = destinations.provider(name, resolved, call_directly)
    except ConfigurationError as error:
        problem = error.problems[0]
        why = f"{problem.file}: {problem.key or problem.reason}"
        return _Trial(name, False, reason="misconfigured", detail=why, remedy=problem.remedy)
    except DeliveryError as error:
        return _Trial(name, False, reason=error.reason, detail=error.detail, remedy=remedy(error.reason, ""))
    return _sent(name, provider, message, resolved.config.timeout_seconds)


def _sent(name: NotificationProvider, provider: Any, message: NotificationMessage, timeout: float) -> _Trial:
    """Make one attempt, without the retries that a person need not wait for."""
    secrets = tuple(provider.config.secrets())
    payload = provider.render(message)
    reason: FailureReason | None = None
    detail, refused = "", {}
    with stopwatch() as steps:
        try:
            receipt = provider.send(payload, timeout=timeout)
            refused = {
                who: mask(why, secrets) for who, why in {**receipt.refused, **receipt.deferred}.items()
            }
        except DeliveryError as error:
            reason, detail = error.reason, mask(error.detail, secrets)
    if reason is None:
        return _Trial(name, True, _rounded(steps.milliseconds), refused=refused)
    done = {step: took for step, took in steps.milliseconds.items() if step not in (steps.began, LAST)}
    return _Trial(name, False, _rounded(done), steps.began, reason, detail, remedy(reason, detail))


def _rounded(steps: dict[str, float]) -> dict[str, float]:
    return {step: round(took, 1) for step, took in steps.items()}


def _show(trial: _Trial) -> None:
    outcome = output.styled("delivered", "green") if trial.delivered else output.styled("failed", "red")
    output.say(f"\n{trial.destination}: {outcome}{f' ({trial.reason})' if trial.reason else ''}")
    for step, took in trial.steps.items():
        output.say(f"  {step:<10}{took:>9.1f} ms")
    if trial.failed_at:
        output.say(f"  {trial.failed_at:<10}{'failed':>9}")
    if trial.detail:
        output.say(f"  {trial.detail}")
    if trial.remedy:
        output.say(f"  {output.styled('What to do:', 'bold')} {trial.remedy}")
    for who, why in trial.refused.items():
        output.say(f"  {output.styled('refused', 'yellow')}: {who} ({why})")


def _dict(trial: _Trial) -> dict[str, Any]:
    return {
        "destination": str(trial.destination),
        "delivered": trial.delivered,
        "steps_ms": trial.steps,
        "failed_at": trial.failed_at or None,
        "reason": str(trial.reason) or None,
        "detail": trial.detail,
        "remedy": trial.remedy,
        "refused": trial.refused,
    }
