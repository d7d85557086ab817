"""``cloudact-notify preview``: an event's message as each destination would get it."""

from __future__ import annotations

import argparse
import json
import tempfile
import webbrowser
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from airflow_cloudact_notify.cli import output, place
from airflow_cloudact_notify.cli.samples import sample
from airflow_cloudact_notify.core import policy
from airflow_cloudact_notify.core.budget import Budget, call_directly
from airflow_cloudact_notify.core.custom.templates import custom_parts
from airflow_cloudact_notify.core.enums import NotificationEvent, NotificationProvider
from airflow_cloudact_notify.core.errors import CloudActNotifyError
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.providers.base import NO_PARTS
from airflow_cloudact_notify.core.providers.email import EmailPayload
from airflow_cloudact_notify.core.resolved import ResolvedConfig
from airflow_cloudact_notify.core.service import NotificationService


def run(arguments: argparse.Namespace) -> int:
    """Render the message and show it, or write it to files."""
    service = place.service_of(arguments)
    resolved = service.configs.resolve(place.tenant_of(arguments))
    message = _message(arguments)
    severity = policy.severity_of(message, resolved.config)
    message = message.model_copy(update={"severity": severity})
    names = [NotificationProvider(name) for name in arguments.provider or ()]
    payloads, problems = _rendered(message, resolved, service, names)
    if not payloads and not problems:
        why = "\n".join((resolved.source, *place.hints(arguments)))
        raise CloudActNotifyError(f"Nothing to show: no destination is switched on.\n{why}")
    files = _files(payloads)
    folder = arguments.out or (tempfile.mkdtemp(prefix="cloudact-notify-") if arguments.open else None)
    written = _write(Path(folder), files) if folder else []
    if arguments.format == "json":
        output.say_json({"payloads": files, "written": [str(file) for file in written], "problems": problems})
    else:
        _show(payloads, written, problems, is_quiet=bool(folder))
    for file in written if arguments.open else ():
        if file.suffix == ".html":
            webbrowser.open(file.resolve().as_uri())
    return 1 if problems else 0


def _message(arguments: argparse.Namespace) -> NotificationMessage:
    tenant_id, event = place.tenant_of(arguments), NotificationEvent(arguments.event)
    if arguments.message is None:
        return sample(event, tenant_id, severity=arguments.severity)
    given = {"tenant_id": tenant_id, "event": event, "severity": arguments.severity}
    try:
        recorded = json.loads(Path(arguments.message).read_text(encoding="utf-8"))
        return NotificationMessage.model_validate(
            recorded | {key: value for key, value in given.items() if value is not None}
        )
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    except (OSError, ValueError, TypeError) as error:
        why = str(error)
    raise CloudActNotifyError(f"{arguments.message} holds no message: {why}")


def _rendered(
    message: NotificationMessage,
    resolved: ResolvedConfig,
    service: NotificationService,
    names: list[NotificationProvider],
) -> tuple[dict[str, Any], list[str]]:
    """Return the payload of every destination that is asked for, and why there is none of the others."""
    wanted = [single for name in names for single in name.expand()]
    enabled = resolved.config.enabled_destinations()
    ready, unready = service.destinations.ready(
        [name for name in enabled if not wanted or name in wanted], resolved, call_directly
    )
    problems = [*map(str, resolved.problems), *map(str, unready)]
    problems += [
        f"{name} is switched off in {resolved.source}"
        for name in dict.fromkeys(wanted)
        if name not in enabled and name not in resolved.broken
    ]
    trigger = resolved.config.trigger(message.event)
    custom = custom_parts(message, trigger, ready, service.configs.files, Budget(), resolved.config.style)
    problems += custom.remarks
    return {
        str(name): provider.render(message, custom.parts.get(name, NO_PARTS))
        for name, provider in ready.items()
    }, problems


def _files(payloads: dict[str, Any]) -> dict[str, str]:
    """Return the contents of files that show payloads, by their names."""
    files: dict[str, str] = {}
    for name, payload in payloads.items():
        if isinstance(payload, EmailPayload):
            files[f"{name}.eml"] = payload.mail.as_bytes().decode("utf-8", "replace")
            for part, suffix in (("plain", "txt"), ("html", "html")):
                body = payload.mail.get_body((part,))
                files[f"{name}.{suffix}"] = body.get_content() if body else ""
        else:
            files[f"{name}.json"] = json.dumps(payload, indent=2, ensure_ascii=False)
    return files


def _write(folder: Path, files: dict[str, str]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8", newline="")
    return [folder / name for name in files]


def _show(payloads: dict[str, Any], written: list[Path], problems: list[str], *, is_quiet: bool) -> None:
    for name, payload in {} if is_quiet else payloads.items():
        output.heading(f"--- {name} ---")
        is_mail = isinstance(payload, EmailPayload)
        output.say(shown_mail(payload.mail) if is_mail else shown_payload(payload))
    for file in written:
        output.say(f"{output.styled('written', 'green')}  {file}")
    for problem in problems:
        output.complain(f"{output.styled('problem', 'red')}  {problem}")


def shown_mail(mail: EmailMessage) -> str:
    """Return a mail as a person reads it in a terminal."""
    heads = [f"{name}: {mail[name]}" for name in ("From", "To", "Cc", "Subject") if mail[name]]
    body = mail.get_body(("plain",))
    return "\n".join((*heads, "", body.get_content().rstrip() if body else ""))


def shown_payload(payload: Any) -> str:
    """Return what is posted to a webhook as a person reads it in a terminal: its texts, in their order."""
    return "\n".join(_texts(payload))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        shown = [value["text"]] if isinstance(value.get("text"), str) else []
        return shown + [text for key, child in value.items() if key != "fallback" for text in _nested(child)]
    return [text for child in value for text in _nested(child)] if isinstance(value, list) else []


def _nested(value: Any) -> list[str]:
    return _texts(value) if isinstance(value, dict | list) else []
