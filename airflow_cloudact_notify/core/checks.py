"""Trying destinations as far as possible without telling anybody."""

from __future__ import annotations

from airflow_cloudact_notify.core import documents
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.errors import ConfigurationError, DeliveryError
from airflow_cloudact_notify.core.masking import mask
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.providers.base import ProviderSettings

CHECK_TIMEOUT = 10.0


def check_destinations(
    document: Document, source: str, allowed_webhook_hosts: frozenset[str]
) -> tuple[bool, str]:
    """Return whether every destination that a document switches on works, and in words what was tried.

    :param source: where the document is from, for the words.
    """
    config = documents.validate(document, source)
    if not config.enabled_destinations():
        return False, f"{source} names neither a mail server nor a webhook"
    settings = ProviderSettings(allowed_webhook_hosts)
    works, words = True, []
    for name in config.enabled_destinations():
        section = config.destination(name)
        try:
            words.append(f"{name}: {PROVIDERS[name](section, settings).check(timeout=CHECK_TIMEOUT)}")
        except (ConfigurationError, DeliveryError) as error:
            works = False
            words.append(f"{name}: {mask(str(error), section.secrets())}")
    return works, "; ".join(words)
