"""Three tenants, their servers, and rounds of notifications with maintenance in between."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from unittest import mock

import trustme

from airflow_cloudact_notify.core import replays
from airflow_cloudact_notify.core.budget import Budget
from airflow_cloudact_notify.core.enums import NotificationProvider
from airflow_cloudact_notify.core.maintenance import maintain
from airflow_cloudact_notify.core.message import NotificationMessage
from airflow_cloudact_notify.core.report import NotificationReport
from airflow_cloudact_notify.core.service import NotificationService
from airflow_cloudact_notify.core.smtp import tls_context
from airflow_cloudact_notify.core.state.outbox import DeadLetter, Outbox
from airflow_cloudact_notify.core.state.store import MemoryStateStore
from airflow_cloudact_notify.testing import FrozenClock
from airflow_cloudact_notify.testing.loopback import LOOPBACK
from campaign.books import Books, Place
from campaign.secrets import SECRETS, UNKEPT, Search
from campaign.servers import MailServer, Server, Webhook

EMAIL, SLACK = NotificationProvider.EMAIL, NotificationProvider.SLACK
TENANTS = ("acme", "beta", "gamma")
ROUNDS = 20
CALM_ROUNDS = 40
BUDGET_SECONDS = 1.6
SHARE_AWAY = 0.03
"""Of notifications before which one of the tenant's servers refuses connections."""
EVENTS = ("pipeline_failure", "pipeline_warning", "data_quality_failure", "system_error", "pipeline_success")


@dataclass
class Result:
    """What there is to say about a campaign."""

    met: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    searched: int = 0


class Overheard(MemoryStateStore):
    """Lets a search see every row that is ever written."""

    def __init__(self, search: Search) -> None:
        super().__init__(max_rows=1_000_000)
        self._search = search

    def put(self, key: str, value: str) -> None:
        self._search.look("a row", f"{key} {value}")
        super().put(key, value)


class Observed(NotificationService):
    """Shows every report, those on what maintenance sends as well."""

    def __init__(self, show: Callable[[NotificationReport], None], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._show = show

    def send(self, message: NotificationMessage, **options: Any) -> NotificationReport:
        report = super().send(message, **options)
        self._show(report)
        return report


class Campaign:
    """The stage: servers, configurations, a state, a clock that moves from round to round."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._undo = contextlib.ExitStack()
        self.search = Search()
        self.state = Overheard(self.search)
        self.clock = FrozenClock()
        self.books = Books()
        right, wrong = self._certificates()
        self.servers: dict[Place, Server] = {
            ("acme", SLACK): Webhook(f"{seed} acme slack"),
            ("acme", EMAIL): MailServer(f"{seed} acme email"),
            ("beta", SLACK): Webhook(f"{seed} beta slack"),
            ("beta", EMAIL): MailServer(f"{seed} beta email", right, wrong),
            ("gamma", SLACK): Webhook(f"{seed} gamma slack", right, wrong),
            ("gamma", EMAIL): MailServer(f"{seed} gamma email", right, wrong),
        }
        self.root = Webhook(f"{seed} root")

    def __enter__(self) -> Self:
        for server in (*self.servers.values(), self.root):
            self._undo.enter_context(server)
        trusted = {"SSL_CERT_FILE": str(self._authority), "REQUESTS_CA_BUNDLE": str(self._authority)}
        self._undo.enter_context(mock.patch.dict(os.environ, trusted | SECRETS.variables()))
        self._undo.enter_context(mock.patch.object(replays, "SEND_SECONDS", 2 * BUDGET_SECONDS))
        self._undo.enter_context(self.search.listening(logging.getLogger()))
        tls_context.cache_clear()
        self._configure()
        self.service = Observed(
            self._hear,
            self._folder,
            allowed_webhook_hosts=[server.host for server in (*self.servers.values(), self.root)],
            state=self.state,
            connections=self._connection,
            clock=self.clock,
            metrics=lambda metric, _, *tags: self.search.look("a metric", f"{metric.name} {tags}"),
            sleep=lambda seconds: time.sleep(min(seconds, 0.01)),
            settle=lambda _: None,
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._undo.close()
        tls_context.cache_clear()

    def run(self, count: int, faults: float) -> Result:
        """Send notifications while the servers misbehave, let things calm down, and compare the books."""
        result = Result()
        numbers = list(range(count))
        with ThreadPoolExecutor(len(TENANTS)) as threads:
            for number in range(ROUNDS):
                self._misbehave(faults)
                batch = numbers[number::ROUNDS]
                list(threads.map(self._tell, [(t, batch[i :: len(TENANTS)]) for i, t in enumerate(TENANTS)]))
                self._maintain(result)
        self._misbehave(0.0)
        result.letters["waiting when the servers became well"] = len(self._letters())
        for _ in range(CALM_ROUNDS):
            self._maintain(result)
        letters = self._letters()
        result.letters["still waiting"] = len(letters)
        for letter in letters:
            for name, miss in letter.missed.items():
                result.letters[f"still waiting for {name}: {miss.reason}"] += 1
        self.books.balance(
            count, letters, self.search.lines("A dead letter is given up", UNKEPT), self.servers
        )
        return self._finished(result)

    def _finished(self, result: Result) -> Result:
        for place, server in (*self.servers.items(), (("root", SLACK), self.root)):
            result.met.update(server.met)
            for body in server.bodies:
                self.search.look(f"a message to {place[1]} of {place[0]}", body)
        result.outcomes, result.problems = self.books.outcomes, self.books.problems
        result.leaks, result.searched = self.search.found, self.search.searched
        return result

    def _tell(self, work: tuple[str, list[int]]) -> None:
        tenant, numbers = work
        chance = random.Random(f"{self._seed} {tenant} {numbers[:1]}")
        for number in numbers:
            with self._somebody_away(tenant, chance):
                message = self._message(tenant, number, chance)
                report = self.service.send(message, budget=Budget(BUDGET_SECONDS))
            self.books.enter(number, report)

    def _message(self, tenant: str, number: int, chance: random.Random) -> NotificationMessage:
        event = chance.choice(EVENTS)
        own = {} if chance.random() < 0.5 else {"dedup_key": f"key {number}"}
        return NotificationMessage.model_validate(
            {
                "tenant_id": tenant,
                "event": event,
                "title": f"notification {number:04d}",
                "message": f"It could not be read: {SECRETS.exception()}",
                "details": {"rows": number, "error": SECRETS.exception(), "api_key": SECRETS.api_key},
                "pipeline_id": f"pipeline_{number % 3}",
                "pipeline_logging_id": f"run-{number:04d}",
                "occurred_at": self.clock(),
                **own,
            }
        )

    def _hear(self, report: NotificationReport) -> None:
        self.books.note_doubts(report)
        self.search.look("a report", json.dumps(report.to_dict()))
        self.search.look("a report", f"{report.summary} {report!r} {report.notes}")

    @contextlib.contextmanager
    def _somebody_away(self, tenant: str, chance: random.Random) -> Iterator[None]:
        if chance.random() >= SHARE_AWAY:
            yield
            return
        server = self.servers[tenant, chance.choice((EMAIL, SLACK))]
        server.met["refused"] += 1
        server.close()
        try:
            yield
        finally:
            server.open()

    def _maintain(self, result: Result) -> None:
        self.clock.advance(1200)
        done = maintain(self.service, lambda _: None, self.clock())
        result.letters["delivered late"] += done.replayed
        result.letters["given up"] += done.lost

    def _misbehave(self, share: float) -> None:
        for server in self.servers.values():
            server.share_of_faults = share

    def _letters(self) -> list[DeadLetter]:
        outbox = Outbox(self.state, print)
        return [letter for key in outbox.listed() if (letter := outbox.read(key))]

    def _configure(self) -> None:
        retry = {"max_attempts": 3, "initial_delay_seconds": 0.01, "max_delay_seconds": 2}
        common = {"retry_config": retry, "timeout_seconds": 5, "dead_letter_hours": 12}
        slack = {"enabled": True, "webhook_url": self._url(self.root, "CLOUDACT_NOTIFY_TOKEN")}
        self._write("notifications/config.json", {"default_provider": "slack", "slack": slack, **common})
        every = [{"event": event} for event in EVENTS]
        for tenant in TENANTS:
            hook = self._url(self.servers[tenant, SLACK], f"{tenant.upper()}_TOKEN")
            document = {
                "slack": {"enabled": True, "webhook_url": hook},
                "email": self._email(tenant),
                **common,
            }
            routes: dict[str, Any] = {
                "acme": [
                    trigger | {"providers": ["slack"], "fallback_providers": ["email"]} for trigger in every
                ],
                "beta": [trigger | {"providers": ["both"]} for trigger in every],
                "gamma": [
                    trigger | {"providers": ["slack" if n % 2 else "email"]}
                    for n, trigger in enumerate(every)
                ],
            }
            self._write(f"{tenant}/notifications.json", {**document, "event_triggers": routes[tenant]})

    def _url(self, server: Server, variable: str) -> str:
        scheme = "https" if server.right else "http"
        return f"{scheme}://{server.host}/services/T000/B000/${{{variable}}}"

    def _email(self, tenant: str) -> dict[str, Any]:
        people = {
            "from_email": "airflow@example.com",
            "to_emails": [f"a@{tenant}.example", f"b@{tenant}.example"],
        }
        if tenant == "gamma":
            return {"enabled": True, "conn_id": "gamma_smtp", **people}
        server = self.servers[tenant, EMAIL]
        login = {} if tenant == "acme" else {"smtp_username": "beta", "smtp_password": "${BETA_PASSWORD}"}
        place = {"smtp_host": LOOPBACK, "smtp_port": server.port, "smtp_use_tls": bool(server.right)}
        return {"enabled": True, **place, **login, **people}

    def _connection(self, conn_id: str, kind: NotificationProvider) -> Mapping[str, Any]:
        port = self.servers["gamma", EMAIL].port
        login = {"smtp_username": "gamma", "smtp_password": SECRETS.connection}
        return {"smtp_host": LOOPBACK, "smtp_port": port, **login}

    def _write(self, name: str, document: dict[str, Any]) -> None:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))

    def _certificates(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """Return a certificate that is trusted here, and one that is not."""
        contexts = []
        for authority in (trustme.CA(), trustme.CA()):
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            authority.issue_cert(LOOPBACK).configure_cert(context)
            contexts.append(context)
            self._authority = self._folder / "ca.pem"
            if len(contexts) == 1:
                authority.cert_pem.write_to_path(str(self._authority))
        return contexts[0], contexts[1]
