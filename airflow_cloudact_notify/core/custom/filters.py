"""The filters of custom templates: few, and each bounded in what it can make.

Every filter counts as a step, and what it made is measured: ``sandbox`` sees to that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined

from airflow_cloudact_notify.core.custom.meter import Meter
from airflow_cloudact_notify.core.errors import CustomTemplateError
from airflow_cloudact_notify.core.times import duration

Filter = Callable[..., Any]
Duration = Callable[[float], str]

MAX_PRECISION = 15


def filters(meter: Meter, duration: Duration = duration) -> dict[str, Filter]:
    """Return the filters by name; ``meter`` refuses what would become too large.

    :param duration: says how long so many milliseconds are.
    """
    text = meter.text

    def default(value: Any, instead: Any = "", boolean: bool = False) -> Any:
        return instead if isinstance(value, Undefined) or (boolean and not value) else value

    def join(values: Any, separator: Any = "") -> str:
        return meter.joined(list(meter.each(values)), text(separator))

    def replace(value: Any, old: str, new: Any) -> str:
        before, after = text(value), text(new)
        meter.room(len(before) + before.count(old) * len(after))
        return before.replace(old, after)

    def truncate(value: Any, length: int = 255, end: str = "…") -> str:
        whole = text(value)
        return whole if len(whole) <= length else whole[: max(0, length - len(end))] + end

    return {
        "abs": abs,
        "capitalize": lambda value: text(value).capitalize(),
        "d": default,
        "default": default,
        "duration": lambda milliseconds: duration(float(milliseconds)),
        "e": lambda value: value,
        "escape": lambda value: value,
        "first": lambda values: _at(values, 0),
        "float": lambda value, instead=0.0: _number(float, value, instead),
        "int": lambda value, instead=0: _number(int, value, instead),
        "items": lambda value: _view(value, dict.items),
        "join": join,
        "keys": lambda value: _view(value, dict.keys),
        "last": lambda values: _at(values, -1),
        "length": len,
        "lower": lambda value: text(value).lower(),
        "replace": replace,
        "round": lambda value, precision=0: round(float(value), _precision(precision)),
        "string": text,
        "title": lambda value: text(value).title(),
        "tojson": meter.json,
        "trim": lambda value: text(value).strip(),
        "truncate": truncate,
        "upper": lambda value: text(value).upper(),
        "urlencode": lambda value: quote(text(value), safe=""),
        "values": lambda value: _view(value, dict.values),
    }


def _view(value: Any, of: Callable[[dict[Any, Any]], Iterable[Any]]) -> Any:
    """Return a view of a dict as a list; what is unknown stays so, and shows itself."""
    if isinstance(value, Undefined):
        return value
    if not isinstance(value, dict):
        raise CustomTemplateError("items, keys and values are for dicts")
    return list(of(value))


def _at(values: Any, index: int) -> Any:
    if not values:
        return None
    return (values if isinstance(values, str) else list(values))[index]


def _number(kind: Callable[[Any], Any], value: Any, instead: Any) -> Any:
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return instead


def _precision(digits: int) -> int:
    return max(-MAX_PRECISION, min(digits, MAX_PRECISION))
