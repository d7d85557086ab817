"""``cloudact-notify explain``: who would be told of an event, why, and what would hold it back."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.cli.holds import holds
from airflow_cloudact_notify.cli.times import moment
from airflow_cloudact_notify.core import policy, provenance
from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider
from airflow_cloudact_notify.core.errors import StateUnavailable
from airflow_cloudact_notify.core.masking import mask, plain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.policy import Plan
from airflow_cloudact_notify.core.providers.base import DestinationConfig
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.health import HealthRows

ONLY_FILES = (
    "Cooldowns and silences are kept in Airflow: leave --configs out where Airflow runs to see those, too."
)


def run(arguments: argparse.Namespace) -> int:
    """Go the way of a message up to where it would be sent."""
    service, tenant_id = place.service_of(arguments), place.tenant_of(arguments)
    now = moment(arguments.at).timestamp() if arguments.at else time.time()
    message = NotificationMessage(
        tenant_id=tenant_id,
        event=NotificationEvent(arguments.event),
        severity=arguments.severity,
        pipeline_id=arguments.pipeline,
        task_id=arguments.task,
        occurred_at=datetime.fromtimestamp(now, UTC),
    )
    resolved = service.configs.resolve(tenant_id)
    plan = policy.plan(message, resolved)
    message = message.model_copy(update={"severity": plan.severity})
    told, connected = _told(service, resolved, plan)
    told |= _left_alone(service, None if resolved.of_root else tenant_id, plan)
    found: dict[str, Any] = {
        "tenant": tenant_id,
        "event": str(message.event),
        "severity": str(message.effective_severity),
        "source": resolved.source,
        "why": provenance.why(service.configs, tenant_id, resolved),
        "problems": [*map(str, resolved.problems)],
        "settings": provenance.settings(service.configs, tenant_id, message.event, resolved, connected),
        "told": told,
        "terms": _terms(plan),
        "held_back_by": holds(service, message, plan, now),
    }
    if not arguments.all:
        found["settings"] = [s for s in found["settings"] if s.source != provenance.DEFAULT]
    note = "" if place.has_airflow(arguments) else ONLY_FILES
    _say_json(found, note) if arguments.format == "json" else _say(found, note)
    return 0


def _told(
    service: NotificationService, resolved: ResolvedConfig, plan: Plan
) -> tuple[dict[str, str], dict[str, DestinationConfig]]:
    """Return in words what each destination would do, and the sections that connections complete."""
    told: dict[str, str] = {}
    connected: dict[str, DestinationConfig] = {}
    ready, unready = service.destinations.ready(
        resolved.config.enabled_destinations(), resolved, call_directly
    )
    for name, provider in ready.items():
        if conn_id := resolved.config.destination(name).conn_id:
            connected[str(name)] = provider.config.model_copy(update={"conn_id": conn_id})
    if not plan.held:
        told |= {str(n): f"tells {_whom(n, ready[n].config)}" for n in plan.send_to if n in ready}
        in_need = "stands in when one of these cannot be told, and tells"
        told |= {str(n): f"{in_need} {_whom(n, ready[n].config)}" for n in plan.fall_back if n in ready}
    for result in unready:
        if result.destination in plan.send_to:
            told[str(result.destination)] = f"cannot be used: {result.detail}"
    told |= {str(name): f"cannot be used: {problem}" for name, problem in plan.broken.items()}
    told |= {str(name): "is switched off" for name in plan.off}
    return told, connected


def _left_alone(service: NotificationService, owner: str | None, plan: Plan) -> dict[str, str]:
    """Return in words which destinations failed so often that they are left alone for a while."""
    try:
        known = HealthRows(service.state, output.complain).load(owner)
    except StateUnavailable:
        return {}  # what would hold the message back says so
    return {
        str(
            name
        ): f"is unhealthy, and left alone but for a try every 15 minutes: {health.detail or health.reason}"
        for name, health in known.items()
        if health.unhealthy and name in plan.send_to and not plan.held
    }


def _terms(plan: Plan) -> str:
    """Return in words how often repeats are told."""
    if not plan.cooldown_seconds:
        return "Repeats are told, too: there is no cooldown."
    shared = {"pipeline": "of the same pipeline", "task": "of the same task", "event": "of any pipeline"}
    return f"Repeats {shared[plan.cooldown_scope]} are held back for {plan.cooldown_seconds} s."


def _whom(name: NotificationProvider, section: Any) -> str:
    people = [*getattr(section, "to_emails", ()), *getattr(section, "cc_emails", ())]
    channel = getattr(section, "channel", None)
    # Only webhooks of older custom integrations follow it, and nobody can tell them by their looks.
    named = f", or {channel} if the webhook follows 'channel'" if channel else ""
    return ", ".join(people) or f"whoever reads the channel of its webhook{named}"


def _say_json(found: dict[str, Any], note: str) -> None:
    settings = [
        asdict(setting) | {"value": output.HIDDEN if setting.is_secret else plain(setting.value)}
        for setting in found["settings"]
    ]
    output.say_json({**found, "settings": settings, "note": note or None})


def _say(found: dict[str, Any], note: str) -> None:
    output.say(f"{found['event']} of tenant {found['tenant'] or '(root)'}, severity {found['severity']}")
    output.heading("Which file")
    output.say(f"{found['source']}\n{found['why']}")
    for problem in found["problems"]:
        output.say(f"{output.styled('problem', 'red')}  {problem}")
    output.heading("Where each setting comes from")
    rows = [(s.key, output.HIDDEN if s.is_secret else _shown(s.value), s.source) for s in found["settings"]]
    if rows:
        output.table(("SETTING", "VALUE", "FROM"), rows)
    else:
        output.say("no settings apply")
    output.heading("Who would be told")
    for name, what in found["told"].items():
        output.say(f"{name} {what}")
    output.say(found["terms"] if found["told"] else "nobody")
    output.heading("What would hold it back")
    for held in found["held_back_by"]:
        output.say(f"{output.styled(held['reason'], 'yellow')}: {held['why']}")
    if not found["held_back_by"]:
        output.say("nothing")
    if note:
        output.say(output.styled(note, "dim"))


def _shown(value: Any) -> str:
    return mask(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))
