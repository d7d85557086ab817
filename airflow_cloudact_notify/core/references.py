"""What a configuration file may name of the world outside it: environment variables and Airflow connections."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.errors import ConfigProblem
from airflow_cloudact_notify.core.masking import mask

log = logging.getLogger(__name__)

_REFERENCE = re.compile(r"(\$?)\$\{([^}]{0,200})\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AIRFLOWS_OWN = re.compile(r"AIRFLOW(__|_CONN_|_VAR_|_HOME$|_CONFIG$|_CTX_)", re.IGNORECASE)

ASK = "or let the platform's administrator allow it with [cloudact_notify]"


@dataclass(frozen=True, slots=True)
class ReferenceRules:
    """What tenants' files may name beside ``CLOUDACT_NOTIFY_*`` and their own ``{TENANT_ID}_*``.

    :param tenant_env_pattern: regular expression of further environment variables, matched whole.
    :param tenant_conn_pattern: the same for connections; ``{tenant_id}`` stands for the tenant's id in both.
    """

    tenant_env_pattern: str | None = None
    tenant_conn_pattern: str | None = None

    def allows_variable(self, tenant_id: str, name: str, is_tenant: Callable[[str], bool]) -> bool:
        """Whether the file of ``tenant_id`` may name an environment variable."""
        if _AIRFLOWS_OWN.match(name):
            return False
        own = tenant_id.replace("-", "_")
        # Both acme-corp's and acme_corp's would be ACME_CORP_*: when there are both, they are the latter's.
        is_own = name.startswith(f"{own.upper()}_") and not (own != tenant_id and is_tenant(own))
        return (
            name.startswith("CLOUDACT_NOTIFY_")
            or (is_own and not _of_another(name, tenant_id, is_tenant))
            or _matches(self.tenant_env_pattern, tenant_id, name)
        )

    def allows_connection(self, tenant_id: str, name: str, is_tenant: Callable[[str], bool]) -> bool:
        """Whether the file of ``tenant_id`` may name a connection."""
        return (
            name.startswith("cloudact_notify_")
            or (name.startswith(f"{tenant_id}_") and not _of_another(name, tenant_id, is_tenant))
            or _matches(self.tenant_conn_pattern, tenant_id, name)
        )

    def variables_not_allowed(
        self, document: Any, tenant_id: str, file: str, is_tenant: Callable[[str], bool]
    ) -> list[ConfigProblem]:
        """Return a problem for every environment variable that the file of ``tenant_id`` may not name."""
        own = tenant_id.upper().replace("-", "_")
        remedy = f"Use CLOUDACT_NOTIFY_* or {own}_*, {ASK} tenant_env_pattern."
        return [
            ConfigProblem(
                file, ref.key, f"a tenant's file may not name the environment variable {ref.shown}", remedy
            )
            for ref in references(document)
            if not self.allows_variable(tenant_id, ref.name, is_tenant)
        ]

    def connections_not_allowed(
        self,
        written: Iterable[tuple[str, str]],
        meant: Iterable[tuple[str, str]],
        tenant_id: str,
        file: str,
        is_tenant: Callable[[str], bool],
    ) -> list[ConfigProblem]:
        """Return a problem for every connection that the file of ``tenant_id`` may not name.

        :param written: sections and the ids they name, as the file holds them: for the words.
        :param meant: the same after the environment's values were filled in.
        """
        shown = {section: mask(conn_id)[:80] for section, conn_id in written}
        remedy = f"Use cloudact_notify_* or {tenant_id}_*, {ASK} tenant_conn_pattern."
        return [
            ConfigProblem(
                file,
                f"{section}.conn_id",
                f"a tenant's file may not name the connection {shown[section]}",
                remedy,
            )
            for section, conn_id in meant
            if not self.allows_connection(tenant_id, conn_id, is_tenant)
        ]


def _of_another(name: str, tenant_id: str, is_tenant: Callable[[str], bool]) -> bool:
    """Whether a longer prefix is a tenant too: ``acme_corp_smtp`` is acme_corp's, not acme's."""
    longer = (name[: match.start()] for match in re.finditer("_", name) if match.start() > len(tenant_id))
    spellings = (
        spelling
        for prefix in longer
        for spelling in (prefix, prefix.lower(), prefix.lower().replace("_", "-"))
    )
    return any(map(is_tenant, spellings))


def _matches(pattern: str | None, tenant_id: str, name: str) -> bool:
    if not pattern:
        return False
    try:
        return re.fullmatch(pattern.replace("{tenant_id}", re.escape(tenant_id)), name) is not None
    except re.error as error:
        log.warning("[cloudact_notify] %r is no regular expression and allows nothing: %s", pattern, error)
        return False


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``${NAME}`` in a document: ``path`` leads to it from the outermost key, which may have dots in it."""

    path: tuple[str, ...]
    name: str

    @property
    def key(self) -> str:
        """Where it stands, such as ``slack.webhook_url``."""
        return ".".join(self.path)

    @property
    def shown(self) -> str:
        """The name for an error: what follows it, as in ``${NAME:-default}``, may be a secret."""
        name = _NAME.match(self.name)
        shown = name[0] if name else ""
        return shown if shown == self.name else f"{shown}…"


def references(document: Any, path: tuple[str, ...] = ()) -> Iterator[Reference]:
    """Yield every ``${NAME}`` in the strings of a document; ``$${NAME}`` stands for itself with one dollar less."""
    if isinstance(document, str):
        for match in _REFERENCE.finditer(document) if "${" in document else ():
            if not match[1]:
                yield Reference(path, match[2])
    elif isinstance(document, dict | list):
        for name, child in document.items() if isinstance(document, dict) else enumerate(document):
            if isinstance(child, str | dict | list):
                yield from references(child, (*path, str(name)))


def substitute(document: Any, env: Mapping[str, str]) -> Any:
    """Return the document with every reference replaced; each must be set."""
    if isinstance(document, str):
        return _REFERENCE.sub(lambda match: match[0][1:] if match[1] else env[match[2]], document)
    if isinstance(document, dict):
        return {name: substitute(child, env) for name, child in document.items()}
    if isinstance(document, list):
        return [substitute(child, env) for child in document]
    return document


def unset(reference: Reference, env: Mapping[str, str], file: str) -> ConfigProblem | None:
    """Return the problem of a reference that has no value."""
    if not _NAME.fullmatch(reference.name):
        reason = f"'${{{reference.shown}}}' is not an environment variable's name"
        return ConfigProblem(file, reference.key, reason, "Write ${NAME}, or $${…} for the text itself.")
    if env.get(reference.name):
        return None
    return ConfigProblem(
        file,
        reference.key,
        f"environment variable {reference.name} is not set",
        "Set it where Airflow's workers, DAG processor and triggerer run.",
    )
