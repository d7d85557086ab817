"""The books: what was told, what the servers took, what is kept, and whether the three agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from airflow_cloudact_notify.core.enums import FailureReason, NotificationProvider
from airflow_cloudact_notify.core.report import NotificationReport, unserved
from airflow_cloudact_notify.core.state.outbox import DeadLetter
from campaign.servers import NUMBER, Server

Place = tuple[str, NotificationProvider]
"""A tenant's destination."""
WITH_FALL_BACK = (("acme", NotificationProvider.SLACK),)


@dataclass
class Books:
    """One page for each notification, by its number.

    :param owed: which destinations missed what.
    :param unkept: what was missed and is no dead letter: then the log has it.
    :param in_doubt: what a destination took so long to answer that it may have it.
    """

    delivered: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    suppressed: dict[int, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    reported: set[tuple[Place, int]] = field(default_factory=set)
    owed: set[tuple[Place, int]] = field(default_factory=set)
    unkept: set[int] = field(default_factory=set)
    in_doubt: set[tuple[Place, int]] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def enter(self, number: int, report: NotificationReport) -> None:
        """Write down what a report says of a notification."""
        if report.suppressed:
            self.suppressed[number] = report.reason
            self.outcomes[f"suppressed: {report.suppressed}"] += 1
            self._check(bool(report.reason), f"{number} was suppressed without a reason")
            return
        missed = unserved(report.values())
        tenant = report.message.tenant_id or ""
        if missed:
            self.kept.add(number)
            self.owed.update(((tenant, result.destination), number) for result in missed)
            self.unkept |= set() if report.dead_letter else {number}
        if report.delivered:
            self.delivered.add(number)
        self._check(report.delivered or bool(missed), f"{number} came to nothing: {report.summary}")
        self._count(report, bool(missed))
        self.reported.update(((tenant, name), number) for name, result in report.items() if result)

    def _count(self, report: NotificationReport, is_kept: bool) -> None:
        how = "delivered" if report.delivered else "missed by all"
        if any(result and result.in_place_of for result in report.values()):
            how = "delivered by a fall-back"
        self.outcomes[f"{how}, {'kept for those who missed it' if is_kept else 'nobody missed it'}"] += 1
        self.outcomes.update(f"failure: {result.reason}" for result in report.failures)

    def balance(
        self,
        count: int,
        letters: Iterable[DeadLetter],
        logged: Iterable[str],
        servers: Mapping[Place, Server],
    ) -> None:
        """Compare the pages with what is kept, what the log has whole, and what the servers took."""
        in_log = {number_of(text) for text in logged}
        found = {number_of(letter.message.pipeline_logging_id or "") for letter in letters} | in_log
        for number in self.unkept - in_log:
            self._check(False, f"{number} was missed, is no dead letter, and not in the log")
        for place, number in self.owed:
            # What the tenant's fall-back took late is delivered, too.
            heirs = [server for heir, server in servers.items() if heir == place or place in WITH_FALL_BACK]
            has_it = any(server.taken[number] or server.unsure[number] for server in heirs)
            self._check(has_it or number in found, f"{number} was missed by {place}, and is nowhere")
        for number in range(count):
            self._compare(number, number in found, servers)
        for place, number in self.reported:
            if place in servers:
                has_it = servers[place].taken[number] > 0
                self._check(has_it, f"{number} is said to be delivered to {place}, which does not have it")
        for place, server in servers.items():
            for (number, _), times in server.told.items():
                doubt = server.unsure[number] or (place, number) in self.in_doubt
                fair = times == 1 or doubt
                self._check(bool(fair), f"{place} was sent {number} {times} times, and nobody was in doubt")

    def _compare(self, number: int, is_found: bool, servers: Mapping[Place, Server]) -> None:
        """Compare one page with the servers' books.

        :param is_found: whether it is among the dead letters, or in the log.
        """
        taken = any(server.taken[number] or server.unsure[number] for server in servers.values())
        pages = (self.delivered, self.kept, self.suppressed)
        self._check(any(number in page for page in pages), f"{number} is in no book")
        if number in self.delivered:
            self._check(taken, f"{number} is said to be delivered, and no server has it")
        if number in self.kept:
            self._check(taken or is_found, f"{number} was kept, and is nowhere")
        if number in self.suppressed:
            self._check(not taken, f"{number} was suppressed, and a server has it")

    def note_doubts(self, report: NotificationReport) -> None:
        """Write down where nobody knows whether it arrived, and what is said to come again."""
        number = number_of(report.message.pipeline_logging_id or "")
        announced = any("may be told again" in note for note in report.notes)
        for name, result in report.items():
            late = result.reason in (FailureReason.TIMEOUT, FailureReason.BUDGET_EXHAUSTED)
            if announced or result.ambiguous or (late and result.attempts):
                self.in_doubt.add(((report.message.tenant_id or "", name), number))

    def _check(self, is_right: bool, problem: str) -> None:
        if not is_right:
            self.problems.append(problem)


def number_of(text: str) -> int:
    """Return the number of a notification, by its run."""
    found = NUMBER.search(text)
    return int(found[1]) if found else -1
