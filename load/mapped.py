"""A storm on a real Airflow: ``python -m load.mapped``.

500 mapped tasks of one run fail: wanted are one message, then, from the maintenance DAG when the cooldown is over, one
digest that counts the other 499. A run that fails, fails and succeeds: wanted are one alert, one recovery, and no
Variable left.

The cooldown must outlast the storm, which takes two processors some ten minutes: ``--cooldown`` says how long it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.testing import SlackInbox
from demo.preparation import Progress, make_anew
from demo.standalone import StandaloneAirflow

PREFIX = "cloudact_notify:"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--cooldown", type=int, default=900, help="seconds, longer than the storm")
    parser.add_argument("--folder", type=Path, default=Path(".load"))
    arguments = parser.parse_args()
    folder, say = arguments.folder.absolute(), Progress()
    make_anew(folder)
    with SlackInbox() as inbox:
        configs = _configure(folder, inbox, arguments.cooldown)
        env = {
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(configs),
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": inbox.host,
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        dags = Path(__file__).parent / "dags"
        with StandaloneAirflow(folder / "airflow", dags, env, say) as airflow:
            problems = _storm(airflow, inbox, arguments.tasks, say)
            problems += _digest(airflow, inbox, arguments.tasks, arguments.cooldown, say)
            problems += _recovery(airflow, inbox, say)
    for problem in problems:
        say(f"NOT AS WANTED: {problem}")
    say("As wanted." if not problems else f"{len(problems)} differences.")
    return 1 if problems else 0


def _configure(folder: Path, inbox: SlackInbox, cooldown: int) -> Path:
    file = folder / "configs" / "notifications" / "config.json"
    file.parent.mkdir(parents=True)
    trigger = {"event": "pipeline_failure", "cooldown_seconds": cooldown}
    slack = {"enabled": True, "webhook_url": inbox.url}
    file.write_text(json.dumps({"default_provider": "slack", "slack": slack, "event_triggers": [trigger]}))
    return file.parents[1]


def _storm(airflow: StandaloneAirflow, inbox: SlackInbox, tasks: int, say: Progress) -> list[str]:
    """Let all mapped tasks of one run fail: one message, and a held row for each of the others."""
    started = time.monotonic()
    airflow.wait_for_dag("load_mapped")
    airflow.trigger("load_mapped", "storm", {"tasks": tasks})
    airflow.wait_for_run("load_mapped", "storm", timeout=3600)
    took = time.monotonic() - started
    held = airflow.variables(f"{PREFIX}held:")
    say(f"{tasks} tasks failed within {took:.0f} s: {len(inbox.payloads)} messages, {len(held)} held back")
    if len(inbox.payloads) == 1 and len(held) == tasks - 1:
        return []
    return [f"wanted 1 message and {tasks - 1} held back, got {len(inbox.payloads)} and {len(held)}"]


def _digest(
    airflow: StandaloneAirflow, inbox: SlackInbox, tasks: int, cooldown: int, say: Progress
) -> list[str]:
    """Wait until the cooldown is over, and let maintenance run: one digest that counts all the others."""
    alerts = len(inbox.payloads)
    [row] = airflow.variables(f"{PREFIX}cooldown:").values()
    left = json.loads(row)["told_at"] + cooldown - time.time()
    say(f"the cooldown is over in {left:.0f} s")
    time.sleep(max(0.0, left) + 1)
    started = time.monotonic()
    maintain(airflow, "after-the-storm")
    told = [text_of(payload) for payload in inbox.payloads[alerts:]]
    say(f"maintenance took {time.monotonic() - started:.0f} s and told: {told}")
    rows = airflow.variables(f"{PREFIX}held:")
    problems = [f"{len(rows)} held reports are left"] if rows else []
    if len(told) != 1 or f"{tasks - 1:,} more report" not in told[0]:
        problems.append(f"wanted one digest of {tasks - 1}, got {told}")
    return problems


def _recovery(airflow: StandaloneAirflow, inbox: SlackInbox, say: Progress) -> list[str]:
    _warm_up(airflow)
    before = len(inbox.payloads)
    airflow.wait_for_dag("load_recovering")
    for run in ("first", "second"):
        airflow.trigger("load_recovering", run, {})
        airflow.wait_for_run("load_recovering", run)
    airflow.set_variable("load_broken", "no")
    airflow.trigger("load_recovering", "third", {})
    airflow.wait_for_run("load_recovering", "third")
    airflow.wait_for("the recovery", lambda: len(inbox.payloads) >= before + 2 or None, 60)
    maintain(airflow, "after-the-recovery")
    told = [text_of(payload) for payload in inbox.payloads[before:]]
    left = [key for key in airflow.variables(PREFIX) if "load_recovering" in key or ":held:" in key]
    say(f"fail, fail, success: {told}; rows left: {left}")
    if len(told) != 2 or "Recovered" not in told[1] or "2 failed runs" not in told[1]:
        return [f"wanted one alert and one recovery of 2 failed runs, got {told}"]
    return [f"rows are left: {left}"] if left else []


def _warm_up(airflow: StandaloneAirflow) -> None:
    """Let the DAG processor look at a Variable once: on a slow machine its first look outlasts a callback's budget."""
    airflow.wait_for_dag("load_warm_up")
    airflow.trigger("load_warm_up", "run", {})
    airflow.wait_for("the first DAG callback", lambda: airflow.variables("load_is_warm"), 120)


def maintain(airflow: StandaloneAirflow, run_id: str) -> None:
    airflow.wait_for_dag("load_maintenance")
    airflow.trigger("load_maintenance", run_id, {})
    airflow.wait_for_run("load_maintenance", run_id)


def text_of(payload: dict[str, Any]) -> str:
    blocks = payload["attachments"][0]["blocks"]
    return " ".join([payload["text"], *(b["text"]["text"] for b in blocks if "text" in b)])


if __name__ == "__main__":
    sys.exit(main())
