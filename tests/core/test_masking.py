from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core import masking
from airflow_cloudact_notify.core.masking import mask, plain

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("postgresql://bob:hunter2@db:5432/x", "postgresql://bob:***@db:5432/x", id="DSN"),
        pytest.param("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0", id="DSN without a user"),
        pytest.param("mysql+pymysql://u:hun@ter2@db/x", "mysql+pymysql://u:***@db/x", id="@ in the password"),
        pytest.param("amqp://u:hun/ter2@mq/x", "amqp://u:***@mq/x", id="slash in the password"),
        pytest.param(
            "https://hooks.slack.com/services/T0/B0/hunter2",
            "https://hooks.slack.com/***",
            id="Slack webhook",
        ),
        pytest.param(
            "<https://hooks.slack-gov.com/services/T/B/hunter2|x>",
            "<https://hooks.slack-gov.com/***>",
            id="Slack webhook of a government",
        ),
        pytest.param(
            "Max retries exceeded with url: /services/T0AB/B0CD/hunter2 (Caused by x)",
            "Max retries exceeded with url: /services/*** (Caused by x)",
            id="the path of a Slack webhook, as HTTP libraries tell it",
        ),
        pytest.param(
            "https://x.webhook.office.com/webhookb2/hunter2", "https://x.webhook.office.com/***", id="Teams"
        ),
        pytest.param(
            "https://discord.com/api/webhooks/1/hunter2", "https://discord.com/api/webhooks/***", id="Discord"
        ),
        pytest.param("Authorization: Basic aHVudGVyMg==", "Authorization: ***", id="basic auth"),
        pytest.param(
            "'Authorization': 'Bearer hunter2hunter2'", "'Authorization': '***'", id="bearer in a dict"
        ),
        pytest.param("Authorization: GenieKey hunter2", "Authorization: ***", id="another scheme"),
        pytest.param("sent bearer hunter2hunter2", "sent bearer ***", id="bearer"),
        pytest.param("password=hunter2 host=db", "password=*** host=db", id="key=value"),
        pytest.param("PGPASSWORD=hunter2", "PGPASSWORD=***", id="environment variable"),
        pytest.param("aws_secret_access_key = hunter2", "aws_secret_access_key = ***", id="key with blanks"),
        pytest.param("clientSecret: hunter2", "clientSecret: ***", id="camel case"),
        pytest.param("AWS_SECRET_KEY='hunter2'", "AWS_SECRET_KEY='***'", id="a secret key"),
        pytest.param("signingKey: hunter2", "signingKey: ***", id="a signing key"),
        pytest.param("f(password='hunter2', x=1)", "f(password='***', x=1)", id="keyword argument"),
        pytest.param("f(password=b'hunter2')", "f(password=b'***')", id="bytes"),
        pytest.param('{"token": "hun\\"ter2"}', '{"token": "***"}', id="JSON with an escaped quote"),
        pytest.param(r"{\"token\": \"hunter2\"}", r"{\"token\": \"***\"}", id="JSON within JSON"),
        pytest.param("password=hun,ter;2 next", "password=*** next", id="separators in the value"),
        pytest.param("a(password=hunter2,user=bob)", "a(password=***,user=bob)", id="separator and next key"),
        pytest.param("?token=hunter2&page=2", "?token=***&page=2", id="query"),
        pytest.param("Pwd=hunter2;Uid=bob", "Pwd=***;Uid=bob", id="ODBC"),
        pytest.param("psql --password hunter2 -h db", "psql --password *** -h db", id="argument"),
        pytest.param(
            "['x', '--api-token', 'hunter2']", "['x', '--api-token', '***']", id="list of arguments"
        ),
        pytest.param("?sv=1&sig=hunter2&x=1", "?sv=1&sig=***&x=1", id="signature of a SAS"),
        pytest.param("AccountKey=hunter2;X=1", "AccountKey=***;X=1", id="Azure"),
        pytest.param(
            "for url: https://maps/x?a=1&key=hunter2&b=2",
            "for url: https://maps/x?a=1&key=***&b=2",
            id="key in a URL",
        ),
        pytest.param(
            "?odbc_connect=UID%3Dbob%3BPWD%3Dhun%20ter2%3BX%3D1",
            "?odbc_connect=UID%3Dbob%3BPWD%3D***%3BX%3D1",
            id="ODBC in a URL",
        ),
        pytest.param(
            "[SQL: ALTER USER bob IDENTIFIED BY 'hunter2']",
            "[SQL: ALTER USER bob IDENTIFIED BY '***']",
            id="SQL",
        ),
        pytest.param(
            "ALTER ROLE bob WITH PASSWORD 'hunter2';",
            "ALTER ROLE bob WITH PASSWORD '***';",
            id="SQL of PostgreSQL",
        ),
        pytest.param(
            "Command 'curl -u bob:hunter2 https://x' failed",
            "Command 'curl -u bob:*** https://x' failed",
            id="curl",
        ),
        pytest.param(
            "['curl', '--user', 'bob:hunter2']", "['curl', '--user', 'bob:***']", id="curl's arguments"
        ),
        pytest.param('"password" => "hunter2"', '"password" => "***"', id="arrow"),
        pytest.param("<db:Password>hun ter2</db:Password>", "<db:Password>***</db:Password>", id="XML"),
        pytest.param("pw=hunter2 passcode: hunter2", "pw=*** passcode: ***", id="further words"),
        pytest.param("xoxb-1234567890-hunter2", "***", id="Slack token"),
        pytest.param("key AKIAABCDEFGHIJKLMNOP used", "key *** used", id="AWS key"),
        pytest.param("ghp_" + "a" * 36, "***", id="GitHub token"),
        pytest.param("AIza" + "a" * 35, "***", id="Google key"),
        pytest.param("sk_live_" + "a" * 24, "***", id="Stripe key"),
        pytest.param("dapi" + "0a" * 16, "***", id="Databricks token"),
        pytest.param("SG." + "a" * 22 + "." + "b" * 43, "***", id="SendGrid key"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***", id="JWT"),
        pytest.param(
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter",
            "***\nafter",
            id="private key",
        ),
        pytest.param("-----BEGIN PRIVATE KEY-----\nMIIE and no end", "***", id="private key that is cut"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Task load of DAG sales failed: column amount is missing", id="prose"),
        pytest.param(
            "http://airflow.example.com:8080/dags/x/runs/manual__2026-01-02T03:04:05+00:00", id="log URL"
        ),
        pytest.param("assert tokens > 500, 'tokens <= 9'", id="comparisons"),
        pytest.param("https://example.com:8080/users/bob@example.com", id="port and an @ in the path"),
        pytest.param("mail ops@example.com about jdbc:postgresql://db:5432/sales", id="address and JDBC URL"),
        pytest.param("the token expired and the password was changed", id="prose about secrets"),
        pytest.param("Kansas: 5, bypass: yes", id="words that end like secrets"),
        pytest.param("the key = 5, primary_key=id, partition key: day", id="keys that are no secrets"),
        pytest.param(
            "pip install -U x:y, sk-learn, identified by the password of bob", id="words near secrets"
        ),
        pytest.param("/services/Toronto/list", id="path that is no webhook's"),
        pytest.param("naïve café – 完了 ✅", id="unicode"),
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert mask(text) == text


def test_a_known_secret_is_masked_wherever_it_stands() -> None:
    assert mask("a hunter2 b hunter22", ["hunter2", "hunter22"]) == "a *** b ***"


def test_a_known_secret_of_two_characters_is_not_worth_the_ruin_of_the_text() -> None:
    assert mask("an answer", ["an"]) == "an answer"


def test_masking_twice_changes_nothing_more() -> None:
    text = "postgresql://bob:hunter2@db/x password='hunter2' Authorization: Bearer hunter2hunter2"
    assert mask(mask(text)) == mask(text)


def test_half_a_character_is_replaced() -> None:
    assert mask("a\ud800b") == "a?b"


def test_a_long_text_is_cut_visibly() -> None:
    masked = mask("x" * 1_000_000)
    assert len(masked) <= masking.MAX_TEXT + len(masking.CUT)
    assert masked.endswith(masking.CUT)
    assert mask("x" * masking.MAX_TEXT) == "x" * masking.MAX_TEXT


@pytest.mark.parametrize("before", [pytest.param(n, id=f"{n} before the cut") for n in (0, 1, 5, 20, 60)])
def test_a_secret_that_reaches_over_the_cut_is_not_shown_in_part(before: int) -> None:
    dsn = "postgresql://bob:hunter2hunter2hunter2@db/x"
    text = "x " * ((masking.MAX_TEXT - before) // 2) + dsn + " y" * 5_000
    assert "hunter2" not in mask(text)
    assert "hunter2" not in mask(text.replace(dsn, SECRET * 9), [SECRET * 9])


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("a_", id="words joined by underscores"),
        pytest.param("eyJ-", id="beginnings of tokens"),
        pytest.param("a://a:", id="beginnings of DSNs"),
        pytest.param('token="', id="quotes that do not end"),
        pytest.param("token=\\", id="escapes"),
        pytest.param("https://a.", id="hosts"),
        pytest.param("--", id="dashes"),
        pytest.param("-----BEGIN PRIVATE KEY-----", id="keys that do not end"),
        pytest.param("password ", id="keys without a value"),
        pytest.param("authorization:  ", id="headers without a value"),
        pytest.param("password=,", id="separators"),
        pytest.param("\n", id="empty lines"),
        pytest.param("-u a:", id="users without a password"),
        pytest.param("-u ,", id="users that do not come"),
        pytest.param("identified by '", id="statements that do not end"),
        pytest.param("PWD%3D", id="connection strings in a URL"),
        pytest.param("<password>", id="elements"),
        pytest.param("<a", id="tags"),
    ],
)
def test_a_megabyte_made_to_be_slow_is_masked_all_the_same(unit: str) -> None:
    # A pattern that looks at a place more than once takes hours here.
    assert mask(unit * (1_000_000 // len(unit))).endswith(masking.CUT)


def test_details_under_a_secrets_name_are_masked_at_any_depth() -> None:
    details = {
        "password": SECRET,
        "dbPassword": SECRET,
        "X-Api-Key": SECRET,
        "smtp_pwd": SECRET,
        "tokens": [SECRET, {"a": SECRET}],
        "connection": {"login": "bob", "extra": [{"client_secret": 12345}, "password=hunter2"]},
    }
    masked = plain(details)
    assert SECRET not in json.dumps(masked)
    assert "12345" not in json.dumps(masked)
    assert masked["connection"]["login"] == "bob"


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({"Kansas": 5, "bypass": "all"}, id="words that end like secrets"),
        pytest.param({"token": None, "secret": "", "password": False}, id="nothing to hide"),
        pytest.param(
            {"rows": 5, "share": 0.5, "ok": True, "none": None, "words": ["a", "b"]}, id="JSON's types"
        ),
    ],
)
def test_ordinary_details_are_left_alone(details: dict[str, Any]) -> None:
    assert plain(details) == details


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


class Incomparable:
    """Like an array or a data frame: it has no truth, and comparing it does not answer yes or no."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    def __str__(self) -> str:
        return "password=hunter2"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00", id="time"),
        pytest.param(Decimal("1.5"), "1.5", id="decimal"),
        pytest.param(float("nan"), "nan", id="not a number"),
        pytest.param(float("inf"), "inf", id="infinity"),
        pytest.param((1, 2), [1, 2], id="tuple"),
        pytest.param({2, 1}, [1, 2], id="set"),
        pytest.param(b"password=hunter2", "b'password=***'", id="bytes"),
        pytest.param({1: "a"}, {"1": "a"}, id="key that is no text"),
        pytest.param({"password=hunter2": 1}, {"password=***": 1}, id="secret in a key"),
        pytest.param(10**5000, "<int that cannot be printed>", id="number longer than Python prints"),
        pytest.param(Unprintable(), "<Unprintable that cannot be printed>", id="broken __str__"),
        pytest.param(Incomparable(), "password=***", id="array"),
        pytest.param({"token": Incomparable()}, {"token": "***"}, id="array under a secret's name"),
        pytest.param(ValueError("password=hunter2"), "password=***", id="exception"),
    ],
)
def test_details_become_plain_data(value: Any, expected: Any) -> None:
    masked = plain(value)
    assert masked == expected
    json.dumps(masked, allow_nan=False)


ALIKE = str.maketrans({"i": "\u0131", "I": "\u0130", "s": "\u017f", "k": "\u212a"})
"""Letters that a pattern takes for others when it looks past capitals."""


@pytest.mark.parametrize("kind", masking._SECRETS, ids=lambda kind: kind.hints[0])
@given(st.data())
def test_whatever_a_pattern_matches_holds_one_of_its_hints(
    kind: masking._Secret, data: st.DataObject
) -> None:
    text = data.draw(st.from_regex(kind.pattern))
    for told in (text, text.upper(), text.translate(ALIKE)):
        if kind.pattern.search(told):
            assert any(hint in masking._folded(told) for hint in kind.hints)


def test_a_long_list_is_cut_visibly() -> None:
    masked = plain(list(range(250)))
    assert masked == [*range(masking.MAX_ITEMS - 1), f"151 more {masking.CUT}"]
    assert plain({str(n): n for n in range(250)})[masking.CUT] == "151 more"
    assert plain(list(range(masking.MAX_ITEMS))) == list(range(masking.MAX_ITEMS))


def test_what_was_cut_once_is_not_cut_again() -> None:
    once = plain({"list": list(range(250)), "object": {str(n): n for n in range(250)}})
    assert plain(once) == once


def test_data_that_holds_itself_ends() -> None:
    knot: list[Any] = [1]
    knot.append(knot)
    assert "1" in json.dumps(plain({"knot": knot}))


def test_deep_data_ends() -> None:
    deep: Any = "password=hunter2"
    for _ in range(100_000):
        deep = [deep]
    assert "hunter2" not in json.dumps(plain(deep))
    shallow = {"a": {"b": {"c": {"d": {"e": {"password": SECRET}}}}}}
    assert SECRET not in json.dumps(plain(shallow))


def test_few_lines_that_nest_millions_of_values_end() -> None:
    bomb: list[Any] = [1] * 100
    for _ in range(4):
        bomb = [bomb] * 100
    text = json.dumps(plain(bomb))
    assert len(text) < 100_000
    assert json.dumps(masking.CUT) in text


def test_details_of_many_megabytes_are_cut_as_a_whole() -> None:
    masked = plain({f"k{number}": "x" * 1_000_000 for number in range(100)})
    assert sum(map(len, masked.values())) < masking.MAX_DATA + masking.MAX_TEXT
    assert masked[masking.CUT] == masking.CUT


def test_names_of_many_megabytes_are_cut_as_a_whole() -> None:
    masked = plain({f"{number}{'x' * 1_000_000}": 1 for number in range(100)})
    assert sum(map(len, masked)) < masking.MAX_DATA + masking.MAX_TEXT
