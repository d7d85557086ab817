"""What a configuration file may name of the world outside it: environment variables and Airflow connections."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_cloudact_notify.core.errors import ConfigProblem

_REFERENCE = re.compile(r"(\$?)\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AIRFLOWS_OWN = re.compile(r"AIRFLOW(__|_CONN_|_VAR_|_HOME$|_CONFIG$|_CTX_)", re.IGNORECASE)


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
        own = re.sub(r"[^A-Z0-9]", "_", tenant_id.upper())
        return (
            name.startswith("CLOUDACT_NOTIFY_")
            or (name.startswith(f"{own}_") and not _of_another(name, own, is_tenant))
            or _matches(self.tenant_env_pattern, tenant_id, name)
        )

    def allows_connection(self, tenant_id: str, name: str, is_tenant: Callable[[str], bool]) -> bool:
        """Whether the file of ``tenant_id`` may name a connection."""
        return (
            name.startswith("cloudact_notify_")
            or (name.startswith(f"{tenant_id}_") and not _of_another(name, tenant_id, is_tenant))
            or _matches(self.tenant_conn_pattern, tenant_id, name)
        )


def _of_another(name: str, own: str, is_tenant: Callable[[str], bool]) -> bool:
    """Whether a longer prefix is a tenant too: ``acme_corp_smtp`` is acme_corp's, not acme's."""
    longer = (name[: m.start()] for m in re.finditer("_", name) if m.start() > len(own))
    spellings = (
        spelling
        for prefix in longer
        for spelling in (prefix, prefix.lower(), prefix.lower().replace("_", "-"))
    )
    return any(map(is_tenant, spellings))


def _matches(pattern: str | None, tenant_id: str, name: str) -> bool:
    if not pattern:
        return False
    return re.fullmatch(pattern.replace("{tenant_id}", re.escape(tenant_id)), name) is not None


@dataclass(frozen=True, slots=True)
class Reference:
    """A ``${NAME}`` at a key of a document, such as ``slack.webhook_url``."""

    key: str
    name: str


def references(document: Any, key: str = "") -> Iterator[Reference]:
    """Yield every ``${NAME}`` in the strings of a document; ``$${NAME}`` stands for itself with one dollar less."""
    if isinstance(document, str):
        for match in _REFERENCE.finditer(document):
            if not match[1]:
                yield Reference(key, match[2])
        return
    children: Any = ()
    if isinstance(document, Mapping):
        children = document.items()
    elif isinstance(document, list):
        children = enumerate(document)
    for name, child in children:
        yield from references(child, f"{key}.{name}" if key else str(name))


def substitute(document: Any, env: Mapping[str, str]) -> Any:
    """Return the document with every reference replaced; each must be set."""
    if isinstance(document, str):
        return _REFERENCE.sub(lambda match: match[0][1:] if match[1] else env[match[2]], document)
    if isinstance(document, Mapping):
        return {name: substitute(child, env) for name, child in document.items()}
    if isinstance(document, list):
        return [substitute(child, env) for child in document]
    return document


def unset(reference: Reference, env: Mapping[str, str], file: str) -> ConfigProblem | None:
    """Return the problem of a reference that has no value."""
    if not _NAME.fullmatch(reference.name):
        reason = f"'${{{reference.name}}}' is not an environment variable's name"
        return ConfigProblem(file, reference.key, reason, "Write ${NAME}, or $${…} for the text itself.")
    if env.get(reference.name):
        return None
    return ConfigProblem(
        file,
        reference.key,
        f"environment variable {reference.name} is not set",
        "Set it where Airflow's workers, DAG processor and triggerer run.",
    )
