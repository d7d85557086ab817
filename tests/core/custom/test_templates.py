"""Which template a message follows, what becomes of it on the way, and that nothing of it costs the message."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import EventTriggerConfig
from airflow_cloudact_notify.core.custom.templates import choice, custom_parts
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.files import MAX_BYTES, Files
from airflow_cloudact_notify.core.message import MessageKind
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.testing import FrozenClock, SlackInbox, SmtpInbox, make_message
from tests.core.folder import Folder

HOSTILE = "<!channel> <b>{{ 7 * 7 }}</b> \r\nBcc: evil@example.com\r\n\r\n=?utf-8?q?x=0D=0ABcc=3Ae=40e=2Ee?= ``` </td>"


class Tenant:
    """A tenant with an inbox of each kind, whose failures follow the template ``loud``."""

    def __init__(self, path: Path, smtp: SmtpInbox, slack: SlackInbox) -> None:
        self.path = path
        self.smtp = smtp
        self.slack = slack
        self.clock = FrozenClock()
        self.service = NotificationService(path, allowed_webhook_hosts=[slack.host], clock=self.clock)
        self.configure(template="loud")

    def configure(
        self, tenant_id: str | None = "acme", also: dict[str, Any] | None = None, **trigger: Any
    ) -> None:
        mail = {
            "enabled": True,
            "smtp_host": self.smtp.host,
            "smtp_port": self.smtp.port,
            "smtp_use_tls": False,
        }
        mail |= {"from_email": "a@example.com", "to_emails": ["b@example.com"], "subject_prefix": "[P]"}
        Folder(self.path).write(
            tenant_id,
            email=mail,
            slack={"enabled": True, "webhook_url": self.slack.url},
            event_triggers=[
                {"event": "pipeline_failure", "providers": ["both"], "cooldown_seconds": 0, **trigger}
            ],
            **(also or {}),
        )

    def write(self, name: str, source: str | bytes, folder: str = "acme") -> Path:
        file = self.path / folder / "templates" / f"{name}.j2"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(source.encode() if isinstance(source, str) else source)
        return file

    def send(self, **fields: Any) -> NotificationReport:
        return self.service.send(make_message(**{"tenant_id": "acme"} | fields))

    @property
    def mail(self) -> Any:
        return self.smtp.messages[-1].mail

    def text(self, kind: str = "plain") -> str | None:
        part = self.mail.get_body((kind,))
        return part.get_content().replace("\r\n", "\n").strip() if part else None

    def blocks(self) -> list[Any]:
        return self.slack.payloads[-1]["attachments"][0]["blocks"]


@pytest.fixture
def tenant(tmp_path):
    with SmtpInbox() as smtp, SlackInbox() as slack:
        yield Tenant(tmp_path, smtp, slack)


def test_each_part_takes_the_place_of_the_built_in_one(tenant):
    tenant.write("loud.subject", "{{ severity_label }}: {{ pipeline_id }}\n  is late\n")
    tenant.write("loud.txt", "It was {{ title }}.\n")
    tenant.write("loud.html", "<p>{{ title }}</p>")
    tenant.write("loud.slack", "*{{ title }}* <{{ log_url }}|log>")
    report = tenant.send(title="Rows & <b>", log_url="https://airflow.example/log")

    assert report.delivered
    assert tenant.mail["Subject"] == "[P] Error: sales is late"
    assert tenant.text() == "It was Rows & <b>."
    assert tenant.text("html") == "<p>Rows &amp; &lt;b&gt;</p>"
    [block] = tenant.blocks()
    assert block["text"]["text"] == "*Rows &amp; &lt;b&gt;* <https://airflow.example/log|log>"
    assert (report.to_dict()["template"], report.notes) == ({"name": "loud", "arm": None, "built_in": []}, ())
    assert "slack delivered, template loud [" in report.summary


def test_a_part_that_nobody_wrote_is_the_built_in_one(tenant):
    tenant.write("loud.html", "<p>{{ title }}</p>")
    assert tenant.send(title="Rows").notes == ()
    assert tenant.mail["Subject"] == "[P] [ERROR] acme: Rows"
    assert "Pipeline: sales" in tenant.text()
    assert len(tenant.blocks()) > 1


def test_beside_a_text_of_its_own_a_mail_has_no_built_in_page(tenant):
    tenant.write("loud.txt", "{{ title }}")
    tenant.send(title="Rows")
    assert (tenant.mail.get_content_type(), tenant.text(), tenant.text("html")) == (
        "text/plain",
        "Rows",
        None,
    )


def test_the_tenants_file_goes_first_and_the_roots_second_part_by_part(tenant):
    tenant.write("loud.txt", "the root's", "notifications")
    tenant.write("loud.html", "<p>the root's</p>", "notifications")
    tenant.write("loud.txt", "the tenant's")
    tenant.send()
    assert (tenant.text(), tenant.text("html")) == ("the tenant's", "<p>the root's</p>")


def test_a_message_of_nobody_in_particular_follows_the_roots(tenant):
    tenant.configure(None, template="loud")
    tenant.write("loud.txt", "the root's", "notifications")
    tenant.send(tenant_id=None)
    assert tenant.text() == "the root's"


def test_no_tenant_sees_anothers_template(tenant):
    tenant.write("loud.txt", "beta's", "beta")
    assert "there is no file loud.*.j2" in " ".join(tenant.send().notes)


def test_a_file_is_read_again_when_it_changed(tenant):
    tenant.write("loud.txt", "one")
    tenant.send()
    tenant.write("loud.txt", "three")
    tenant.send()
    assert tenant.text() == "three"


BROKEN = {
    "wrong syntax": ("{% if %}", "line 1: Expected an expression"),
    "a filter there is not": ("{{ title | attr('x') }}", "line 1: there is no filter attr"),
    "a call": ("\n{{ range(10**9) }}", "line 2: custom templates do not have "),
    "a mistake when it is filled in": ("{{ title + 1 }}", "line 1: + is for numbers"),
    "too many steps": (
        "{% for a in message %}{% for b in message %}{% endfor %}{% endfor %}",
        "line 1: stopped after 20,000 steps",
    ),
    "too much text": ("{% for a in message %}{{ message }}{% endfor %}", "stopped"),
    "nothing": (" \n{# nothing #}", "it came out empty"),
    "not UTF-8": (b"\xff\xfe", "it is not UTF-8"),
    "too large": (b"a" * 40_000, "it is larger than 32,768 bytes"),
    "far too large": (b"a" * (MAX_BYTES + 1), "it cannot be read: larger than"),
}


@pytest.mark.parametrize("part", ["subject", "txt", "html", "slack"])
@pytest.mark.parametrize(("source", "why"), [pytest.param(*case, id=name) for name, case in BROKEN.items()])
def test_in_place_of_a_template_that_cannot_be_used_the_built_in_message_is_sent(
    tenant, caplog, part, source, why
):
    caplog.set_level(logging.INFO)
    file = tenant.write(f"loud.{part}", source)
    report = tenant.send(title="Rows", message="x" * 2_000)

    name = "slack" if part == "slack" else "email"
    assert [result.outcome for result in report.values()] == ["delivered", "delivered"]
    assert "Pipeline: sales" in tenant.text()
    assert tenant.mail["Subject"].startswith("[P] ")
    assert len(tenant.blocks()) > 1
    [note] = report.notes
    assert note.startswith(f"{name} has the built-in message instead of template loud: {file}: ")
    assert why in note
    assert note in caplog.text
    assert report.to_dict()["template"]["built_in"] == [name]
    assert f"template loud, but the built-in one for {name}" in report.summary


def test_one_part_that_cannot_be_used_costs_the_others_of_its_destination_only(tenant):
    tenant.write("loud.txt", "the text")
    tenant.write("loud.html", "{{ nosuch() }}")
    tenant.write("loud.slack", "the post")
    tenant.send()
    assert "Pipeline: sales" in tenant.text()
    assert tenant.blocks()[0]["text"]["text"] == "the post"


def test_a_template_without_any_file_says_where_it_was_looked_for(tenant):
    report = tenant.send()
    [note] = report.notes
    assert note == (
        "the built-in message instead of template loud: there is no file loud.*.j2 for these destinations in "
        f"{tenant.path}/acme/templates or {tenant.path}/notifications/templates"
    )
    assert report.to_dict()["template"]["built_in"] == ["email", "slack"]


def test_a_folder_in_place_of_a_file_costs_the_template_only(tenant):
    (tenant.path / "acme/templates/loud.txt.j2").mkdir(parents=True)
    report = tenant.send()
    assert report.delivered
    assert "not a file" in report.notes[0]


def test_a_name_that_is_not_known_is_shown_and_noted(tenant):
    file = tenant.write("loud.txt", "by {{ owner }}")
    report = tenant.send()
    assert tenant.text() == "by [unknown: owner]"
    assert report.notes == (f"{file} names owner, which is not known",)


def test_durations_are_told_in_the_tenants_words(tenant):
    tenant.configure(template="loud", also={"locale": "de"})
    tenant.write("loud.txt", "{{ duration }}, {{ duration_ms | duration }}, {{ 90000 | duration }}")
    tenant.send(duration_ms=11_520_000)
    assert tenant.text().replace("\xa0", " ") == "3 Std. 12 Min., 3 Std. 12 Min., 1 Min. 30 Sek."


def test_no_text_of_a_pipeline_becomes_more_than_text(tenant):
    tenant.write("loud.subject", "{{ title }} {{ details.x }}")
    tenant.write("loud.txt", "{{ title }}{{ details.x }}")
    tenant.write("loud.html", "<p title='{{ title }}'>{{ title }}{{ details.x }}{{ details }}</p>")
    tenant.write("loud.slack", "{{ title }} {{ details.x }} {{ details }} <{{ details.y }}")
    assert tenant.send(title=HOSTILE, details={"x": HOSTILE, "y": "!channel>"}).delivered

    assert tenant.mail["Bcc"] is None
    assert set(tenant.mail.keys()) >= {"Subject", "To"}
    assert "<b>" not in tenant.text("html")
    assert "</td>" not in tenant.text("html")
    text = "".join(block["text"]["text"] for block in tenant.blocks())
    assert "<!" not in text
    assert "<@" not in text
    assert "49" not in tenant.text()


@pytest.mark.parametrize("part", ["subject", "txt", "html", "slack"])
def test_what_no_medium_can_send_is_replaced(tenant, part):
    tenant.write(f"loud.{part}", "a{{ '\\ud800' }}\x00\x1b[31m{{ title }}")
    assert tenant.send(title="b").to_dict()["template"]["built_in"] == []
    seen = {
        "subject": lambda: tenant.mail["Subject"].removeprefix("[P] "),
        "txt": tenant.text,
        "html": lambda: tenant.text("html"),
        "slack": lambda: tenant.blocks()[0]["text"]["text"],
    }
    assert seen[part]() == "a\ufffdb"


def test_a_template_of_a_tenant_cannot_ping(tenant):
    tenant.write("loud.slack", "<!channel> <@U123> *now* <https://example.com|here>")
    tenant.send()
    assert tenant.blocks()[0]["text"]["text"] == "&lt;!channel> &lt;@U123> *now* <https://example.com|here>"


def test_a_long_post_stays_within_slacks_limits(tenant):
    tenant.write("loud.slack", "{% for line in history %}{{ line }}\n{% endfor %}")
    tenant.send(history=tuple("y" * 400 for _ in range(90)))
    texts = [block["text"]["text"] for block in tenant.blocks()]
    assert len(texts) <= 50
    assert all(len(text) <= 3_000 for text in texts)
    assert texts[-1].endswith("… (cut)")


def test_recoveries_and_digests_keep_their_own_words():
    trigger = EventTriggerConfig(event="pipeline_failure", template="loud")
    told = {kind: choice(make_message(kind=kind), trigger) is not None for kind in MessageKind}
    assert told == {kind: kind in ("alert", "test") for kind in MessageKind}


def test_without_a_template_no_file_is_looked_for(tmp_path):
    class NoFiles(Files):
        def read(self, file: str, call: Any = None) -> Any:
            raise AssertionError(file)

    files = NoFiles(tmp_path, is_remote=False)
    for trigger in (None, EventTriggerConfig(event="pipeline_failure")):
        assert custom_parts(make_message(), trigger, {}, files, Budget()).choice is None


def test_without_time_left_the_built_in_message_is_sent(tenant):
    tenant.write("loud.txt", "text")
    clock = FrozenClock()
    budget = Budget(10, clock)
    clock.advance(10)
    trigger = EventTriggerConfig(event="pipeline_failure", template="loud")
    providers = {NotificationProvider.EMAIL: tenant.service.configs.resolve("acme").providers["email"]}
    made = custom_parts(
        make_message(tenant_id="acme"), trigger, providers, tenant.service.configs.files, budget
    )
    assert (dict(made.parts), made.replaced) == ({}, ("email",))
    assert "it took too long" in made.remarks[0]


def test_a_subject_is_one_line_before_any_provider_sees_it(tenant):
    tenant.write("loud.subject", "one\n\ttwo {{ title }}\r\n\u2028three\x0bfour")
    trigger = EventTriggerConfig(event="pipeline_failure", template="loud")
    providers = {NotificationProvider.EMAIL: tenant.service.configs.resolve("acme").providers["email"]}
    message = make_message(tenant_id="acme", title=HOSTILE)
    made = custom_parts(message, trigger, providers, tenant.service.configs.files, Budget())
    subject = made.parts[NotificationProvider.EMAIL]["subject"]
    assert subject.startswith("one two <!channel>")
    assert subject.endswith("three four")
    assert len(subject.splitlines()) == 1


# --- two templates


def arms(ratio: float, count: int = 400) -> list[str | None]:
    trigger = EventTriggerConfig(
        event="pipeline_failure", template="plain", template_b="loud", template_b_ratio=ratio
    )
    messages = [make_message(message_id=f"{number:032x}") for number in range(count)]
    chosen = [choice(message, trigger) for message in messages]
    assert chosen == [choice(message, trigger) for message in messages], "a retry changes the arm"
    assert {(c.name, c.arm) for c in chosen if c} <= {("plain", "a"), ("loud", "b")}
    return [c.arm for c in chosen if c]


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_of_two_templates_each_has_its_share(ratio):
    share = arms(ratio).count("b") / 400
    assert share == ratio if ratio in (0, 1) else abs(share - ratio) < 0.07


def test_the_report_and_the_log_tell_the_arm(tenant, caplog):
    caplog.set_level(logging.INFO)
    tenant.configure(template="plain", template_b="loud", template_b_ratio=1)
    tenant.write("loud.txt", "b's")
    tenant.write("plain.txt", "a's")
    report = tenant.send()
    assert tenant.text() == "b's"
    assert report.to_dict()["template"] == {"name": "loud", "arm": "b", "built_in": []}
    assert "template loud (arm b)" in caplog.text
