"""``cloudact-notify doctor``: whether this machine has what notifications need."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from dataclasses import asdict

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.cli.health import Check, State, files, network, tenants_in, versions

_STYLES = {"ok": "green", "doubt": "yellow", "bad": "red", "not seen": "dim"}


def run(arguments: argparse.Namespace) -> int:
    """Make every check and print what came of it; 1 when one is bad."""
    checks = list(_checks(arguments))
    if arguments.format == "json":
        output.say_json([asdict(check) for check in checks])
    else:
        for check in checks:
            state = output.styled(f"{check.state:<9}", _STYLES[check.state])
            output.say(f"{state} {check.about}: {check.found}")
            if check.remedy:
                output.say(f"{'':<9}   {check.remedy}")
    return 1 if any(check.state == State.BAD for check in checks) else 0


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    yield from versions()
    yield from files(arguments)
    if place.has_airflow(arguments):
        from airflow_cloudact_notify.cli.airflow_health import airflow_checks

        yield from airflow_checks(place.service_of(arguments), tenants_in(place.folder_of(arguments)))
    else:
        installed = importlib.util.find_spec("airflow") is not None
        why = "--configs was given" if installed else "Airflow is not installed here"
        yield Check("Airflow", State.NOT_SEEN, f"{why}: nothing but files was looked at")
    if arguments.network and not place.is_folder_missing(arguments):
        yield from network(place.service_of(arguments), tenants_in(place.folder_of(arguments)))
