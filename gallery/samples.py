"""Messages as pipelines send them: one for each event, and what follows one up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_cloudact_notify.core import notices, summaries
from airflow_cloudact_notify.core.branding import BrandingConfig, Style
from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationEvent,
    NotificationProvider,
    NotificationSeverity,
    Outcome,
)
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.outages import Streak
from airflow_cloudact_notify.core.replays import late_of
from airflow_cloudact_notify.core.report import DeliveryResult
from airflow_cloudact_notify.core.state.health import Health
from airflow_cloudact_notify.core.state.held import MANY, Tally, millis
from airflow_cloudact_notify.core.state.outages import Outage
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Miss
from airflow_cloudact_notify.core.times import Times
from airflow_cloudact_notify.core.waves import in_place_of

BASE = "https://airflow.example.com/dags"
RUN = "scheduled__2026-01-02T03:00:00+00:00"
TRACEBACK = """\
Traceback (most recent call last):
  File "/opt/airflow/dags/daily_ingest.py", line 48, in load
    cursor.execute(COPY_ORDERS, {"day": day})
  File "/usr/local/lib/python3.12/site-packages/psycopg/cursor.py", line 97, in execute
    raise ex.with_traceback(None)
psycopg.OperationalError: connection to server at "db.internal" (10.0.3.17), port 5432 failed: timeout expired"""

ACME = Style(
    BrandingConfig(
        name="Acme Data Platform",
        logo_text="A",
        accent_color="#5b21b6",
        footer="Questions? Ask the data platform team in #data-help.",
        link="https://data.acme.example",
    ),
    Times("America/New_York"),
)

_DETAILS: dict[NotificationEvent, dict[str, Any]] = {
    NotificationEvent.PIPELINE_STARTED: {"message": ""},
    NotificationEvent.PIPELINE_SUCCESS: {"duration_ms": 11_520_000, "details": {"rows_loaded": "1,204,311"}},
    NotificationEvent.PIPELINE_FAILURE: {
        "title": "Task daily_ingest.load failed",
        "message": "",
        "task_id": "load",
        "try_number": 3,
        "max_tries": 3,
        "duration_ms": 32_000,
        "details": {
            "error": "OperationalError: connection to server failed: timeout expired",
            "traceback": TRACEBACK,
            "run_type": "scheduled",
            "owner": "data-platform",
            "tags": ["tenant:acme_corp", "ingest"],
        },
    },
    NotificationEvent.PIPELINE_WARNING: {
        "title": "DAG daily_ingest succeeded after retries",
        "message": "The run succeeded; some of its tasks were tried more than once.",
        "duration_ms": 754_000,
    },
    NotificationEvent.DATA_QUALITY_FAILURE: {
        "title": "Data quality check failed: raw_orders",
        "message": "2 of 14 checks failed.",
        "details": {
            "table": "raw_orders",
            "failed_checks": ["orders_have_a_customer", "amount_is_positive"],
            "rows_checked": 48_112,
        },
    },
    NotificationEvent.DATA_QUALITY_WARNING: {
        "title": "42 late rows in raw_orders",
        "message": "They came after the day was closed and will be in tomorrow's numbers.",
        "details": {"table": "raw_orders", "late_rows": 42},
    },
    NotificationEvent.RATE_LIMIT_EXCEEDED: {
        "title": "Task daily_ingest.extract failed",
        "message": "",
        "task_id": "extract",
        "details": {"error": "HTTPError: 429 Too Many Requests for url: https://api.shop.example/v2/orders"},
    },
    NotificationEvent.SYSTEM_ERROR: {
        "title": "Task daily_ingest.load was lost",
        "message": "Airflow lost contact with the task: its process was killed, or its worker went away.",
        "task_id": "load",
        "try_number": 1,
        "max_tries": 3,
    },
}


def sample(
    event: NotificationEvent, severity: NotificationSeverity | None = None, **more: Any
) -> NotificationMessage:
    """Return the message that stands for an event, of any severity."""
    usual = {
        "tenant_id": "acme_corp",
        "event": event,
        "severity": severity,
        "pipeline_id": "daily_ingest",
        "pipeline_logging_id": RUN,
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "message_id": "0123456789abcdef0123456789abcdef",
        "run_url": f"{BASE}/daily_ingest/runs/scheduled__2026-01-02T03%3A00%3A00%2B00%3A00",
        "dag_url": f"{BASE}/daily_ingest",
    }
    return NotificationMessage.model_validate(usual | _DETAILS[event] | more)


@dataclass(frozen=True, slots=True)
class Sample:
    """A named message, and how its tenant wants it to read.

    :param only_mail: whether it tells why it came by mail: in Slack it would make no sense.
    """

    name: str
    about: str
    message: NotificationMessage
    style: Style = field(default_factory=Style)
    only_mail: bool = False


_LINKS = {
    "log_url": f"{BASE}/daily_ingest/runs/scheduled__2026-01-02T03%3A00%3A00%2B00%3A00/tasks/load?try_number=3",
    "runbook_url": "https://wiki.acme.example/runbooks/daily-ingest",
}
_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
_HOURS = 3_600.0
_FAILED = sample(NotificationEvent.PIPELINE_FAILURE, thread_id="fedcba9876543210fedcba9876543210", **_LINKS)
_OUTAGE = Outage("acme_corp", "daily_ingest", None, _NOW - 27 * _HOURS, thread_id=str(_FAILED.thread_id))


def _tally(count: int, hours_ago: float) -> Tally:
    return Tally(count, _NOW - hours_ago * _HOURS, _FAILED.title, "")


def _repeats(message: NotificationMessage, count: int, first: float, last: float) -> Any:
    """Return a kind of report and its tally, begun and ended so many hours ago."""
    key = f"held:{millis(_NOW - last * _HOURS)}-run-0-0-quiet_hours-1"
    return message, Tally(count, _NOW - first * _HOURS, message.title, key)


def _settled(message: NotificationMessage) -> NotificationMessage:
    """Return a message that was made just now as one of the gallery's moment."""
    return message.model_copy(update={"occurred_at": _FAILED.occurred_at, "message_id": _FAILED.message_id})


def _notice(health: Health) -> NotificationMessage:
    notice = notices.of_health("acme_corp", NotificationProvider.SLACK, health, Times())
    assert notice
    return _settled(notice)


def _again(times: Times) -> tuple[str, ...]:
    since, seconds = _NOW - 23.95 * _HOURS, 23.95 * _HOURS
    return summaries.again(Streak(3, since, seconds, ""), times), summaries.more(_tally(37, 0.9), times)


_HELD = [
    _repeats(_FAILED, 12, 6.5, 0.4),
    _repeats(sample(NotificationEvent.DATA_QUALITY_FAILURE), 2, 5.0, 1.5),
    _repeats(sample(NotificationEvent.DATA_QUALITY_WARNING), MANY, 7.9, 0.1),
]
_GONE = "Slack answered 404 no_service"
_REFUSED = DeliveryResult(
    NotificationProvider.SLACK, Outcome.FAILED, FailureReason.NOT_FOUND, _GONE, attempts=1
)
_MISSED = Miss(FailureReason.UNREACHABLE, "no connection to smtp.acme.example:587: Connection refused", _NOW)
_LETTER = DeadLetter(
    _FAILED,
    {NotificationProvider.EMAIL: _MISSED},
    _NOW,
    _NOW + 72 * _HOURS,
)
_OTHER_LETTER = DeadLetter(
    sample(NotificationEvent.DATA_QUALITY_FAILURE),
    {
        NotificationProvider.EMAIL: _MISSED,
        NotificationProvider.SLACK: Miss(FailureReason.NOT_FOUND, _GONE, _NOW),
    },
    _NOW,
    _NOW + 72 * _HOURS,
)
_TOO_OLD = "nobody took it in 3 d"
_ILL = Health(3, FailureReason.NOT_FOUND, _GONE, _NOW - 2.3 * _HOURS, _NOW, unhealthy=True)
_WELL = Health(told=True, since=_NOW - 2.3 * _HOURS, well_since=_NOW)

FOLLOW_UPS = (
    Sample(
        "failure-again",
        "A failure that goes on, with branding",
        _FAILED.model_copy(update={"history": _again(ACME.times)}),
        ACME,
    ),
    Sample(
        "recovery",
        "The end of it",
        summaries.recovery_of(sample(NotificationEvent.PIPELINE_SUCCESS), _OUTAGE, 4, None, _NOW, ACME.times),
        ACME,
    ),
    Sample(
        "digest",
        "What was held back and nobody told",
        _settled(summaries.digest_of(_FAILED, _tally(38, 0.1), Times())),
    ),
    Sample(
        "overview",
        "What quiet hours held back from a tenant",
        _settled(summaries.overview_of("acme_corp", _HELD, ACME.times)),
        ACME,
    ),
    Sample(
        "late",
        "A message that nobody took when it was sent",
        late_of(_LETTER, _LETTER.missed, _NOW + 3.2 * _HOURS, ACME.times),
        ACME,
        only_mail=True,
    ),
    Sample(
        "fall-back",
        "A message that came by the fall-back",
        in_place_of([_REFUSED], _FAILED),
        ACME,
        only_mail=True,
    ),
    Sample(
        "unhealthy",
        "What the root hears of a tenant's destination",
        _notice(_ILL),
    ),
    Sample(
        "well-again",
        "What it hears when that works again",
        _notice(_WELL),
    ),
    Sample(
        "lost",
        "What it hears of messages that were given up",
        _settled(notices.of_lost("acme_corp", [(_LETTER, _TOO_OLD), (_OTHER_LETTER, _TOO_OLD)])),
    ),
    Sample(
        "test",
        "A test message",
        sample(
            NotificationEvent.PIPELINE_SUCCESS,
            kind="test",
            title="Notifications reach you",
            message="Somebody tried this destination with 'cloudact-notify send-test'. Nothing is wrong.",
            pipeline_id=None,
            pipeline_logging_id=None,
            duration_ms=None,
            details={"sent_from": "airflow-worker-1"},
            run_url=None,
            dag_url=None,
        ),
    ),
    Sample(
        "long",
        "Long words, another script, markup and too much of everything",
        sample(
            NotificationEvent.SYSTEM_ERROR,
            title="Task " + "very_long_pipeline_name_" * 4 + "load failed <!channel>",
            message="فشل تحميل الطلبات <b>not bold</b> {{ 7 * 7 }} `code` & *stars*",
            details={
                "error": "IntegrityError: διπλό κλειδί " + "x" * 120 + " ``` <script>alert(1)</script>",
                "table": "schema." + "a_table_with_a_long_name_" * 3,
                **{f"metric_{number}": number * 1_000 for number in range(30)},
            },
            **_LINKS,
        ),
    ),
)
EVENTS = tuple(Sample(str(event), str(event), sample(event, **_LINKS)) for event in NotificationEvent)
SEVERITIES = tuple(
    Sample(
        f"severity-{severity}",
        f"Severity {severity}",
        sample(NotificationEvent.DATA_QUALITY_WARNING, severity),
    )
    for severity in NotificationSeverity
)
