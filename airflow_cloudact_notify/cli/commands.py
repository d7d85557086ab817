"""All commands and their arguments: one tree for ``cloudact-notify`` and for ``airflow cloudact-notify``.

Light: it is read for every ``airflow`` command. What a command does is imported when it is run.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_cloudact_notify.cli.arguments import (
    CHOICE,
    CONFIGS,
    EVENT,
    FORMAT,
    LETTERS,
    MATCHERS,
    OF_TENANT,
    PIPELINE,
    PROVIDER,
    SEVERITY,
    TASK,
    TENANT,
    port,
)
from airflow_cloudact_notify.cli.tree import Command, Group, argument

COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "init",
        "write a starting set of configuration files",
        "init:run",
        (
            argument("tenant", metavar="TENANT", nargs="?", help="write a file for this tenant, too"),
            argument(
                "-c", "--configs", metavar="FOLDER", default="configs", help="where to (default: ./configs)"
            ),
            argument(
                "--inbox",
                action="store_true",
                help="name the local inbox of 'cloudact-notify inbox' as mail server, to try things out",
            ),
            FORMAT,
        ),
        "Writes the root's file, a tenant's file if one is named, and the JSON Schema that both point editors at. "
        "Files that are there already stay as they are.",
        "cloudact-notify init acme",
    ),
    Command(
        "validate",
        "find every mistake in configuration files",
        "validate:run",
        (
            argument(
                "paths",
                metavar="PATH",
                nargs="*",
                help="files, or folders of them; left out, the folder of --configs",
            ),
            CONFIGS,
            argument(
                "--env", action="store_true", help="also say which environment variables are not set here"
            ),
            argument("--strict", action="store_true", help="let warnings fail, too"),
            argument(
                "-f",
                "--format",
                choices=("text", "json", "github", "sarif"),
                default="text",
                help="for people, for machines, as annotations of GitHub Actions, or as SARIF 2.1.0 (default: text)",
            ),
        ),
        "Names every mistake at once, with file, line, key, reason and remedy, and warns of what is likely one. "
        "Needs neither Airflow nor the environment of the machines it runs on. Exit codes: 0 no mistake, 1 mistakes, "
        "2 nothing could be looked at.",
        "cloudact-notify validate configs\n  cloudact-notify validate --format github configs/acme/notifications.json",
    ),
    Command(
        "schema",
        "print the JSON Schema of the configuration files",
        "schema:run",
        (argument("--out", metavar="FILE", help="write it to a file"),),
        'Name it in a file\'s "$schema", and editors complete and explain its keys.',
        "cloudact-notify schema --out configs/notifications.schema.json",
    ),
    Command(
        "explain",
        "say who would be told of an event, why, and what would hold it back",
        "explain:run",
        (
            TENANT,
            EVENT,
            PIPELINE,
            TASK,
            SEVERITY,
            argument("--at", metavar="TIME", help="as if it were then, in ISO 8601 (default: now)"),
            argument("--all", action="store_true", help="show settings that have their defaults, too"),
            CONFIGS,
            FORMAT,
        ),
        "Shows which file is used and why, where every setting comes from, who would be told, and what would hold the "
        "message back. Sends nothing.",
        "cloudact-notify explain acme pipeline_failure --pipeline daily_ingest",
    ),
    Command(
        "preview",
        "show an event's message as each destination would get it",
        "preview:run",
        (
            TENANT,
            EVENT,
            SEVERITY,
            PROVIDER,
            argument("--message", metavar="FILE", help="a recorded message (JSON) in place of the sample"),
            argument("--out", metavar="FOLDER", help="write the messages to files"),
            argument("--open", action="store_true", help="show the mail in a browser"),
            CONFIGS,
            FORMAT,
        ),
        "Renders a sample, or a recorded message, for every destination the tenant has. Sends nothing.",
        "cloudact-notify preview acme pipeline_failure --open",
    ),
    Command(
        "send-test",
        "send a test message, and time its steps",
        "send_test:run",
        (TENANT, PROVIDER, CONFIGS, FORMAT),
        "Really sends, to every destination that is switched on, marked as a test. No cooldown holds it back or is "
        "started by it. Exit codes: 0 every destination took it, 1 one did not, 2 there is none.",
        "cloudact-notify send-test acme --provider slack",
    ),
    Command(
        "doctor",
        "check whether this machine has what notifications need",
        "doctor:run",
        (
            argument(
                "--network", action="store_true", help="also connect to every mail server and webhook's host"
            ),
            CONFIGS,
            FORMAT,
        ),
        "Looks at versions, files, Airflow's options, Variables, connections and clocks, and at when maintenance ran "
        "last. Tells nobody anything. Exit codes: 0 nothing is bad, 1 something is.",
        "cloudact-notify doctor --network",
    ),
    Group(
        "cooldowns",
        "what holds repeats back now",
        (
            Command(
                "list",
                "show what holds repeats back",
                "cooldowns:show",
                (*CHOICE, argument("--all", action="store_true", help="show what is over, too"), FORMAT),
                "Reads Airflow's Variables.",
                "cloudact-notify cooldowns list --tenant acme",
            ),
            Command(
                "clear",
                "let the next report be told at once",
                "cooldowns:clear",
                (*CHOICE, argument("--all", action="store_true", help="all there are"), FORMAT),
                "Deletes the chosen cooldowns from Airflow's Variables.",
                "cloudact-notify cooldowns clear --tenant acme --pipeline daily_ingest",
            ),
        ),
    ),
    Group(
        "incidents",
        "what is broken now",
        (
            Command(
                "list",
                "show what failed, was told of, and has not recovered yet",
                "incidents:show",
                (OF_TENANT, FORMAT),
                "Reads Airflow's Variables.",
                "cloudact-notify incidents list",
            ),
        ),
    ),
    Group(
        "silence",
        "hold messages back for a while",
        (
            Command(
                "add",
                "hold messages back for a while",
                "silence:add",
                (
                    *MATCHERS,
                    argument("--for", dest="duration", metavar="TIME", help="how long: 30m, 2h, 1d"),
                    argument("--until", metavar="TIME", help="until when, in ISO 8601"),
                    argument(
                        "--from", dest="start", metavar="TIME", help="since when, in ISO 8601 (default: now)"
                    ),
                    argument("--comment", required=True, help="why"),
                    argument("--by", metavar="NAME", help="who wants it (default: your user name)"),
                    FORMAT,
                ),
                "What fits all that is named is held back, and summed up afterwards. Kept in Airflow's Variables.",
                "cloudact-notify silence add --pipeline 'sales_*' --for 2h --comment 'warehouse moves'",
            ),
            Command(
                "list",
                "show the silences there are",
                "silence:show",
                (CONFIGS, FORMAT),
                "Those of Airflow's Variables and those of the files. With --configs, only those of the files.",
                "cloudact-notify silence list",
            ),
            Command(
                "expire",
                "end silences now",
                "silence:expire",
                (argument("ids", metavar="ID", nargs="+", help="as 'silence list' shows it"), FORMAT),
                "Those of files end when the file says so.",
                "cloudact-notify silence expire 1a2b3c4d",
            ),
        ),
    ),
    Group(
        "dead-letters",
        "what destinations have missed",
        (
            Command(
                "list",
                "show what was missed, the oldest first",
                "dead_letters:listed",
                (OF_TENANT, FORMAT),
                "Reads Airflow's Variables. Maintenance delivers these by itself, once their destination works again.",
                "cloudact-notify dead-letters list --tenant acme",
            ),
            Command(
                "show",
                "show one message, and how it came to be missed",
                "dead_letters:show",
                (argument("id", metavar="ID", help="as 'dead-letters list' shows it"), FORMAT),
                "Reads Airflow's Variables.",
                "cloudact-notify dead-letters show 01767323045000-1a2b3c4d5e6f",
            ),
            Command(
                "replay",
                "deliver now, to exactly those who missed it",
                "dead_letters:replay",
                (*LETTERS, FORMAT),
                "Tries even where it looks futile. Exit codes: 0 all delivered, 1 some are left.",
                "cloudact-notify dead-letters replay --tenant acme",
            ),
            Command(
                "drop",
                "delete them untold",
                "dead_letters:drop",
                (*LETTERS, FORMAT),
                "Each goes to the log first.",
                "cloudact-notify dead-letters drop 01767323045000-1a2b3c4d5e6f",
            ),
        ),
    ),
    Command(
        "maintain",
        "do once what the maintenance DAG does",
        "maintain:maintain",
        (FORMAT,),
        "Delivers dead letters, sends digests, tells what killed processes were telling, ends outages, deletes old "
        "rows. For cron, where no DAG is wanted. Needs Airflow's metadata database.",
        "cloudact-notify maintain",
    ),
    Command(
        "import-errors",
        "tell of DAG files that Airflow cannot import",
        "maintain:import_errors",
        (FORMAT,),
        "Sends a system_error once for each new or changed import error, to the tenant its file belongs to, else by "
        "the root's settings, and once more when it is gone. For cron or a sidecar with access to Airflow's metadata "
        "database. Exit codes: 0 all told, 1 somebody could not be told and will be tried again next time.",
        "cloudact-notify import-errors",
    ),
    Command(
        "inbox",
        "run a local mail server and webhook that show what arrives",
        "inbox:run",
        (
            argument("--smtp-port", type=port, metavar="PORT", default=1025, help="default: 1025"),
            argument("--http-port", type=port, metavar="PORT", default=1026, help="default: 1026"),
            argument("--count", type=int, metavar="N", help="end after so many messages"),
        ),
        "For trying things out: nothing leaves this machine. Ends with Ctrl-C. Needs the extra 'testing'.",
        "cloudact-notify inbox",
    ),
)


def leaves(commands: Iterable[Command | Group] = COMMANDS, prefix: str = "") -> Iterable[tuple[str, Command]]:
    """Yield every command with its full name."""
    for command in commands:
        if isinstance(command, Group):
            yield from leaves(command.commands, f"{prefix}{command.name} ")
        else:
            yield f"{prefix}{command.name}", command
