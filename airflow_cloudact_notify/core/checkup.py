"""Everything that is wrong or doubtful in a folder of configuration files, before anything is sent.

The resolution of a configuration stops at the first thing that makes a file useless. This goes on: whoever corrects a
file wants to know all of it, with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_cloudact_notify.core import documents, lint, positions, references
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.config_store import SENDERS_IDENTITY
from airflow_cloudact_notify.core.custom.checkup import template_problems
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError
from airflow_cloudact_notify.core.files import Files
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import ProviderSettings
from airflow_cloudact_notify.core.references import ReferenceRules
from airflow_cloudact_notify.core.root import ROOT_FILE
from airflow_cloudact_notify.core.stand_ins import StandIns
from airflow_cloudact_notify.core.tenant_ids import (
    TENANT_FILE,
    check_tenant_id,
    is_misnamed,
    is_tenant_id,
    misnamed_files,
    tenant_folders,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, or with ``is_warning`` one doubt. ``rule`` names what found it."""

    problem: ConfigProblem
    rule: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is looked at: ``tenant_id`` is ``None`` for the root's."""

    name: str
    tenant_id: str | None
    document: Document


class Checkup:
    """Looks at the files of one folder.

    :param folder: a ``pathlib``-like path.
    :param env: the environment's values, to say which are unset; left out, any value is believed to fit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rules: ReferenceRules | None = None,
        allowed_webhook_hosts: frozenset[str] = frozenset(),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._rules = rules or ReferenceRules()
        self._allowed_webhook_hosts = allowed_webhook_hosts
        self._env = env
        self._stand_ins = StandIns(env or {})
        self._tenants = dict.fromkeys(tenant_folders(folder))
        self._root = self._read_root()

    def files(self) -> Iterator[Path]:
        """Yield the root's file, if there is one, every tenant's, and those that miss a tenant's name."""
        root = self._folder / ROOT_FILE
        if root.exists() or root.is_symlink():
            yield root
        for tenant_id in self._tenants:
            yield self._folder / tenant_id / TENANT_FILE
        yield from misnamed_files(self._folder)

    def findings(self, file: Path) -> list[Finding]:
        """Return all there is to say about one file, in the order of its lines."""
        try:
            content = _read(file)
        except ConfigurationError as error:
            return [Finding(problem, "unreadable") for problem in error.problems]
        try:
            document = documents.parse(content, str(file))
        except ConfigurationError as error:
            return _located([Finding(problem, "not-json") for problem in error.problems], str(file), content)
        looked_at = self._file(file, document)
        mistakes = list(self._mistakes(looked_at))
        found = [
            *_of_its_name(file),
            *mistakes,
            *self._doubts(looked_at, {mistake.problem.key for mistake in mistakes}),
        ]
        return _located(found, str(file), content) if found else []

    def _file(self, file: Path, document: Document) -> _File:
        """Return whose file it is: by its place, else (an example, a file on its way) by what it says."""
        if file.name == TENANT_FILE:
            return _File(str(file), file.parent.name, document)
        said = document.get("tenant_id")
        is_root = file.name == Path(ROOT_FILE).name or not isinstance(said, str)
        return _File(str(file), None if is_root else said, document)

    def _mistakes(self, file: _File) -> Iterator[Finding]:
        yield from _of("reference", self._wrong_references(file))
        document, config, refused = self._stand_ins.filled_in(file.document, file.name)
        if file.tenant_id is not None:
            yield from _of("connection", self._wrong_connections(file, document, file.tenant_id))
            yield from _of("tenant", _wrong_tenant(file))
        yield from _of("invalid", refused)
        if config:
            for rule, problem in template_problems(config, file.tenant_id, self._folder, file.name):
                yield Finding(problem, rule)
        if config and config.enabled:
            yield from self._incomplete(file, document, config)

    def _wrong_references(self, file: _File) -> list[ConfigProblem]:
        problems: list[ConfigProblem] = []
        if file.tenant_id is not None:
            problems += self._rules.variables_not_allowed(
                file.document, file.tenant_id, file.name, self._tenants.__contains__
            )
        refused = {problem.key for problem in problems}
        for reference in references.references(file.document):
            problem = references.unset(reference, _Anything() if self._env is None else self._env, file.name)
            if problem and reference.key not in refused:
                problems.append(problem)
        return problems

    def _wrong_connections(self, file: _File, document: Document, tenant_id: str) -> list[ConfigProblem]:
        return self._rules.connections_not_allowed(
            documents.connections(file.document),
            documents.connections(document),
            tenant_id,
            file.name,
            self._tenants.__contains__,
        )

    def _incomplete(self, file: _File, document: Document, config: NotificationConfig) -> Iterator[Finding]:
        """Yield what keeps a destination that is switched on from working."""
        is_tenants = file.tenant_id is not None
        extends = is_tenants and config.extends is not None
        if extends:
            if not self._root:
                return  # what completes it is not among the files
            config = documents.validate(documents.merge(document, self._root), file.name)
        identity: Document = (self._root.get("email") or {}) if is_tenants else {}
        settings = ProviderSettings(self._allowed_webhook_hosts)
        for name in config.enabled_destinations():
            section = config.destination(name)
            if section.conn_id:
                continue
            missing = {
                key: identity[key]
                for key in SENDERS_IDENTITY
                if key in type(section).model_fields and not getattr(section, key) and identity.get(key)
            }
            try:
                PROVIDERS[name](section.model_copy(update=missing), settings)
            except ConfigurationError as error:
                problem = replace(error.problems[0], file=file.name, key=f"{name}.{error.problems[0].key}")
                is_missing = not getattr(section, error.problems[0].key)
                # A connection or Airflow's options may complete the root's file.
                elsewhere = is_missing and (extends or (is_tenants and problem.key == "email.from_email"))
                yield Finding(problem, "incomplete", is_warning=elsewhere)

    def _doubts(self, file: _File, mistaken: set[str]) -> Iterator[Finding]:
        """Yield what is doubtful besides the mistakes; while there are any, nothing is said of the whole."""
        root = self._root if file.tenant_id is not None else None
        for doubt in lint.doubts(file.document, root):
            if doubt.key not in mistaken and not (mistaken and doubt.is_of_the_whole):
                problem = ConfigProblem(file.name, doubt.key, doubt.reason, doubt.remedy)
                yield Finding(problem, doubt.rule, is_warning=True)

    def _read_root(self) -> Document:
        """Return the root's document as tenants inherit it, empty when it is missing, off or no use."""
        file = self._folder / ROOT_FILE
        try:
            document = documents.parse(_read(file), str(file))
        except ConfigurationError:
            return {}
        complete, config, _ = self._stand_ins.filled_in(document, str(file))
        return complete if config and config.enabled else {}


def _of_its_name(file: Path) -> Iterator[Finding]:
    if is_misnamed(file) and is_tenant_id(file.parent.name) and not (file.parent / TENANT_FILE).exists():
        reason = (
            f"nobody reads it: tenant {file.parent.name} has no {TENANT_FILE}, and gets the root's settings"
        )
        problem = ConfigProblem(str(file), "", reason, f"Rename it to {TENANT_FILE}.")
        yield Finding(problem, "misnamed", is_warning=True)


class _Anything(Mapping[str, str]):
    """An environment in which every variable is set."""

    def __getitem__(self, name: str) -> str:
        return "value"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _read(file: Path) -> bytes:
    content = Files(file.parent, is_remote=not isinstance(file, Path)).read(file.name).content
    if content is None:
        raise ConfigurationError(ConfigProblem(str(file), "", "there is no such file", "Correct the path."))
    return content


def _wrong_tenant(file: _File) -> list[ConfigProblem]:
    try:
        check_tenant_id(file.tenant_id or "")
    except ConfigurationError as error:
        problem = error.problems[0]
        reason = f"its folder's name cannot be a tenant id: {problem.reason}"
        return [ConfigProblem(file.name, "", reason, problem.remedy)]
    said = file.document.get("tenant_id")
    if not isinstance(said, str) or said == file.tenant_id:
        return []
    reason = f"it names another tenant than its folder, {file.tenant_id}"
    return [ConfigProblem(file.name, "tenant_id", reason, "Make the two agree.")]


def _of(rule: str, problems: Iterable[ConfigProblem]) -> Iterator[Finding]:
    return (Finding(problem, rule) for problem in problems)


def _located(findings: list[Finding], name: str, content: bytes) -> list[Finding]:
    """Give every finding its line; of two with the same key and reason keep one.

    :param name: the file's, which ``content`` is of.
    """
    try:
        lines = positions.key_lines(content.decode("utf-8"))
    except (ValueError, IndexError):
        lines = {"": 1}
    located = {
        (f.problem.file, f.problem.key, f.problem.reason): replace(f, problem=_with_line(f.problem, lines))
        for f in findings
    }
    # A template's come after those of the file that names it.
    return sorted(located.values(), key=lambda f: (f.problem.file != name, f.problem.file, f.problem.line))


def _with_line(problem: ConfigProblem, lines: dict[str, int]) -> ConfigProblem:
    return problem if problem.line else replace(problem, line=positions.line_of(problem.key, lines))
