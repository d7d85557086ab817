from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.errors import ConfigurationError, OutOfTimeError
from airflow_cloudact_notify.core.files import MAX_BYTES, REMOTE_RECHECK_SECONDS, Files, open_path
from airflow_cloudact_notify.testing import FrozenClock


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, is_remote=False)


def test_a_file_that_is_not_there_is_nothing(files: Files, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    assert files.read("acme/notifications.json").content is None
    assert files.read("plain/notifications.json").content is None


def test_a_link_that_leads_nowhere_is_an_error_and_no_missing_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "notifications.json").symlink_to("gone.json")
    with pytest.raises(ConfigurationError, match="leads nowhere"):
        files.read("acme/notifications.json")


def test_a_file_is_read_again_when_it_changed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    first = files.read("a")
    assert files.read("a") is not None
    assert files.read("a").stamp == first.stamp
    (tmp_path / "a").write_text("three")
    assert files.read("a").content == b"three"
    assert files.read("a").stamp != first.stamp
    (tmp_path / "a").unlink()
    assert files.read("a").content is None


def test_a_file_that_was_replaced_by_one_as_old_and_as_long_is_read_again(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("one")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert files.read("a").content == b"one"
    (tmp_path / "b").write_text("two")
    os.utime(tmp_path / "b", ns=(1, 1))
    (tmp_path / "b").replace(tmp_path / "a")
    assert files.read("a").content == b"two"


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(folder, "not a file", id="folder"),
        pytest.param(loop, "symbolic links", id="symlink to itself"),
        pytest.param(pipe, "not a file", id="pipe, which would be waited on for ever"),
        pytest.param(device, "not a file", id="device, which never ends"),
        pytest.param(huge, "larger than 1,000,000 bytes", id="huge"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_the_file(
    files: Files, tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "a")
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            files.read("a")
        [problem] = caught.value.problems
        assert problem.file == str(tmp_path / "a")
        assert reason in problem.reason
        assert problem.remedy


def test_a_link_to_a_file_is_followed(files: Files, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("x")
    (tmp_path / "a").symlink_to("target")
    assert files.read("a").content == b"x"


def test_a_link_to_a_file_of_the_same_tenant_is_followed_as_mounted_volumes_make_them(
    files: Files, tmp_path: Path
) -> None:
    (tmp_path / "..2026" / "acme" / "templates").mkdir(parents=True)
    (tmp_path / "..2026" / "acme" / "one").write_text("x")
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "acme").symlink_to("..data/acme")
    (tmp_path / "acme" / "templates" / "two").symlink_to("../one")
    assert files.read("acme/one").content == b"x"
    assert files.read("acme/templates/two").content == b"x"


@pytest.mark.parametrize(
    "target", ["/etc/hostname", "../beta/notifications.json", "templates/../../root.json"]
)
def test_a_tenants_link_makes_no_file_of_others_its_own(files: Files, tmp_path: Path, target: str) -> None:
    (tmp_path / "beta").mkdir()
    (tmp_path / "beta" / "notifications.json").write_text('{"smtp_password": "of beta"}')
    (tmp_path / "root.json").write_text("of the root")
    (tmp_path / "acme" / "templates").mkdir(parents=True)
    (tmp_path / "acme" / "a").symlink_to(target)
    (tmp_path / "gamma").mkdir()
    (tmp_path / "gamma" / "templates").symlink_to(tmp_path / "beta")
    for file in ("acme/a", "gamma/templates/notifications.json"):
        for folder in (files, Files(open_path(f"file://{tmp_path}"), is_remote=True)):
            with pytest.raises(ConfigurationError, match="a link leads out of its folder"):
                folder.read(file)


class Bucket:
    """A path in object storage that counts how often it is looked at; ``error`` is what comes instead."""

    def __init__(self) -> None:
        self.looks = 0
        self.error: Exception | None = None
        self.content = b"one"

    def __truediv__(self, name: str) -> Bucket:
        return self

    def __str__(self) -> str:
        return "s3://bucket/a"

    def stat(self) -> Any:
        self.looks += 1
        if self.error:
            raise self.error
        return os.stat_result((0, 0, 0, 0, 0, 0, len(self.content), 0, 0, 0))

    def read_bytes(self) -> bytes:
        return self.content


def test_object_storage_is_asked_once_in_a_while() -> None:
    bucket, clock = Bucket(), FrozenClock()
    files = Files(bucket, is_remote=True, clock=clock)
    for _ in range(3):
        assert files.read("a").content == b"one"
    assert bucket.looks == 1
    bucket.content = b"three"
    clock.advance(REMOTE_RECHECK_SECONDS)
    assert files.read("a").content == b"three"
    bucket.content = b"fifth"
    assert files.read("a").content == b"three"
    files.forget("a folder")
    assert files.read("a").content == b"three"
    files.forget()
    assert files.read("a").content == b"fifth"


def test_the_files_of_one_folder_are_forgotten_and_no_others() -> None:
    bucket = Bucket()
    files = Files(bucket, is_remote=True, clock=FrozenClock())
    for file in ("acme/a", "acme/templates/b", "acme2/a"):
        files.read(file)
    bucket.content = b"three"
    files.forget("acme")
    contents = [files.read(file).content for file in ("acme/a", "acme/templates/b", "acme2/a")]
    assert contents == [b"three", b"three", b"one"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(PermissionError(13, "denied"), id="system error"),
        pytest.param(RuntimeError("https://bucket/?X-Amz-Signature=hunter2"), id="error of the library"),
        pytest.param(ImportError("install s3fs"), id="library missing"),
    ],
)
def test_object_storage_that_fails_is_an_error_of_ours_without_its_text(error: Exception) -> None:
    bucket = Bucket()
    bucket.error = error
    with pytest.raises(ConfigurationError, match="s3://bucket/a: it cannot be read") as caught:
        Files(bucket, is_remote=True).read("a")
    assert "hunter2" not in str(caught.value)


def test_object_storage_may_take_no_longer_than_the_caller_allows() -> None:
    def no_time(operation: str, function: Callable[[], Any]) -> Any:
        raise OutOfTimeError("no answer within 3 s")

    with pytest.raises(ConfigurationError, match="no answer within 3 s"):
        Files(Bucket(), is_remote=True).read("a", no_time)


def test_a_url_is_opened_by_the_library_for_urls(tmp_path: Path) -> None:
    assert open_path(str(tmp_path)) == tmp_path
    assert open_path("~/x") == Path.home() / "x"
    path = open_path("memory://configs")
    (path / "acme").mkdir(parents=True)
    (path / "acme/notifications.json").write_text("{}")
    assert Files(path, is_remote=True).read("acme/notifications.json").content == b"{}"
    assert Files(path, is_remote=True).read("beta/notifications.json").content is None
