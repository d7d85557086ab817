"""The arguments that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.cli.tree import argument
from airflow_cloudact_notify.core.enums import (
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
)

LAST_PORT = 65_535


def tenants(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Return the tenants that have a file, for completion: in the folder that is named, else where others are usual."""
    home, named = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow"), getattr(parsed_args, "configs", None)
    usual = (
        home / (os.environ.get("AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH") or "configs"),
        Path(os.environ.get("CLOUDACT_NOTIFY_CONFIGS_PATH") or "configs"),
    )
    folders = (Path(named),) if named else usual
    folder = next((folder for folder in map(Path.expanduser, folders) if folder.is_dir()), Path("configs"))
    return sorted(file.parent.name for file in folder.glob("*/notifications.json"))


def port(text: str) -> int:
    """Return the number of a port."""
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use a number up to {LAST_PORT}")
    return int(text)


CONFIGS = argument(
    "-c",
    "--configs",
    metavar="FOLDER",
    help="look at this folder of files by itself, without Airflow: a path, or a URL such as s3://bucket/configs; left "
    "out, what Airflow's configuration names, or where Airflow is not installed, $CLOUDACT_NOTIFY_CONFIGS_PATH, else "
    "./configs",
)
FORMAT = argument(
    "-f",
    "--format",
    choices=("text", "json"),
    default="text",
    help="for people, or for machines (default: text)",
)
TENANT = argument("tenant", metavar="TENANT", help="the tenant's id; '-' for the root's", completer=tenants)
EVENT = argument(
    "event",
    metavar="EVENT",
    choices=[str(event) for event in NotificationEvent],
    help=", ".join(NotificationEvent),
)
PIPELINE = argument("--pipeline", metavar="DAG_ID", help="the pipeline it is about")
TASK = argument("--task", metavar="TASK_ID", help="the task it is about")
SEVERITY = argument(
    "--severity",
    choices=[str(severity) for severity in NotificationSeverity],
    help="left out, the trigger's or the event's own",
)
PROVIDER = argument(
    "--provider",
    action="append",
    choices=[str(provider) for provider in NotificationProvider],
    help="only this destination; may be given more than once",
)

OF_TENANT = argument(
    "--tenant", metavar="TENANT", help="only of this tenant; '-' for the root's", completer=tenants
)
CHOICE = (
    OF_TENANT,
    argument("--event", choices=[str(event) for event in NotificationEvent], help="only of this event"),
    argument("--pipeline", metavar="DAG_ID", help="only of this pipeline"),
)

MATCHERS = (
    argument("--tenant", metavar="PATTERN", help="which tenants, '*' for all", completer=tenants),
    argument("--event", metavar="PATTERN", help="which events"),
    argument("--pipeline", metavar="PATTERN", help="which pipelines"),
    argument("--task", metavar="PATTERN", help="which tasks"),
    argument(
        "--max-severity",
        choices=[str(severity) for severity in NotificationSeverity],
        help="the highest severity that is held back (default: all are)",
    ),
)
LETTERS = (
    argument("ids", metavar="ID", nargs="*", help="as 'dead-letters list' shows them"),
    OF_TENANT,
    argument("--all", action="store_true", help="all there are"),
)
