"""What a failure was, read off its exception and its operator."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from airflow_cloudact_notify.bridge.context import look
from airflow_cloudact_notify.bridge.lifecycle import DATA_QUALITY, MEANINGS, RATE_LIMIT, Meaning
from airflow_cloudact_notify.core.enums import Lifecycle
from airflow_cloudact_notify.core.errors import DataQualityError
from airflow_cloudact_notify.core.masking import MAX_TEXT, mask
from airflow_cloudact_notify.core.texts import CUT

MAX_FRAMES = 8
"""Calls of each traceback that are shown, the innermost."""
MAX_TRACEBACK_LINES = 30
MAX_TRACEBACK = 4_000

_AROUND = (
    "airflow.sdk.execution_time.",
    "airflow.sdk.bases.",
    "airflow.providers.standard.operators.python",
)
"""Modules whose calls lead to a task's own code, the same for every task: they say nothing of its failure."""
_CHECK_OPERATORS = (
    # (module the operator's class, or one it inherits from, lives in; how its name ends)
    ("airflow.providers.common.sql.operators.sql", "CheckOperator"),
    ("great_expectations_provider.", "Operator"),
    ("soda", "Operator"),
)
# What these operators raise when the data is at fault; a lost database connection is another class.
_CHECK_FAILURES = frozenset({"GXValidationFailed", "SodaScanFailed", "AssertionError"})
_OF_ANYTHING = frozenset({"AirflowException", "AirflowFailException"})
"""Raised for bad data, too, but by the operator itself."""
_THROTTLING = re.compile(
    r"(?i:throttl|too_?many_?requests|request_?limit_?exceeded|throughput_?exceeded|slow_?down)"
    # GenerateLimit is none, and others' ResourceExhaustedError is a lack of memory.
    r"|Rate_?Limit|(?<![a-z])rate_?limit|^ResourceExhausted$"
)
"""Names of exception classes, and of the errors that cloud services answer with."""
_MAX_CHAIN = 50


def meaning_of_failure(exception: BaseException | str | None, task: Any) -> Meaning:
    """Return what a task's failure was."""
    if isinstance(exception, BaseException):
        if any(isinstance(error, DataQualityError) for error in _chain(exception)):
            return DATA_QUALITY
        if _is_check(task) and _is_of_data(exception, task):
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
    name = type(exception).__name__
    try:
        lines = str(exception).strip().splitlines()
    except Exception:  # noqa: BLE001 - a broken __str__ must not cost the notification
        return name
    return f"{name}: {lines[0]}" if lines else name


def traceback_tail(exception: BaseException) -> str:
    """Return the last lines of a traceback, bounded in number and size; what is cut says so."""
    if exception.__traceback__ is None:
        return ""
    begin = _first_of_its_own(exception.__traceback__)
    whole = "".join(traceback.format_exception(type(exception), exception, begin, limit=-MAX_FRAMES)).rstrip()
    # What is cut in two is no secret's pattern any more, so it is masked before.
    lines = mask(whole[-MAX_TEXT:]).splitlines()
    text = "\n".join(lines[-MAX_TRACEBACK_LINES:])
    is_cut = len(lines) > MAX_TRACEBACK_LINES or len(text) > MAX_TRACEBACK
    is_cut = is_cut or any(_frames(error) > MAX_FRAMES for error in _chain(exception))
    return f"{CUT}\n{text[-MAX_TRACEBACK:]}" if is_cut else text


def _first_of_its_own(whole: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first call of the task's own code on, all of it when there is none."""
    begin = whole
    while begin and str(begin.tb_frame.f_globals.get("__name__", "")).startswith(_AROUND):
        begin = begin.tb_next
    return begin or whole


def _frames(error: BaseException) -> int:
    return sum(1 for _ in traceback.walk_tb(_first_of_its_own(error.__traceback__)))


def _is_check(task: Any) -> bool:
    return any(
        cls.__module__.startswith(module) and cls.__name__.endswith(ending)
        for cls in type(task).__mro__
        for module, ending in _CHECK_OPERATORS
    )


def _is_of_data(error: BaseException, task: Any) -> bool:
    """Whether a check operator raised an error for the data, not for a connection that it cannot use."""
    name = type(error).__name__
    if name in _CHECK_FAILURES or error.__traceback__ is None:
        return name in _CHECK_FAILURES | _OF_ANYTHING
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    is_its_own = frame.f_globals.get("__name__") in {cls.__module__ for cls in type(task).__mro__}
    return name in _OF_ANYTHING and is_its_own and "hook" not in frame.f_code.co_name


def _is_throttling(error: BaseException) -> bool:
    if isinstance(error, SystemExit):
        return False
    response = look(error, "response")
    codes = [look(error, name) for name in ("status_code", "status", "code", "http_status")]
    codes.append(look(response, "status_code", "status"))
    # botocore: {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 429}}
    codes.append(look(look(response, "ResponseMetadata"), "HTTPStatusCode"))
    words = (type(error).__name__, look(look(response, "Error"), "Code"))
    return any(isinstance(code, int) and code == 429 for code in codes) or any(
        isinstance(word, str) and _THROTTLING.search(word) for word in words
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from, the outermost first, as far as a traceback would show them."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(seen) < _MAX_CHAIN:
        seen.add(id(current))
        yield current
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)
