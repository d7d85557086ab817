from __future__ import annotations

import errno
import json
import re
import shutil
from pathlib import Path

import pytest
from upath import UPath

from airflow_cloudact_notify.core.config_store import ConfigStore
from tests.core.folder import Folder

HERE = Path(__file__).parent
BAD = HERE / "bad_configs"
EXPECTED = json.loads((BAD / "expected.json").read_text())
SHIPPED = HERE.parent.parent / "configs"
DEMO = HERE.parent.parent / "demo" / "configs"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Give the folder of mistakes a short name."""
    shutil.copytree(BAD, tmp_path / "bad")
    return Path("bad")


def test_there_are_enough_mistakes():
    assert len(EXPECTED) >= 40
    assert {file.parent.name for file in BAD.glob("*/notifications.json")} == EXPECTED.keys()


@pytest.mark.parametrize("case", EXPECTED)
def test_each_mistake_is_found_once_with_its_line_and_a_remedy(case, bad, run):
    ran = run("validate", bad / case / "notifications.json", "--format", "json")

    [found] = json.loads(ran.out)["findings"]
    assert {key: found[key] for key in EXPECTED[case]} == EXPECTED[case]
    assert found["file"] == f"bad/{case}/notifications.json"
    assert found["reason"]
    assert found["remedy"].endswith((".", "?"))
    assert found["remedy"] != "Correct the value."
    assert ran.code == (1 if found["level"] == "error" else 0)
    assert "hunter2" not in ran.all


def test_all_mistakes_of_a_folder_are_found_in_one_run(bad, run):
    found = json.loads(run("validate", bad, "--format", "json").out)["findings"]

    assert {Path(finding["file"]).parent.name for finding in found} == EXPECTED.keys()
    assert len(found) == len(EXPECTED)


def test_several_mistakes_of_one_file_come_in_the_order_of_their_lines(tmp_path, run):
    Folder(tmp_path).write(
        "acme", {"emial": {}, "enabled": "maybe", "timeout_seconds": 0, "retry_config": {"x": 1}}
    )
    document = json.loads((tmp_path / "acme/notifications.json").read_text())
    (tmp_path / "acme/notifications.json").write_text(json.dumps(document, indent=2))

    found = json.loads(run("validate", tmp_path, "--format", "json").out)["findings"]

    assert [(f["line"], f["key"]) for f in found] == [
        (2, "emial"),
        (3, "enabled"),
        (4, "timeout_seconds"),
        (6, "retry_config.x"),
    ]


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param([SHIPPED], id="the folder"),
        pytest.param([*SHIPPED.glob("*/*.json")], id="each file"),
        pytest.param([SHIPPED / "acme_corp"], id="a tenant's folder"),
        pytest.param([DEMO], id="the demo's"),
    ],
)
def test_it_is_silent_on_the_examples(paths, run):
    ran = run("validate", *paths, "--strict")

    assert ran.code == 0
    assert ran.all.startswith("0 errors, 0 warnings in ")


# A folder whose name cannot be a tenant's is never looked at by the engine.
REFUSED = [name for name, e in EXPECTED.items() if e["level"] == "error" and "." not in name]


@pytest.mark.parametrize("case", REFUSED)
def test_the_engine_refuses_what_is_called_a_mistake(case):
    env = dict.fromkeys(("CLOUDACT_NOTIFY_WEBHOOK", "CLOUDACT_NOTIFY_HOOK", "CLOUDACT_NOTIFY_PASSWORD"), "x")
    env["CLOUDACT_NOTIFY_WEBHOOK"] = "https://hooks.slack.com/services/T/B/X"
    assert ConfigStore(BAD, env=env).resolve(case).problems


@pytest.mark.parametrize("case", [name for name, e in EXPECTED.items() if e["level"] == "warning"])
def test_what_is_only_doubtful_works(case):
    env = {"CLOUDACT_NOTIFY_PASSWORD": "x"}
    assert ConfigStore(BAD, env=env).resolve(case).problems == ()


def test_a_variable_need_not_be_set_unless_that_is_asked_for(tmp_path, run, monkeypatch):
    Folder(tmp_path).write(
        "acme",
        email={
            "enabled": True,
            "smtp_host": "${ACME_HOST}",
            "smtp_port": "${ACME_PORT}",
            "from_email": "a@${ACME_DOMAIN}",
            "to_emails": ["${ACME_TO}"],
        },
    )
    assert run("validate", tmp_path, "--strict").code == 0

    with_env = run("validate", tmp_path, "--env")
    assert with_env.code == 1
    assert with_env.out.count("is not set") == 4

    for name, value in {
        "HOST": "mail.example.com",
        "PORT": "not-a-port",
        "DOMAIN": "x.io",
        "TO": "t@x.io",
    }.items():
        monkeypatch.setenv(f"ACME_{name}", value)
    with_env = run("validate", tmp_path, "--env")
    assert "email.smtp_port" in with_env.out
    assert "not-a-port" not in with_env.all


def test_the_options_for_tenants_count_without_airflow_too(tmp_path, run, monkeypatch):
    Folder(tmp_path).write(
        "acme", slack={"enabled": True, "webhook_url": "https://proxy.internal/${SHARED_HOOK}"}
    )
    assert run("validate", tmp_path).code == 1

    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS", "proxy.internal")
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__TENANT_ENV_PATTERN", "SHARED_.*")
    assert run("validate", tmp_path).code == 0


def test_strict_lets_warnings_fail(bad, run):
    assert run("validate", bad / "no_cooldown").code == 0
    assert run("validate", bad / "no_cooldown", "--strict").code == 1


@pytest.mark.parametrize("path", ["nowhere", "nowhere/notifications.json"])
def test_what_is_not_there_is_said(path, run):
    ran = run("validate", path)
    assert ran.code in (1, 2)
    assert "there is no" in ran.all


def test_a_folder_that_is_not_there_is_no_success(run):
    ran = run("validate", "--configs", "nowhere")
    assert ran.code == 2
    assert "nowhere: there is no such folder. Correct --configs" in ran.err


def test_the_folder_may_be_in_object_storage(run):
    bucket = UPath("memory://validate")
    (bucket / "acme").mkdir(parents=True)
    (bucket / "acme/notifications.json").write_text('{"emial": {}}')
    [found] = json.loads(run("validate", "--configs", bucket, "--format", "json").out)["findings"]
    assert (found["file"], found["key"]) == ("memory://validate/acme/notifications.json", "emial")
    assert run("explain", "acme", "pipeline_failure", "--configs", bucket).code == 0


def test_an_empty_folder_is_no_success(tmp_path, run):
    ran = run("validate", tmp_path)
    assert ran.code == 2
    assert "cloudact-notify init" in ran.err


def test_for_people(bad, run, golden):
    golden(
        "validate", run("validate", bad / "unknown_key", bad / "secret_password", bad / "trailing_comma").out
    )


def test_for_github(bad, run):
    out = run("validate", bad / "unknown_key", bad / "no_cooldown", "--format", "github").out
    assert out.splitlines() == [
        "::error file=bad/unknown_key/notifications.json,line=7,title=invalid::"
        "email.smtp_prot: unknown key. Did you mean 'smtp_port'?",
        "::warning file=bad/no_cooldown/notifications.json,line=6,title=no-cooldown::"
        "event_triggers.0.cooldown_seconds: a cooldown of 0 lets every repeat through. "
        "Leave it out for 300 seconds; write null to say that every repeat is wanted.",
        "1 error, 1 warning in 2 files",
    ]


def test_as_sarif(bad, run):
    log = json.loads(run("validate", bad, "--format", "sarif").out)
    [sarif_run] = log["runs"]
    rules = {rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]}

    assert log["version"] == "2.1.0"
    assert len(sarif_run["results"]) == len(EXPECTED)
    for result in sarif_run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in ("error", "warning")
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1


def test_a_path_in_sarif_is_a_uri(bad, run):
    shutil.move(bad, "a #%41 b")
    log = json.loads(run("validate", "a #%41 b/unknown_key", "--format", "sarif").out)
    [result] = log["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "a%20%23%2541%20b/unknown_key/notifications.json"


def test_the_script_does_the_same(bad, script):
    ran = script("validate", bad)
    assert ran.code == 1
    assert f"in {len(EXPECTED) + 1} files" in ran.out


def test_a_hook_for_pre_commit_runs_it(bad, script):
    hooks = (HERE.parent.parent / ".pre-commit-hooks.yaml").read_text()
    entry = re.search(r"entry: (.+)", hooks)[1].split()
    pattern = re.search(r"files: (.+)", hooks)[1]

    names = [str(file) for file in bad.rglob("*.json")]
    passed = [name for name in names if re.search(pattern, name)]
    assert {Path(name).name for name in passed} == {"notifications.json", "config.json"}
    assert entry[0] == "cloudact-notify"
    assert script(*entry[1:], *passed).code == 1


def test_a_file_that_cannot_be_read_is_not_passed_over(tmp_path, run):
    for tenant in ("acme", "beta"):
        (tmp_path / tenant).mkdir()
    (tmp_path / "acme/notifications.json").symlink_to(tmp_path / "nowhere.json")
    (tmp_path / "beta/notifications.json").symlink_to("notifications.json")
    (tmp_path / "notifications").mkdir()
    (tmp_path / "notifications/config.json").symlink_to("nowhere.json")
    found = json.loads(run("validate", tmp_path, "--format", "json").out)["findings"]
    assert [Path(each["file"]).parent.name for each in found] == ["notifications", "acme", "beta"]
    assert ["leads nowhere" in each["reason"] for each in found] == [True, True, False]
    assert {each["rule"] for each in found} == {"unreadable"}


def test_a_locked_folder_is_not_passed_over_if_it_is_a_tenants(tmp_path, run, monkeypatch):
    for name in ("acme", "lost+found"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notifications.json").write_text("{")
    as_root = Path.lstat

    def locked(path: Path):
        if path.parent.parent == tmp_path and path.name == "notifications.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return as_root(path)

    monkeypatch.setattr(Path, "lstat", locked)
    found = json.loads(run("validate", tmp_path, "--format", "json").out)["findings"]
    assert [each["file"] for each in found] == [str(tmp_path / "acme/notifications.json")]


@pytest.mark.parametrize(
    "name", ["notification.json", "Notifications.json", "notifications.jsn", "config.json"]
)
def test_a_file_whose_name_is_nearly_a_tenants_is_doubted(tmp_path, run, name):
    Folder(tmp_path).write("acme", {"slack": {"enabled": False}})
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / name).write_text('{"slack": {"enabled": false}}')
    (tmp_path / "late" / "rows.json").write_text("[]")
    (tmp_path / "acme" / name).write_text("{}")
    found = json.loads(run("validate", tmp_path, "--format", "json").out)["findings"]
    [doubt] = [each for each in found if each["rule"] == "misnamed"]
    assert doubt["file"] == str(tmp_path / "late" / name)
    assert "tenant late has no notifications.json" in doubt["reason"]
    assert (doubt["level"], doubt["remedy"]) == ("warning", "Rename it to notifications.json.")
