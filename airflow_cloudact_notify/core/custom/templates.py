"""Which template a message's trigger names, where its files are, and what they make of the message."""

from __future__ import annotations

import hashlib
import html
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_cloudact_notify.core.block_kit import escape as slack_escape
from airflow_cloudact_notify.core.branding import Style
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.config import EventTriggerConfig
from airflow_cloudact_notify.core.custom.mrkdwn import harmless
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.errors import ConfigurationError, CustomTemplateError
from airflow_cloudact_notify.core.files import Files
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage
from airflow_cloudact_notify.core.providers.base import Parts, Provider
from airflow_cloudact_notify.core.root import ROOT_FOLDER
from airflow_cloudact_notify.core.texts import one_line, readable

if TYPE_CHECKING:
    from airflow_cloudact_notify.core.custom.meter import Meter

FOLDER = "templates"
KINDS = (MessageKind.ALERT, MessageKind.TEST)
"""Recoveries and digests say something else than the event they come from: they keep the built-in message."""

_ESCAPES: dict[str, Callable[[str], str]] = {
    "html": html.escape,
    "slack": slack_escape,
}
"""How a value becomes harmless in a part; in the others it is as it is."""
_FINISH: dict[str, Callable[[str], str]] = {
    "subject": one_line,
    "slack": lambda text: harmless(readable(text).strip()),
}
"""What is done to a whole part; the others become readable."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The template of a message. ``arm`` is ``a`` or ``b`` when the trigger names two."""

    name: str
    arm: str | None = None

    def __str__(self) -> str:
        return f"template {self.name} (arm {self.arm})" if self.arm else f"template {self.name}"


@dataclass(frozen=True, slots=True)
class CustomParts:
    """What a template made for each destination.

    ``replaced`` names the destinations whose message is the built-in one because the template could not be used;
    ``remarks`` say why.
    """

    choice: Choice | None = None
    parts: Mapping[NotificationProvider, Parts] = field(default_factory=dict)
    replaced: tuple[NotificationProvider, ...] = ()
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        instead = f", but the built-in one for {', '.join(self.replaced)}" if self.replaced else ""
        return f"{self.choice or 'the built-in template'}{instead}"

    def to_dict(self) -> dict[str, Any] | None:
        """Return what a report tells of the template as JSON-ready data, ``None`` when there was none."""
        if self.choice is None:
            return None
        replaced = [str(name) for name in self.replaced]
        return {"name": self.choice.name, "arm": self.choice.arm, "built_in": replaced}


def choice(message: NotificationMessage, trigger: EventTriggerConfig | None) -> Choice | None:
    """Return the template that a message follows. Of two, always the same for the same message."""
    if trigger is None or trigger.template is None or message.kind not in KINDS:
        return None
    if trigger.template_b is None:
        return Choice(trigger.template)
    digest = hashlib.sha256(message.message_id.encode()).digest()
    is_b = int.from_bytes(digest[:8]) / 2**64 < trigger.template_b_ratio
    return Choice(trigger.template_b, "b") if is_b else Choice(trigger.template, "a")


def custom_parts(
    message: NotificationMessage,
    trigger: EventTriggerConfig | None,
    providers: Mapping[NotificationProvider, Provider],
    files: Files,
    budget: Budget,
    style: Style | None = None,
) -> CustomParts:
    """Return what the trigger's template makes of a message for these destinations.

    A part that nobody wrote is the built-in one. When one part of a destination cannot be used, the whole of its
    message is the built-in one.
    """
    chosen = choice(message, trigger)
    if chosen is None:
        return CustomParts()
    workshop = _Workshop(message, chosen, files, budget, style)
    made: dict[NotificationProvider, Parts] = {}
    remarks: list[str] = []
    replaced: list[NotificationProvider] = []
    for name, provider in providers.items():
        try:
            made[name] = workshop.parts(provider.TEMPLATE_PARTS)
        except (CustomTemplateError, ConfigurationError) as error:
            replaced.append(name)
            remarks.append(
                f"{name} has the built-in message instead of {chosen}: {mask(one_line(str(error)))}"
            )
    if providers and not any(made.values()) and not replaced:
        replaced.extend(providers)
        remarks.append(f"the built-in message instead of {chosen}: {workshop.where()}")
    return CustomParts(chosen, made, tuple(replaced), (*remarks, *workshop.remarks))


class _Workshop:
    """Makes the parts of one message: variables, and the time there is, are the same for all."""

    def __init__(
        self, message: NotificationMessage, chosen: Choice, files: Files, budget: Budget, style: Style | None
    ) -> None:
        # Jinja's classes are loaded when a trigger names a template, not by every DAG file.
        from airflow_cloudact_notify.core.custom import meter, sandbox
        from airflow_cloudact_notify.core.custom.variables import variables

        self._chosen = chosen
        self._folders = [f"{folder}/{FOLDER}" for folder in (message.tenant_id, ROOT_FOLDER) if folder]
        self._files = files
        self._call = budget.call
        self._style = style or Style()
        self._variables = variables(message, self._style)
        self._render = sandbox.render
        deadline = time.monotonic() + min(meter.MAX_SECONDS, budget.remaining())
        self._meter: Callable[[], Meter] = lambda: meter.Meter(deadline)
        self.remarks: list[str] = []

    def parts(self, wanted: tuple[str, ...]) -> Parts:
        """Return the parts that somebody wrote.

        :raises CustomTemplateError: when one cannot be used.
        :raises ConfigurationError: when its file cannot be read.
        """
        found = ((part, self._file(part)) for part in wanted)
        return {part: self._made(part, *file) for part, file in found if file}

    def where(self) -> str:
        """Return, for a person, where no file of the template was found."""
        folders = " or ".join(self._files.name(folder) for folder in self._folders)
        return f"there is no file {self._chosen.name}.*.j2 for these destinations in {folders}"

    def _file(self, part: str) -> tuple[str, bytes] | None:
        for folder in self._folders:
            file = f"{folder}/{self._chosen.name}.{part}.j2"
            content = self._files.read(file, self._call).content
            if content is not None:
                return self._files.name(file), content
        return None

    def _made(self, part: str, file: str, content: bytes) -> str:
        try:
            source = content.decode()
        except UnicodeDecodeError:
            raise CustomTemplateError(f"{file}: it is not UTF-8") from None
        try:
            rendered = self._render(
                source,
                self._variables,
                self._meter(),
                _ESCAPES.get(part, str),
                self._style.times.duration,
            )
        except CustomTemplateError as error:
            raise CustomTemplateError(f"{file}: {error}") from None
        text = _FINISH.get(part, readable)(rendered.text)
        if not text.strip():
            raise CustomTemplateError(f"{file}: it came out empty")
        self.remarks += [f"{file} names {name}, which is not known" for name in rendered.unknown]
        return text
