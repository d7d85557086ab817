"""The commands as Airflow's command line takes them: ``airflow cloudact-notify …``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from airflow.cli.cli_config import ActionCommand, CLICommand, GroupCommand

from airflow_cloudact_notify.cli.commands import COMMANDS
from airflow_cloudact_notify.cli.main import DESCRIPTION, EXIT_CODES, epilog_of, run
from airflow_cloudact_notify.cli.tree import Command, Group


def get_cli_commands() -> list[CLICommand]:
    """Return what the provider's metadata promises Airflow."""
    commands = [_translated(command) for command in COMMANDS]
    return [GroupCommand("cloudact-notify", "Notifications of tenants", commands, DESCRIPTION, EXIT_CODES)]


def _translated(command: Command | Group) -> CLICommand:
    if isinstance(command, Group):
        return GroupCommand(command.name, command.help, [_translated(child) for child in command.commands])
    arguments: Any = command.arguments
    return ActionCommand(
        command.name, command.help, _exits(command), arguments, command.description, epilog_of(command)
    )


def _exits(command: Command) -> Callable[[argparse.Namespace], None]:
    """Airflow ignores what a command returns."""

    def run_and_exit(arguments: argparse.Namespace) -> None:
        if code := run(command, arguments):
            sys.exit(code)

    return run_and_exit
