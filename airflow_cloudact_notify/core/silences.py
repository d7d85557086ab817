"""A silence: what is not told for a while, because somebody said so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from fnmatch import fnmatchcase
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.section import Section

MATCHERS = ("tenant", "event", "pipeline", "task", "max_severity")


class SilenceConfig(Section):
    """What is held back from ``starts_at`` to ``ends_at``: messages that fit all matchers it names.

    ``tenant``, ``event``, ``pipeline`` and ``task`` are patterns as in file names (``sales_*``). What a message does
    not have fits ``*`` alone. ``max_severity`` is the highest severity held back; left out, every severity is.
    """

    tenant: str | None = Field(default=None, min_length=1)
    """Which tenants: a pattern such as ``sales_*``; left out, all that the file is for."""
    event: str | None = Field(default=None, min_length=1)
    """Which events: a pattern such as ``data_quality_*``."""
    pipeline: str | None = Field(default=None, min_length=1)
    """Which pipelines: a pattern."""
    task: str | None = Field(default=None, min_length=1)
    """Which tasks: a pattern."""
    max_severity: NotificationSeverity | None = None
    """The highest severity that is held back; left out, every severity is."""
    starts_at: AwareDatetime | None = None
    """When it begins, as ``2026-01-31T22:00:00+01:00``; left out, now."""
    ends_at: AwareDatetime
    """When it ends."""
    created_by: str = Field(min_length=1)
    """Who wants it."""
    comment: str = Field(min_length=1)
    """Why."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not any(getattr(self, name) for name in MATCHERS):
            raise ValueError('it would silence everything; name what, or write "tenant": "*" for all')
        if self.starts_at and self.starts_at >= self.ends_at:
            raise ValueError("it ends before it starts; make ends_at the later one")
        return self

    def fits(self, message: NotificationMessage, severity: NotificationSeverity) -> bool:
        """Whether it is meant for a message, at any time."""
        if self.max_severity is not None and severity > self.max_severity:
            return False
        matchers = (
            (self.tenant, message.tenant_id),
            (self.event, message.event),
            (self.pipeline, message.pipeline_id),
            (self.task, message.task_id),
        )
        return all(pattern is None or fnmatchcase(value or "", pattern) for pattern, value in matchers)

    def is_active(self, now: float) -> bool:
        """Whether it holds at a moment.

        :param now: seconds since 1970.
        """
        begun = self.starts_at is None or self.starts_at.timestamp() <= now
        return begun and not self.is_over(now)

    def is_over(self, now: float) -> bool:
        """Whether it has ended for good.

        :param now: seconds since 1970.
        """
        return self.ends_at.timestamp() <= now

    def __str__(self) -> str:
        until = f"{self.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return mask(f"silenced by {self.created_by} until {until}: {self.comment}")


def events_like(pattern: str) -> list[NotificationEvent]:
    """Return the events that a pattern fits."""
    return [event for event in NotificationEvent if fnmatchcase(event, pattern)]


def active(
    silences: Iterable[SilenceConfig],
    message: NotificationMessage,
    severity: NotificationSeverity,
    now: float,
) -> SilenceConfig | None:
    """Return the silence that holds a message back and ends last, ``None`` when none does.

    :param now: seconds since 1970.
    """
    fitting = [silence for silence in silences if silence.is_active(now) and silence.fits(message, severity)]
    return max(fitting, key=lambda silence: silence.ends_at, default=None)
