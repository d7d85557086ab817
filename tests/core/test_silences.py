from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_cloudact_notify.core.documents import validate
from airflow_cloudact_notify.core.enums import NotificationSeverity
from airflow_cloudact_notify.core.errors import ConfigurationError
from airflow_cloudact_notify.core.silences import SilenceConfig, active
from airflow_cloudact_notify.testing import make_message

END = datetime(2026, 1, 2, 6, tzinfo=UTC)
NOW = END.timestamp() - 60


def silence(**keys: Any) -> SilenceConfig:
    defaults = {"ends_at": "2026-01-02T06:00:00Z", "created_by": "ann", "comment": "upgrade"}
    return SilenceConfig.model_validate(defaults | keys)


@pytest.mark.parametrize(
    ("matchers", "fits"),
    [
        ({"tenant": "acme"}, True),
        ({"tenant": "beta"}, False),
        ({"tenant": "*"}, True),
        ({"event": "pipeline_*"}, True),
        ({"event": "data_quality_*"}, False),
        ({"pipeline": "sal*"}, True),
        ({"pipeline": "SALES"}, False),
        ({"pipeline": "sales", "task": "load"}, True),
        ({"pipeline": "sales", "task": "extract"}, False),
        ({"pipeline": "sales", "tenant": "beta"}, False),
        ({"max_severity": "error"}, True),
        ({"max_severity": "warning"}, False),
    ],
)
def test_all_matchers_must_fit(matchers: dict[str, str], fits: bool) -> None:
    assert silence(**matchers).fits(make_message(), NotificationSeverity.ERROR) is fits


def test_what_a_message_does_not_have_fits_only_an_asterisk() -> None:
    message = make_message(tenant_id=None, task_id=None, pipeline_id=None)
    for name in ("tenant", "task", "pipeline"):
        assert silence(**{name: "*"}).fits(message, NotificationSeverity.CRITICAL)
        assert not silence(**{name: "?*"}).fits(message, NotificationSeverity.CRITICAL)


def test_it_holds_from_its_start_until_before_its_end() -> None:
    timed = silence(tenant="*", starts_at="2026-01-02T06:30:00+01:00")
    begin = END.timestamp() - 1800
    assert [timed.is_active(at) for at in (begin - 1, begin, END.timestamp() - 1, END.timestamp())] == [
        False,
        True,
        True,
        False,
    ]
    assert silence(tenant="*").is_active(0)


def test_the_one_that_ends_last_is_named() -> None:
    known = [
        silence(tenant="acme", comment="short"),
        silence(tenant="acme", comment="long", ends_at="2026-01-02T08:00:00+01:00"),
        silence(tenant="beta", ends_at="2027-01-01T00:00:00Z"),
    ]
    found = active(known, make_message(), NotificationSeverity.ERROR, NOW)
    assert str(found) == "silenced by ann until 2026-01-02 07:00 UTC: long"


def test_a_secret_in_its_comment_is_not_told() -> None:
    said = str(silence(tenant="*", comment="see postgresql://ann:hunter2@db/sales"))
    assert "hunter2" not in said
    assert said.endswith("@db/sales")


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({}, 'silences.0: it would silence everything. Name what, or write "tenant": "*" for all.'),
        ({"tenant": "*", "starts_at": "2026-01-02T06:00:00Z"}, "silences.0: it ends before it starts."),
        ({"tenant": "*", "ends_at": "2026-01-02T06:00:00"}, "silences.0.ends_at"),
        ({"tenant": "*", "ends_at": "tomorrow"}, 'Write it as "2026-01-31T22:00:00+01:00".'),
        ({"tenant": "*", "created_by": ""}, "silences.0.created_by"),
        ({"tenant": "*", "comment": None}, "silences.0.comment"),
        ({"tenants": "acme"}, "Did you mean 'tenant'?"),
        ({"max_severity": "eror"}, "Did you mean 'error'?"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_remedy(keys: dict[str, Any], problem: str) -> None:
    entry = {"ends_at": "2026-01-02T06:00:00Z", "created_by": "ann", "comment": "upgrade"} | keys
    with pytest.raises(ConfigurationError) as caught:
        validate({"silences": [entry]}, "config.json")
    assert problem in str(caught.value)
