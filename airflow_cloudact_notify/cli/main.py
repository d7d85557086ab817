# PYTHON_ARGCOMPLETE_OK
"""The console script ``cloudact-notify``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from airflow_cloudact_notify import __version__
from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.cli.commands import COMMANDS
from airflow_cloudact_notify.cli.tree import Command, Group

DESCRIPTION = "Know who is told what, before it happens and after."
EXIT_CODES = "Exit codes: 0 all is well, 1 what was looked at or sent is not, 2 it could not even be tried."
CANNOT = 2
"""Exit code for what could not even be tried."""
READER_GONE = 141
"""Exit code when nobody reads on, as of programs that SIGPIPE ends: what was found is not known to be good."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = make_parser()
    _offer_completion(parser)
    parsed = parser.parse_args(arguments)
    return run(parsed.command, parsed)


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command; what it cannot do is told in a sentence, without a traceback."""
    from airflow_cloudact_notify.core.errors import CloudActNotifyError, StateUnavailable

    try:
        return _flushed(command.run(arguments))
    except StateUnavailable as error:
        why = " ".join(str(error).split())
        remedy = "Run it where 'airflow db check' succeeds; 'airflow db migrate' prepares a new database."
        print(f"cloudact-notify: This needs Airflow's metadata database: {why}. {remedy}", file=sys.stderr)  # noqa: T201
        return CANNOT
    except CloudActNotifyError as error:
        print(f"cloudact-notify: {error}", file=sys.stderr)  # noqa: T201
        return CANNOT
    except BrokenPipeError:  # the reader of our output, head say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except OSError as error:
        if error.filename is None:
            raise
        why = f"{error.filename}: {error.strerror}. Correct the path, or its permissions."
        print(f"cloudact-notify: {why}", file=sys.stderr)  # noqa: T201
        return CANNOT
    except KeyboardInterrupt:
        return 130


def _flushed(code: int) -> int:
    """Notice a reader that has gone now, not when Python ends."""
    output.flush()
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        "cloudact-notify",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=_formatter(),
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add(parser, COMMANDS, "COMMAND")
    return parser


def _add(parser: argparse.ArgumentParser, commands: Iterable[Command | Group], metavar: str) -> None:
    children = parser.add_subparsers(metavar=metavar, required=True, title="commands")
    for command in commands:
        description = command.help if isinstance(command, Group) else command.description
        child = children.add_parser(
            command.name,
            help=command.help,
            description=description,
            epilog=epilog_of(command),
            formatter_class=parser.formatter_class,
            allow_abbrev=False,
        )
        if isinstance(command, Group):
            _add(child, command.commands, "COMMAND")
            continue
        for argument in command.arguments:
            argument.add_to_parser(child)
        child.set_defaults(command=command)


def epilog_of(command: Command | Group) -> str | None:
    """Return a command's examples, for the end of its help."""
    examples = "" if isinstance(command, Group) else command.examples
    return f"examples:\n  {examples}" if examples else None


def _formatter() -> Any:
    try:
        from rich_argparse import RawDescriptionRichHelpFormatter
    except ImportError:
        return argparse.RawDescriptionHelpFormatter
    # Square brackets are an option's section, not a style.
    RawDescriptionRichHelpFormatter.help_markup = False
    RawDescriptionRichHelpFormatter.text_markup = False
    return RawDescriptionRichHelpFormatter


def _offer_completion(parser: argparse.ArgumentParser) -> None:
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
