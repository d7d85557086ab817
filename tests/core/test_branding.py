from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_cloudact_notify.core.branding import BrandingConfig, is_web_address
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.documents import merge


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        pytest.param({"accent_color": "red"}, "write it as #rrggbb", id="a colour's name"),
        pytest.param({"accent_color": "#fff"}, "write it as #rrggbb", id="a short colour"),
        pytest.param({"accent_color": "#ffffff;background:url(//x)"}, "write it as #rrggbb", id="a style"),
        pytest.param({"link": "javascript:alert(1)"}, "write it as https", id="a script"),
        pytest.param({"link": "https://a b.example"}, "write it as https", id="a blank"),
        pytest.param({"link": "https://["}, "write it as https", id="half an address"),
        pytest.param({"logo_text": "ACME Inc"}, "at most 4", id="a long logo"),
        pytest.param({"name": "x" * 61}, "at most 60", id="a long name"),
    ],
)
def test_branding_that_would_break_a_message_is_refused(keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        BrandingConfig(**keys)


@pytest.mark.parametrize("zone", ["Berlin", "Europe/Nowhere", "../../etc/passwd", "", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="not a time zone of the IANA database; "):
        NotificationConfig(timezone=zone)


@pytest.mark.parametrize("locale", ["klingon", "xx_YY", "", "de_DE_", "../de"])
def test_what_is_no_locale_is_refused(locale: str) -> None:
    with pytest.raises(ValidationError, match="not a locale"):
        NotificationConfig(locale=locale)


def test_a_locale_may_be_written_either_way() -> None:
    assert NotificationConfig(locale="en-GB").locale == NotificationConfig(locale="en_GB").locale == "en_GB"


def test_a_runbook_is_the_triggers_else_the_files() -> None:
    config = NotificationConfig(
        runbook_url="https://wiki.example/all",
        event_triggers=[
            {"event": "pipeline_failure", "runbook_url": "https://wiki.example/failure"},
            {"event": "pipeline_success"},
        ],
    )
    assert config.runbook("pipeline_failure") == "https://wiki.example/failure"
    assert config.runbook("system_error") == "https://wiki.example/failure", "it borrows the trigger"
    assert config.runbook("pipeline_success") == "https://wiki.example/all"
    assert config.runbook("pipeline_warning") == "https://wiki.example/all"
    assert NotificationConfig().runbook("pipeline_failure") is None


def test_a_tenant_that_extends_the_root_changes_its_branding_key_by_key() -> None:
    root = {"branding": {"name": "Platform", "accent_color": "#112233"}}
    assert merge({"branding": {"name": "Acme"}}, root)["branding"] == {
        "name": "Acme",
        "accent_color": "#112233",
    }


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://example.com/x?a=1", True),
        ("http://localhost:8080/", True),
        ("https://", False),
        ("ftp://example.com", False),
        ("/relative", False),
        ("https://example.com/\r\nBcc: x", False),
        ("https://example.com/" + "x" * 2_000, False),
    ],
)
def test_a_web_address_is_one_that_every_medium_takes(url: str, usable: bool) -> None:
    assert is_web_address(url) is usable
