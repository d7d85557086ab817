from __future__ import annotations

import pickle
from typing import Any

import pytest

from airflow_cloudact_notify import DataQualityError


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("orders",), "orders did not pass its checks", id="table only"),
        pytest.param(
            ("orders", ["null", "unique"]), "orders did not pass its checks: null, unique", id="checks"
        ),
        pytest.param(("orders", "unique"), "orders did not pass its checks: unique", id="one check as text"),
        pytest.param(("orders", ["unique"], "12 rows twice"), "12 rows twice", id="words of one's own"),
    ],
)
def test_a_data_quality_error_says_what_failed_also_in_another_process(
    arguments: tuple[Any, ...], text: str
) -> None:
    error = DataQualityError(*arguments)
    elsewhere = pickle.loads(pickle.dumps(error))

    assert str(error) == str(elsewhere) == text
    assert (elsewhere.table, elsewhere.failed_checks) == (error.table, error.failed_checks)
