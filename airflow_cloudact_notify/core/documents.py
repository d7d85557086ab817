"""From a file's bytes to a validated configuration, every mistake told with its key and its remedy."""

from __future__ import annotations

import codecs
import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from airflow_cloudact_notify.core import positions, references
from airflow_cloudact_notify.core.config import NotificationConfig, destinations
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.providers.base import DestinationConfig

Document = dict[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)

MAX_DEPTH = 10
"""Levels of a document; the documented keys need four."""
MAX_PROBLEMS = 20
_TRAILING_COMMA = re.compile(r",\s*[}\]]")
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def parse(content: bytes, file: str) -> Document:
    """Return the JSON object a file holds.

    :raises ConfigurationError: when it holds something else, or names a key twice.
    """
    if content.startswith(_BOMS):
        raise _refusal(file, "it starts with a byte-order mark", "Save it as UTF-8 without BOM.")
    try:
        text = content.decode("utf-8")
        document = json.loads(text, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        raise _syntax_refusal(file, error) from None
    except KeyError:
        key, line = positions.twin(text)
        reason = "the key stands twice in one object"
        raise _refusal(file, reason, "Keep one of the two.", _printable(key), line=line) from None
    except (ValueError, RecursionError) as error:
        raise _refusal(file, *_why_unreadable(error), line=_line(error, content)) from None
    if not isinstance(document, dict):
        raise _refusal(file, "it is not a JSON object", "Put the settings between { and }.")
    if _is_deeper(document, MAX_DEPTH):
        raise _refusal(file, *_why_unreadable(RecursionError()))
    return document


def _why_unreadable(error: Exception) -> tuple[str, str]:
    """Return reason and remedy."""
    match error:
        case UnicodeDecodeError():
            return f"byte {error.start} is not UTF-8", "Save it as UTF-8."
        case RecursionError():
            return "it is nested too deeply", "Keep to the documented keys."
    return "it holds a number that is too long", "Keep to the documented keys."


def _line(error: Exception, content: bytes) -> int:
    """Return the line an unreadable file is unreadable at, 0 when that is not known."""
    return content.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else 0


def _syntax_refusal(file: str, error: json.JSONDecodeError) -> ConfigurationError:
    """Name a comma too many where it stands; of Python's own errors only those of 3.13 and later do."""
    before = len(error.doc[: error.pos].rstrip()) - 1
    for place in (error.pos, max(before, 0)):
        if _TRAILING_COMMA.match(error.doc, place):
            error = json.JSONDecodeError("a comma too many", error.doc, place)
            break
    reason = f"not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
    return _refusal(file, reason, "Correct the syntax there.", line=error.lineno)


def _refusal(file: str, reason: str, remedy: str, key: str = "", *, line: int = 0) -> ConfigurationError:
    return ConfigurationError(ConfigProblem(file, key, reason, remedy, line))


def _without_twins(pairs: Sequence[tuple[str, Any]]) -> Document:
    document: Document = {}
    for name, value in pairs:
        if name in document:
            raise KeyError(name)
        document[name] = value
    return document


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(child, levels - 1) for child in children)


def validate(document: Document, file: str) -> NotificationConfig:
    """Return the configuration a document describes.

    :raises ConfigurationError: with every mistake in it, twenty at most. No value is quoted, since any may be a secret.
    """
    return validate_section(NotificationConfig, document, file)


def validate_section(model: type[ModelT], document: Mapping[str, Any], file: str) -> ModelT:
    """Return a model made from a document, or from a section of one.

    :raises ConfigurationError: as ``validate`` does.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = [_problem(model, details, file) for details in error.errors()[:MAX_PROBLEMS]]
        raise ConfigurationError(*problems) from None


def merge(over: Document, under: Document) -> Document:
    """Return ``over`` completed, key by key, with what only ``under`` has.

    A server and its credentials are one unit: a section of ``over`` that names any part of it inherits no other part.
    Triggers are completed by event.
    """
    merged = {**under, **over}
    for name, section_type in destination_sections().items():
        upper, lower = over.get(name), under.get(name)
        if isinstance(upper, Mapping) and isinstance(lower, Mapping):
            unit = section_type.SERVER_KEYS if section_type.SERVER_KEYS & upper.keys() else ()
            merged[name] = {**{key: value for key, value in lower.items() if key not in unit}, **upper}
    for name in ("branding", "retry_config"):
        if isinstance(over.get(name), Mapping) and isinstance(under.get(name), Mapping):
            merged[name] = {**under[name], **over[name]}
    if isinstance(over.get("event_triggers"), list) and isinstance(under.get("event_triggers"), list):
        own = {_event(trigger) for trigger in over["event_triggers"]}
        inherited = [t for t in under["event_triggers"] if _event(t) not in own]
        merged["event_triggers"] = over["event_triggers"] + inherited
    return merged


def substituted(
    document: Document, env: Mapping[str, str], file: str
) -> tuple[Document, dict[NotificationProvider, ConfigProblem]]:
    """Fill in the environment's values, and switch off destinations that name an unset one: each with its problem.

    :raises ConfigurationError: when something else than a destination names an unset one.
    """
    broken: dict[NotificationProvider, ConfigProblem] = {}
    complete = dict(document)
    for reference in references.references(document):
        problem = references.unset(reference, env, file)
        if problem is None:
            continue
        section = reference.path[0]
        if section not in destination_sections() or not isinstance(document[section], Mapping):
            raise ConfigurationError(problem)
        broken.setdefault(NotificationProvider(section), problem)
        # What is neither the server nor unset stays: a sender's name, say, that tenants inherit.
        server = destination_sections()[section].SERVER_KEYS
        complete[section] = {"enabled": False} | {
            key: value
            for key, value in document[section].items()
            if key not in server | {"enabled"} and not any(references.references(value))
        }
    return references.substitute(complete, env), broken


def is_enabled(document: Document, name: NotificationProvider) -> bool:
    """Whether a document switches a destination on."""
    section = document.get(name)
    return isinstance(section, Mapping) and bool(section.get("enabled"))


def destination_sections() -> dict[str, type[DestinationConfig]]:
    """Return the name of every destination's section and its model."""
    fields = NotificationConfig.model_fields
    return {
        name.value: annotation
        for name in destinations()
        if isinstance(annotation := fields[name.value].annotation, type)
        and issubclass(annotation, DestinationConfig)
    }


def connections(document: Document) -> Iterator[tuple[str, str]]:
    """Yield the destinations that name a connection, and its id."""
    for name in destination_sections():
        section = document.get(name)
        if isinstance(section, Mapping) and isinstance(section.get("conn_id"), str):
            yield name, section["conn_id"]


def _event(trigger: Any) -> Any:
    return trigger.get("event") if isinstance(trigger, Mapping) else None


def _problem(model: type[BaseModel], details: Any, file: str) -> ConfigProblem:
    key = _dotted(details["loc"])
    kind, context = details["type"], details.get("ctx") or {}
    if kind == "extra_forbidden":
        known = _known_keys(model, details["loc"][:-1])
        hint = _did_you_mean(_printable(str(details["loc"][-1])), known)
        return ConfigProblem(file, key, "unknown key", hint or f"Known here: {', '.join(known)}.")
    if kind == "enum":
        # "'a', 'b' or 'c'"; the mistaken word itself is not repeated.
        options = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        hint = _did_you_mean(str(details["input"])[:80], options)
        return ConfigProblem(file, key, "not one of the allowed words", hint or f"Use {context['expected']}.")
    if kind == "value_error":
        reason, _, remedy = str(context["error"]).partition("; ")
        return ConfigProblem(file, key, reason, _sentence(remedy or "Correct it"))
    if kind == "model_type":
        return ConfigProblem(file, key, "not an object", "Put its settings between { and }.")
    return ConfigProblem(file, key, _lowered(details["msg"]), _REMEDIES.get(kind, "Correct the value."))


_MOMENT = 'Write it as "2026-01-31T22:00:00+01:00".'
_REMEDIES = {
    "missing": "Add it.",
    "timezone_aware": _MOMENT,
    "datetime_parsing": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_type": _MOMENT,
    "bool_parsing": "Use true or false.",
    "bool_type": "Use true or false.",
    "int_parsing": "Use a whole number without quotes.",
    "int_from_float": "Use a whole number.",
    "float_parsing": "Use a number without quotes.",
    "list_type": "Put the values between [ and ].",
    "string_type": "Put the value between double quotes.",
    "literal_error": 'The only base to extend is "root".',
    "too_short": 'Name at least one, or set "enabled": false.',
    "greater_than_equal": "Use a value in the allowed range.",
    "less_than_equal": "Use a value in the allowed range.",
}


def _dotted(location: Iterable[int | str]) -> str:
    return ".".join(_printable(str(part)) for part in location)


def _printable(key: str) -> str:
    """Return a key for a person: it comes from the file, so it may be anything."""
    return "".join(c if c.isprintable() else "?" for c in key[:80])


def _known_keys(model: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    for part in location:
        if isinstance(part, str):
            model = _model_in(model.model_fields[part].annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel]:
    """Return the model of a field: itself, or what its list holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _model_in(annotation.__args__[0])


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{close[0]}'?" if close else ""


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
