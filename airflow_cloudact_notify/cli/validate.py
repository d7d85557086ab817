"""``cloudact-notify validate``: every mistake at once, each with its line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from airflow_cloudact_notify.cli import findings, place
from airflow_cloudact_notify.core.checkup import Checkup, Finding
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.root import ROOT_FOLDER
from airflow_cloudact_notify.core.tenant_ids import TENANT_FILE


def run(arguments: argparse.Namespace) -> int:
    """Look at the files and print what was found; 1 when that is a mistake."""
    if arguments.paths:
        # Paths speak for themselves: Airflow's own configuration is not asked for.
        arguments.configs = arguments.configs or arguments.paths[0]
    folder = place.folder_of(arguments)
    if not (arguments.paths or folder.exists()) and (problem := place.missing_folder(arguments)):
        raise ConfigurationError(problem)
    found: list[Finding] = []
    checkups = _Checkups(arguments)
    paths = [Path(path) for path in arguments.paths] or [folder]
    seen: set[Path] = set()
    for file, checkup in (entry for path in paths for entry in checkups.files(path)):
        if file not in seen:
            seen.add(file)
            found += checkup.findings(file)
    findings.FORMATS[arguments.format](found, len(seen))
    fails = any(arguments.strict or not finding.is_warning for finding in found)
    return 1 if fails else 0


class _Checkups:
    """A checkup for each folder that is looked at."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._terms = place.terms_of(arguments)
        self._env = os.environ if arguments.env else None
        self._made: dict[Path, Checkup] = {}

    def files(self, path: Path) -> Iterator[tuple[Path, Checkup]]:
        """Yield the files that a path names, each with the checkup of its folder.

        :raises ConfigurationError: when there is none.
        """
        if path.is_dir():
            if (path / TENANT_FILE).exists():
                yield path / TENANT_FILE, self._of(path.absolute().parent)
                return
            checkup = self._of(path)
            files = list(checkup.files())
            if not files:
                remedy = (
                    "Name the folder that holds notifications/config.json, or run 'cloudact-notify init'."
                )
                problem = ConfigProblem(str(path), "", "there is no configuration file in it", remedy)
                raise ConfigurationError(problem)
            yield from ((file, checkup) for file in files)
            return
        own = path.absolute().parent
        in_a_folder_of_its_own = path.name == TENANT_FILE or own.name == ROOT_FOLDER
        yield path, self._of(own.parent if in_a_folder_of_its_own else own)

    def _of(self, folder: Path) -> Checkup:
        if folder not in self._made:
            self._made[folder] = Checkup(
                folder,
                rules=self._terms.rules,
                allowed_webhook_hosts=self._terms.allowed_webhook_hosts,
                env=self._env,
            )
        return self._made[folder]
