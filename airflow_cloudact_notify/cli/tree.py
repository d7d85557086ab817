"""What a command is made of, for ``argparse`` and for Airflow's command line alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

Runner = Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, as ``argparse`` takes it; ``completer`` offers values for it in a shell."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]
    completer: Callable[..., Iterable[str]] | None = None

    def add_to_parser(self, parser: argparse.ArgumentParser) -> None:
        action: Any = parser.add_argument(*self.flags, **self.options)
        if self.completer:
            action.completer = self.completer


@dataclass(frozen=True, slots=True)
class Command:
    """A command that does something; ``runs`` is ``module:function`` below ``cli``."""

    name: str
    help: str
    runs: str
    arguments: tuple[Argument, ...] = ()
    description: str = ""
    examples: str = ""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it, and return the exit code."""
        module, _, function = self.runs.partition(":")
        runner: Runner = getattr(import_module(f"airflow_cloudact_notify.cli.{module}"), function)
        return runner(arguments)


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that belong together."""

    name: str
    help: str
    commands: tuple[Command, ...]


def argument(*flags: str, completer: Callable[..., Iterable[str]] | None = None, **options: Any) -> Argument:
    """Return an argument; ``options`` are those of ``ArgumentParser.add_argument``."""
    return Argument(flags, options, completer)
