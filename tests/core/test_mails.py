from __future__ import annotations

import copy
import string
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.mails import POLICY, WIRE, encoded, fill, new_mail
from airflow_cloudact_notify.core.texts import one_line, readable

LINES = st.one_of(
    st.text(string.printable, max_size=100),
    st.text(max_size=100),
    st.sampled_from(["x" * 200, "a\r\nBcc: b@example.com", '"', "(a)", "a, b", "é"]),
).map(lambda text: one_line(text).replace("=?", "= ?"))
TEXTS = st.one_of(
    st.text(st.sampled_from("a .=_-\n\t\u00e9\U0001f525"), max_size=300),
    st.text(max_size=300),
    st.sampled_from(["", ".", "\n.\n", " \n", "x" * 1000, "From here\n", "=_cloudact-notify", "a\r\nb\rc"]),
).map(readable)


def headers(subject: str, name: str, by: EmailPolicy) -> bytes:
    mail = EmailMessage(policy=by)
    mail["From"] = str(Address(name, "airflow", "example.com"))
    mail["To"] = "ann@example.com, bob@example.com"
    mail["Subject"] = subject
    return mail.as_bytes()


@given(LINES, LINES)
def test_headers_are_the_same_to_the_byte_as_the_email_packages(subject: str, name: str) -> None:
    assert headers(subject, name, POLICY) == headers(subject, name, SMTP)


@given(LINES)
def test_a_header_can_be_read_before_it_is_written(name: str) -> None:
    mail = new_mail()
    mail["To"] = str(Address(name, "ann", "example.com"))
    [address] = mail["To"].addresses
    assert address.addr_spec == "ann@example.com"


@pytest.mark.parametrize(
    "value", ["a\nBcc: b@example.com", "a\r\nBcc: b@example.com", "a\rBcc: b@example.com"]
)
def test_a_line_break_never_makes_a_header_of_its_own(value: str) -> None:
    mail = new_mail()
    with pytest.raises(ValueError, match="linefeed"):
        mail["Subject"] = value


def test_what_was_written_before_does_not_come_back() -> None:
    one, two = headers("one", "Ann", POLICY), headers("two", "Bob", POLICY)
    subjects = [message_from_bytes(mail, policy=policy.default)["Subject"] for mail in (one, two, one)]
    assert subjects == ["one", "two", "one"]


@given(TEXTS, TEXTS)
def test_texts_arrive_as_they_were_sent(text: str, html: str) -> None:
    mail = new_mail()
    mail["Subject"] = "hello"
    fill(mail, text, html)
    raw = mail.as_bytes(policy=SMTP)
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
    assert raw.isascii()
    came = message_from_bytes(raw, policy=policy.default)
    assert not came.defects
    bodies = {
        part.get_content_subtype(): part.get_content().replace("\r\n", "\n")
        for part in came.walk()
        if not part.is_multipart()
    }
    assert bodies == {"plain": text} | ({"html": html} if html else {})


def test_who_reads_html_is_shown_that() -> None:
    mail = new_mail()
    fill(mail, "hello", "<p>hello</p>")
    came = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert came.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in came.iter_parts()] == ["text/plain", "text/html"]
    assert came["MIME-Version"] == "1.0"


LETTERS = st.lists(
    st.sampled_from(
        ["täglichen", "Söhne", "für", "load", "日次", "取込", "źródła", "\U0001f525", "a-b", '"x"']
    ),
    min_size=1,
    max_size=20,
).map(" ".join)


def as_others_read(mail: EmailMessage, name: str) -> str:
    """Read a header by the older of the package's readers, which keeps to RFC 2047 between two encoded words."""
    raw = message_from_bytes(mail.as_bytes(policy=WIRE), policy=policy.compat32)
    return str(make_header(decode_header(raw[name])))


@given(LETTERS.filter(lambda text: not text.isascii()))
def test_letters_beyond_ascii_arrive_with_their_blanks(text: str) -> None:
    mail = new_mail()
    mail["Subject"] = encoded("Subject", text)
    mail["From"] = encoded("From", text, "airflow@example.com")

    assert mail["Subject"] == as_others_read(mail, "Subject") == text
    assert as_others_read(mail, "From") == f"{text} <airflow@example.com>"
    assert mail["From"].addresses[0].addr_spec == "airflow@example.com"
    lines = mail.as_bytes(policy=WIRE).split(b"\r\n")
    assert max(map(len, lines)) <= 78


def test_an_id_stays_whole_however_long_its_domain_is() -> None:
    mail = new_mail()
    for name in ("Message-ID", "In-Reply-To", "References"):
        mail[name] = long = f"<{'a' * 32}@{'d' * 63}.{'e' * 63}.example.com>"
        assert f"{name}: {long}\r\n".encode() in mail.as_bytes(policy=WIRE)


def test_a_copy_of_a_mail_makes_no_classes_of_its_own() -> None:
    mail = new_mail()
    assert copy.deepcopy(mail).policy is mail.policy
