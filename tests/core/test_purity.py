"""The engine runs where Airflow is not installed: seen in a process that refuses to import it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from airflow_cloudact_notify import core
from airflow_cloudact_notify.testing import SlackInbox
from tests.core.folder import Folder

WITHOUT_AIRFLOW = """
import importlib.abc
import importlib.util
import sys


class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "airflow":
            raise ImportError(f"{name} must not be imported")


sys.meta_path.insert(0, Blocked())
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *args: None if name == "airflow" else find_spec(name, *args)
"""


def run_without_airflow(program: str, *arguments: str) -> str:
    """Return what a program prints in a process that cannot import Airflow."""
    command = [sys.executable, "-c", WITHOUT_AIRFLOW + textwrap.dedent(program), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_every_module_of_the_core_is_imported_without_airflow() -> None:
    folder = Path(core.__file__).parent
    modules = sorted(
        ".".join(("airflow_cloudact_notify", "core", *file.relative_to(folder).with_suffix("").parts))
        for file in folder.rglob("*.py")
        if file.name != "__init__.py"
    )
    program = """
        import importlib
        for name in sys.argv[1:]:
            importlib.import_module(name)
        print(*sorted(name for name in sys.modules if name.partition(".")[0] == "airflow"))
        """
    assert run_without_airflow(program, *modules).split() == []
    assert len(modules) > 20


def test_the_service_sends_without_airflow(tmp_path: Path) -> None:
    with SlackInbox() as inbox:
        slack = {"enabled": True, "webhook_url": inbox.url}
        Folder(tmp_path).write("acme", default_provider="slack", slack=slack)
        program = """
            import asyncio
            import json
            from airflow_cloudact_notify import NotificationService

            service = NotificationService(sys.argv[1], allowed_webhook_hosts=[sys.argv[2]])
            telling = service.notify_pipeline_failure("acme", "sales", error_message="Connection timeout")
            print(json.dumps(asyncio.run(telling).to_dict()))
            """
        report = json.loads(run_without_airflow(program, str(tmp_path), inbox.host))
        assert report["delivered"]
        assert "Connection timeout" in json.dumps(inbox.payloads)


def test_the_service_of_the_process_is_the_engines_own_without_airflow(tmp_path: Path) -> None:
    program = """
        import os
        from airflow_cloudact_notify import get_notification_service

        os.environ["CLOUDACT_NOTIFY_CONFIGS_PATH"] = sys.argv[1]
        assert get_notification_service() is get_notification_service()
        print(get_notification_service().configs.configs_path)
        """
    assert run_without_airflow(program, str(tmp_path)).strip() == str(tmp_path)


def test_a_name_that_needs_airflow_says_so_where_it_is_missing() -> None:
    program = """
        import airflow_cloudact_notify

        for name, home in airflow_cloudact_notify._HOME.items():
            try:
                getattr(airflow_cloudact_notify, name)
            except ImportError as error:
                assert "airflow" in str(error)
                print(home.partition(".")[0])
        """
    assert set(run_without_airflow(program).split()) == {"hooks", "notifications", "operators"}
