"""What a failure was, read off its exception and its operator."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_cloudact_notify.bridge.lifecycle import CONTACT_LOST, DATA_QUALITY, MEANINGS, RATE_LIMIT, Meaning
from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.core.errors import DataQualityError

MAX_TRACEBACK_LINES = 30
MAX_TRACEBACK = 4_000

_CHECK_OPERATORS = (
    # (module the operator's class, or one it inherits from, lives in; how its name ends)
    ("airflow.providers.common.sql.operators.sql", "CheckOperator"),
    ("great_expectations_provider.", "Operator"),
    ("soda", "Operator"),
)
# What these operators raise when the data is at fault; a lost database connection is another class.
_CHECK_FAILURES = frozenset(
    {"AirflowException", "AirflowFailException", "GXValidationFailed", "SodaScanFailed", "AssertionError"}
)
_THROTTLING_WORDS = ("throttl", "toomanyrequests", "ratelimit", "resourceexhausted", "requestlimitexceeded")


def meaning_of_failure(exception: BaseException | str | None, task: Any) -> Meaning:
    """Return what a task's failure was."""
    if exception is None:
        # Airflow hands the exception over whenever the task's own process is there to tell it.
        return CONTACT_LOST
    if isinstance(exception, BaseException):
        if any(isinstance(error, DataQualityError) for error in _chain(exception)):
            return DATA_QUALITY
        if type(exception).__name__ in _CHECK_FAILURES and _is_check(task):
            return DATA_QUALITY
        if any(map(_is_throttling, _chain(exception))):
            return RATE_LIMIT
    return MEANINGS[Lifecycle.FAILURE]


def details_of(exception: BaseException | str | None) -> dict[str, Any]:
    """Return what an exception says: type and text, the end of its traceback, and what a data check found."""
    if exception is None:
        return {}
    if isinstance(exception, str):
        return {"error": exception} if exception else {}
    details: dict[str, Any] = {"error": one_sentence(exception)}
    quality = next((error for error in _chain(exception) if isinstance(error, DataQualityError)), None)
    if quality is not None:
        details |= {"table": quality.table, "failed_checks": list(quality.failed_checks)}
    if tail := traceback_tail(exception):
        details["traceback"] = tail
    return details


def one_sentence(exception: BaseException) -> str:
    """Return an exception's type and the first line of its text."""
    lines = str(exception).strip().splitlines()
    name = type(exception).__name__
    return f"{name}: {lines[0]}" if lines else name


def traceback_tail(exception: BaseException) -> str:
    """Return the last lines of a traceback, bounded in number and size; what is cut says so."""
    if exception.__traceback__ is None:
        return ""
    lines = "".join(traceback.format_exception(exception, limit=-8)).rstrip().splitlines()
    kept = lines[-MAX_TRACEBACK_LINES:]
    text = "\n".join(kept)[-MAX_TRACEBACK:]
    return text if len(kept) == len(lines) and len(text) < MAX_TRACEBACK else f"… (cut)\n{text}"


def _is_check(task: Any) -> bool:
    return any(
        cls.__module__.startswith(module) and cls.__name__.endswith(ending)
        for cls in type(task).__mro__
        for module, ending in _CHECK_OPERATORS
    )


def _is_throttling(error: BaseException) -> bool:
    response = getattr(error, "response", None)
    codes = [getattr(error, name, None) for name in ("status_code", "status", "code", "http_status")]
    codes.append(getattr(response, "status_code", None))
    words = [type(error).__name__]
    if isinstance(response, Mapping):
        # botocore: {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
        words.append(str((response.get("Error") or {}).get("Code", "")))
        codes.append((response.get("ResponseMetadata") or {}).get("HTTPStatusCode"))
    return 429 in codes or any(bad in word.lower() for word in words for bad in _THROTTLING_WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, the outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
