"""What everybody who is measured finds: configuration files, connections, and what the environment says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.rows import BUDGET
from benchmarks.servers import LOOPBACK, Servers

PLACES = ("usual", "tls", "slow", "busy", "limited", "hang")
"""Where to send: how both servers behave, or ``tls``, where they behave as usual."""
CLAIMED = "claimed"
"""A tenant of ours who is told at the usual place, and of whom the state is kept."""


def environment(folder: Path, servers: Servers) -> dict[str, str]:
    """Write the configuration files, and return an environment that names them, and the others' connections."""
    configs = folder / "configs"
    for tenant in (*PLACES, CLAIMED):
        _write(configs / tenant / "notifications.json", tenant_file(tenant, servers))
    _write(configs / "notifications" / "config.json", {"enabled": False})
    (folder / "dags").mkdir(exist_ok=True)
    # Whatever this environment says of Airflow, proxies and bytecode, which a task's process finds compiled.
    unwanted = ("AIRFLOW", "PYTHONDONTWRITEBYTECODE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith(unwanted)}
    return (
        own
        | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__CLOUDACT_NOTIFY__CONFIGS_PATH": str(configs),
            "AIRFLOW__CLOUDACT_NOTIFY__ALLOWED_WEBHOOK_HOSTS": LOOPBACK,
            "AIRFLOW__CLOUDACT_NOTIFY__CALLBACK_BUDGET_SECONDS": str(BUDGET),
            "SSL_CERT_FILE": str(servers.ca_file),
            "REQUESTS_CA_BUNDLE": str(servers.ca_file),
            "BENCHMARK_PORTS": json.dumps(vars(servers.ports)),
        }
        | _connections(servers)
    )


def tenant_file(tenant: str, servers: Servers) -> dict[str, Any]:
    """Return the file of one of our tenants, who is named like the place its messages go to."""
    place = "usual" if tenant == CLAIMED else tenant
    url, port = _webhook(place, "ours", servers), _mail_port(place, servers)
    return {
        "tenant_id": tenant,
        "default_provider": "both",
        "email": {
            "enabled": True,
            "smtp_host": LOOPBACK,
            "smtp_port": port,
            "smtp_security": "implicit" if place == "tls" else "none",
            "from_email": "airflow@example.com",
            "to_emails": [f"{place}-ours@example.com"],
        },
        "slack": {"enabled": True, "webhook_url": url},
        "event_triggers": [
            {"event": "pipeline_started"},
            {"event": "pipeline_success", "enabled": False},
            {"event": "pipeline_failure", "cooldown_seconds": 300},
        ],
    }


def _webhook(place: str, who: str, servers: Servers) -> str:
    base = (
        f"https://{LOOPBACK}:{servers.ports.https}"
        if place == "tls"
        else f"http://{LOOPBACK}:{servers.ports.http}"
    )
    return f"{base}/services/T000/B000/{'usual' if place == 'tls' else place}-{who}"


def _mail_port(place: str, servers: Servers) -> int:
    ports = servers.ports
    return {"tls": ports.smtps, "hang": ports.silent}.get(place, ports.smtp)


def _connections(servers: Servers) -> dict[str, str]:
    """Return connections of the official types, and Apprise's, as environment variables: reading one costs nothing."""
    found: dict[str, Any] = {}
    for place in PLACES:
        port = _mail_port(place, servers)
        secure = place == "tls"
        found[f"slack_{place}"] = {
            "conn_type": "slackwebhook",
            "password": _webhook(place, "official", servers),
        }
        found[f"smtp_{place}"] = {
            "conn_type": "smtp",
            "host": LOOPBACK,
            "port": port,
            "extra": {"disable_ssl": not secure, "disable_tls": True, "from_email": "airflow@example.com"},
        }
        mail = f"mailto{'s' if secure else ''}://{LOOPBACK}:{port}?from=airflow@example.com"
        mode = "ssl" if secure else "insecure"
        found[f"apprise_{place}"] = {
            "conn_type": "apprise",
            "extra": {
                "config": [
                    {"path": _webhook(place, "apprise", servers).replace("http", "json", 1), "tag": "all"},
                    {"path": f"{mail}&to={place}-apprise@example.com&mode={mode}", "tag": "all"},
                ]
            },
        }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(fields) for name, fields in found.items()}


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))


def tenants(folder: Path, count: int, servers: Servers) -> str:
    """Write the files of so many tenants, and a root's that says as much, and return the folder."""
    usual = tenant_file("usual", servers)
    for number in range(count):
        name = f"tenant_{number}"
        _write(folder / name / "notifications.json", usual | {"tenant_id": name})
    del usual["tenant_id"]
    _write(folder / "notifications" / "config.json", usual)
    return str(folder)
