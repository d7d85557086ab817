from __future__ import annotations

import string
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.mail_headers import POLICY
from airflow_cloudact_notify.core.texts import one_line

TEXTS = st.one_of(
    st.text(string.printable, max_size=100),
    st.text(max_size=100),
    st.sampled_from(["x" * 200, "a\r\nBcc: b@example.com", '"', "(a)", "a, b", "é"]),
).map(lambda text: one_line(text).replace("=?", "= ?"))


def written(subject: str, name: str, by: EmailPolicy) -> bytes:
    mail = EmailMessage(policy=by)
    mail["From"] = str(Address(name, "airflow", "example.com"))
    mail["To"] = "ann@example.com, bob@example.com"
    mail["Subject"] = subject
    mail.set_content("hello", cte="quoted-printable")
    mail.add_alternative("<p>hello</p>", subtype="html", cte="quoted-printable")
    mail.set_boundary("=_1")
    return mail.as_bytes()


@given(TEXTS, TEXTS)
def test_a_mail_is_the_same_to_the_byte_as_the_email_packages(subject: str, name: str) -> None:
    assert written(subject, name, POLICY) == written(subject, name, SMTP)


@given(TEXTS)
def test_a_header_can_be_read_before_it_is_written(name: str) -> None:
    mail = EmailMessage(policy=POLICY)
    mail["To"] = str(Address(name, "ann", "example.com"))
    [address] = mail["To"].addresses
    assert address.addr_spec == "ann@example.com"


@pytest.mark.parametrize(
    "value", ["a\nBcc: b@example.com", "a\r\nBcc: b@example.com", "a\rBcc: b@example.com"]
)
def test_a_line_break_never_makes_a_header_of_its_own(value: str) -> None:
    mail = EmailMessage(policy=POLICY)
    with pytest.raises(ValueError, match="linefeed"):
        mail["Subject"] = value


def test_what_was_written_before_does_not_come_back() -> None:
    first, second = written("one", "Ann", POLICY), written("two", "Bob", POLICY)
    subjects = [message_from_bytes(mail, policy=policy.default)["Subject"] for mail in (first, second, first)]
    assert subjects == ["one", "two", "one"]
