"""``cloudact-notify schema``: the JSON Schema of the configuration files."""

from __future__ import annotations

import argparse
from pathlib import Path

from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.core.schema import schema_text


def run(arguments: argparse.Namespace) -> int:
    """Print the schema, or write it to a file."""
    if arguments.out:
        Path(arguments.out).write_text(schema_text(), encoding="utf-8")
    else:
        output.say(schema_text().rstrip())
    return 0
