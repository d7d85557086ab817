"""What arrived in the inboxes, read as its reader would: tenant, pipeline and event from the texts themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any

from airflow_cloudact_notify.testing import ReceivedMail

NOBODY = "unknown"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail or Slack message.

    :param to: the mail's recipients, or Slack's channel.
    :param files: suffix and content of what to keep of it.
    :param title: the headline; of a Slack message with its emoji, in bold type.
    """

    tenant: str
    dag_id: str
    run_id: str
    event: str
    destination: str
    to: str
    files: Mapping[str, bytes]
    title: str = ""
    text: str = ""


def arrivals(mails: Iterable[ReceivedMail], payloads: Iterable[Mapping[str, Any]]) -> list[Arrival]:
    """Return everything that arrived, mails first."""
    return [*map(_of_mail, mails), *map(_of_slack, payloads)]


def save(received: Iterable[Arrival], folder: Path) -> None:
    """Write what arrived into a folder for each tenant."""
    for number, arrival in enumerate(received, 1):
        place = folder / arrival.tenant
        place.mkdir(parents=True, exist_ok=True)
        for suffix, content in arrival.files.items():
            (place / f"{number:02}-{arrival.dag_id}-{arrival.event}{suffix}").write_bytes(content)


def _of_mail(received: ReceivedMail) -> Arrival:
    text = _part(received, "plain")
    facts = dict(re.findall(r"^(Tenant|Pipeline|Run): (.*)$", text.replace("\r", ""), re.MULTILINE))
    files = {".eml": received.raw, ".html": _part(received, "html").encode()}
    arrival = _arrival(facts, text, "email", ", ".join(received.recipients), files)
    said = re.search("<title>(.*)</title>", _part(received, "html"))
    return replace(arrival, title=unescape(said[1]) if said else received.mail["Subject"])


def _of_slack(payload: Mapping[str, Any]) -> Arrival:
    texts = list(_texts(payload))
    facts = dict(_facts(payload))
    content = json.dumps(payload, indent=2, ensure_ascii=False).encode()
    to = payload.get("channel", "webhook")
    arrival = _arrival(facts, "\n".join(texts), "slack", to, {".slack.json": content})
    return replace(arrival, title=payload["text"].partition("\n")[0])


def _arrival(
    facts: Mapping[str, str], text: str, destination: str, to: str, files: Mapping[str, bytes]
) -> Arrival:
    # The footer: "pipeline_failure · 2026-01-02 03:04:05 UTC".
    footer = re.search(r"^(\w+) · \d{4}-", text, re.MULTILINE)
    return Arrival(
        tenant=facts.get("Tenant", NOBODY),
        dag_id=facts.get("Pipeline", NOBODY),
        run_id=facts.get("Run", NOBODY),
        event=footer[1] if footer else NOBODY,
        destination=destination,
        to=to,
        files=files,
        text=text,
    )


def _part(received: ReceivedMail, kind: str) -> str:
    part = received.mail.get_body((kind,))
    return part.get_content() if part else ""


def _facts(value: Any) -> Iterator[tuple[str, str]]:
    """Yield names and values: they stand in turn in the fields of Slack's sections."""
    if isinstance(value, Mapping) and "fields" in value:
        texts = [field["text"] for field in value["fields"]]
        yield from ((name.strip("*"), said) for name, said in zip(texts[::2], texts[1::2], strict=True))
    elif isinstance(value, Mapping | list):
        for child in value.values() if isinstance(value, Mapping) else value:
            yield from _facts(child)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for child in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(child)
