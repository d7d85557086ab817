"""Where a command looks: at a folder of files by itself, or at what Airflow has."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_cloudact_notify.core.errors import CloudActNotifyError, ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.files import open_path
from airflow_cloudact_notify.core.references import ReferenceRules
from airflow_cloudact_notify.core.state.silences import SILENCES
from airflow_cloudact_notify.core.state.store import StateStore

if TYPE_CHECKING:
    from airflow_cloudact_notify.core.service import NotificationService

OPTION = "AIRFLOW__CLOUDACT_NOTIFY__"
"""Begins the environment variables that Airflow reads its options from: they count without Airflow, too."""


class NeedsAirflowError(CloudActNotifyError):
    """A command needs what only Airflow has."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What configuration files may name of the world outside them."""

    rules: ReferenceRules
    allowed_webhook_hosts: frozenset[str]


def has_airflow(arguments: argparse.Namespace) -> bool:
    """Whether a command looks at what Airflow has."""
    return not arguments.configs and importlib.util.find_spec("airflow") is not None


def folder_of(arguments: argparse.Namespace) -> Path:
    """Return the folder of the configuration files, a ``pathlib``-like path."""
    folder: Path
    if has_airflow(arguments):
        prepare_airflow()
        from airflow_cloudact_notify.bridge.settings import read_settings
        from airflow_cloudact_notify.bridge.wiring import open_path as open_airflows_path

        folder = open_airflows_path(read_settings().configs_path)  # type: ignore[assignment]
        return folder
    folder = open_path(arguments.configs or os.environ.get("CLOUDACT_NOTIFY_CONFIGS_PATH") or "configs")
    return folder


def missing_folder(arguments: argparse.Namespace) -> ConfigProblem | None:
    """Return what to do when the folder is not there. With Airflow that is no mistake: its options may do without."""
    folder = folder_of(arguments)
    if folder.is_dir():
        return None
    correct = "Correct --configs"
    if has_airflow(arguments):
        correct = "Name another with --configs, correct [cloudact_notify] configs_path"
    remedy = f"{correct}, or run 'cloudact-notify init'."
    return ConfigProblem(str(folder), "", "there is no such folder", remedy)


def hints(arguments: argparse.Namespace) -> list[str]:
    """Return why there may be no configuration, in words."""
    return [str(problem) for problem in [missing_folder(arguments)] if problem]


def is_folder_missing(arguments: argparse.Namespace) -> bool:
    """Whether a command looks at files alone, in a folder that is not there."""
    return not has_airflow(arguments) and missing_folder(arguments) is not None


def terms_of(arguments: argparse.Namespace) -> Terms:
    """Return what the files may name: by Airflow's options, else by the environment variables that set them."""
    if has_airflow(arguments):
        prepare_airflow()
        from airflow_cloudact_notify.bridge.settings import read_settings

        settings = read_settings()
        return Terms(settings.rules, settings.allowed_webhook_hosts)
    hosts = os.environ.get(f"{OPTION}ALLOWED_WEBHOOK_HOSTS", "").lower().split(",")
    rules = ReferenceRules(
        os.environ.get(f"{OPTION}TENANT_ENV_PATTERN") or None,
        os.environ.get(f"{OPTION}TENANT_CONN_PATTERN") or None,
    )
    return Terms(rules, frozenset(host.strip() for host in hosts if host.strip()))


def service_of(arguments: argparse.Namespace) -> NotificationService:
    """Return the engine; what it would log, its commands print.

    :raises ConfigurationError: when the folder of --configs is not there.
    """
    logging.getLogger("airflow_cloudact_notify").setLevel(logging.CRITICAL)
    if has_airflow(arguments):
        return airflow_service()
    if problem := missing_folder(arguments):
        raise ConfigurationError(problem)
    from airflow_cloudact_notify.core.config_store import ConfigStore
    from airflow_cloudact_notify.core.service import NotificationService

    terms = terms_of(arguments)
    configs = ConfigStore(
        str(folder_of(arguments)), rules=terms.rules, allowed_webhook_hosts=terms.allowed_webhook_hosts
    )
    return NotificationService(configs=configs)


def airflow_service() -> NotificationService:
    """Return the engine with Airflow's settings, connections and Variables.

    :raises NeedsAirflowError: where Airflow is not installed.
    """
    if importlib.util.find_spec("airflow") is None:
        raise NeedsAirflowError(
            "This is kept in Airflow's Variables, and Airflow is not installed here. "
            "Run it where Airflow runs: airflow cloudact-notify …"
        )
    prepare_airflow()
    from airflow_cloudact_notify.bridge.wiring import airflow_service as service

    return service()


def answering(state: StateStore) -> StateStore:
    """Return the state if it answers: to Airflow, a Variable that its database cannot be asked for is not there.

    :raises StateUnavailable: when it does not.
    """
    state.keys(SILENCES)
    return state


def prepare_airflow() -> None:
    """Load Airflow, and keep its log off the output, which another program may read."""
    import airflow  # noqa: F401

    # It tells of a database that does not answer, traceback and all, and then goes on: its commands say so themselves.
    logging.getLogger("airflow.models.variable").setLevel(logging.CRITICAL)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def tenant_of(arguments: argparse.Namespace) -> str | None:
    """Return the tenant a command is about, ``None`` for the root."""
    return None if arguments.tenant == "-" else arguments.tenant
