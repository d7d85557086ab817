from __future__ import annotations

import pytest

from airflow_cloudact_notify.cli.remedies import remedy
from airflow_cloudact_notify.core.enums import FailureReason


@pytest.mark.parametrize("reason", FailureReason)
def test_every_sort_of_failure_has_its_remedy(reason):
    assert remedy(reason, "whatever").endswith(".")


def test_a_servers_own_words_say_more():
    answer = "550 5.7.30 Basic authentication is not supported for Client Submission"
    assert "oauth2" in remedy(FailureReason.REJECTED, answer)
