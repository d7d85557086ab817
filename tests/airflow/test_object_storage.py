"""Configuration files in object storage, through Airflow's ``ObjectStoragePath``."""

from __future__ import annotations

from airflow_cloudact_notify import NotificationHook


def test_files_are_read_from_a_url(configs, smtp, monkeypatch, tmp_path):
    configs(
        "acme",
        email={
            "enabled": True,
            "smtp_host": smtp.host,
            "smtp_port": smtp.port,
            "smtp_use_tls": False,
            "from_email": "a@example.com",
            "to_emails": ["data@acme.example"],
        },
        event_triggers=[{"event": "pipeline_failure", "template": "short"}],
    )
    (tmp_path / "configs/acme/templates").mkdir()
    (tmp_path / "configs/acme/templates/short.subject.j2").write_text("{{ event }} of {{ tenant_id }}")
    monkeypatch.setenv("AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH", f"file://{tmp_path}/configs")

    report = NotificationHook().notify("pipeline_failure", tenant_id="acme")

    assert report.delivered
    assert report.config_source.startswith("file://")
    assert [m.recipients for m in smtp.messages] == [("data@acme.example",)]
    assert smtp.messages[0].mail["Subject"] == "pipeline_failure of acme"
