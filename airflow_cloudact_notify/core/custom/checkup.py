"""Whether the templates that a tenant's triggers name are there and can be read, before a message needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.custom.templates import FOLDER
from airflow_cloudact_notify.core.errors import ConfigProblem, CustomTemplateError
from airflow_cloudact_notify.core.files import LEADS_OUT, PUT_IT_THERE, leads_out
from airflow_cloudact_notify.core.providers import PROVIDERS
from airflow_cloudact_notify.core.root import ROOT_FOLDER

_REMEDY = "Correct it; until then the built-in message is sent."
_LINE = re.compile(r"line (\d+): ")

MISSING, BROKEN = "template-missing", "template-broken"


def template_problems(
    config: NotificationConfig, tenant_id: str | None, configs: Path, file: str
) -> Iterator[tuple[str, ConfigProblem]]:
    """Yield what is wrong with templates, each with its rule.

    :param configs: the folder of all configuration files.
    :param file: the name of the file whose triggers are looked at.
    """
    folders = [configs / folder / FOLDER for folder in (tenant_id, ROOT_FOLDER) if folder]
    for index, trigger in enumerate(config.event_triggers):
        for key in ("template", "template_b"):
            name = getattr(trigger, key)
            if not name:
                continue
            found = [*_files(name, folders)]
            if not found:
                places = " or ".join(map(str, folders))
                reason = f"there is no file {name}.*.j2 in {places}"
                remedy = "Write one, or correct the name; until then the built-in message is sent."
                yield MISSING, ConfigProblem(file, f"event_triggers.{index}.{key}", reason, remedy)
            yield from ((BROKEN, problem) for path in found for problem in _checked(path))


def _files(name: str, folders: list[Path]) -> Iterator[Path]:
    """Yield the files that a template is made of: of each part the tenant's own, else the root's."""
    for provider in PROVIDERS.values():
        for part in provider.TEMPLATE_PARTS:
            paths = (folder / f"{name}.{part}.j2" for folder in folders)
            if first := next((path for path in paths if path.is_file()), None):
                yield first


def _checked(path: Path) -> Iterator[ConfigProblem]:
    from airflow_cloudact_notify.core.custom import sandbox

    # templates/<file>, in the folder of a tenant or of the root
    if leads_out(path, path.parents[1]):
        yield ConfigProblem(str(path), "", LEADS_OUT, PUT_IT_THERE, 1)
        return
    try:
        sandbox.check(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        yield ConfigProblem(str(path), "", "it is not UTF-8", "Save it as UTF-8.", 1)
    except CustomTemplateError as error:
        why = str(error)
        named = _LINE.match(why)
        line, reason = (int(named[1]), why[named.end() :]) if named else (1, why)
        yield ConfigProblem(str(path), "", reason, _REMEDY, line)
