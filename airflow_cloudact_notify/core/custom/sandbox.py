"""Fills in a custom template without trusting it: Jinja's sandbox with a smaller language and a meter.

No thread is needed to stop a template. It cannot call anything, so it can only loop, filter and calculate, and each of
these counts its steps and looks at the clock.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

from jinja2 import Environment, Template, TemplateSyntaxError, Undefined, pass_context
from jinja2.ext import Extension
from jinja2.lexer import Token
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS as JINJAS_TESTS

from airflow_cloudact_notify.core.custom import language
from airflow_cloudact_notify.core.custom.filters import Duration, filters
from airflow_cloudact_notify.core.custom.meter import CHARACTERS_A_STEP, Meter
from airflow_cloudact_notify.core.errors import CustomTemplateError
from airflow_cloudact_notify.core.times import duration

MAX_SOURCE = 32_768
"""Bytes of one template."""

TESTS: tuple[str, ...] = (
    *("boolean", "defined", "even", "false", "float", "integer", "mapping"),
    *("none", "number", "odd", "string", "true", "undefined"),
)
LOOP_ATTRIBUTES = (
    "index",
    "index0",
    "revindex",
    "revindex0",
    "first",
    "last",
    "length",
    "previtem",
    "nextitem",
)

_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%"})
_FILE = "<custom template>"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template makes, and the names it puts out that nothing is known by."""

    text: str
    unknown: tuple[str, ...] = ()


def render(
    source: str,
    variables: Mapping[str, Any],
    meter: Meter,
    escape: Callable[[str], str] = str,
    duration: Duration = duration,
) -> Rendered:
    """Return a template filled in.

    :param variables: plain data.
    :param escape: makes a value harmless in the medium; the template's own text stays as it is.
    :param duration: says how long so many milliseconds are.
    :raises CustomTemplateError: when it is refused, fails, or is stopped.
    """
    sandbox = _Sandbox(meter, escape, duration)
    with _told():
        return Rendered(_filled_in(sandbox, source, variables), tuple(sandbox.unknown))


def check(source: str) -> None:
    """Look whether a template can be used, as far as that is known without filling it in.

    :raises CustomTemplateError: when it cannot.
    """
    with _told():
        _compiled(_Sandbox(Meter(float("inf")), str), source)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Make one kind of error, which names the line, of whatever a template makes Jinja and Python say."""
    try:
        yield
    except CustomTemplateError as error:
        raise CustomTemplateError(f"{_line(error)}{error}") from None
    except TemplateSyntaxError as error:
        raise CustomTemplateError(f"line {error.lineno}: {error.message}") from None
    except (RecursionError, SyntaxError):  # Python, too, nests no deeper than so many levels
        raise CustomTemplateError("it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - whatever it is, it costs the template only
        raise CustomTemplateError(f"{_line(error)}{type(error).__name__}: {str(error)[:200]}") from None


def _compiled(sandbox: _Sandbox, source: str) -> CodeType:
    if len(source.encode()) > MAX_SOURCE:
        raise CustomTemplateError(f"it is larger than {MAX_SOURCE:,} bytes")
    tree = sandbox.parse(source)
    language.check(tree, sandbox.offered, TESTS)
    tree = language.metered(tree)
    sandbox.meter.step()
    return sandbox.compile(tree, filename=_FILE)


def _filled_in(sandbox: _Sandbox, source: str, variables: Mapping[str, Any]) -> str:
    template = Template.from_code(sandbox, _compiled(sandbox, source), {})
    sandbox.meter.step()
    parts, length = [], 0
    for part in template.generate(variables):
        length += len(part)
        sandbox.meter.room(length)
        parts.append(part)
    return "".join(parts)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Made for one template: it carries the meter."""

    intercepted_binops = _OPERATORS

    def __init__(self, meter: Meter, escape: Callable[[str], str], duration: Duration = duration) -> None:
        # The optimizer would calculate constants while it compiles.
        super().__init__(
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=_Unknown,
            finalize=_shown,
            extensions=[_Reading],
        )
        self.meter = meter
        self.escape = escape
        self.unknown: dict[str, None] = {}
        self.globals.clear()
        self.tests = {name: JINJAS_TESTS[name] for name in TESTS}
        self.offered = filters(meter, duration)
        self.filters = {name: self._measured(function) for name, function in self.offered.items()}
        self.filters |= {
            language.EACH: meter.each,
            language.JOINED: self._measured(meter.joined),
            language.MADE: meter.made,
            language.SEEN: self._seen,
            language.FLAT: _flat,
        }

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item of plain data, or a loop's state: no Python object's attribute can be reached."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, LoopContext) and argument in LOOP_ATTRIBUTES:
            return getattr(obj, argument)
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument)[:80])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self.meter.step()
        texts = isinstance(left, str) and isinstance(right, str) and operator == "+"
        if not texts and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise CustomTemplateError(f"{operator} is for numbers, + also for two texts")
        return self.meter.made(self.binop_table[operator](left, right))

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        raise CustomTemplateError("nothing can be called")

    def _measured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def measured(*args: Any, **kwargs: Any) -> Any:
            self.meter.step()
            return self.meter.made(function(*args, **kwargs))

        return measured

    def _seen(self, value: Any) -> Any:
        """Count what comparing a value costs."""
        self.meter.step(1 + (len(value) // CHARACTERS_A_STEP if isinstance(value, str) else 0))
        return value


class _Reading(Extension):
    """Stops reading a template that goes on and on."""

    def filter_stream(self, stream: Iterable[Token]) -> Iterator[Token]:
        for count, token in enumerate(stream):
            _sandbox(self.environment).meter.step()
            if count > language.MAX_TOKENS:
                raise CustomTemplateError(
                    f"line {token.lineno}: it has more than {language.MAX_TOKENS:,} words and signs"
                )
            yield token


def _sandbox(environment: Environment) -> _Sandbox:
    return cast("_Sandbox", environment)


class _Unknown(Undefined):
    """Shows itself, where others show nothing: a mistyped name is seen by the first who reads the message."""

    __slots__ = ()

    def __str__(self) -> str:
        return f"[unknown: {name}]" if (name := _name(self)) else ""


def _name(unknown: _Unknown) -> str:
    """Return the name that nothing is known by; what an ``if`` without an ``else`` makes has none."""
    name = unknown._undefined_name  # noqa: SLF001 - Jinja documents it for subclasses
    return str(name)[:80] if name else ""


@pass_context
def _shown(context: Context, value: Any) -> str:
    """Return what is put out for a value. It is given the context, so constants, too, come here and are counted."""
    sandbox = _sandbox(context.environment)
    if isinstance(value, _Unknown) and (name := _name(value)):
        sandbox.unknown[name] = None
    return str(sandbox.meter.made(sandbox.escape(sandbox.meter.text(value))))


def _flat(values: Any) -> Any:
    """Return a list or dict that a template wrote out; of lists in lists, each twice in the next, few make billions."""
    for value in (*values, *values.values()) if isinstance(values, dict) else values:
        if not isinstance(value, str | int | float | None | Undefined):
            raise CustomTemplateError("a list or dict that a template writes holds texts and numbers only")
    return values


def _line(error: Exception) -> str:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _FILE]
    return f"line {lines[-1]}: " if lines else ""
