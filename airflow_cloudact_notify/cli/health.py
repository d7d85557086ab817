"""The doctor's checks that need no Airflow."""

from __future__ import annotations

import argparse
import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from airflow_cloudact_notify.cli import place
from airflow_cloudact_notify.cli.remedies import remedy
from airflow_cloudact_notify.cli.stopwatch import stopwatch
from airflow_cloudact_notify.core.budget import call_directly
from airflow_cloudact_notify.core.checkup import Checkup
from airflow_cloudact_notify.core.errors import ConfigurationError, DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.smtp import tls_context
from airflow_cloudact_notify.core.tenant_ids import is_tenant_id, tenant_folders
from airflow_cloudact_notify.core.texts import counted

NETWORK_TIMEOUT = 10.0
_PACKAGES = (
    "airflow-provider-cloudact-notify",
    "apache-airflow",
    "apache-airflow-providers-common-compat",
    "apache-airflow-providers-smtp",
    "apache-airflow-providers-slack",
)


class State(StrEnum):
    """What came of a check."""

    OK = "ok"
    DOUBT = "doubt"
    BAD = "bad"
    NOT_SEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it is about, what was found, and what to do."""

    about: str
    state: State
    found: str
    remedy: str = ""


def versions() -> Iterator[Check]:
    """Say what is installed."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    yield Check("versions", State.OK, ", ".join(found))


def files(arguments: argparse.Namespace) -> Iterator[Check]:
    """Look for the files, for mistakes in them, and for the variables that they name."""
    folder = place.folder_of(arguments)
    if problem := place.missing_folder(arguments):
        yield Check("configs_path", State.BAD, f"{folder} is not a folder on this machine", problem.remedy)
        return
    terms = place.terms_of(arguments)
    checkup = Checkup(
        folder, rules=terms.rules, allowed_webhook_hosts=terms.allowed_webhook_hosts, env=os.environ
    )
    names = list(checkup.files())
    state = State.OK if names else State.DOUBT
    yield Check("configs_path", state, f"{folder} holds {counted(len(names), 'configuration file')}")
    findings = [finding for name in names for finding in checkup.findings(name)]
    mistakes = [finding for finding in findings if not finding.is_warning]
    if mistakes:
        found = f"{counted(len(mistakes), 'mistake')}, the first: {mistakes[0].problem}"
        yield Check("files", State.BAD, found, "Run 'cloudact-notify validate --env' for all of them.")
    elif findings:
        found = f"{counted(len(findings), 'warning')}, the first: {findings[0].problem}"
        yield Check("files", State.DOUBT, found, "Run 'cloudact-notify validate' for all of them.")
    elif names:
        yield Check("files", State.OK, "no mistakes, and every variable they name is set here")


def tenants_in(folder: Path) -> list[str | None]:
    """Return all tenants that have a file, after the root."""
    return [None, *filter(is_tenant_id, tenant_folders(folder))]


def network(service: NotificationService, tenants: list[str | None]) -> Iterator[Check]:
    """Try to reach the server of every destination of every tenant, without telling anybody."""
    seen: list[object] = []
    for tenant_id in tenants:
        resolved = service.configs.resolve(tenant_id)
        for name in resolved.config.enabled_destinations():
            try:
                provider = service.destinations.provider(name, resolved, call_directly)
            except (ConfigurationError, DeliveryError) as error:
                yield Check(f"{tenant_id or '(root)'}: {name}", State.BAD, mask(str(error)))
                continue
            server = provider.config.model_dump(include=provider.config.SERVER_KEYS)
            if server not in seen:
                seen.append(server)
                yield _reached(f"{tenant_id or '(root)'}: {name}", provider)


def _reached(about: str, provider: Any) -> Check:
    secrets = tuple(provider.config.secrets())
    try:
        with stopwatch() as steps:
            answer = provider.check(timeout=NETWORK_TIMEOUT)
            _connect(getattr(provider.config, "webhook_url", None), getattr(provider.config, "proxy", None))
    except DeliveryError as error:
        return Check(about, State.BAD, mask(error.detail, secrets), remedy(error.reason, error.detail))
    except OSError as error:
        why = f"no connection to the webhook's host: {error.strerror or type(error).__name__}"
        return Check(about, State.BAD, why, "Check DNS, proxy and firewall of this machine.")
    took = ", ".join(f"{step} {ms:.0f} ms" for step, ms in steps.milliseconds.items() if ms >= 0.5)
    return Check(about, State.OK, f"{mask(answer, secrets)}; {took}")


def _connect(url: SecretStr | None, proxy: SecretStr | None) -> None:
    """Connect to a webhook's host, by TLS where it is https, and say nothing there."""
    if url is None or proxy is not None:
        return
    parts = urlsplit(url.get_secret_value())
    is_https, host = parts.scheme == "https", parts.hostname or ""
    address = (host, parts.port or (443 if is_https else 80))
    with socket.create_connection(address, timeout=NETWORK_TIMEOUT) as plain:
        if is_https:
            tls_context().wrap_socket(plain, server_hostname=host).close()
