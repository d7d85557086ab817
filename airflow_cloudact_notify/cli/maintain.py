"""``cloudact-notify maintain`` and ``import-errors``: what runs from time to time, once."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import asdict

from airflow_cloudact_notify.cli import output, place


def maintain(arguments: argparse.Namespace) -> int:
    """Do what the maintenance DAG does."""
    place.airflow_service()
    from airflow_cloudact_notify.bridge.runs import maintain_now
    from airflow_cloudact_notify.bridge.wish import DEFAULT_CONN_ID

    _say(arguments, maintain_now(DEFAULT_CONN_ID))
    return 0


def import_errors(arguments: argparse.Namespace) -> int:
    """Tell of files that Airflow cannot import; 1 when somebody could not be told."""
    service = place.airflow_service()
    from airflow_cloudact_notify.bridge.import_errors import import_problems
    from airflow_cloudact_notify.core.import_errors import tell_import_errors

    checked = tell_import_errors(service, import_problems(service.configs), time.time())
    _say(arguments, asdict(checked))
    return 1 if checked.failed else 0


def _say(arguments: argparse.Namespace, counts: Mapping[str, int]) -> None:
    if arguments.format == "json":
        output.say_json(counts)
    else:
        output.say(", ".join(f"{count} {what}" for what, count in counts.items()))
