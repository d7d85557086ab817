"""What our import costs the DAG processor: many DAG files, each parsed in a process of its own.

The DAG processor imports what files want of ``airflow.*`` before it forks; a package of another name is imported anew
for each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import TaskProcesses

FILES = 200
KINDS = {
    "none": ("", "None"),
    "ours": ("from airflow_cloudact_notify import on_failure", "on_failure"),
    "official": (
        "from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier\n"
        "from airflow.providers.smtp.notifications.smtp import SmtpNotifier",
        '[SlackWebhookNotifier(text="failed"), SmtpNotifier(to="a@example.com")]',
    ),
}
"""An import, and the callback."""
PRE_IMPORTED = (
    "airflow.dag_processing.dagbag",
    "airflow.providers.slack.notifications.slack_webhook",
    "airflow.providers.smtp.notifications.smtp",
    "airflow.providers.standard.operators.bash",
)
DAG_FILE = """\
from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
{imported}

with DAG("{kind}_{number}", start_date=datetime(2026, 1, 1), schedule="@daily", on_failure_callback={callback}):
    first = BashOperator(task_id="first", bash_command="true")
    for number in range(8):
        first >> BashOperator(task_id=f"step_{{number}}", bash_command="true", on_failure_callback={callback})
"""


def seconds(env: Mapping[str, str], folder: Path, files: int) -> dict[str, float]:
    """Return what it takes to parse so many DAG files without callbacks, with ours, and with the official ones.

    Their number is among the figures, as ``files``.
    """
    took = {"files": float(files), **dict.fromkeys(KINDS, 0.0)}
    with TaskProcesses(env, PRE_IMPORTED) as processes:
        processes.run("parse", file=str(_written(folder, "ours", -1)))
        for number in range(files):
            kinds = list(KINDS)
            for kind in kinds[number % 3 :] + kinds[: number % 3]:
                file = _written(folder, kind, number)
                took[kind] += processes.run("parse", file=str(file))["ms"] / 1000
    return took


def _written(folder: Path, kind: str, number: int) -> Path:
    imported, callback = KINDS[kind]
    file = folder / f"{kind}_{number}.py"
    file.write_text(DAG_FILE.format(imported=imported, callback=callback, kind=kind, number=number))
    return file
