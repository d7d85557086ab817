from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationSeverity
from airflow_cloudact_notify.core.looks import (
    EVENTS,
    LEAST_CONTRAST,
    LOOKS,
    RECOVERED,
    SUCCESS,
    contrast,
    ink_on,
    look_of,
)
from airflow_cloudact_notify.testing import make_message


def test_every_severity_and_every_event_has_a_look() -> None:
    assert LOOKS.keys() == set(NotificationSeverity)
    assert EVENTS.keys() == set(NotificationEvent)
    assert len({look.colour for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("look", [*LOOKS.values(), SUCCESS, RECOVERED], ids=lambda look: look.label)
def test_white_text_can_be_read_on_every_colour(look: Any) -> None:
    assert contrast("#ffffff", look.colour) >= LEAST_CONTRAST


@pytest.mark.parametrize(
    ("message", "look"),
    [
        pytest.param({}, LOOKS[NotificationSeverity.ERROR], id="the event's severity"),
        pytest.param({"severity": "info"}, LOOKS[NotificationSeverity.INFO], id="the message's"),
        pytest.param({"event": "pipeline_success"}, SUCCESS, id="a success"),
        pytest.param({"event": "pipeline_success", "kind": "recovery"}, RECOVERED, id="a recovery"),
        pytest.param(
            {"event": "system_error", "severity": "info", "kind": "health"},
            RECOVERED,
            id="a destination that works again",
        ),
        pytest.param(
            {"event": "pipeline_success", "severity": "warning"},
            LOOKS[NotificationSeverity.WARNING],
            id="a success that warns",
        ),
        pytest.param(
            {"event": "pipeline_warning", "kind": "recovery"},
            LOOKS[NotificationSeverity.WARNING],
            id="a recovery that warns",
        ),
    ],
)
def test_a_look_is_the_severitys_but_for_good_news(message: dict[str, Any], look: Any) -> None:
    assert look_of(make_message(**message)) is look


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("#000000", "#ffffff", 21.0), ("#ffffff", "#ffffff", 1.0), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, expected: float) -> None:
    assert round(contrast(one, other), 2) == round(contrast(other, one), 2) == expected


@given(st.integers(0, 0xFFFFFF))
def test_text_can_be_read_on_any_accent_colour(number: int) -> None:
    colour = f"#{number:06x}"
    assert contrast(ink_on(colour), colour) >= LEAST_CONTRAST
