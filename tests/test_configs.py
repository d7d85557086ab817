"""The shipped configuration files and the JSON in the documentation load without a single problem."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from airflow_cloudact_notify import (
    EmailConfig,
    EventTriggerConfig,
    NotificationConfig,
    NotificationRetryConfig,
    NotificationService,
    SlackConfig,
)
from airflow_cloudact_notify.core import documents, references
from airflow_cloudact_notify.core.branding import BrandingConfig
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config_store import ConfigStore
from airflow_cloudact_notify.core.custom import sandbox
from airflow_cloudact_notify.core.custom.meter import Meter
from airflow_cloudact_notify.core.custom.variables import variables
from airflow_cloudact_notify.core.enums import SuppressionReason
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.oauth2 import OAuth2Config
from airflow_cloudact_notify.core.quiet_hours import QuietHoursConfig, QuietTimeConfig
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.provider_info import get_provider_info
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, SmtpInbox, make_message
from tests.scripted import ScriptedSmtp
from tests.support import refused_port

HERE = Path(__file__).parent.parent
CONFIGS = HERE / "configs"
GUIDE = CONFIGS / "notifications" / "README.md"
TEMPLATES = HERE / "docs" / "templates.md"
PAGES = (
    HERE / "README.md",
    HERE / "CONTRIBUTING.md",
    HERE / "docs" / "INTEGRATION_GUIDE.md",
    TEMPLATES,
    GUIDE,
)
ROOT = "notifications/config.json"
ROOT_EXAMPLE = CONFIGS / "notifications" / "config.example.json"
TENANT_EXAMPLE = CONFIGS / "notifications" / "tenant-config.example.json"

SHIPPED = {
    None: CONFIGS / ROOT,
    "acme_corp": CONFIGS / "acme_corp" / "notifications.json",
    "internal_test": CONFIGS / "internal_test" / "notifications.json",
}


def json_blocks(page: Path) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


BLOCKS = [
    pytest.param(block, id=f"{page.relative_to(HERE)}-{number}")
    for page in PAGES
    for number, block in enumerate(json_blocks(page), 1)
]


def environment(document: Any) -> dict[str, str]:
    """Return a plausible value for every variable that a document names."""
    plausible = {
        "webhook_url": "https://hooks.slack.com/services/T000/B000/XXX",
        "smtp_host": "smtp.example.com",
        "from_email": "airflow@example.com",
        "to_emails": "team@example.com",
    }
    return {
        reference.name: plausible.get(reference.key.split(".")[1], "a-value")
        for reference in references.references(document)
    }


def resolve(folder: Path, tenant_id: str | None, *texts: str) -> ResolvedConfig:
    env = {}
    for text in texts:
        env |= environment(json.loads(text))
    return ConfigStore(folder, env=env).resolve(tenant_id)


def written(folder: Path, root: str | None = None, **tenants: str) -> Path:
    files = {f"{tenant}/notifications.json": text for tenant, text in tenants.items()}
    for name, text in (files | ({ROOT: root} if root else {})).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def enabled(text: str) -> str:
    return json.dumps(json.loads(text) | {"enabled": True})


# --- the files


def test_every_configuration_file_is_tested():
    files = {file for file in CONFIGS.glob("*/*.json") if not file.name.endswith(".local.json")}
    assert files == {*SHIPPED.values(), ROOT_EXAMPLE, TENANT_EXAMPLE}


@pytest.mark.parametrize("tenant_id", SHIPPED, ids=str)
def test_a_shipped_file_is_ready_once_it_is_enabled_and_its_variables_are_set(tenant_id, tmp_path):
    text = SHIPPED[tenant_id].read_text()
    tenants = {tenant_id: enabled(text)} if tenant_id else {}

    resolved = resolve(written(tmp_path, None if tenant_id else enabled(text), **tenants), tenant_id, text)

    assert resolved.problems == ()
    assert set(resolved.providers) == set(resolved.config.enabled_destinations()) != set()


def test_as_shipped_the_root_sends_nothing_and_names_no_mistake():
    resolved = ConfigStore(CONFIGS, env={}).resolve("beta_customer")

    assert not resolved.config.enabled
    assert resolved.problems == ()


def test_the_three_tenants_show_the_three_cases(tmp_path):
    shutil.copytree(CONFIGS, tmp_path / "configs")
    root = SHIPPED[None].read_text()
    written(tmp_path / "configs", root=enabled(root))
    env = environment(json.loads(root)) | environment(json.loads(SHIPPED["acme_corp"].read_text()))
    store = ConfigStore(tmp_path / "configs", env=env)

    acme, beta, internal = (store.resolve(t) for t in ("acme_corp", "beta_customer", "internal_test"))

    assert acme.source.endswith("acme_corp/notifications.json")
    assert beta.source.endswith(ROOT)
    assert internal.source.endswith(ROOT)
    assert (acme.problems, beta.problems, internal.problems) == ((), (), ())


def test_the_root_example_is_ready_and_shows_every_key(tmp_path):
    text = ROOT_EXAMPLE.read_text()
    document = json.loads(text)

    resolved = resolve(written(tmp_path, root=text), None, text)

    assert resolved.problems == ()
    assert len(resolved.providers) == 2
    assert keys_of(NotificationConfig) == document.keys()
    assert keys_of(EmailConfig) == document["email"].keys()
    assert keys_of(SlackConfig) == document["slack"].keys()
    assert keys_of(NotificationRetryConfig) == document["retry_config"].keys()
    assert keys_of(BrandingConfig) == document["branding"].keys()
    assert keys_of(EventTriggerConfig) == set().union(*document["event_triggers"])
    assert keys_of(SilenceConfig) == document["silences"][0].keys()
    assert keys_of(QuietHoursConfig) == document["quiet_hours"].keys()
    assert keys_of(QuietTimeConfig) == set().union(*document["quiet_hours"]["times"])


def test_the_tenant_example_is_ready_over_the_root_example(tmp_path):
    text, root = TENANT_EXAMPLE.read_text(), ROOT_EXAMPLE.read_text()
    tenant_id = json.loads(text)["tenant_id"]

    resolved = resolve(written(tmp_path, root, **{tenant_id: text}), tenant_id, text, root)

    assert resolved.problems == ()
    assert len(resolved.providers) == 2
    assert resolved.config.email.smtp_host == json.loads(root)["email"]["smtp_host"]


@pytest.mark.parametrize("block", BLOCKS)
def test_json_in_the_documentation_is_a_whole_file_that_works(block, tmp_path):
    document = documents.parse(block.encode(), "the block")
    tenant_id, root = document.get("tenant_id"), ROOT_EXAMPLE.read_text()
    if tenant_id is None:
        written(tmp_path, root=block)
    else:
        written(tmp_path, root, **{tenant_id: block})

    resolved = resolve(tmp_path, tenant_id, block, root)

    assert resolved.problems == ()
    assert resolved.config.enabled_destinations()
    if tenant_id:
        assert f"{tenant_id}/notifications.json" in resolved.source


# --- the templates


def test_every_shipped_template_can_be_used_and_is_shown_in_the_documentation():
    files = sorted(CONFIGS.rglob("*.j2"))
    shown = re.findall(r"^```jinja\n(.*?)^```$", TEMPLATES.read_text(), re.MULTILINE | re.DOTALL)
    assert sorted(file.read_text() for file in files) == sorted(shown)
    for file in files:
        sandbox.check(file.read_text())
        assert sandbox.render(file.read_text(), variables(make_message()), Meter(time.monotonic() + 10)).text


def test_the_example_tenant_follows_its_template(tmp_path):
    shutil.copytree(CONFIGS, tmp_path / "configs")
    with SlackInbox() as slack, SmtpInbox() as smtp:
        document = json.loads(SHIPPED["acme_corp"].read_text())
        document["slack"]["webhook_url"] = slack.url
        document["email"] |= {"smtp_host": smtp.host, "smtp_port": smtp.port, "smtp_use_tls": False}
        document["email"] |= {"from_email": "a@acmecorp.example"}
        del document["email"]["smtp_username"], document["email"]["smtp_password"]
        written(tmp_path / "configs", acme_corp=json.dumps(document))
        service = NotificationService(tmp_path / "configs", allowed_webhook_hosts=[slack.host])
        report = service.send(make_message(tenant_id="acme_corp", details={"error": "no rows"}))
    assert (report.delivered, report.notes) == (True, ())
    assert "> no rows" in json.dumps(slack.payloads[0]["attachments"][0]["blocks"])
    assert smtp.messages[0].mail["Subject"] == "Error: load"


# --- the tables


def keys_of(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def table_below(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    text = page.read_text().partition(f"\n{heading}\n")[2]
    rows = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert rows, f"no table below {heading}"
    return [[cell.strip() for cell in row.strip("|").split(" |")] for row in rows[0].splitlines()[2:]]


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        pytest.param("### The file", NotificationConfig, id="file"),
        pytest.param("### `email`", EmailConfig, id="email"),
        pytest.param("### OAuth 2.0", OAuth2Config, id="oauth2"),
        pytest.param("### `slack`", SlackConfig, id="slack"),
        pytest.param("### `event_triggers`", EventTriggerConfig, id="event_triggers"),
        pytest.param("### `branding`", BrandingConfig, id="branding"),
        pytest.param("### `quiet_hours`", QuietHoursConfig, id="quiet_hours"),
        pytest.param("### `retry_config`", NotificationRetryConfig, id="retry_config"),
    ],
)
def test_the_guide_lists_every_key_with_its_default(heading, model):
    rows = {key.strip("`"): default for key, default, _ in table_below(GUIDE, heading)}
    fields = {field.alias or name: field for name, field in model.model_fields.items()}

    assert rows.keys() == fields.keys()
    for key, default in rows.items():
        if default.startswith("`"):
            assert json.loads(default.strip("`")) == fields[key].default, key


def test_the_guide_lists_every_event_with_its_severity():
    from airflow_cloudact_notify import NotificationEvent

    rows = {
        event.strip("`"): severity
        for event, severity, _ in table_below(GUIDE, "## Who is told, and how often")
    }
    assert rows == {str(event): str(event.default_severity) for event in NotificationEvent}


def test_the_readme_lists_every_option_with_its_default():
    rows = {
        option.strip("`"): default.strip("`")
        for option, default, _ in table_below(PAGES[0], "## Configuration")
    }
    options = get_provider_info()["config"]["cloudact_notify"]["options"]
    assert rows == {name: option["default"] or "" for name, option in options.items()}


# --- what the log says


def quoted_lines() -> Iterator[str]:
    for heading in (
        "### Nothing is sent, on purpose",
        "### Mail does not arrive",
        "### Slack messages do not arrive",
        "### It comes late, or by another way",
        "### The file is not used",
    ):
        yield from (cell.strip("`") for cell, _ in table_below(GUIDE, heading))


def test_the_guide_explains_every_reason_for_which_nothing_is_sent():
    explained = {
        line.partition("(")[2].partition(":")[0]
        for line in quoted_lines()
        if line.startswith("not sent") or " suppressed " in line
    }
    assert explained == {str(reason) for reason in SuppressionReason}


@pytest.fixture(scope="module")
def real_lines(tmp_path_factory) -> str:
    """Return what the package says when the things of the troubleshooting tables happen."""
    return "\n".join(
        (
            *mistakes(tmp_path_factory),
            *outcomes(tmp_path_factory.mktemp("outcomes")),
            *held_back(tmp_path_factory.mktemp("held_back")),
        )
    )


def mistakes(tmp_path_factory: Any) -> Iterator[str]:
    files = [
        b"{,}",
        b"\xef\xbb\xbf{}",
        b'{"emial": {}}',
        b'{"email": {"enabled": true, "smtp_password": "${ACME_UNSET}"}}',
        b'{"email": {"smtp_password": "${AIRFLOW__CORE__FERNET_KEY}"}}',
        b'{"email": {"conn_id": "beta_smtp"}}',
        b'{"email": {"conn_id": "acme_smtp", "smtp_host": "mail.example"}}',
        b'{"slack": {"enabled": true, "webhook_url": "https://slack.example/x"}}',
        b'{"tenant_id": "beta"}',
    ]
    for content in files:
        folder = tmp_path_factory.mktemp("mistake")
        (folder / "acme").mkdir()
        (folder / "acme" / "notifications.json").write_bytes(content)
        yield from map(str, ConfigStore(folder, env={}).resolve("acme").problems)
    folder = tmp_path_factory.mktemp("unreadable")
    (folder / "acme" / "notifications.json").mkdir(parents=True)
    yield from map(str, ConfigStore(folder, env={}).resolve("acme").problems)
    with pytest.raises(ConfigurationError) as refused:
        ConfigStore(folder).resolve("../acme")
    yield str(refused.value)


def outcomes(folder: Path) -> Iterator[str]:
    def said(document: dict[str, Any], *, event: str = "pipeline_failure", enabled: bool = True) -> str:
        written(folder, root=json.dumps(document))
        service = NotificationService(
            folder, allowed_webhook_hosts=[slack.host], sleep=lambda _: None, enabled=enabled
        )
        return service.send(make_message(event=event)).summary

    def email(inbox: SmtpInbox | ScriptedSmtp, **more: Any) -> dict[str, Any]:
        return {
            "email": {
                "enabled": True,
                "smtp_host": inbox.host,
                "smtp_port": inbox.port,
                "from_email": "a@example.com",
                "to_emails": ["b@example.com", "c@example.com"],
                **more,
            }
        }

    with (
        SlackInbox() as slack,
        SmtpInbox(refuse={"c@example.com": "550 no such user"}) as plain,
        SmtpInbox(security="starttls", login=("user", "right-password")) as strict,
        refused_port() as nobody,
    ):
        open_door = email(plain, smtp_use_tls=False)
        login = {"smtp_username": "user", "smtp_password": "wrong-password"}
        trigger = {"event": "pipeline_failure"}
        yield said(open_door)
        clock = FrozenClock()
        service = NotificationService(folder, clock=clock)
        service.send(make_message())
        clock.advance(60)
        yield service.send(make_message()).summary
        yield said(open_door, event="pipeline_started")
        yield said(open_door | {"event_triggers": [trigger | {"enabled": False}]})
        yield said(open_door | {"event_triggers": [trigger | {"providers": ["slack"]}]})
        yield said({"enabled": False})
        yield said(open_door, enabled=False)
        yield said(email(plain, smtp_use_tls=False, **login))
        yield said(email(plain))
        yield said(email(strict, **login))
        yield said(email(plain, smtp_port=nobody))
        with strict.trusted():
            yield said(email(strict, **login))
            yield said(email(strict, smtp_security="implicit"))
        for answer in (
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "534 5.7.9 Application-specific password required",
        ):
            with ScriptedSmtp({"AUTH": answer}) as known:
                yield said(email(known, smtp_use_tls=False, **login))
        with mock.patch.dict(sys.modules, {"msal.exceptions": None}):
            yield said(email(strict, smtp_username="user", oauth2={"client_id": "a", "client_secret": "b"}))
        webhook = {"slack": {"enabled": True, "webhook_url": slack.url}}
        answers = [(404, "no_service"), (403, "invalid_token"), (410, "channel_is_archived")]
        for status, body in [*answers, *[(429, "rate_limited")] * 3]:
            slack.answer(status, body)
        for _ in range(4):
            yield said(webhook)


def held_back(folder: Path) -> Iterator[str]:
    clock = FrozenClock()
    forever = {"event": "*", "ends_at": "2030-01-01T00:00:00Z", "created_by": "ann", "comment": "moving"}
    all_day = {"timezone": "UTC", "times": [{"start": "00:00", "end": "24:00"}]}
    always = [{"event": "pipeline_failure", "cooldown_seconds": 0, "providers": ["slack"]}]
    of_task = {"lifecycle": "failure", "occasion": "the task's end"}
    of_run = {"lifecycle": "failure", "occasion": "the run's end", "task_id": None}

    def service(settle: Any = lambda _: None, state: Any = None, **more: Any) -> NotificationService:
        document = {"slack": {"enabled": True, "webhook_url": inbox.url}, "unhealthy_after": 1, **more}
        written(folder, root=json.dumps(document))
        return NotificationService(
            folder, allowed_webhook_hosts=[inbox.host], state=state, clock=clock, settle=settle
        )

    def said(told: NotificationService, *messages: dict[str, Any]) -> Iterator[str]:
        for number, fields in enumerate(messages):
            yield told.send(make_message(message_id=str(number), **fields)).summary

    with SlackInbox() as inbox:
        yield from said(service(silences=[forever]), {})
        yield from said(service(quiet_hours=all_day), {})
        yield from said(service(max_per_hour=1), {"pipeline_id": "a"}, {"pipeline_id": "b"})
        yield from said(service(event_triggers=always), of_task, of_task, of_run)
        bad_data = of_task | {"event": "data_quality_failure"}
        again, run_of_it = (
            fields | {"pipeline_logging_id": "next", "occasion": "next"} for fields in (bad_data, of_run)
        )
        yield from said(service(event_triggers=[{"event": "pipeline_failure"}]), bad_data, again, run_of_it)
        state, of_others = MemoryStateStore(), []
        others = service(state=state)
        first = service(lambda _: of_others.extend(said(others, {"task_id": "other"})), state)
        yield from said(first, {}, {})
        yield from of_others
        clock.advance(2 * 3600)
        yield from first.send(make_message(message_id="later")).notes
        inbox.answer(404, "no_service")
        yield from said(service(), {"pipeline_id": "a"}, {"pipeline_id": "b"})
        spent = Budget(0)
        yield service().send(make_message(), budget=spent).summary


@pytest.mark.parametrize("quoted", [*quoted_lines()])
def test_the_guide_quotes_what_the_package_really_says(quoted, real_lines):
    pattern = ".*".join(re.escape(part) for part in quoted.split("…"))
    assert re.search(pattern, real_lines), real_lines


def test_no_line_is_explained_twice():
    seen: dict[str, int] = defaultdict(int)
    for line in quoted_lines():
        seen[line] += 1
    assert [line for line, times in seen.items() if times > 1] == []
