"""The words of the configuration files and of the reports."""

from __future__ import annotations

from enum import StrEnum


class NotificationSeverity(StrEnum):
    """How bad it is. Members compare by rank: ``INFO < WARNING < ERROR < CRITICAL``."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return _RANKS[self]

    # StrEnum would compare the words alphabetically.
    def __lt__(self, other: str) -> bool:
        return self.rank < NotificationSeverity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= NotificationSeverity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > NotificationSeverity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= NotificationSeverity(other).rank


_RANKS = {severity: rank for rank, severity in enumerate(NotificationSeverity)}


class NotificationEvent(StrEnum):
    """What happened. ``default_severity`` applies when neither caller nor trigger names one."""

    PIPELINE_STARTED = "pipeline_started"
    PIPELINE_SUCCESS = "pipeline_success"
    PIPELINE_FAILURE = "pipeline_failure"
    PIPELINE_WARNING = "pipeline_warning"
    DATA_QUALITY_FAILURE = "data_quality_failure"
    DATA_QUALITY_WARNING = "data_quality_warning"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    SYSTEM_ERROR = "system_error"

    @property
    def default_severity(self) -> NotificationSeverity:
        return _DEFAULT_SEVERITY.get(self, NotificationSeverity.WARNING)


_DEFAULT_SEVERITY = {
    NotificationEvent.PIPELINE_STARTED: NotificationSeverity.INFO,
    NotificationEvent.PIPELINE_SUCCESS: NotificationSeverity.INFO,
    NotificationEvent.PIPELINE_FAILURE: NotificationSeverity.ERROR,
    NotificationEvent.SYSTEM_ERROR: NotificationSeverity.CRITICAL,
}

DERIVED_FROM_FAILURE = frozenset(
    {
        NotificationEvent.DATA_QUALITY_FAILURE,
        NotificationEvent.RATE_LIMIT_EXCEEDED,
        NotificationEvent.SYSTEM_ERROR,
    }
)
"""Events that use the ``pipeline_failure`` trigger when the file has none of their own."""


class Lifecycle(StrEnum):
    """What the pipeline's orchestrator tells of: a moment in the life of a task or of a run."""

    RUN_STARTED = "run_started"
    EXECUTE = "execute"
    SUCCESS = "success"
    FAILURE = "failure"
    RETRY = "retry"
    SKIPPED = "skipped"
    DEADLINE = "deadline"


class NotificationProvider(StrEnum):
    """A kind of destination. ``both`` is the seed's word for email and slack together."""

    EMAIL = "email"
    SLACK = "slack"
    BOTH = "both"

    def expand(self) -> tuple[NotificationProvider, ...]:
        """Return the destinations this name stands for."""
        if self is NotificationProvider.BOTH:
            return (NotificationProvider.EMAIL, NotificationProvider.SLACK)
        return (self,)


class CooldownScope(StrEnum):
    """What shares a cooldown: a pipeline, each task of it, or (the original system's) all pipelines of a tenant."""

    PIPELINE = "pipeline"
    TASK = "task"
    EVENT = "event"


class Outcome(StrEnum):
    """How one destination's part of a notification ended."""

    DELIVERED = "delivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"


class SuppressionReason(StrEnum):
    """Why a notification was, by decision, not sent."""

    SWITCHED_OFF = "switched_off"
    NOTHING_ENABLED = "nothing_enabled"
    EVENT_OFF = "event_off"
    NOT_ROUTED = "not_routed"
    DESTINATION_OFF = "destination_off"
    COOLDOWN = "cooldown"
    BEING_TOLD = "being_told"
    ALREADY_TOLD = "already_told"
    SILENCED = "silenced"
    QUIET_HOURS = "quiet_hours"
    MAX_PER_HOUR = "max_per_hour"


class FailureReason(StrEnum):
    """Why a destination did not take a message. ``retryable`` says whether waiting may help."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    TLS = "tls"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    REJECTED = "rejected"
    RECIPIENTS_REFUSED = "recipients_refused"
    MISCONFIGURED = "misconfigured"
    UNHEALTHY = "unhealthy"
    BUDGET_EXHAUSTED = "budget_exhausted"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        return self in _RETRYABLE

    @property
    def permanent(self) -> bool:
        """Whether it will be the same next time, unless a person does something about it."""
        return self in _PERMANENT


_RETRYABLE = frozenset(
    {
        FailureReason.UNREACHABLE,
        FailureReason.TIMEOUT,
        FailureReason.SERVER_ERROR,
        FailureReason.RATE_LIMITED,
    }
)

_PERMANENT = frozenset(
    {
        FailureReason.TLS,
        FailureReason.AUTH,
        FailureReason.NOT_FOUND,
        FailureReason.REJECTED,
        FailureReason.RECIPIENTS_REFUSED,
        FailureReason.MISCONFIGURED,
    }
)
