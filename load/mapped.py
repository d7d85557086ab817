"""A storm on a real Airflow: ``python -m load.mapped``.

500 mapped tasks of one run fail: wanted are one message, then, from the maintenance DAG when the cooldown is over, one
digest that counts the other 499. A run that fails, fails and succeeds: wanted are one alert, one recovery, and no
Variable left.
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

COOLDOWN = 60
PREFIX = "cloudact_notify:"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--folder", type=Path, default=Path(".load"))
    arguments = parser.parse_args()
    folder, say = arguments.folder.absolute(), Progress()
    make_anew(folder)
    with SlackInbox() as inbox:
        configs = _configure(folder, inbox)
        env = {
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(configs),
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": inbox.host,
            "AIRFLOW__CORE__PARALLELISM": "8",
        }
        dags = Path(__file__).parent / "dags"
        with StandaloneAirflow(folder / "airflow", dags, env, say) as airflow:
            problems = [*_storm(airflow, inbox, arguments.tasks, say), *_recovery(airflow, inbox, say)]
    for problem in problems:
        say(f"NOT AS WANTED: {problem}")
    say("As wanted." if not problems else f"{len(problems)} differences.")
    return 1 if problems else 0


def _configure(folder: Path, inbox: SlackInbox) -> Path:
    file = folder / "configs" / "notifications" / "config.json"
    file.parent.mkdir(parents=True)
    trigger = {"event": "pipeline_failure", "cooldown_seconds": COOLDOWN}
    slack = {"enabled": True, "webhook_url": inbox.url}
    file.writetext_of(json.dumps({"default_provider": "slack", "slack": slack, "event_triggers": [trigger]}))
    return file.parents[1]


def _storm(airflow: StandaloneAirflow, inbox: SlackInbox, tasks: int, say: Progress) -> list[str]:
    started = time.monotonic()
    airflow.wait_for_dag("load_mapped")
    airflow.trigger("load_mapped", "storm", {"tasks": tasks})
    airflow.wait_for_run("load_mapped", "storm", timeout=3600)
    took = time.monotonic() - started
    alerts, held = len(inbox.payloads), len(airflow.variables(f"{PREFIX}held:"))
    say(f"{tasks} tasks failed within {took:.0f} s: {alerts} messages, {held} held back")
    expected = 1 + int(took // COOLDOWN)
    problems = [] if 1 <= alerts <= expected else [f"{alerts} messages, at most {expected} cooldowns"]
    time.sleep(COOLDOWN + 1)
    maintain(airflow, "after-the-storm")
    told = [text_of(payload) for payload in inbox.payloads]
    say(f"then: {told[alerts:]}")
    untold = held - _told_before(told[:alerts])
    if not any(f"{untold:,} more report" in text for text in told[alerts:]):
        problems.append(f"no digest of {untold}: {told}")
    if alerts + held != tasks:
        problems.append(f"{alerts} told and {held} held back are not {tasks}")
    return problems


def _recovery(airflow: StandaloneAirflow, inbox: SlackInbox, say: Progress) -> list[str]:
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
    left = [key for key in airflow.variables(PREFIX) if "load_recovering" in key]
    say(f"fail, fail, success: {told}; rows left: {left}")
    if len(told) != 2 or "Recovered" not in told[1] or "2 failed runs" not in told[1]:
        return [f"wanted one alert and one recovery of 2 failed runs, got {told}"]
    return [f"rows are left: {left}"] if left else []


def maintain(airflow: StandaloneAirflow, run_id: str) -> None:
    airflow.wait_for_dag("load_maintenance")
    airflow.trigger("load_maintenance", run_id, {})
    airflow.wait_for_run("load_maintenance", run_id)


def text_of(payload: dict[str, Any]) -> str:
    blocks = payload["attachments"][0]["blocks"]
    return " ".join([payload["text"], *(b["text"]["text"] for b in blocks if "text" in b)])


def _told_before(texts: list[str]) -> int:
    """Return how many held reports later messages of the storm have counted."""
    words = [text.partition("+")[2].split(" more")[0] for text in texts if "+" in text]
    return sum(int(word.replace(",", "")) for word in words if word.replace(",", "").isdigit())


if __name__ == "__main__":
    sys.exit(main())
