"""What is allowed in a configuration file, and yet is likely a mistake. Pure functions over documents.

A document may be invalid: a rule looks only at what has the right shape, and says nothing of the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from airflow_cloudact_notify.core import documents, references
from airflow_cloudact_notify.core.config import destinations
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider
from airflow_cloudact_notify.core.silences import events_like

# https://techcommunity.microsoft.com/blog/exchange/exchange-online-to-retire-basic-auth-for-client-submission-smtp-auth/4114750
_OFFICE_365 = ("office365.com", "outlook.com", "office.com")
# https://devblogs.microsoft.com/microsoft365dev/retirement-of-office-365-connectors-within-microsoft-teams/
_CONNECTORS = ("webhook.office.com", "outlook.office.com/webhook", "outlook.office365.com/webhook")
_IMPLICIT_TLS_PORT = 465
_STARTTLS_PORTS = (25, 587, 2525)


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubt: the rule that has it, the key it is about, the reason, what to do.

    ``is_of_the_whole`` says that it follows from the whole file, in which a mistake may be the cause.
    """

    rule: str
    key: str
    reason: str
    remedy: str
    is_of_the_whole: bool = False


def doubts(document: Document, root: Document | None = None) -> list[Doubt]:
    """Return every doubt about a document, which is as the file holds it.

    :param root: the root's document, for one that ``extends`` it.
    """
    whole = documents.merge(document, root) if document.get("extends") == "root" and root else document
    return [doubt for rule in RULES for doubt in rule(document, whole)]


def literal_secrets(document: Document, _: Document) -> Iterator[Doubt]:
    """A password or webhook that stands in the file itself."""
    for name, model in documents.destination_sections().items():
        for path in _secret_paths(model):
            value: Any = document.get(name)
            for part in path:
                value = value.get(part) if isinstance(value, Mapping) else None
            if not (isinstance(value, str) and value) or any(references.references(value)):
                continue
            if path == ("proxy",) and "@" not in value:
                continue  # an address without credentials
            yield Doubt(
                "literal-secret",
                ".".join((name, *path)),
                "a secret stands in the file itself",
                f"Name an environment variable, ${{…_{path[-1].upper()}}}, or a connection with conn_id.",
            )


def office_365_passwords(document: Document, _: Document) -> Iterator[Doubt]:
    """A login with user name and password that Microsoft ends."""
    email = _section(document, "email")
    host = str(email.get("smtp_host") or "").lower()
    if host.endswith(_OFFICE_365) and email.get("smtp_password"):
        yield Doubt(
            "office365-basic-auth",
            "email.smtp_password",
            "Office 365 switches user name and password off for tenants at the end of December 2026",
            "Log in with oauth2, use another relay, or let the administrator switch them on again meanwhile.",
        )


def half_logins(document: Document, _: Document) -> Iterator[Doubt]:
    """A password without a user name, and the other way round: a section that names one inherits no other."""
    email = _section(document, "email")
    if email.get("enabled") is False or email.get("conn_id") or email.get("oauth2"):
        return
    if email.get("smtp_password") and not email.get("smtp_username"):
        remedy = "Name smtp_username, too, or leave the password out."
        yield Doubt("half-a-login", "email.smtp_password", "without smtp_username there is no login", remedy)
    elif email.get("smtp_username") and not email.get("smtp_password"):
        reason = "it logs in without a password, which servers refuse"
        remedy = "Name smtp_password, oauth2 or conn_id, or leave the user name out."
        yield Doubt("half-a-login", "email.smtp_username", reason, remedy)


def port_and_protection(document: Document, _: Document) -> Iterator[Doubt]:
    """A port that speaks another protection than the one asked for, and a password that goes unprotected."""
    email = _section(document, "email")
    port, security = email.get("smtp_port", 587), email.get("smtp_security")
    unprotected = security == "none" or (security is None and email.get("smtp_use_tls") is False)
    key = "email.smtp_security" if security else "email.smtp_use_tls"
    if port == _IMPLICIT_TLS_PORT and (unprotected or security == "starttls"):
        reason = "port 465 speaks TLS from the first byte, and something else is asked for"
        yield Doubt("port-tls-clash", key, reason, "Leave smtp_security out, or use port 587.")
    elif port in _STARTTLS_PORTS and security == "implicit":
        reason = f"port {port} speaks TLS only after STARTTLS"
        yield Doubt("port-tls-clash", key, reason, "Leave smtp_security out, or use port 465.")
    if unprotected and email.get("smtp_password"):
        reason = "the password goes over the network unprotected"
        yield Doubt("unprotected-login", key, reason, "Use TLS, or leave user name and password out.")


def retired_connectors(document: Document, _: Document) -> Iterator[Doubt]:
    """A webhook of Teams' connectors, which do not answer any more."""
    for key, text in _texts(document):
        if any(host in text.lower() for host in _CONNECTORS):
            yield Doubt(
                "retired-teams-connector",
                key,
                "Microsoft has retired the Office 365 connectors of Teams",
                "Make a workflow in Teams, and use its URL.",
            )


def duplicate_recipients(document: Document, _: Document) -> Iterator[Doubt]:
    """Somebody who is named twice."""
    for name in documents.destination_sections():
        seen: dict[str, str] = {}
        for field, values in _section(document, name).items():
            if not isinstance(values, list):
                continue
            for index, value in enumerate(values):
                who = value.strip().lower() if isinstance(value, str) else ""
                if who and who in seen:
                    reason = f"it is named already, in {seen[who]}"
                    yield Doubt(
                        "duplicate-recipient", f"{name}.{field}.{index}", reason, "Keep one of the two."
                    )
                seen.setdefault(who, f"{name}.{field}.{index}")


def triggers_that_reach_nobody(document: Document, whole: Document) -> Iterator[Doubt]:
    """A trigger that names destinations which are all switched off."""
    for index, trigger in _triggers(document):
        if trigger.get("enabled") is False:
            continue
        wanted = _wanted(trigger.get("providers"))
        if wanted and not any(documents.is_enabled(whole, name) for name in wanted):
            names = ", ".join(wanted)
            yield Doubt(
                "trigger-reaches-nobody",
                f"event_triggers.{index}.providers",
                f"the trigger's destinations are all switched off: {names}",
                "Switch one of them on, or name another in providers.",
                is_of_the_whole=True,
            )


def unreachable_fallbacks(document: Document, whole: Document) -> Iterator[Doubt]:
    """A fall-back that cannot help: it is switched off, or told anyway."""
    places: list[tuple[str, Mapping[str, Any], list[NotificationProvider]]]
    on = [name for name in destinations() if documents.is_enabled(whole, name)]
    places = [("fallback_providers", document, on if len(on) == 1 else [])]
    for index, trigger in _triggers(document):
        told = _wanted(trigger.get("providers") or [whole.get("default_provider", "email")])
        places.append((f"event_triggers.{index}.fallback_providers", trigger, told))
    for key, holder, told in places:
        for name in _wanted(holder.get("fallback_providers")):
            why = "is told anyway" if name in told else "is switched off"
            if name in told or not documents.is_enabled(whole, name):
                remedy = "Name a destination that is switched on and not among the first."
                yield Doubt(
                    "unreachable-fallback",
                    key,
                    f"{name} cannot stand in: it {why}",
                    remedy,
                    is_of_the_whole=True,
                )


def no_cooldowns(document: Document, _: Document) -> Iterator[Doubt]:
    """A cooldown of 0, which lets every repeat through."""
    for index, trigger in _triggers(document):
        value = trigger.get("cooldown_seconds")
        if value == 0 and not isinstance(value, bool):
            yield Doubt(
                "no-cooldown",
                f"event_triggers.{index}.cooldown_seconds",
                "a cooldown of 0 lets every repeat through",
                "Leave it out for 300 seconds; write null to say that every repeat is wanted.",
            )


def silences_of_no_event(document: Document, _: Document) -> Iterator[Doubt]:
    """A silence that holds nothing back, since no event is called so."""
    silences = document.get("silences")
    for index, silence in enumerate(silences if isinstance(silences, list) else ()):
        pattern = silence.get("event") if isinstance(silence, Mapping) else None
        if isinstance(pattern, str) and not any(references.references(pattern)) and not events_like(pattern):
            remedy = f"Events are {', '.join(NotificationEvent)}."
            yield Doubt("silence-of-nothing", f"silences.{index}.event", "no event fits it", remedy)


def nobody_is_told(document: Document, whole: Document) -> Iterator[Doubt]:
    """A file that counts and switches no destination on: it silences its tenant."""
    if whole.get("enabled", True) is True and not any(
        documents.is_enabled(whole, name) for name in destinations()
    ):
        names = " or ".join(documents.destination_sections())
        yield Doubt(
            "nobody-is-told",
            "enabled",
            "the file counts, but switches no destination on: nothing is sent",
            f'Set "enabled": true in {names}, or "enabled": false for the whole file.',
            is_of_the_whole=True,
        )


Rule = Callable[[Document, Document], Iterator[Doubt]]
RULES: tuple[Rule, ...] = (
    literal_secrets,
    office_365_passwords,
    half_logins,
    port_and_protection,
    retired_connectors,
    duplicate_recipients,
    triggers_that_reach_nobody,
    unreachable_fallbacks,
    no_cooldowns,
    silences_of_no_event,
    nobody_is_told,
)
"""Each takes the document as the file holds it, and completed by what it extends."""


def _section(document: Document, name: str) -> Mapping[str, Any]:
    section = document.get(name)
    return section if isinstance(section, Mapping) else {}


def _triggers(document: Document) -> Iterator[tuple[int, Mapping[str, Any]]]:
    triggers = document.get("event_triggers")
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
        if isinstance(trigger, Mapping):
            yield index, trigger


def _wanted(names: Any) -> list[NotificationProvider]:
    known = set(NotificationProvider)
    if not isinstance(names, list) or not all(isinstance(n, str) and n in known for n in names):
        return []
    return [*destinations([NotificationProvider(name) for name in names])]


@functools.cache
def _secret_paths(model: type[BaseModel]) -> tuple[tuple[str, ...], ...]:
    """Return the keys at which a section holds secrets, also those of objects in it."""
    found: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        for part in _parts(field.annotation):
            if part is SecretStr:
                found.append((name,))
            elif isinstance(part, type) and issubclass(part, BaseModel):
                found += [(name, *path) for path in _secret_paths(part)]
    return tuple(found)


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict | list):
        for name, child in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(child, str | dict | list):
                yield from _texts(child, f"{key}.{name}" if key else str(name))
