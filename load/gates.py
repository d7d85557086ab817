"""Silences, quiet hours and the cap of an hour on a real Airflow: ``python -m load.gates``.

Wanted are: nothing from a tenant whom a Variable silences, then one digest when the silence has gone; in quiet hours
what is critical and nothing else, then one digest of the rest; of four DAGs that fail at once the two that the cap lets
through.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.core.state.held import LATE_SECONDS
from airflow_cloudact_notify.core.state.silences import SILENCES
from airflow_cloudact_notify.testing import SlackInbox
from demo.preparation import Progress, make_anew
from demo.standalone import StandaloneAirflow
from load.mapped import maintain, text_of

HELD = "cloudact_notify:held:"
ALWAYS = {"timezone": "UTC", "times": [{"start": "00:00", "end": "24:00"}]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".load"))
    folder, say = parser.parse_args().folder.absolute(), Progress()
    make_anew(folder)
    with SlackInbox() as inbox:
        configs = folder / "configs"
        for tenant, keys in {
            "silenced": {},
            "quiet": {"quiet_hours": ALWAYS},
            "capped": {"max_per_hour": 2},
        }.items():
            _configure(configs, inbox, tenant, keys)
        env = {
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(configs),
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": inbox.host,
        }
        dags = Path(__file__).parent / "dags"
        with StandaloneAirflow(folder / "airflow", dags, env, say) as airflow:
            seen = [_silence(airflow, inbox), _quiet_hours(airflow, inbox, configs), _cap(airflow, inbox)]
    for what, told in seen:
        say(f"{'as wanted' if told is None else f'NOT AS WANTED {told}'}: {what}")
    return 0 if all(told is None for _, told in seen) else 1


def _configure(configs: Path, inbox: SlackInbox, tenant: str, keys: dict[str, Any]) -> None:
    file = configs / tenant / "notifications.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    slack = {"enabled": True, "webhook_url": inbox.url}
    file.write_text(json.dumps({"default_provider": "slack", "slack": slack} | keys))


def fail(airflow: StandaloneAirflow, *dag_ids: str) -> None:
    """Let DAGs run at once, and wait until they have failed."""
    for dag_id in dag_ids:
        airflow.wait_for_dag(dag_id)
    for dag_id in dag_ids:
        airflow.trigger(dag_id, "run", {})
    for dag_id in dag_ids:
        airflow.wait_for_run(dag_id, "run")


def _silence(airflow: StandaloneAirflow, inbox: SlackInbox) -> tuple[str, list[str] | None]:
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    silence = {"tenant": "silenced", "ends_at": end, "created_by": "ann", "comment": "the source is moved"}
    airflow.set_variable(SILENCES, json.dumps({"v": 1, "silences": [silence]}))
    fail(airflow, "gates_silenced")
    maintain(airflow, "while-silenced")
    while_silenced = _told(inbox)
    airflow.delete_variable(SILENCES)
    time.sleep(LATE_SECONDS)
    maintain(airflow, "after-the-silence")
    told = [*while_silenced, *_told(inbox)]
    right = not while_silenced and len(told) == 1 and "1 report was held back" in told[0]
    return "a silence, then a digest", None if right else told


def _quiet_hours(
    airflow: StandaloneAirflow, inbox: SlackInbox, configs: Path
) -> tuple[str, list[str] | None]:
    fail(airflow, "gates_quiet", "gates_quiet_critical")
    maintain(airflow, "in-quiet-hours")
    in_quiet = _told(inbox)
    _configure(configs, inbox, "quiet", {})
    time.sleep(LATE_SECONDS)
    maintain(airflow, "after-quiet-hours")
    told = [*in_quiet, *_told(inbox)]
    right = len(in_quiet) == 1 and "gates_quiet_critical" in in_quiet[0] and len(told) == 2
    right = right and "1 report was held back" in told[1]
    return "in quiet hours what is critical, then a digest", None if right else told


def _cap(airflow: StandaloneAirflow, inbox: SlackInbox) -> tuple[str, list[str] | None]:
    fail(airflow, *(f"gates_capped_{number}" for number in range(4)))
    told, held = _told(inbox), [key for key in airflow.variables(HELD) if ":capped:" in key]
    # Two pairs, when a full hour has struck between them.
    right = len(told) + len(held) == 4 and len(told) >= 2 and len(held) <= 2
    return f"{len(told)} of four messages, {len(held)} held back", None if right else told


def _told(inbox: SlackInbox) -> list[str]:
    """Return what has arrived since it was last asked."""
    texts = [text_of(payload) for payload in inbox.payloads]
    inbox.payloads.clear()
    return texts


if __name__ == "__main__":
    sys.exit(main())
