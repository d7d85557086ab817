from __future__ import annotations

import json

import pytest

from airflow_cloudact_notify.core.enums import (
    FailureReason,
    NotificationProvider,
    Outcome,
    SuppressionReason,
)
from airflow_cloudact_notify.core.errors import DeliveryFailedError
from airflow_cloudact_notify.core.report import DeliveryResult, NotificationReport
from airflow_cloudact_notify.testing import make_message

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
TAKEN = DeliveryResult(
    EMAIL, Outcome.DELIVERED, attempts=2, elapsed_ms=5, refused={"a@x": "550 no such user"}
)
LOST = DeliveryResult(
    SLACK, Outcome.FAILED, FailureReason.NOT_FOUND, "Slack answered 404 no_service", attempts=1
)
HELD = DeliveryResult(SLACK, Outcome.SUPPRESSED, SuppressionReason.COOLDOWN, "told 5 s ago")


def report(*results: DeliveryResult, **more: object) -> NotificationReport:
    return NotificationReport(results, message=make_message(), config_source="acme.json", **more)  # type: ignore[arg-type]


def test_a_report_is_a_dict_of_destinations_whose_values_are_true_when_delivered() -> None:
    results = report(TAKEN, LOST)
    assert isinstance(results, dict)
    assert results["email"]
    assert not results["slack"]
    assert results.delivered
    assert results.failures == [LOST]


def test_what_was_held_back_is_neither_delivered_nor_a_failure() -> None:
    results = report(HELD)
    assert not results.delivered
    assert results.failures == []
    results.raise_for_failures()


def test_failures_are_raised_only_when_asked_for() -> None:
    with pytest.raises(DeliveryFailedError, match="Slack answered 404 no_service"):
        report(TAKEN, LOST).raise_for_failures()


def test_the_summary_is_one_line_that_says_who_was_told_and_why_others_were_not() -> None:
    assert report(TAKEN, LOST).summary == (
        "pipeline_failure of tenant acme, pipeline sales: "
        "email delivered after 2 attempts; refused: a@x (550 no such user); "
        "slack failed (not_found: Slack answered 404 no_service) [acme.json]"
    )
    assert report(suppressed=SuppressionReason.EVENT_OFF, reason="it\nis off").summary == (
        "pipeline_failure of tenant acme, pipeline sales: not sent (event_off: it is off) [acme.json]"
    )
    assert (
        "tenant (root): not sent"
        in NotificationReport(
            message=make_message(tenant_id=None, pipeline_id=None), config_source="x"
        ).summary
    )


def test_a_report_becomes_json() -> None:
    data = json.loads(json.dumps(report(TAKEN, LOST, notes=["a note"]).to_dict()))
    assert data["delivered"] is True
    assert data["severity"] == "error"
    assert data["notes"] == ["a note"]
    assert data["destinations"] == {
        "email": {
            "outcome": "delivered",
            "reason": None,
            "detail": "",
            "attempts": 2,
            "elapsed_ms": 5,
            "refused": {"a@x": "550 no such user"},
            "deferred": [],
            "ambiguous": False,
            "in_place_of": [],
        },
        "slack": {
            "outcome": "failed",
            "reason": "not_found",
            "detail": "Slack answered 404 no_service",
            "attempts": 1,
            "elapsed_ms": 0,
            "refused": {},
            "deferred": [],
            "ambiguous": False,
            "in_place_of": [],
        },
    }
