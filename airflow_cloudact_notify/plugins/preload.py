"""What the first notification of a process spends most of its time on, done ahead."""

from __future__ import annotations

import importlib

MODULES = (
    "airflow_cloudact_notify.notifications.notifier",
    "airflow_cloudact_notify.bridge.callbacks",
    "requests",
)
"""The notifier, with the engine all that a callback needs, and what a provider imports only when it sends."""


def preload() -> None:
    """Import what a notification needs and compile its templates: for a process that others are forked from."""
    for name in MODULES:
        importlib.import_module(name)
    from airflow_cloudact_notify.core.formats.html import templates

    for name in templates().list_templates():
        templates().get_template(name)
