"""The models behind a configuration file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from airflow_cloudact_notify.core.branding import (
    BrandingConfig,
    LocaleName,
    Style,
    WebAddress,
)
from airflow_cloudact_notify.core.enums import (
    DERIVED_FROM_FAILURE,
    CooldownScope,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
)
from airflow_cloudact_notify.core.providers.base import DestinationConfig
from airflow_cloudact_notify.core.providers.email import EmailConfig
from airflow_cloudact_notify.core.providers.slack import SlackConfig
from airflow_cloudact_notify.core.quiet_hours import QuietHoursConfig
from airflow_cloudact_notify.core.section import Section
from airflow_cloudact_notify.core.silences import SilenceConfig
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.core.zones import ZoneName

DEFAULT_COOLDOWN_SECONDS = 300
MAX_LOG_TAIL_LINES = 50

_TEMPLATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def _file_name(template: str) -> str:
    if not _TEMPLATE.fullmatch(template):
        raise ValueError(
            "not a template's name; use up to 64 letters, digits, '_' and '-', without the ending of its files"
        )
    return template


TemplateName = Annotated[str, AfterValidator(_file_name)]
"""The name that a template's files share, without their ending: nothing that leads out of its folder."""


class EventTriggerConfig(Section):
    """What to do about one event.

    ``cooldown_seconds`` left out means 300 for severities of warning and above and none for info; ``null`` or 0
    means none. ``providers`` left out means the file's ``default_provider``, ``fallback_providers`` left out the file's
    own. ``template_b`` takes the place of ``template`` in ``template_b_ratio`` of the messages.
    """

    event: NotificationEvent
    """What happened."""
    enabled: bool = True
    """``false``: this event is never told."""
    severity: NotificationSeverity | None = None
    """How bad it is; left out, the event's own. ``mention_users`` are mentioned when it is critical."""
    providers: list[NotificationProvider] | None = Field(default=None, min_length=1)
    """Who is told; left out, ``default_provider``, or when that is off, every destination that is on."""
    fallback_providers: list[NotificationProvider] | None = None
    """Who is told when one of ``providers`` cannot be; left out, the file's own."""
    template: TemplateName | None = None
    """A template of your own: the name that its files share, without their ending."""
    template_b: TemplateName | None = None
    """Another one, to compare it with ``template``."""
    template_b_ratio: float = Field(default=0.5, ge=0, le=1)
    """In which part of the messages ``template_b`` takes the place of ``template``."""
    runbook_url: WebAddress | None = None
    """The page that says what to do about this event; left out, the file's own."""
    cooldown_seconds: int | None = Field(default=None, ge=0)
    """How long repeats are held back: left out, 300 from warning up and none for info; ``null`` or 0 for
    none."""
    cooldown_scope: CooldownScope = CooldownScope.PIPELINE
    """What shares a cooldown: the ``pipeline``, each ``task`` of it, or every pipeline with this ``event``."""
    escalate_after: int | None = Field(default=None, ge=2)
    """From so many failed runs in a row on, the severity is critical."""

    @model_validator(mode="after")
    def _b_needs_a(self) -> Self:
        if self.template_b and not self.template:
            raise ValueError("template_b is the other of two; name the first with template")
        return self

    def cooldown_for(self, severity: NotificationSeverity) -> int:
        """Return the seconds for which repeats are held back; 0 for none."""
        if "cooldown_seconds" in self.model_fields_set:
            return self.cooldown_seconds or 0
        return default_cooldown(severity)


def default_cooldown(severity: NotificationSeverity) -> int:
    """Return the cooldown of an event whose trigger names none, in seconds."""
    return DEFAULT_COOLDOWN_SECONDS if severity >= NotificationSeverity.WARNING else 0


class NotificationRetryConfig(Section):
    """How often one destination is tried, and how long to wait in between."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    """How often each destination is tried."""
    initial_delay_seconds: float = Field(default=5, ge=0)
    """The first wait between two attempts."""
    max_delay_seconds: float = Field(default=300, ge=0)
    """The longest wait of our own; a server that asks for a longer one gets it, up to 600 seconds."""
    exponential_backoff: bool = True
    """Waits at random up to a limit that doubles each time; ``false``: always ``initial_delay_seconds``."""


class NotificationConfig(Section):
    """One configuration file, a tenant's or the root's."""

    schema_: str | None = Field(default=None, alias="$schema")
    """The JSON Schema of this file, for editors."""
    enabled: bool = True
    """Whether this file counts; a tenant whose file does not is told by the root's settings."""
    extends: Literal["root"] | None = None
    """``"root"``: what this file leaves out comes from the root's settings."""
    tenant_id: str | None = None
    """The tenant; if given, the folder's name."""
    description: str | None = None
    """For people."""
    default_provider: NotificationProvider = NotificationProvider.EMAIL
    """Where events go whose trigger does not say."""
    fallback_providers: list[NotificationProvider] = []
    """Who is told when a destination cannot be."""
    email: EmailConfig = EmailConfig()
    """Mail: server, credentials or connection, sender, recipients."""
    slack: SlackConfig = SlackConfig()
    """Slack: webhook or connection, mentions."""
    event_triggers: list[EventTriggerConfig] = []
    """What to do about events; at most one trigger for each."""
    retry_config: NotificationRetryConfig = NotificationRetryConfig()
    """How often a destination is tried."""
    notify_recovery: bool = True
    """Whether those who were alerted hear that it works again."""
    unhealthy_after: int = Field(default=3, ge=1)
    """After so many permanent failures in a row a destination is left alone, and tried now and then only."""
    dead_letter_hours: int = Field(default=72, ge=1, le=720)
    """How many hours what a destination missed is kept, to be delivered late by maintenance."""
    runbook_url: WebAddress | None = None
    """The page that says what to do; a button of every message whose trigger or DAG names no other."""
    branding: BrandingConfig = BrandingConfig()
    """How messages look: name, logo text, accent colour, footer, link."""
    timezone: ZoneName = "UTC"
    """The time zone of times in messages, as the IANA database names it."""
    locale: LocaleName | None = None
    """The form of times and durations, such as ``de`` or ``en_GB``; left out, one that is the same everywhere."""
    log_tail_lines: int = Field(default=0, ge=0, le=MAX_LOG_TAIL_LINES)
    """How many lines of the end of a failed task's log its message shows."""
    max_per_hour: int | None = Field(default=None, ge=1)
    """How many messages an hour at most; critical ones are counted apart. The rest is summed up."""
    quiet_hours: QuietHoursConfig | None = None
    """Times at which only what is critical is told; the rest is summed up when they are over."""
    silences: list[SilenceConfig] = []
    """What is held back for a while; those of the root's file hold for every tenant."""
    timeout_seconds: float = Field(default=30, ge=5, le=120)
    """Longest wait for a server's answer."""

    @field_validator("event_triggers")
    @classmethod
    def _one_trigger_an_event(cls, triggers: list[EventTriggerConfig]) -> list[EventTriggerConfig]:
        twice = [
            event for event, count in Counter(trigger.event for trigger in triggers).items() if count > 1
        ]
        if twice:
            raise ValueError(f"more than one trigger for {', '.join(sorted(twice))}; keep one of them")
        return triggers

    def destination(self, provider: NotificationProvider) -> DestinationConfig:
        """Return the section of a destination."""
        section: DestinationConfig = getattr(self, provider.value)
        return section

    def enabled_destinations(self) -> tuple[NotificationProvider, ...]:
        """Return the destinations that are switched on, in the order of the enum."""
        return tuple(name for name in destinations() if self.destination(name).enabled)

    @property
    def style(self) -> Style:
        """How its messages read."""
        return Style(self.branding, Times(self.timezone, self.locale))

    def runbook(self, event: NotificationEvent) -> str | None:
        """Return what to do about an event: its trigger's page, else that for all of them."""
        trigger = self.trigger(event)
        return (trigger and trigger.runbook_url) or self.runbook_url

    def trigger(self, event: NotificationEvent) -> EventTriggerConfig | None:
        """Return the trigger that an event follows.

        An event that was derived from a failure and has none of its own follows ``pipeline_failure``'s.
        """
        triggers = {trigger.event: trigger for trigger in self.event_triggers}
        if event in DERIVED_FROM_FAILURE and event not in triggers:
            return triggers.get(NotificationEvent.PIPELINE_FAILURE)
        return triggers.get(event)


def destinations(
    providers: Iterable[NotificationProvider] | None = None,
) -> tuple[NotificationProvider, ...]:
    """Return single destinations for provider names, each once; all that exist when none are named."""
    names = NotificationProvider if providers is None else providers
    return tuple(dict.fromkeys(single for name in names for single in name.expand()))
