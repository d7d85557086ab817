"""Decisions in the log: each as a line of ``key=value``, always the same keys in the same order; a plan in words."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

from airflow_cloudact_notify.core.config import EventTriggerConfig
from airflow_cloudact_notify.core.enums import Outcome
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport

log = logging.getLogger("airflow_cloudact_notify.decisions")
"""A logger of its own, so that these lines can be switched off, or sent elsewhere, by its name."""

KEYS = (
    "tenant",
    "event",
    "pipeline",
    "run",
    "destination",
    "outcome",
    "reason",
    "attempts",
    "milliseconds",
)
NOTHING = "-"
_PLAIN = re.compile(r"[\w.:+@/~-]+", re.ASCII)


def tell(report: NotificationReport) -> None:
    """Log what was decided: a line for each destination, or one for all when none was meant."""
    for failed, line in _lines(report):
        log.log(logging.WARNING if failed else logging.INFO, "%s", line)


def in_words(plan: Plan, trigger: EventTriggerConfig | None) -> str:
    """Return a plan on one line, with the trigger it comes from, for the log."""
    named = f"trigger {trigger.event}" if trigger else "no trigger"
    if plan.held:
        return f"{named}: held back ({plan.held.reason}: {plan.held.why})"
    parts = {"send to": plan.send_to, "switched off": plan.off, "broken": tuple(plan.broken)}
    who = (
        "; ".join(f"{name} {', '.join(names)}" for name, names in parts.items() if names) or "send to nobody"
    )
    often = (
        f"cooldown {plan.cooldown_seconds} s by {plan.cooldown_scope}"
        if plan.cooldown_seconds
        else "no cooldown"
    )
    return f"{named}: {who}; severity {plan.severity}; {often}"


def _lines(report: NotificationReport) -> Iterator[tuple[bool, str]]:
    message = report.message
    about = (message.tenant_id, message.event, message.pipeline_id, message.pipeline_logging_id)
    for result in report.values():
        yield result.outcome is Outcome.FAILED, _line(*about, *_of_result(result))
    if not report:
        yield False, _line(*about, None, Outcome.SUPPRESSED, report.suppressed, 0, 0)


def _of_result(result: DeliveryResult) -> tuple[object, ...]:
    return result.destination, result.outcome, result.reason, result.attempts, result.elapsed_ms


def _line(*values: object) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in zip(KEYS, values, strict=True))


def _value(value: object) -> str:
    if value in (None, ""):
        return NOTHING
    text = str(value)
    # What a pipeline is called cannot begin a line, a key or a value of its own.
    return text if _PLAIN.fullmatch(text) and text != NOTHING else json.dumps(text)
