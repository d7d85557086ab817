"""How a message looks, whatever the medium: a word, an emoji and a colour for each severity, and for good news."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.message import MessageKind, NotificationMessage

LEAST_CONTRAST = 4.5
"""https://www.w3.org/TR/WCAG22/#contrast-minimum"""


@dataclass(frozen=True, slots=True)
class Look:
    """A word, an emoji by its Slack name, and a colour that white text can be read on."""

    label: str
    emoji: str
    colour: str


LOOKS = {
    NotificationSeverity.INFO: Look("Info", ":information_source:", "#1b66c9"),
    NotificationSeverity.WARNING: Look("Warning", ":warning:", "#9a6700"),
    NotificationSeverity.ERROR: Look("Error", ":x:", "#c9302c"),
    NotificationSeverity.CRITICAL: Look("Critical", ":rotating_light:", "#b0003a"),
}
SUCCESS = Look("Success", ":white_check_mark:", "#1a7f37")
RECOVERED = Look("OK", ":large_green_circle:", "#1a7f37")

EVENTS = {
    NotificationEvent.PIPELINE_STARTED: "Pipeline started",
    NotificationEvent.PIPELINE_SUCCESS: "Pipeline success",
    NotificationEvent.PIPELINE_FAILURE: "Pipeline failure",
    NotificationEvent.PIPELINE_WARNING: "Pipeline warning",
    NotificationEvent.DATA_QUALITY_FAILURE: "Data quality failure",
    NotificationEvent.DATA_QUALITY_WARNING: "Data quality warning",
    NotificationEvent.RATE_LIMIT_EXCEEDED: "Rate limit exceeded",
    NotificationEvent.SYSTEM_ERROR: "System error",
}
"""What each event is called."""


def look_of(message: NotificationMessage) -> Look:
    """Return the look of a message: its severity's, but for good news of severity info."""
    severity = message.effective_severity
    if severity is NotificationSeverity.INFO and message.kind is MessageKind.HEALTH:
        return RECOVERED
    if severity is NotificationSeverity.INFO and message.event is NotificationEvent.PIPELINE_SUCCESS:
        is_recovery = message.kind is MessageKind.RECOVERY or message.is_late_recovery
        return RECOVERED if is_recovery else SUCCESS
    return LOOKS[severity]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, written ``#rrggbb``: 1 for the same one, 21 for black and white.

    https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(colour: str) -> str:
    """Return the colour of text on a coloured ground: white where that can be read, else black, which then can."""
    return "#ffffff" if contrast("#ffffff", colour) >= LEAST_CONTRAST else "#000000"


def _luminance(colour: str) -> float:
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
