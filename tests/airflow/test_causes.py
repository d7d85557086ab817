"""What a failure was, read off its exception and its operator."""

from __future__ import annotations

import sqlite3
import subprocess
import types
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
from airflow.exceptions import AirflowException
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.providers.common.sql.operators import sql
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from airflow_cloudact_notify import DataQualityError, on_failure
from airflow_cloudact_notify.bridge.causes import (
    MAX_TRACEBACK,
    MAX_TRACEBACK_LINES,
    details_of,
    meaning_of_failure,
)
from airflow_cloudact_notify.core.enums import NotificationEvent

BAD_DATA = NotificationEvent.DATA_QUALITY_FAILURE
RATE_LIMIT = NotificationEvent.RATE_LIMIT_EXCEEDED
FAILURE = NotificationEvent.PIPELINE_FAILURE


def event_of(exception: BaseException | str | None, task: Any = None) -> NotificationEvent:
    return meaning_of_failure(exception, task).event


def raised(function: Callable[[], Any]) -> BaseException:
    """Return what a function raises, with its traceback."""
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever it raises
        return error
    raise AssertionError("it raised nothing")


def raised_from(outer: BaseException, inner: BaseException) -> BaseException:
    def work() -> None:
        raise outer from inner

    return raised(work)


def raised_while_handling(
    outer: BaseException, inner: BaseException, *, hidden: bool = False
) -> BaseException:
    def work() -> None:
        try:
            raise inner  # noqa: TRY301
        except BaseException:  # noqa: BLE001 - whatever it is
            if hidden:
                raise outer from None
            raise outer  # noqa: B904 - the context is what is tested

    return raised(work)


def named(
    name: str, module: str = "vendor.errors", bases: tuple[type, ...] = (Exception,), **members: Any
) -> Any:
    """Return a class as a package that is not installed would have it."""
    return types.new_class(name, bases, exec_body=lambda body: body.update(members, __module__=module))


# Bad data

QUALITY_OF = ("raw_orders", ["not_null", "unique"])
QUALITY = DataQualityError(*QUALITY_OF)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(QUALITY, id="raised"),
        pytest.param(raised_from(AirflowException("the checks failed"), QUALITY), id="wrapped"),
        pytest.param(raised_while_handling(KeyError("x"), QUALITY), id="while-handling"),
        pytest.param(raised_from(RuntimeError(), raised_from(ValueError(), QUALITY)), id="wrapped-twice"),
        pytest.param(named("OrdersError", bases=(DataQualityError,))(*QUALITY_OF), id="subclass"),
    ],
)
def test_our_own_error_is_bad_data_and_tells_table_and_checks(error):
    assert event_of(error) is BAD_DATA
    details = details_of(error)
    assert (details["table"], details["failed_checks"]) == ("raw_orders", ["not_null", "unique"])


def test_what_was_hidden_on_purpose_is_not_the_cause():
    assert event_of(raised_while_handling(ValueError("x"), QUALITY, hidden=True)) is FAILURE


CHECK_OPERATORS = [
    named("GreatExpectationsOperator", "great_expectations_provider.operators.great_expectations"),
    named("GXValidateBatchOperator", "great_expectations_provider.operators.validate_batch"),
    named("SodaScanOperator", "soda_airflow.operators"),
    named("SodaOperator", "soda"),
]


@pytest.mark.parametrize("operator", CHECK_OPERATORS, ids=lambda o: o.__name__)
@pytest.mark.parametrize(
    ("error", "event"),
    [
        pytest.param(AirflowException("Validation failed"), BAD_DATA, id="failed"),
        pytest.param(AirflowFailException("Validation failed"), BAD_DATA, id="failed-for-good"),
        pytest.param(named("GXValidationFailed")("2 of 9"), BAD_DATA, id="gx"),
        pytest.param(AssertionError("Check results failed"), BAD_DATA, id="assertion"),
        pytest.param(ConnectionError("db:5432"), FAILURE, id="no-connection"),
        pytest.param(ValueError("no such suite"), FAILURE, id="mistake"),
    ],
)
def test_what_a_check_operator_raises_of_its_checks_is_bad_data(operator, error, event):
    assert event_of(error, operator()) is event
    own = types.new_class(
        "OurChecks", (operator,), exec_body=lambda body: body.update(__module__="dags.ours")
    )
    assert event_of(error, own()) is event


def test_what_a_hook_raises_in_a_check_operator_is_not_about_the_data():
    hook: dict[str, Any] = {"__name__": "vendor.hooks", "AirflowException": AirflowException}
    exec("def connect():\n    raise AirflowException('the warehouse is asleep')", hook)
    operator = sql.SQLCheckOperator(task_id="check", sql="SELECT 1", conn_id="warehouse")

    assert event_of(raised(hook["connect"]), operator) is FAILURE
    assert event_of(raised(lambda: operator._raise_exception("Test failed.")), operator) is BAD_DATA


@pytest.mark.parametrize(
    "operator",
    [
        pytest.param(named("BashOperator", "airflow.providers.standard.operators.bash"), id="bash"),
        pytest.param(
            named("SQLExecuteQueryOperator", "airflow.providers.common.sql.operators.sql"), id="sql"
        ),
        pytest.param(named("CheckOperator", "dags.ours"), id="another's"),
    ],
)
def test_the_same_of_another_operator_is_not(operator):
    assert event_of(AirflowException("failed"), operator()) is FAILURE


class SqliteHook(DbApiHook):
    """SQLite, whose own provider need not be installed."""

    conn_name_attr = "sqlite_conn_id"

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def get_conn(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path)


def on_sqlite(operator: type, path: str = ":memory:", **arguments: Any) -> BaseOperator:
    """Return an operator of common.sql that checks a database of SQLite."""

    class OnSqlite(operator):  # type: ignore[misc, valid-type]
        def get_db_hook(self) -> DbApiHook:
            return SqliteHook(path)

    return OnSqlite(task_id="check", **arguments)


BAD = [
    pytest.param(sql.SQLCheckOperator, {"sql": "SELECT 0"}, id="check"),
    pytest.param(sql.SQLCheckOperator, {"sql": "SELECT 0", "retry_on_failure": False}, id="check-for-good"),
    pytest.param(sql.SQLCheckOperator, {"sql": "SELECT 1 WHERE 1 = 2"}, id="no-rows"),
    pytest.param(sql.SQLValueCheckOperator, {"sql": "SELECT 1", "pass_value": 2}, id="value"),
    pytest.param(
        sql.SQLThresholdCheckOperator,
        {"sql": "SELECT 9", "min_threshold": 1, "max_threshold": 2},
        id="threshold",
    ),
    pytest.param(
        sql.SQLTableCheckOperator,
        {"table": "(SELECT 1 AS x)", "checks": {"some": {"check_statement": "1 = 2"}}},
        id="table",
    ),
    pytest.param(
        sql.SQLColumnCheckOperator,
        {"table": "(SELECT 1 AS x)", "column_mapping": {"x": {"min": {"equal_to": 2}}}},
        id="column",
    ),
]


@pytest.mark.parametrize(("operator", "arguments"), BAD)
def test_a_check_of_common_sql_that_fails_is_told_as_bad_data(tell_all, told, run_dag, operator, arguments):
    tell_all()
    with DAG("checks", schedule=None, default_args={"on_failure_callback": on_failure}) as dag:
        on_sqlite(operator, **arguments)

    run_dag(dag)

    (mail,) = told()
    assert (mail.event, mail.subject) == ("data_quality_failure", "Task checks.check found bad data")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: on_sqlite(sql.SQLCheckOperator, "/nowhere/at/all.db", sql="SELECT 1"), id="no-database"
        ),
        pytest.param(lambda: on_sqlite(sql.SQLCheckOperator, sql="SELECT 0 FROM orders"), id="no-table"),
        pytest.param(
            lambda: sql.SQLCheckOperator(task_id="check", sql="SELECT 1", conn_id="undefined"),
            id="no-connection",
        ),
        pytest.param(
            lambda: sql.SQLCheckOperator(task_id="check", sql="SELECT 1", conn_id="a_mail_server"),
            id="connection-to-no-database",
        ),
        pytest.param(
            lambda: sql.SQLCheckOperator(task_id="check", sql="SELECT 1", conn_id="an_unknown_database"),
            id="provider-not-installed",
        ),
    ],
)
def test_a_check_of_common_sql_that_could_not_be_made_is_a_failure(
    tell_all, told, run_dag, add_connection, make
):
    tell_all()
    add_connection("a_mail_server", conn_type="smtp", host="mail.example.com")
    add_connection("an_unknown_database", conn_type="oracle9i", host="db.example.com")
    with DAG("no_checks", schedule=None, default_args={"on_failure_callback": on_failure}) as dag:
        make()

    run_dag(dag)

    (mail,) = told()
    assert (mail.event, mail.subject) == ("pipeline_failure", "Task no_checks.check failed")


# Rate limits


def requests_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Client Error", response=response)


def httpx_error(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://api.example.com")
    return httpx.HTTPStatusError(
        f"{status}", request=request, response=httpx.Response(status, request=request)
    )


def client_error(code: str, status: int = 400) -> Exception:
    """Return what botocore raises."""
    error = named("ClientError", "botocore.exceptions")(f"An error occurred ({code})")
    error.response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(requests_error(429), id="requests"),
        pytest.param(httpx_error(429), id="httpx"),
        pytest.param(client_error("TooManyRequestsException", 429), id="aws-429"),
        pytest.param(client_error("ThrottlingException"), id="aws-throttling"),
        pytest.param(client_error("RequestLimitExceeded", 503), id="aws-ec2"),
        pytest.param(client_error("SlowDown", 503), id="aws-s3"),
        pytest.param(client_error("ProvisionedThroughputExceededException"), id="aws-dynamodb"),
        pytest.param(named("ResourceExhausted", "google.api_core.exceptions", code=429)("quota"), id="google"),
        pytest.param(named("ResourceExhausted", "google.api_core.exceptions")("quota"), id="google-by-name"),
        pytest.param(named("TooManyRequests", "google.api_core.exceptions")("quota"), id="google-http"),
        pytest.param(named("RateLimitError", "openai")("slow down"), id="openai"),
        pytest.param(named("GithubRateLimitExceeded", "github")("slow down"), id="github"),
        pytest.param(named("HTTPError", "urllib.error", code=429)("Too Many Requests"), id="urllib"),
        pytest.param(named("ClientResponseError", "aiohttp", status=429)("slow down"), id="aiohttp"),
        pytest.param(raised_from(AirflowException("429:Too Many"), requests_error(429)), id="wrapped"),
        pytest.param(raised_while_handling(AirflowException("429:Too Many"), requests_error(429)), id="http-provider"),
    ],
)  # fmt: skip
def test_an_error_that_a_server_limits_us_with_is_a_rate_limit(error):
    assert event_of(error) is RATE_LIMIT


class Awkward(Exception):
    """Everything about it raises, or is of no use."""

    response = {"Error": "text", "ResponseMetadata": None}
    status = [429]
    code = staticmethod(lambda: 429)

    @property
    def status_code(self) -> int:
        raise RuntimeError("not yet")

    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("HTTP 429 Too Many Requests"), id="only-the-text"),
        pytest.param(AirflowException("429:Too Many Requests"), id="only-the-text-of-a-hook"),
        pytest.param(requests_error(404), id="not-found"),
        pytest.param(httpx_error(503), id="unavailable"),
        pytest.param(client_error("AccessDenied", 403), id="aws-denied"),
        pytest.param(subprocess.CalledProcessError(429, "load"), id="exit-code"),
        pytest.param(SystemExit(429), id="exit"),
        pytest.param(KeyboardInterrupt(), id="interrupt"),
        pytest.param(named("ResourceExhaustedError", "tensorflow.errors")("OOM"), id="lack-of-memory"),
        pytest.param(named("GenerateLimitError")("x"), id="name-that-holds-the-word"),
        pytest.param(requests.ConnectionError("refused"), id="no-response"),
        pytest.param(Awkward(), id="awkward"),
        pytest.param("429 Too Many Requests", id="text"),
        pytest.param(None, id="none"),
    ],
)
def test_an_error_that_only_looks_like_one_is_not(error):
    assert event_of(error) is FAILURE


# Details


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ValueError("no rows\nsecond line"), "ValueError: no rows", id="first-line"),
        pytest.param(ValueError("\n\n  no rows  \n"), "ValueError: no rows", id="blank-lines"),
        pytest.param(ValueError(), "ValueError", id="no-text"),
        pytest.param(SystemExit(3), "SystemExit: 3", id="exit"),
        pytest.param(KeyboardInterrupt(), "KeyboardInterrupt", id="interrupt"),
        pytest.param(Awkward(), "Awkward", id="cannot-be-printed"),
        pytest.param("killed", "killed", id="text"),
    ],
)
def test_an_error_is_its_type_and_the_first_line_of_its_text(error, words):
    assert details_of(error) == {"error": words}


def test_what_is_unknown_gives_no_details():
    assert details_of(None) == {}
    assert details_of("") == {}


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    raise ValueError("at the bottom")


def many_causes(number: int) -> BaseException:
    error: BaseException = ValueError("first")
    for index in range(number):
        error = raised_from(RuntimeError(f"cause {index}"), error)
    return error


def cycle() -> BaseException:
    one, two = raised(lambda: int("x")), raised(lambda: int("y"))
    one.__cause__, two.__cause__ = two, one
    return one


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(raised(lambda: deep(300)), id="deep"),
        pytest.param(many_causes(100), id="many-causes"),
        pytest.param(raised_from(ValueError("x" * 50_000), KeyError()), id="long-text"),
        pytest.param(raised_from(ValueError("line\n" * 5_000), KeyError()), id="many-lines"),
    ],
)
def test_the_traceback_is_bounded_and_says_that_it_was_cut(error):
    traceback = details_of(error)["traceback"]

    assert traceback.startswith("… (cut)\n")
    assert len(traceback) <= MAX_TRACEBACK + len("… (cut)\n")
    assert len(traceback.splitlines()) <= MAX_TRACEBACK_LINES + 1


def test_the_traceback_ends_with_the_error():
    assert details_of(raised(lambda: deep(2)))["traceback"].endswith("ValueError: at the bottom")


def test_causes_that_go_round_in_a_circle_come_to_an_end():
    error = cycle()

    assert event_of(error) is FAILURE
    assert "invalid literal" in details_of(error)["error"]


def test_the_cause_is_looked_for_among_so_many():
    error: BaseException = QUALITY
    for _ in range(60):
        error = raised_from(RuntimeError(), error)

    assert event_of(error) is FAILURE


def test_a_key_of_more_lines_than_are_shown_is_masked():
    key = "\n".join(
        ["-----BEGIN PRIVATE KEY-----", *["KEYLINE" + "A" * 57] * 50, "-----END PRIVATE KEY-----"]
    )
    traceback = details_of(raised_from(ValueError(f"cannot load\n{key}"), KeyError()))["traceback"]
    assert "cannot load" in traceback
    assert "KEYLINE" not in traceback


@pytest.mark.parametrize("after", range(MAX_TRACEBACK - 120, MAX_TRACEBACK, 8))
def test_a_secret_is_not_cut_in_two_before_it_is_masked(after):
    error = ValueError(f"cannot connect to postgresql://svc:{'hunter2' * 10}@db/prod " + "x" * after)
    assert "hunter2" not in details_of(raised_from(error, KeyError()))["traceback"]
