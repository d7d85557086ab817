"""What can be raised.

* ``CloudActNotifyError``
    * ``ConfigurationError`` (also ``ValueError``): a file or setting is wrong; says which, where, and the remedy
        * ``InvalidTenantIdError``: the tenant id could not be a folder name
    * ``DeliveryError``: one attempt at one destination failed; raised by providers, turned into a result by delivery
    * ``DeliveryFailedError``: what ``NotificationReport.raise_for_failures()`` raises
    * ``CustomTemplateError``: a custom template was refused, failed or was stopped; the built-in one takes its place
    * ``OutOfTimeError``: a call to Airflow did not answer within the callback's budget
    * ``DataQualityError``: for data checks to raise; its callback tells table and failed checks
    * ``StateUnavailable``: the state store could not be read or written; callers fail open
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.enums import FailureReason

MAY_HAVE_ARRIVED = "may have arrived"


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One mistake in a configuration: the file (or setting) it is in, the key, the reason, what to do.

    ``line`` is 0 where nobody has looked for it.
    """

    file: str
    key: str
    reason: str
    remedy: str
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.reason}. {self.remedy}"


class CloudActNotifyError(Exception):
    """Base of every error of this package."""


class ConfigurationError(CloudActNotifyError, ValueError):
    """A configuration cannot be used; ``problems`` lists every mistake found."""

    def __init__(self, *problems: ConfigProblem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class InvalidTenantIdError(ConfigurationError):
    """A tenant id is not a safe folder name."""


class DeliveryError(CloudActNotifyError):
    """One attempt failed.

    :param retry_after: seconds the server asked to wait, when it did.
    :param ambiguous: whether the server may have taken the message without saying so.
    :param simpler: a payload that may be taken where this one was not; it is worth an attempt at once.
    """

    def __init__(
        self,
        reason: FailureReason,
        detail: str,
        *,
        retry_after: float | None = None,
        ambiguous: bool = False,
        simpler: Any = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.simpler = simpler


class DeliveryFailedError(CloudActNotifyError):
    """At least one destination did not take the notification."""

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("; ".join(failures))
        self.failures = tuple(failures)


class DataQualityError(CloudActNotifyError):
    """Data did not pass its checks. Raise it in a task: the task's failure is told as ``data_quality_failure``.

    :param table: what was checked.
    :param failed_checks: the names of the checks it did not pass.
    """

    def __init__(self, table: str, failed_checks: Sequence[str] = (), message: str = "") -> None:
        self.table = table
        self.failed_checks = (failed_checks,) if isinstance(failed_checks, str) else tuple(failed_checks)
        self.message = message
        super().__init__(table, self.failed_checks, message)

    def __str__(self) -> str:
        checks = f": {', '.join(self.failed_checks)}" if self.failed_checks else ""
        return self.message or f"{self.table} did not pass its checks{checks}"


class CustomTemplateError(CloudActNotifyError):
    """A custom template was refused, failed, or was stopped."""


class OutOfTimeError(CloudActNotifyError):
    """A bounded call did not return in time, or was not tried because an earlier one did not."""


class StateUnavailable(CloudActNotifyError):  # noqa: N818 - the name says the state, as StopIteration does
    """The state store did not answer; ``operation`` names the call and ``why`` the cause."""

    def __init__(self, operation: str, why: str) -> None:
        super().__init__(f"{operation}: {why}")
        self.operation = operation
        self.why = why
