"""A provider is a module, a test module and one line in each of three places; none of them may be forgotten."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_cloudact_notify.core import providers
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import DestinationConfig

HERE = Path(__file__).parent

REMEDIES = {
    "enum": "add the member {NAME} = '{name}' to NotificationProvider in core/enums.py",
    "registry": "add the line NotificationProvider.{NAME} to PROVIDERS in core/providers/__init__.py",
    "section": "add the field {name} to NotificationConfig in core/config.py",
    "module": "write core/providers/{name}.py with the configuration section and the class",
    "contract": "write tests/core/providers/test_{name}.py with a class that inherits ProviderContract",
}


def forgotten(places: Mapping[str, set[str]]) -> list[str]:
    """Return what is still to be done, in words, when the places do not name the same providers."""
    return [
        REMEDIES[place].format(name=name, NAME=name.upper())
        for name in sorted(set().union(*places.values()))
        for place, names in places.items()
        if name not in names
    ]


def sections() -> set[str]:
    return {
        name
        for name, field in NotificationConfig.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, DestinationConfig)
    }


def with_a_contract_test() -> set[str]:
    return {
        path.stem.removeprefix("test_")
        for path in HERE.glob("test_*.py")
        if re.search(r"^class .*ProviderContract\):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_provider_is_in_every_place() -> None:
    places = {
        "enum": {name.value for name in NotificationProvider if name.expand() == (name,)},
        "registry": {name.value for name in PROVIDERS},
        "section": sections(),
        "module": {module.name for module in pkgutil.iter_modules(providers.__path__)} - {"base"},
        "contract": with_a_contract_test(),
    }
    assert forgotten(places) == []


@pytest.mark.parametrize("place", list(REMEDIES))
def test_a_forgotten_place_is_named_with_what_it_needs(place: str) -> None:
    places = {name: {"email", "teams"} for name in REMEDIES} | {place: {"email"}}
    [remedy] = forgotten(places)
    assert "teams" in remedy.lower()


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_is_made_for_its_own_section(name: NotificationProvider) -> None:
    [base] = PROVIDERS[name].__orig_bases__  # type: ignore[attr-defined]
    assert base.__args__[0] is NotificationConfig.model_fields[name.value].annotation
