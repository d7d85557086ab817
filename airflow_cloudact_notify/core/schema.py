"""The JSON Schema of the configuration files: what an editor completes, checks and explains."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from airflow_cloudact_notify.core.config import NotificationConfig

FILE = "notifications.schema.json"
VARIABLE = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"
"""A string that stands for an environment variable: allowed in place of any number or switch."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """Return the schema as its file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Return the schema of a configuration file, a tenant's or the root's."""
    schema = NotificationConfig.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    models = {model.__name__: model for model in _models(NotificationConfig)}
    for name, described in {NotificationConfig.__name__: schema, **definitions}.items():
        described["description"] = _first_sentences(described.get("description", ""))
        if name in models:
            _describe(described["properties"], models[name])
    return {"$schema": _DIALECT, **schema}


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings below a model's fields say, by the fields' names."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found |= _docstrings(owner)
    return found


def _docstrings(owner: type) -> dict[str, str]:
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value).replace("\n", " ").replace("``", "`")
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _models(part)


def _describe(properties: dict[str, Any], model: type[BaseModel]) -> None:
    texts = descriptions(model)
    for name, field in model.model_fields.items():
        described = properties[field.alias or name]
        described.pop("title", None)
        described.pop("writeOnly", None)
        if "$ref" in described and isinstance(described.get("default"), dict):
            del described["default"]  # its keys say theirs
        if name in texts:
            described["description"] = texts[name]
        _allow_variable(described)


def _allow_variable(described: dict[str, Any]) -> None:
    """Let an environment variable stand for a number or a switch."""
    choices = described.get("anyOf") or [{key: described[key] for key in described if key in _TYPE_KEYS}]
    if not any(choice.get("type") in ("integer", "number", "boolean") for choice in choices):
        return
    for key in _TYPE_KEYS:
        described.pop(key, None)
    described["anyOf"] = [*choices, {"type": "string", "pattern": VARIABLE}]


_TYPE_KEYS = ("type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "anyOf")


def _first_sentences(text: str) -> str:
    """Return the first paragraph of a docstring, for an editor's tooltip."""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")
