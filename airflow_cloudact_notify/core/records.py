"""All that the state keeps for one notification on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from airflow_cloudact_notify.core.bookkeeping import Bookkeeping
from airflow_cloudact_notify.core.gates import KnownSilences
from airflow_cloudact_notify.core.health import HealthBook
from airflow_cloudact_notify.core.letters import Letters
from airflow_cloudact_notify.core.state.store import MemoryStateStore, StateStore


@dataclass(frozen=True, slots=True)
class Records:
    """What was told (``books``), how its destinations fare (``health``), and what they missed (``letters``)."""

    books: Bookkeeping
    health: HealthBook
    letters: Letters

    @classmethod
    def over(
        cls,
        store: StateStore | None,
        remark: Callable[[str], Any],
        clock: Callable[[], float],
        settle: Callable[[float], None],
        silences: KnownSilences,
    ) -> Self:
        """Return the records in a store; without one, nothing is remembered.

        :param remark: takes a sentence for a person.
        :param clock: seconds since 1970.
        :param silences: those in the store, as far as the process has seen them.
        """
        # That nothing can be asked does not mean that there are no silences.
        known = silences if store else None
        books = Bookkeeping(store or MemoryStateStore(), remark, clock, settle, known)
        return cls(books, HealthBook(store, remark, clock), Letters(store, remark, clock))
