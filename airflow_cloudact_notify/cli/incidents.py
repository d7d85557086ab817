"""``cloudact-notify incidents list``: what is broken, since when, and who was told."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.core.state.outages import Outage, OutageRows
from airflow_cloudact_notify.core.times import duration


def show(arguments: argparse.Namespace) -> int:
    """List what has failed and not recovered yet."""
    state, now = place.airflow_service().state, time.time()
    rows = OutageRows(state, output.complain)
    found = [outage for key in sorted(rows.listed()) if (outage := rows.read(key))]
    found = [outage for outage in found if arguments.tenant in (None, outage.tenant_id or "-")]
    if arguments.format == "json":
        output.say_json([_dict(outage) for outage in found])
    elif found:
        head = ("TENANT", "PIPELINE", "TASK", "BROKEN FOR", "FAILED RUNS", "LAST TOLD", "TOLD TO")
        output.table(head, [_cells(outage, now) for outage in found])
    else:
        output.say("Nothing that was told of is broken.")
    return 0


def _cells(outage: Outage, now: float) -> tuple[str, ...]:
    return (
        outage.tenant_id or "(root)",
        outage.pipeline_id or "",
        outage.task_id or "",
        duration((now - outage.since) * 1000),
        str(len(outage.failed)),
        f"{duration((now - outage.told_at) * 1000)} ago" if outage.told_at else "never",
        ", ".join(outage.alerted),
    )


def _dict(outage: Outage) -> dict[str, object]:
    return {
        "tenant": outage.tenant_id,
        "pipeline": outage.pipeline_id,
        "task": outage.task_id,
        "since": datetime.fromtimestamp(outage.since, UTC).isoformat(),
        "failed_runs": len(outage.failed),
        "told_at": datetime.fromtimestamp(outage.told_at, UTC).isoformat() if outage.told_at else None,
        "told_to": list(outage.alerted),
    }
