"""What holds for every command: its help, its place in a shell, what it costs to start, what it never prints."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_cloudact_notify.cli.arguments import tenants
from airflow_cloudact_notify.cli.commands import leaves
from airflow_cloudact_notify.cli.main import make_parser
from tests.cli.conftest import SCRIPT
from tests.core.folder import SECRET, Folder

COMMANDS = dict(leaves())


def test_the_help_lists_every_command(run):
    out = run("--help").out
    assert all(name.split()[0] in out for name in COMMANDS)
    assert "Exit codes: 0" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_needs_no_manual(name, run):
    ran = run(*name.split(), "--help")

    assert ran.code == 0
    command = COMMANDS[name]
    assert len(command.description) > 20
    assert f"cloudact-notify {name}" in command.examples
    assert f"cloudact-notify {name}" in ran.out
    for argument in command.arguments:
        assert argument.options.get("help"), argument.flags


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_examples_can_be_parsed(name):
    for line in COMMANDS[name].examples.splitlines():
        words = shlex.split(line)
        assert words[0] == "cloudact-notify"
        assert make_parser().parse_args(words[1:]).command is COMMANDS[name]


def quoted() -> list[str]:
    """Return the commands that the documentation quotes with arguments, in blocks and in sentences."""
    here = Path(__file__).parent.parent.parent
    pages = [*here.glob("*.md"), *(here / "docs").rglob("*.md"), *(here / "configs").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    in_blocks = re.findall(r"^cloudact-notify [^#\n]+", text, re.MULTILINE)
    in_sentences = re.findall(r"`cloudact-notify ([^`]+)`", text.replace("\n", " "))
    return sorted({*map(str.strip, in_blocks), *(f"cloudact-notify {words}" for words in in_sentences)})


@pytest.mark.parametrize("line", quoted())
def test_what_the_documentation_quotes_can_be_parsed(line):
    words = shlex.split(line)[1:]
    if " ".join(words) in {*COMMANDS, *(name.split()[0] for name in COMMANDS)}:
        return  # the name of a command, or of a group, whose arguments the sentence leaves out
    assert make_parser().parse_args(words).command in COMMANDS.values()


@pytest.mark.parametrize("name", [n for n in COMMANDS if n not in ("schema", "inbox")])
def test_every_command_can_answer_in_json(name):
    [formats] = [a for a in COMMANDS[name].arguments if "--format" in a.flags]
    assert "json" in formats.options["choices"]


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("explain", "acme", "nonsense"), ("validate", "--nonsense")]
)
def test_what_cannot_be_understood_is_said(arguments, run):
    ran = run(*arguments)
    assert ran.code == 2
    assert "usage" in ran.err.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("explain", "acme", "pipeline_failure", "-c", "nowhere"), id="explain"),
        pytest.param(("preview", "acme", "pipeline_failure", "-c", "nowhere"), id="preview"),
        pytest.param(("send-test", "acme", "-c", "nowhere"), id="send-test"),
        pytest.param(("silence", "list", "-c", "nowhere"), id="silence"),
        pytest.param(("init", "acme", "-c", "taken/nowhere"), id="init below a file"),
        pytest.param(("schema", "--out", "taken/nowhere"), id="schema below a file"),
    ],
)
def test_a_place_that_is_not_there_is_named_with_what_to_do(arguments, run):
    Path("taken").touch()
    ran = run(*arguments)
    assert ran.code == 2
    assert "nowhere" in ran.err or "taken" in ran.err
    assert "Correct" in ran.err
    assert "Traceback" not in ran.err


def test_the_script_says_its_version(script):
    assert script("--version").out.startswith("cloudact-notify 0.")


def test_help_imports_neither_airflow_nor_pydantic():
    program = (
        "import sys; from airflow_cloudact_notify.cli.main import make_parser; make_parser().format_help(); "
        "print(*sorted(name for name in sys.modules if name in {'airflow', 'pydantic', 'jinja2', 'requests'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_without_rich_and_argcomplete_everything_is_plain(tmp_path):
    program = (
        "import sys\n"
        "for name in ('rich', 'rich_argparse', 'argcomplete'): sys.modules[name] = None\n"
        "from airflow_cloudact_notify.cli.main import main\n"
        "sys.exit(main(['init', 'acme']) or main(['explain', 'acme', 'system_error', '-c', 'configs']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "PLATFORM_SMTP_PASSWORD is not set" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["cooldowns", "list"],
        ["cooldowns", "clear", "--all"],
        ["incidents", "list"],
        ["silence", "expire", "x"],
        ["dead-letters", "list"],
        ["maintain"],
        ["import-errors"],
    ],
)
def test_what_needs_airflow_says_so_where_there_is_none(arguments):
    program = (
        "import sys; sys.modules['airflow'] = None\n"
        "from airflow_cloudact_notify.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Airflow is not installed here" in done.stderr


def completed(line: str, folder: Path, tmp_path: Path) -> list[str]:
    """Return what a real bash offers at the end of a line, by the code that ``register-python-argcomplete`` gives."""
    register = Path(sys.executable).with_name("register-python-argcomplete")
    program = tmp_path / "complete.bash"
    program.write_text(
        f'PATH="{SCRIPT.parent}:$PATH"\n'
        f'eval "$({register} cloudact-notify)"\n'
        f"cd {folder}\n"
        f'COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; COMP_TYPE=9; COMP_WORDS=({line} ""); COMP_CWORD=0\n'
        'COMPREPLY=(); _python_argcomplete cloudact-notify "" ""; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", program], capture_output=True, text=True, check=False, timeout=60
    )
    return [word.strip() for word in done.stdout.split()]


try:
    import argcomplete  # noqa: F401

    HAS_ARGCOMPLETE = shutil.which("bash") is not None
except ImportError:
    HAS_ARGCOMPLETE = False

if HAS_ARGCOMPLETE:  # Airflow brings it

    @pytest.mark.parametrize(
        ("line", "offered"),
        [
            pytest.param("cloudact-notify val", ["validate"], id="a command"),
            pytest.param("cloudact-notify silence ", ["add", "list", "expire"], id="commands of a group"),
            pytest.param("cloudact-notify explain ", ["acme", "beta"], id="tenants"),
            pytest.param(
                "cloudact-notify cooldowns list --tenant ", ["acme", "beta"], id="a tenant by option"
            ),
            pytest.param("cloudact-notify explain acme pipeline_f", ["pipeline_failure"], id="an event"),
            pytest.param("cloudact-notify validate --format s", ["sarif"], id="a format"),
        ],
    )
    def test_a_shell_completes(line, offered, tmp_path, monkeypatch):
        monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
        folder = Folder(tmp_path / "configs")
        folder.write("acme", enabled=False)
        folder.write("beta", enabled=False)
        assert set(offered) <= set(completed(line, tmp_path, tmp_path))


def test_tenants_are_completed_from_where_airflow_looks(tmp_path, monkeypatch):
    Folder(tmp_path / "home/ours").write("acme", enabled=False)
    Folder(tmp_path / "other").write("beta", enabled=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH", "ours")
    assert tenants(argparse.Namespace()) == ["acme"]
    assert tenants(argparse.Namespace(configs=str(tmp_path / "other"))) == ["beta"]


def test_no_command_prints_a_secret(tmp_path, run, monkeypatch):
    """Secrets of every sort, in files and in the environment, that work and that do not."""
    monkeypatch.setenv("ACME_PASSWORD", SECRET)
    webhook = f"http://127.0.0.1:9/services/T0/B0/{SECRET}"
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", "127.0.0.1:9")
    email = {"enabled": True, "smtp_host": "127.0.0.1", "smtp_port": 9, "to_emails": ["a@b.io"]}
    login = {"smtp_username": "a@b.io", "smtp_password": "${ACME_PASSWORD}", "smtp_use_tls": False}
    slack = {"enabled": True, "webhook_url": webhook, "proxy": f"http://user:{SECRET}@127.0.0.1:9"}
    folder = Folder(tmp_path / "configs")
    folder.write("acme", email=email | login, slack=slack)
    folder.write(
        "beta", email=email | login | {"smtp_password": SECRET}, slack=slack | {"webhook_url": SECRET}
    )
    folder.write("gamma", email=email | login | {"smtp_port": SECRET}, default_provider=SECRET)
    message = tmp_path / "message.json"
    message.write_text(json.dumps({"event": "system_error", "details": {"password": SECRET}}))
    monkeypatch.setattr("airflow_cloudact_notify.cli.health.NETWORK_TIMEOUT", 1.0)

    printed = []
    for form in ("text", "json"):
        more = ("-c", "configs", "-f", form)
        printed += [run("validate", "configs", "-f", f) for f in ("text", "json", "github", "sarif")]
        printed += [run("validate", "configs", "--env")]
        for tenant in ("acme", "beta", "gamma"):
            printed.append(run("explain", tenant, "pipeline_failure", "--all", *more))
            printed.append(run("preview", tenant, "system_error", "--message", message, *more))
            printed.append(run("send-test", tenant, *more))
        printed.append(run("doctor", "--network", *more))
        printed.append(run("silence", "list", *more))

    assert any("•••" in ran.out for ran in printed)
    for ran in printed:
        assert SECRET not in ran.all
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("arguments", ["schema", "validate tests/cli/bad_configs/unknown_key"])
def test_a_reader_that_goes_away_is_no_error_and_no_success(arguments):
    """Also when all of the output is still buffered as the reader goes."""
    command = f"{sys.executable} -m airflow_cloudact_notify.cli {arguments}"
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"},
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    done = subprocess.run(
        ["bash", "-c", f"{SCRIPT} schema | head -1"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    )
    assert done.stdout == "{\n"
    assert "Error" not in done.stderr
