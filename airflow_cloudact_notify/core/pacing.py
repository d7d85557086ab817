"""Whether another attempt is worth it, and how long to wait before it."""

from __future__ import annotations

from collections.abc import Callable

import tenacity

from airflow_cloudact_notify.core.config import NotificationRetryConfig
from airflow_cloudact_notify.core.errors import DeliveryError

LONGEST_WISH = 600.0
"""Seconds a server may ask to wait. One that asks for more is left alone: to come back sooner would be hammering."""


def is_worth_another(error: DeliveryError, *, matters: bool, unanswered: int) -> bool:
    """Whether to try again after an error.

    :param matters: whether a message that may arrive twice is better than one that may not arrive at all.
    :param unanswered: the attempts so far, this one included, that the server may have taken without saying so.
    """
    if error.simpler is not None:
        return True
    if not error.reason.retryable or (error.retry_after or 0.0) > LONGEST_WISH:
        return False
    return not error.ambiguous or (matters and unanswered == 1)


def wait(retry: NotificationRetryConfig) -> Callable[[tenacity.RetryCallState], float]:
    """Return full jitter, or a fixed delay, but never less than a server asked for; nothing before a simpler form."""
    usual: Callable[[tenacity.RetryCallState], float]
    if retry.exponential_backoff:
        usual = tenacity.wait_random_exponential(
            multiplier=retry.initial_delay_seconds, max=retry.max_delay_seconds
        )
    else:
        usual = tenacity.wait_fixed(min(retry.initial_delay_seconds, retry.max_delay_seconds))

    def seconds(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if not isinstance(error, DeliveryError):
            return usual(state)
        if error.simpler is not None:
            return 0.0
        return max(usual(state), error.retry_after or 0.0)

    return seconds


def told(error: DeliveryError) -> str:
    """Return what an error says, with the wait that the server asked for."""
    if not error.retry_after:
        return error.detail
    limit = f", longer than {LONGEST_WISH:g} s" if error.retry_after > LONGEST_WISH else ""
    return f"{error.detail}; it asks to wait {error.retry_after:g} s{limit}"
