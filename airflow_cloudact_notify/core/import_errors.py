"""Files that Airflow cannot import: told once when they break or break otherwise, and once when they are mended."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.masking import MAX_TEXT, mask
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.state.import_errors import ImportErrors, KnownImportError
from airflow_cloudact_notify.core.state.outbox import Outbox
from airflow_cloudact_notify.core.state.store import short_hash
from airflow_cloudact_notify.core.teller import TELL_SECONDS

log = logging.getLogger(__name__)

MAX_TRACEBACK = 5_000
"""Characters of the end of a traceback, where its cause stands."""
# What differs from one parse of the same file to the next: addresses of objects, a bundle's version in a path.
_VOLATILE = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{40}\b")


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """What Airflow says of a file that it cannot import; ``file`` is its bundle and its path there."""

    file: str
    tenant_id: str | None
    text: str

    @property
    def digest(self) -> str:
        """What stands for the text."""
        return short_hash(_VOLATILE.sub("", self.text))


@dataclass(frozen=True, slots=True)
class Checked:
    """How many files were told of as broken, as mended, were known already, and could be told to nobody."""

    broken: int = 0
    mended: int = 0
    known: int = 0
    failed: int = 0


def tell_import_errors(
    service: NotificationService, problems: Iterable[ImportProblem], now: float
) -> Checked:
    """Tell what is new since the last time, and keep it.

    :param now: seconds since 1970.
    :raises StateUnavailable: when the state does not answer; telling everything each time would be a storm.
    """
    rows = ImportErrors(service.state, log.warning)
    known, current = rows.load(), {problem.file: problem for problem in problems}
    broken = mended = failed = 0
    for problem in current.values():
        before = known.get(problem.file)
        if before and before.digest == problem.digest:
            continue
        report = _sent(service, _broken(problem, is_changed=before is not None))
        if not _is_settled(report):
            failed += 1
            continue
        told = tuple(str(name) for name, result in report.items() if result)
        rows.save(KnownImportError(problem.file, problem.tenant_id, problem.digest, told, now))
        broken += 1
    for before in known.values():
        if before.file in current:
            continue
        if before.alerted and not _is_settled(_sent(service, _mended(before), before.alerted)):
            failed += 1
            continue
        rows.delete(before.file)
        mended += 1
    return Checked(broken, mended, len(current) - broken - failed, failed)


def _sent(
    service: NotificationService, message: NotificationMessage, providers: tuple[str, ...] = ()
) -> NotificationReport:
    """Send, and keep no dead letter of what nobody took: it is told anew the next time, and would be told twice."""
    report = service.send(message, providers=providers, budget=Budget(TELL_SECONDS))
    if report.dead_letter and not _is_settled(report):
        Outbox(service.state, log.warning).delete(report.dead_letter)
    return report


def _is_settled(report: NotificationReport) -> bool:
    """Whether it need not be tried again."""
    return report.delivered or not report.failures


def _broken(problem: ImportProblem, *, is_changed: bool) -> NotificationMessage:
    text = mask(problem.text[-MAX_TEXT:]).strip()  # masked before it is cut
    cause = text.splitlines()[-1] if text else "no reason given"
    cannot = f"Airflow cannot import {problem.file}:"
    if is_changed:
        cannot = f"Airflow still cannot import {problem.file}, now for another reason:"
    return NotificationMessage(
        tenant_id=problem.tenant_id,
        event=NotificationEvent.SYSTEM_ERROR,
        title=f"DAG file cannot be imported: {problem.file}",
        message=f"{cannot} {cause}\nNew and changed DAGs in it do not run.",
        details={"error": text[-MAX_TRACEBACK:]},
        dedup_key=f"import_error {problem.file} {problem.digest}",
    )


def _mended(before: KnownImportError) -> NotificationMessage:
    return NotificationMessage(
        tenant_id=before.tenant_id,
        event=NotificationEvent.SYSTEM_ERROR,
        severity=NotificationSeverity.INFO,
        title=f"DAG file can be imported again: {before.file}",
        message=f"Airflow no longer reports an import error for {before.file}.",
        dedup_key=f"import_error {before.file} {before.digest} mended",
    )
