from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_cloudact_notify

SOURCE = Path(airflow_cloudact_notify.__file__).read_text()
LAZY = airflow_cloudact_notify._HOME
HERE = {"__version__", "get_notification_service"}
AIRFLOWS = {name for name, home in LAZY.items() if not home.startswith("core.")}


def test_the_public_names_are_sorted_and_stand_once() -> None:
    assert airflow_cloudact_notify.__all__ == sorted(set(airflow_cloudact_notify.__all__))


def test_every_public_name_has_a_home() -> None:
    assert set(airflow_cloudact_notify.__all__) == set(LAZY) | HERE


def test_dir_lists_the_public_names() -> None:
    assert dir(airflow_cloudact_notify) == sorted(airflow_cloudact_notify.__all__)


def test_type_checkers_see_what_is_imported_lazily() -> None:
    [block] = [
        node
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    seen = {
        alias.name: str(statement.module).removeprefix("airflow_cloudact_notify.")
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert seen == LAZY


def test_every_lazy_name_is_in_its_module() -> None:
    for name, home in LAZY.items():
        path = Path(airflow_cloudact_notify.__file__).parent / f"{home.replace('.', '/')}.py"
        defined = {target for node in ast.parse(path.read_text()).body for target in _names_of(node)}
        assert name in defined, f"{home} does not define {name}"


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


@pytest.mark.parametrize("name", sorted(set(LAZY) - AIRFLOWS | HERE))
def test_a_name_of_the_core_can_be_imported(name: str) -> None:
    assert getattr(airflow_cloudact_notify, name) is not None


@pytest.mark.parametrize("name", ["nonsense", "NotificationServices", "__wrapped__", ""])
def test_another_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(airflow_cloudact_notify, name)


def test_importing_the_package_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import airflow_cloudact_notify; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert output.split() == ["airflow_cloudact_notify"]
