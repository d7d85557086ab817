from __future__ import annotations

from pathlib import Path

import pytest

from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.files import Files
from airflow_cloudact_notify.core.root import Root
from tests.core.folder import Folder, email


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_its_file_is_parsed_once_until_it_changes(folder: Folder) -> None:
    """Each of many tenants asks for it, twice."""
    root = Root(Files(folder.path, is_remote=False), (), {})
    nothing = root.file(call_directly)
    assert root.file(call_directly) is nothing
    folder.write(None, email=email())
    first = root.file(call_directly)
    assert "email" in first.document
    assert root.file(call_directly) is first
    folder.write(None, "{")
    broken = root.file(call_directly)
    assert (broken.document, len(broken.problems)) == (first.document, 1)
    folder.write(None, email=email(subject_prefix="[anew]"))
    assert root.file(call_directly).document["email"]["subject_prefix"] == "[anew]"
