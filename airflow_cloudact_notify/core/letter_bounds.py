"""How many dead letters are kept, and for how long. Bounds are kept by maintenance, not by callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from airflow_cloudact_notify.core.letters import log_whole
from airflow_cloudact_notify.core.metrics import DEAD_LETTERS_LOST, hand_over
from airflow_cloudact_notify.core.notices import tell_lost
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.outbox import TRIES, DeadLetter, Outbox, letter_key, tenant_of
from airflow_cloudact_notify.core.teller import Teller
from airflow_cloudact_notify.core.times import duration

MAX_LETTERS = 500
"""Dead letters of one tenant that are kept; the oldest are given up."""
TRY_HOURS = 24.0
"""How long what a task's try missed waits for its next try, before it is a dead letter like any other."""


def promote_tries(outbox: Outbox, now: float) -> None:
    """Make a dead letter of what a task's try missed and no other try came back for."""
    for key, letter in _readable(outbox, outbox.listed(TRIES)):
        if now - letter.failed_at > TRY_HOURS * 3600:
            outbox.save(letter_key(letter.message), letter)
            outbox.delete(key)


def give_up(service: NotificationService, outbox: Outbox, now: float) -> int:
    """Delete letters that are too old, or too many; each is logged whole before, and the root is told."""
    of_tenant: dict[str | None, list[str]] = {}
    for key in outbox.listed():
        of_tenant.setdefault(tenant_of(key), []).append(key)
    teller, lost = Teller(service), 0
    for tenant_id, keys in of_tenant.items():
        given_up = dict(_beyond_bounds(outbox, keys, now))
        for letter, why in given_up.values():
            log_whole(letter.message, letter.missed, f"A dead letter is given up: {why}")
        if given_up:
            tell_lost(teller, tenant_id, list(given_up.values()))
        for key in given_up:
            outbox.delete(key)
        missed = (name for letter, _ in given_up.values() for name in letter.missed)
        hand_over(((DEAD_LETTERS_LOST, 1, (name,)) for name in missed), service.metrics)
        lost += len(given_up)
    return lost


def _beyond_bounds(
    outbox: Outbox, keys: list[str], now: float
) -> Iterator[tuple[str, tuple[DeadLetter, str]]]:
    """Return the letters of a tenant that are not kept any longer, and why."""
    too_many = len(keys) - MAX_LETTERS
    for number, (key, letter) in enumerate(_readable(outbox, keys)):
        if number < too_many:
            yield key, (letter, f"there are more than {MAX_LETTERS}")
        elif letter.expires_at <= now:
            hours = duration((letter.expires_at - letter.failed_at) * 1000)
            yield key, (letter, f"nobody took it in {hours}")


def _readable(outbox: Outbox, keys: Iterable[str]) -> Iterator[tuple[str, DeadLetter]]:
    """Return the rows that make sense; another version may understand the others."""
    for key in keys:
        if letter := outbox.read(key):
            yield key, letter
