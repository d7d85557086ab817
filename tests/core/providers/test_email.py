from __future__ import annotations

import asyncio
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from html import escape, unescape
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core import smtp
from airflow_cloudact_notify.core.content import content_of
from airflow_cloudact_notify.core.enums import FailureReason, NotificationSeverity, Outcome
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.providers.email import EmailConfig, EmailNotificationProvider
from airflow_cloudact_notify.core.smtp import SmtpSecurity
from airflow_cloudact_notify.testing import FrozenClock, ReceivedMail, SmtpInbox, make_message
from gallery.samples import EVENTS, FOLLOW_UPS
from tests.core.providers.contract import AWKWARD_TEXTS, ProviderContract
from tests.support import delivered, refused_port, silent_port, terms

LOGIN = ("pipelines@example.com", "hunter2-hunter2")
ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"


def mailer(port: int, **section: Any) -> EmailNotificationProvider:
    defaults = {
        "enabled": True,
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_use_tls": False,
        "from_email": "pipelines@example.com",
        "to_emails": [ANN],
    }
    return EmailNotificationProvider(EmailConfig(**(defaults | section)), ProviderSettings())


def with_login(password: str = LOGIN[1]) -> dict[str, str]:
    return {"smtp_username": LOGIN[0], "smtp_password": password}


@pytest.fixture
def inbox() -> Iterator[SmtpInbox]:
    with SmtpInbox() as running:
        yield running


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert isinstance(part, EmailMessage)
    text: str = part.get_content()
    return text


class TestEmailContract(ProviderContract):
    secrets: ClassVar = (LOGIN[1],)

    @pytest.fixture
    def inbox(self) -> Iterator[SmtpInbox]:
        with SmtpInbox(login=LOGIN) as running:
            yield running

    @pytest.fixture
    def provider(self, inbox: SmtpInbox) -> EmailNotificationProvider:
        return mailer(inbox.port, **with_login())

    @pytest.fixture
    def unreachable(self) -> Iterator[EmailNotificationProvider]:
        with refused_port() as port:
            yield mailer(port, **with_login())

    def received(self, inbox: SmtpInbox) -> list[str]:
        return [
            "\n".join([*map(str, got.mail.items()), body(got.mail, "plain"), body(got.mail, "html")])
            for got in inbox.messages
        ]


# --- how a server is spoken to


@pytest.mark.parametrize("security", list(SmtpSecurity))
def test_a_mail_with_login_arrives(security: SmtpSecurity) -> None:
    with SmtpInbox(security=security, login=LOGIN) as inbox:
        provider = mailer(inbox.port, smtp_security=security, **with_login())
        if security is SmtpSecurity.NONE:
            result = delivered(provider)
        else:
            with inbox.trusted():
                result = delivered(provider)
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 1)
    assert [got.recipients for got in inbox.messages] == [(ANN,)]


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.IMPLICIT])
def test_an_untrusted_certificate_ends_it_before_the_password_is_sent(security: SmtpSecurity) -> None:
    with SmtpInbox(security=security, login=LOGIN) as inbox:
        result = delivered(mailer(inbox.port, smtp_security=security, **with_login()))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, FailureReason.TLS, 1)
    assert "is not trusted" in result.detail
    assert inbox.messages == []


@pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.IMPLICIT])
def test_a_certificate_is_not_looked_at_when_the_file_says_so(security: SmtpSecurity) -> None:
    with SmtpInbox(security=security) as inbox:
        provider = mailer(inbox.port, smtp_security=security, smtp_verify_certificate=False)
        assert delivered(provider)


def test_nothing_is_sent_unprotected_when_starttls_is_not_offered(inbox: SmtpInbox) -> None:
    result = delivered(mailer(inbox.port, smtp_use_tls=True))
    assert (result.reason, result.attempts) == (FailureReason.TLS, 1)
    assert "offers no STARTTLS" in result.detail
    assert inbox.messages == []


def test_a_wrong_password_is_not_tried_twice() -> None:
    with SmtpInbox(login=LOGIN) as inbox:
        result = delivered(mailer(inbox.port, **with_login("not-the-password")))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, FailureReason.AUTH, 1)
    assert "535" in result.detail
    assert "not-the-password" not in str(result)


def test_a_refused_port_is_tried_as_often_as_configured() -> None:
    clock = FrozenClock()
    with refused_port() as port:
        result = delivered(mailer(port), under=terms(clock, max_attempts=4))
    assert (result.outcome, result.reason) == (Outcome.FAILED, FailureReason.UNREACHABLE)
    assert (result.attempts, clock.slept) == (4, [1, 1, 1])
    assert result.detail == f"no connection to 127.0.0.1:{port}: Connection refused"


def test_a_server_that_never_answers_costs_no_more_than_the_budget() -> None:
    with silent_port() as port:
        result = delivered(mailer(port), under=terms(budget=1.5))
    assert (result.outcome, result.reason) == (Outcome.FAILED, FailureReason.BUDGET_EXHAUSTED)
    assert result.attempts == 1


def test_a_server_that_takes_a_mail_and_never_says_good_bye_has_taken_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wordless(SmtpInbox):
        async def handle_QUIT(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.sleep(60)
            return "221 bye"

    monkeypatch.setattr(smtp, "QUIT_TIMEOUT", 0.1)
    with Wordless() as inbox:
        result = delivered(mailer(inbox.port), under=terms(budget=4))
    assert (result.outcome, result.attempts, len(inbox.messages)) == (Outcome.DELIVERED, 1, 1)


@pytest.mark.parametrize(
    ("section", "security"),
    [
        pytest.param({}, SmtpSecurity.STARTTLS, id="STARTTLS on 587, the default"),
        pytest.param({"smtp_port": 25}, SmtpSecurity.STARTTLS, id="STARTTLS elsewhere"),
        pytest.param({"smtp_port": 465}, SmtpSecurity.IMPLICIT, id="TLS from the first byte on 465"),
        pytest.param({"smtp_use_tls": False}, SmtpSecurity.NONE, id="none when asked for"),
        pytest.param(
            {"smtp_port": 465, "smtp_use_tls": False}, SmtpSecurity.NONE, id="none on 465 when asked for"
        ),
        pytest.param(
            {"smtp_port": 2465, "smtp_security": "implicit"}, SmtpSecurity.IMPLICIT, id="as it says"
        ),
    ],
)
def test_protection_follows_port_and_file(section: dict[str, Any], security: SmtpSecurity) -> None:
    assert EmailConfig(**section).security is security


# --- who is served


def to_three(port: int) -> EmailNotificationProvider:
    return mailer(port, to_emails=[ANN, BOB], cc_emails=[CAT])


def recipients(inbox: SmtpInbox) -> list[tuple[str, ...]]:
    return [got.recipients for got in inbox.messages]


def test_one_of_three_refused_for_good_is_delivered_and_named() -> None:
    with SmtpInbox(refuse={BOB: "550 no such user"}) as inbox:
        result = delivered(to_three(inbox.port))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 1)
    assert result.refused == {BOB: "550 no such user"}
    assert recipients(inbox) == [(ANN, CAT)]


def test_one_of_three_refused_for_now_is_the_only_one_tried_again() -> None:
    with SmtpInbox(refuse={BOB: ["451 greylisted"]}) as inbox:
        result = delivered(to_three(inbox.port))
    assert (result.outcome, result.attempts, result.refused) == (Outcome.DELIVERED, 2, {})
    assert recipients(inbox) == [(ANN, CAT), (BOB,)]
    first, second = inbox.messages
    assert first.mail["Message-ID"] == second.mail["Message-ID"]
    assert second.mail["To"] == f"{ANN}, {BOB}"


def test_one_of_three_refused_every_time_is_named_and_the_others_are_served_once() -> None:
    with SmtpInbox(refuse={BOB: "451 greylisted"}) as inbox:
        result = delivered(to_three(inbox.port))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 3)
    assert result.refused == {BOB: "451 greylisted"}
    assert recipients(inbox) == [(ANN, CAT)]


def test_refusals_for_now_and_for_good_are_told_apart() -> None:
    with SmtpInbox(refuse={ANN: "550 no such user", BOB: ["451 greylisted"]}) as inbox:
        result = delivered(to_three(inbox.port))
    assert (result.outcome, result.attempts) == (Outcome.DELIVERED, 2)
    assert result.refused == {ANN: "550 no such user"}
    assert recipients(inbox) == [(CAT,), (BOB,)]


@pytest.mark.parametrize(
    ("answer", "reason", "attempts"),
    [
        pytest.param("550 no such user", FailureReason.RECIPIENTS_REFUSED, 1, id="for good"),
        pytest.param("451 greylisted", FailureReason.SERVER_ERROR, 3, id="for now"),
    ],
)
def test_everybody_refused_is_a_failure(answer: str, reason: FailureReason, attempts: int) -> None:
    with SmtpInbox(refuse=dict.fromkeys((ANN, BOB, CAT), answer)) as inbox:
        result = delivered(to_three(inbox.port))
    assert (result.outcome, result.reason, result.attempts) == (Outcome.FAILED, reason, attempts)
    assert result.refused == dict.fromkeys((ANN, BOB, CAT), answer)
    assert all(f"{who} ({answer})" in str(result) for who in (ANN, BOB, CAT))


@pytest.mark.parametrize(
    ("answers", "outcome", "reason", "attempts"),
    [
        pytest.param(["452 out of storage"], Outcome.DELIVERED, None, 2, id="taken the second time"),
        pytest.param(["452 out"] * 3, Outcome.FAILED, FailureReason.SERVER_ERROR, 3, id="never taken"),
        pytest.param(["554 looks like spam"], Outcome.FAILED, FailureReason.REJECTED, 1, id="refused"),
    ],
)
def test_the_answer_to_the_content_decides(
    inbox: SmtpInbox, answers: list[str], outcome: Outcome, reason: FailureReason | None, attempts: int
) -> None:
    for answer in answers:
        inbox.answer(answer)
    result = delivered(mailer(inbox.port))
    assert (result.outcome, result.reason, result.attempts) == (outcome, reason, attempts)


def test_who_is_named_twice_gets_it_once(inbox: SmtpInbox) -> None:
    delivered(mailer(inbox.port, to_emails=[ANN, ANN], cc_emails=[ANN, CAT]))
    assert recipients(inbox) == [(ANN, CAT)]


# --- what is sent


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in AWKWARD_TEXTS.items()])
def test_no_text_of_a_pipeline_becomes_a_header_or_a_tag(inbox: SmtpInbox, text: str) -> None:
    configured = text.replace("\udcff", "")
    provider = mailer(inbox.port, from_name=configured, subject_prefix=configured)
    message = make_message(title=text, message=text, pipeline_id=text, details={"error": text, text: text})
    delivered(provider, message)
    [got] = inbox.messages
    assert got.recipients == (ANN,)
    assert got.mail.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"
    ]  # fmt: skip
    assert [address.addr_spec for address in got.mail["From"].addresses] == ["pipelines@example.com"]
    assert [address.addr_spec for address in got.mail["To"].addresses] == [ANN]
    assert len(got.mail["Subject"]) <= 70
    assert [part.get_content_type() for part in got.mail.iter_parts()] == ["text/plain", "text/html"]
    assert max(map(len, got.raw.splitlines())) <= 998
    html = body(got.mail, "html")
    assert not any(tag in html for tag in ("<script", "<img", "<!channel"))
    assert html.count("</body>") == 1


@pytest.mark.parametrize(
    "text", [pytest.param(AWKWARD_TEXTS[name], id=name) for name in ("emoji", "HTML", "a template", "fences")]
)
def test_a_text_arrives_as_it_was(inbox: SmtpInbox, text: str) -> None:
    delivered(mailer(inbox.port, subject_prefix="[ops]"), make_message(title=text, message=text))
    [got] = inbox.messages
    assert got.mail["Subject"].startswith("[ops] [ERROR] acme: ")
    assert "".join(text.split()) in "".join(body(got.mail, "plain").split())


def test_a_lone_dot_does_not_end_the_mail(inbox: SmtpInbox) -> None:
    text = AWKWARD_TEXTS["a mail's end"]
    delivered(mailer(inbox.port), make_message(message=text))
    assert text in body(inbox.messages[0].mail, "plain").replace("\r\n", "\n")


def test_the_text_part_reads_as_it_should() -> None:
    message = make_message(
        details={"error": "ValueError: <bad>", "failed_checks": ["not_null", "unique"], "empty": None},
        try_number=2,
        max_tries=3,
        map_index=4,
        duration_ms=61_000,
        log_url="https://airflow.example/log",
    )
    mail = mailer(587).render(message).mail
    assert body(mail, "plain").replace("\r\n", "\n").strip() == (
        "ERROR: Pipeline failed: sales\n"
        "Pipeline failure\n\n"
        "Task load failed.\n\n"
        "Tenant: acme\n"
        "Pipeline: sales\n"
        "Task: load [4]\n"
        "Run: manual__2026-01-02\n"
        "Try: 2 of 3\n"
        "Duration: 1 m 1 s\n"
        "Failed checks: not_null, unique\n\n"
        "ValueError: <bad>\n\n"
        "Open log: https://airflow.example/log\n\n"
        "--\n"
        "pipeline_failure · 2026-01-02 03:04:05 UTC"
    )


def test_the_html_part_is_escaped_coloured_and_linked() -> None:
    message = make_message(
        details={"error": "ValueError: <bad>"}, log_url="https://airflow.example/log?a=1&b=2"
    )
    html = body(mailer(587).render(message).mail, "html")
    assert "ValueError: &lt;bad&gt;" in html
    assert "background:#c9302c" in html
    assert 'href="https://airflow.example/log?a=1&amp;b=2"' in html


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"])
def test_a_log_url_that_is_no_web_address_is_not_linked(url: str) -> None:
    mail = mailer(587).render(make_message(log_url=url)).mail
    assert url not in body(mail, "html") + body(mail, "plain")


def test_the_same_message_gives_the_same_bytes() -> None:
    one, other = (mailer(587).render(make_message()).mail.as_bytes() for _ in range(2))
    assert one == other


def test_sender_recipients_and_prefix_are_the_sections(inbox: SmtpInbox) -> None:
    section = {
        "from_name": 'Ann "Ops", Ltd.',
        "to_emails": [ANN, BOB],
        "cc_emails": [CAT],
        "subject_prefix": "[prod]",
    }
    delivered(mailer(inbox.port, **section))
    [got] = inbox.messages
    [sender] = got.mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ('Ann "Ops", Ltd.', "pipelines@example.com")
    assert (got.mail["To"], got.mail["Cc"]) == (f"{ANN}, {BOB}", CAT)
    assert got.mail["Subject"] == "[prod] [ERROR] acme: Pipeline failed: sales"
    assert got.mail["Date"] == "Fri, 02 Jan 2026 03:04:05 +0000"
    assert got.mail["Auto-Submitted"] == "auto-generated"
    assert got.sender == "pipelines@example.com"
    assert recipients(inbox) == [(ANN, BOB, CAT)]


@pytest.mark.parametrize("severity", list(NotificationSeverity))
def test_only_what_is_critical_is_marked_important(severity: NotificationSeverity) -> None:
    mail = mailer(587).render(make_message(severity=severity)).mail
    important = (mail["Importance"], mail["X-Priority"]) == ("high", "1")
    assert important is (severity is NotificationSeverity.CRITICAL)


def test_a_subject_says_how_bad_whose_and_what_and_is_never_cut_by_others() -> None:
    def subject(prefix: str | None = None, **message: Any) -> str:
        return str(mailer(587, subject_prefix=prefix).render(make_message(**message)).mail["Subject"])

    assert subject(severity="critical") == "[CRITICAL] acme: Pipeline failed: sales"
    assert subject(tenant_id=None, event="pipeline_success") == "[SUCCESS] Pipeline failed: sales"
    assert subject(kind="recovery", event="pipeline_success", title="Recovered: sales") == (
        "[OK] acme: Recovered: sales"
    )
    long = subject("[prod]", title=f"Task {'a_long_pipeline.' * 5}load failed")
    assert long.startswith("[prod] [ERROR] acme: Task a_long_")
    assert long.endswith("load failed")
    assert len(long) == 69
    worst = subject("p" * 100, title="t" * 100, tenant_id="i" * 64)
    assert len(worst) == 69


def test_an_incident_is_one_thread() -> None:
    first, repeat, recovery = (
        mailer(587).render(make_message(message_id=own, thread_id=thread)).mail
        for own, thread in (("a1", None), ("b2", "a1"), ("c3", "a1"))
    )
    assert first["Message-ID"] == "<a1@example.com>"
    assert (first["References"], first["In-Reply-To"]) == (None, None)
    for mail in (repeat, recovery):
        assert mail["References"] == mail["In-Reply-To"] == first["Message-ID"]
        assert mail["Message-ID"] != first["Message-ID"]


def test_what_arrives_is_whole(inbox: SmtpInbox) -> None:
    provider = mailer(inbox.port, from_name="Jörg Müller, 数据", to_emails=["a@bücher.example"])
    message = make_message(
        title="Überfällig: 売上", message="z" * 3_000 + "\nü" * 200, details={"error": "línea " * 300}
    )
    delivered(provider, message)
    [got] = inbox.messages
    assert got.raw.count(b"\n") == got.raw.count(b"\r\n"), "a bare LF would break DKIM"
    assert got.raw.count(b"\r") == got.raw.count(b"\r\n")
    assert max(map(len, got.raw.split(b"\r\n"))) <= 998
    assert got.raw.isascii()
    mail = email.message_from_bytes(got.raw, policy=email.policy.default)
    assert not mail.defects
    assert mail["Subject"] == "[ERROR] acme: Überfällig: 売上"
    [sender] = mail["From"].addresses
    assert sender.display_name == "Jörg Müller, 数据"
    assert got.recipients == ("a@xn--bcher-kva.example",)
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def words_of_html(html: str) -> list[str]:
    body = html.partition("<body")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split()).split()


@pytest.mark.parametrize("name", [case.name for case in (*FOLLOW_UPS, *EVENTS)])
def test_both_parts_say_the_same(inbox: SmtpInbox, name: str) -> None:
    case = next(case for case in (*FOLLOW_UPS, *EVENTS) if case.name == name)
    config = mailer(inbox.port).config
    delivered(EmailNotificationProvider(config, ProviderSettings(style=case.style)), case.message)
    mail = inbox.messages[0].mail
    plain = "".join(body(mail, "plain").split())
    shown = "".join(words_of_html(body(mail, "html")))
    content = content_of(case.message, case.style)
    texts = [content.headline, content.body, content.cause, *content.history, content.footer]
    texts += [text for fact in (*content.facts, *content.more) for text in fact]
    for text in filter(None, texts):
        packed = "".join(text.split())
        assert packed in plain, text
        assert packed in shown, text
    for action in content.actions:
        assert action.url in body(mail, "plain")
        assert escape(action.url) in body(mail, "html")


# --- addresses that need SMTPUTF8

JOSE = "josé@example.com"


def test_an_address_beyond_ascii_arrives_where_the_server_offers_it(inbox: SmtpInbox) -> None:
    result = delivered(mailer(inbox.port, smtp_utf8=True, to_emails=[JOSE, ANN]))
    assert (result.outcome, result.refused) == (Outcome.DELIVERED, {})
    [got] = inbox.messages
    assert got.recipients == (JOSE, ANN)
    assert f"To: {JOSE}, {ANN}\r\n".encode() in got.raw


def test_where_the_server_does_not_the_others_are_served_and_it_is_named() -> None:
    with SmtpInbox(utf8=False) as inbox:
        provider = mailer(inbox.port, smtp_utf8=True, to_emails=[JOSE, ANN], cc_emails=[JOSE])
        result = delivered(provider)
    assert result.outcome is Outcome.DELIVERED
    assert result.refused == {
        JOSE: "the server offers no SMTPUTF8, which an address with letters beyond ASCII needs"
    }
    [got] = inbox.messages
    assert (got.recipients, got.mail["To"], got.mail["Cc"]) == ((ANN,), ANN, None)
    assert got.raw.isascii()


@pytest.mark.parametrize("section", [{"to_emails": [JOSE]}, {"from_email": JOSE}])
def test_where_nobody_is_left_it_is_a_failure_that_names_the_key(section: dict[str, Any]) -> None:
    with SmtpInbox(utf8=False) as inbox:
        result = delivered(mailer(inbox.port, smtp_utf8=True, **section))
    assert (result.reason, result.attempts) == (FailureReason.MISCONFIGURED, 1)
    assert result.detail.startswith(f"smtp_utf8 is true, but 127.0.0.1:{inbox.port} offers no SMTPUTF8")
    assert inbox.messages == []


def test_an_address_beyond_ascii_is_refused_with_both_remedies() -> None:
    with pytest.raises(
        ValidationError, match=r"use ASCII, or if the server offers SMTPUTF8, set smtp_utf8 to true"
    ):
        EmailConfig(to_emails=[JOSE])


def test_many_recipients_survive_folding(inbox: SmtpInbox) -> None:
    many = [f"somebody.with.a.long.name.{number}@department{number}.example.com" for number in range(60)]
    delivered(mailer(inbox.port, to_emails=many))
    [got] = inbox.messages
    assert got.recipients == tuple(many)
    assert [address.addr_spec for address in got.mail["To"].addresses] == many


# --- what the section may say


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com", "a+b@example.com", "o'brien@example.com", "a@localhost", "a_b-c.d@sub.example.com",
        "a@127.0.0.1", "a=b@example.com",
    ],
)  # fmt: skip
def test_a_usual_address_is_taken_and_arrives(inbox: SmtpInbox, address: str) -> None:
    assert delivered(mailer(inbox.port, to_emails=[address]))
    assert recipients(inbox) == [(address,)]


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("Bücher.example", "xn--bcher-kva.example"),
        ("日本.example", "xn--wgv71a.example"),
        ("straße.example", "xn--strae-oqa.example"),  # strasse.example is somebody else's
    ],
)
def test_a_domain_with_other_letters_is_written_in_ascii(domain: str, written: str) -> None:
    assert EmailConfig(to_emails=[f"a@{domain}"]).to_emails == [f"a@{written}"]


@pytest.mark.parametrize(
    "address",
    [
        "", "ann", "ann@", "@example.com", "Ann <ann@example.com>", "ann@example.com, bob@example.com",
        "ann@example.com\r\nBcc: evil@example.com", "a b@example.com", "a..b@example.com", ".a@example.com",
        "a.@example.com", "a@b@example.com", "a@example..com", "josé@example.com", "=?utf-8?q?x?=@example.com",
        "a@\u2028.com", "a@☃.example", "a@-ä.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["to_emails", "cc_emails", "from_email"])
def test_an_address_that_no_server_takes_is_refused(key: str, address: str) -> None:
    with pytest.raises(ValidationError, match=key):
        EmailConfig(**{key: address if key == "from_email" else [address]})


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_a_port_is_a_port(port: int) -> None:
    with pytest.raises(ValidationError, match="smtp_port"):
        EmailConfig(smtp_port=port)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        pytest.param({"smtp_host": None}, "smtp_host: missing", id="no server"),
        pytest.param({"smtp_host": "https://h.example"}, "smtp_host: not the name of a host", id="a URL"),
        pytest.param({"smtp_host": "h.example:587"}, "smtp_host: not the name", id="a host and its port"),
        pytest.param({"smtp_host": "[::1]"}, "smtp_host: not the name", id="an address as in a URL"),
        pytest.param({"to_emails": []}, "to_emails: nobody to send to", id="no recipient"),
        pytest.param({"from_email": None}, "from_email: missing", id="no sender"),
        pytest.param(
            {"from_email": None, "smtp_username": "apikey"}, "from_email: missing", id="a user, no address"
        ),
    ],
)
def test_a_section_that_cannot_work_says_what_to_add(section: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        mailer(587, **section)


@pytest.mark.parametrize(
    "host", ["mail", "mail_1.internal", "smtp.example.com.", "10.0.0.1", "::1", "bücher.example"]
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert mailer(587, smtp_host=host)


def test_a_user_name_that_is_an_address_is_the_sender_when_none_is_named(inbox: SmtpInbox) -> None:
    assert EmailConfig(smtp_username="ops@example.com").sender == "ops@example.com"


def test_a_connection_names_the_server_alone() -> None:
    with pytest.raises(ValidationError, match="remove smtp_host, smtp_password"):
        EmailConfig(conn_id="mail", smtp_host="h", smtp_password="p")


def test_an_eml_file_of_what_was_received_can_be_read(inbox: SmtpInbox) -> None:
    delivered(mailer(inbox.port))
    got: ReceivedMail = inbox.messages[0]
    again = email.message_from_bytes(got.raw, policy=email.policy.default)
    assert again["Subject"] == "[ERROR] acme: Pipeline failed: sales"
