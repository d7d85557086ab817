from __future__ import annotations

import json
from pathlib import Path


def test_what_it_writes_is_valid_without_a_warning(run, golden):
    ran = run("init", "acme")

    assert ran.code == 0
    golden("init", ran.out)
    assert run("validate", "configs", "--strict").code == 0


def test_without_a_tenant_it_writes_the_roots_file_alone(run):
    run("init")
    assert sorted(map(str, Path("configs").rglob("*.json"))) == [
        "configs/notifications.schema.json",
        "configs/notifications/config.json",
    ]
    assert run("validate", "configs", "--strict").code == 0


def test_it_never_overwrites(run):
    run("init", "acme", "--configs", "here")
    mine = Path("here/acme/notifications.json")
    mine.write_text("mine")

    ran = run("init", "acme", "--configs", "here", "--format", "json")

    assert mine.read_text() == "mine"
    assert json.loads(ran.out)["written"] == []
    assert len(json.loads(ran.out)["kept"]) == 3


def test_every_file_points_an_editor_at_the_schema(run):
    run("init", "acme")
    for file in ("acme/notifications.json", "notifications/config.json"):
        path = Path("configs") / file
        pointed_at = path.parent / json.loads(path.read_text())["$schema"]
        assert pointed_at.resolve() == Path("configs/notifications.schema.json").resolve()


def test_a_tenant_that_cannot_be_a_folder_is_refused_before_anything_is_written(run):
    ran = run("init", "../acme")
    assert ran.code == 2
    assert not Path("configs").exists()
