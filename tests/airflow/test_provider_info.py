"""What Airflow's discovery makes of the provider."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import airflow
import jsonschema
import pytest

from airflow_cloudact_notify.provider_info import get_provider_info


def test_the_metadata_satisfies_airflows_schema_and_names_the_distribution():
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    info = get_provider_info()

    jsonschema.validate(info, schema)

    assert importlib.metadata.metadata(info["package-name"])["Name"] == info["package-name"]


def test_every_option_has_what_airflow_asks_of_one():
    options = get_provider_info()["config"]["cloudact_notify"]["options"]

    for name, option in options.items():
        assert option.keys() >= {"description", "version_added", "type", "example", "default"}, name
    assert {name for name, option in options.items() if option.get("sensitive")} == {
        "email_smtp_password",
        "slack_webhook_url",
    }


def test_airflow_lists_hook_notifier_connection_form_and_options():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()

    assert "airflow-provider-cloudact-notify" in manager.providers
    assert "cloudact_notify" in manager.hooks
    assert manager.hooks["cloudact_notify"].hook_name == "CloudAct Notify"
    assert "airflow_cloudact_notify.notifications.notifier.CloudActNotifier" in {
        getattr(info, "notification_class_name", info) for info in manager.notification
    }
    configs = dict(manager.provider_configs)
    assert "configs_path" in configs["airflow-provider-cloudact-notify"]["cloudact_notify"]["options"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("configs_path", "configs", id="configs_path"),
        pytest.param("enabled", "True", id="enabled"),
        pytest.param("callback_budget_seconds", "10", id="callback_budget_seconds"),
        pytest.param("email_smtp_port", "587", id="email_smtp_port"),
    ],
)
def test_the_options_have_their_defaults_in_airflows_configuration(option, value, monkeypatch):
    from airflow.providers.common.compat.sdk import conf

    monkeypatch.delenv(f"AIRFLOW__CLOUDACT_NOTIFY__{option.upper()}", raising=False)

    assert conf.get("cloudact_notify", option) == value
