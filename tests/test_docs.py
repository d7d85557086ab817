"""The Python in the documentation: all of it compiles, and what does not need Airflow runs and does what it says.

A block that imports Airflow, or a class of ours that stands on it, needs Airflow. A block that defines tests is a test
module. Every other block is a program: those that notify must get a mail through.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import airflow_cloudact_notify
from airflow_cloudact_notify.core.enums import NotificationEvent
from airflow_cloudact_notify.testing import SmtpInbox

HERE = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/INTEGRATION_GUIDE.md",
    "docs/callbacks.md",
    "configs/notifications/README.md",
)
NEED_AIRFLOW = {"NotificationHook", "CloudActNotifier", "NotifyOperator"} | {
    name for name in airflow_cloudact_notify.__all__ if name.startswith("on_")
}


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    source: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    @property
    def file(self) -> str:
        return f"block_{re.sub('[^a-z]+', '_', self.page.lower())}_{self.number}.py"

    @property
    def needs_airflow(self) -> bool:
        return any(
            module.split(".")[0] == "airflow"
            or module == "airflow_cloudact_notify.maintenance"
            or (module == "airflow_cloudact_notify" and name in NEED_AIRFLOW)
            for module, name in self._imports()
        )

    @property
    def is_test(self) -> bool:
        return re.search(r"^(async )?def test_", self.source, re.MULTILINE) is not None

    @property
    def notifies(self) -> bool:
        return "get_notification_service()" in self.source

    def _imports(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(ast.parse(self.source)):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module or "", alias.name) for alias in node.names)


def blocks() -> Iterator[Block]:
    for page in PAGES:
        sources = re.findall(r"^```python\n(.*?)^```$", (HERE / page).read_text(), re.MULTILINE | re.DOTALL)
        yield from (Block(page, number, source) for number, source in enumerate(sources, 1))


BLOCKS = list(blocks())
PROGRAMS = [b for b in BLOCKS if not b.needs_airflow and not b.is_test]
TESTS = [b for b in BLOCKS if not b.needs_airflow and b.is_test]
DAG_FILES = [b for b in BLOCKS if b.needs_airflow]


def run(folder: Path, *arguments: str, **env: str) -> None:
    """Run Python in a folder, in an environment that names no Airflow and no credentials of this machine."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "CLOUDACT_", "ACME_", "PYTEST"))
    }
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(HERE)} | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def without_airflow(folder: Path, file: str) -> None:
    """Make a module that hides an installed Airflow."""
    (folder / file).write_text("import sys\nsys.modules['airflow'] = None\n")


def anchors(page: Path) -> set[str]:
    """Return what links to a page's headings may name, as GitHub makes it of them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


MARKDOWN = sorted(
    page
    for page in (*HERE.glob("*.md"), *(HERE / "docs").rglob("*.md"), *(HERE / "configs").rglob("*.md"))
    if page.is_file()
)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(HERE)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", text):
        name, _, anchor = (link[0] or link[1]).partition("#")
        if name.startswith(("http:", "https:")):
            continue
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), name
        assert not anchor or anchor in anchors(target), (name, anchor)


def test_there_is_something_of_each_sort():
    assert len(PROGRAMS) >= 5
    assert len(TESTS) >= 4
    assert len(DAG_FILES) >= 8


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_compiles(block):
    compile(block.source, str(block), "exec")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_imports_only_what_the_package_offers(block):
    for node in ast.walk(ast.parse(block.source)):
        if isinstance(node, ast.ImportFrom) and node.module == "airflow_cloudact_notify":
            assert {alias.name for alias in node.names} <= set(airflow_cloudact_notify.__all__)


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_a_program_runs_and_what_it_tells_arrives(block, tmp_path):
    with SmtpInbox() as inbox:
        root = tmp_path / "configs" / "notifications"
        root.mkdir(parents=True)
        document = {
            "email": {
                "enabled": True,
                "smtp_host": inbox.host,
                "smtp_port": inbox.port,
                "smtp_use_tls": False,
                "from_email": "airflow@example.com",
                "to_emails": ["team@example.com"],
            },
            "event_triggers": [{"event": str(event)} for event in NotificationEvent],
        }
        (root / "config.json").write_text(json.dumps(document))
        without_airflow(tmp_path, "no_airflow.py")
        (tmp_path / block.file).write_text(f"import no_airflow\n{block.source}")
        run(tmp_path, block.file)

    assert bool(inbox.messages) == block.notifies


def test_the_tests_in_the_documentation_pass(tmp_path):
    without_airflow(tmp_path, "conftest.py")
    for block in TESTS:
        (tmp_path / block.file).write_text(block.source)
    run(
        tmp_path, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), *(b.file for b in TESTS)
    )


if importlib.util.find_spec("airflow") is not None:

    def test_the_dag_files_in_the_documentation_can_be_read(tmp_path):
        for block in DAG_FILES:
            (tmp_path / block.file).write_text(block.source)
        modules = ", ".join(block.file.removesuffix(".py") for block in DAG_FILES)
        run(tmp_path, "-c", f"import {modules}", AIRFLOW_HOME=str(tmp_path / "airflow"))
