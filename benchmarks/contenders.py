"""Who is measured, told the same thing to say: us, the official notifiers, Apprise's, and the bare protocols.

Each is a function that imports what it needs, as a DAG file or a callback would, and returns what tells a context.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from benchmarks.servers import LOOPBACK

Context = Mapping[str, Any]
Teller = Callable[[Context], None]

CAUSE = "".join(
    f'  File "/opt/airflow/dags/sales/load.py", line {line}, in step_{line}\n    rows = step_{line + 1}(rows)\n'
    for line in range(10, 20)
)
"""A short traceback."""
ERROR = f"Traceback (most recent call last):\n{CAUSE}ValueError: 12 rows of raw.orders have no customer"

# What the official notifiers' and Apprise's authors would write into a DAG file; ours says as much by itself.
HEADLINE = "Task {{ ti.dag_id }}.{{ ti.task_id }} failed"
FACTS = {
    "Pipeline": "{{ ti.dag_id }}",
    "Task": "{{ ti.task_id }}",
    "Run": "{{ run_id }}",
    "Try": "{{ ti.try_number }} of {{ ti.max_tries + 1 }}",
}
BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": HEADLINE}},
    {
        "type": "section",
        "fields": [{"type": "mrkdwn", "text": f"*{name}*\n{value}"} for name, value in FACTS.items()],
    },
    {"type": "section", "text": {"type": "mrkdwn", "text": "```{{ error }}```"}},
    {
        "type": "actions",
        "elements": [
            {
                "type": "button",
                "text": {"type": "plain_text", "text": "Open log"},
                "url": "{{ ti.log_url }}",
            }
        ],
    },
]
TEXT = "\n".join(
    [*(f"{name}: {value}" for name, value in FACTS.items()), "", "{{ error }}", "", "{{ ti.log_url }}"]
)
HTML = f"<h2>{HEADLINE}</h2><pre>{TEXT}</pre>"


def ours(place: str, tenant: str | None = None, state: bool = False) -> Teller:
    """Us: with ``state`` a failure, which needs Variables; without, a start, which needs none."""
    from airflow_cloudact_notify import CloudActNotifier

    lifecycle = "failure" if state else "execute"
    return CloudActNotifier(tenant_id=tenant or place, lifecycle=lifecycle, details={"error": "{{ error }}"})


def official(place: str) -> Teller:
    """The official Slack and SMTP notifiers, one after the other, as Airflow calls a list of callbacks."""
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    # A notifier renders its texts once and for all: a new one for each notification, as each task's process has.
    def tell(context: Context) -> None:
        to = f"{place if place != 'tls' else 'usual'}-official@example.com"
        chat = SlackWebhookNotifier(slack_webhook_conn_id=f"slack_{place}", text=HEADLINE, blocks=BLOCKS)
        mail = SmtpNotifier(smtp_conn_id=f"smtp_{place}", to=to, subject=HEADLINE, html_content=HTML)
        # What one raises is logged, and the next one called.
        for notifier in (chat, mail):
            with contextlib.suppress(Exception):
                notifier(dict(context))

    return tell


def apprise(place: str) -> Teller:
    """Apprise's notifier, with a webhook that takes JSON and a mail server in one connection."""
    from airflow.providers.apprise.notifications.apprise import AppriseNotifier

    def tell(context: Context) -> None:
        AppriseNotifier(apprise_conn_id=f"apprise_{place}", title=HEADLINE, body=TEXT)(dict(context))

    return tell


def bare(place: str) -> Teller:
    """The protocols alone, one after the other: ``requests.post`` and ``smtplib``, with texts that are ready.

    The webhook's connection is a new one each time; TLS contexts are those the libraries make.
    """
    import smtplib
    import ssl
    from email.message import EmailMessage

    import requests

    ports = json.loads(os.environ["BENCHMARK_PORTS"])
    payload = {"text": HEADLINE, "blocks": BLOCKS}
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "airflow@example.com", "usual-bare@example.com", HEADLINE
    mail.set_content(TEXT)
    mail.add_alternative(HTML, subtype="html")
    scheme, port = ("https", ports["https"]) if place == "tls" else ("http", ports["http"])
    url = f"{scheme}://{LOOPBACK}:{port}/services/T000/B000/{'slow' if place == 'slow' else 'usual'}-bare"
    if place == "slow":
        mail.replace_header("To", "slow-bare@example.com")
    context: list[ssl.SSLContext] = []

    def tell(_: Context) -> None:
        requests.post(url, json=payload, timeout=30)
        if place == "tls":
            if not context:
                context.append(ssl.create_default_context())
            with smtplib.SMTP_SSL(LOOPBACK, ports["smtps"], timeout=30, context=context[0]) as client:
                client.send_message(mail)
        else:
            with smtplib.SMTP(LOOPBACK, ports["smtp"], timeout=30) as client:
                client.send_message(mail)

    return tell


CONTENDERS: dict[str, Callable[..., Teller]] = {
    "ours": ours,
    "official": official,
    "apprise": apprise,
    "bare": bare,
}


def context_of(run: int = 1) -> dict[str, Any]:
    """Return what Airflow gives a task's callback, as far as anybody here reads it."""
    from airflow.sdk import DAG
    from airflow.sdk.bases.operator import BaseOperator

    with DAG("sales", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        task = BaseOperator(task_id="load")
    run_id = f"manual__2026-01-02T03:04:{run:06}"
    ti = SimpleNamespace(
        dag_id="sales",
        task_id="load",
        run_id=run_id,
        try_number=1,
        max_tries=1,
        map_index=-1,
        state="running",
        hostname="worker-1",
        start_date=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        end_date=None,
        log_url=f"http://localhost:8080/dags/sales/runs/{run_id}/tasks/load?try_number=1",
        mark_success_url="http://localhost:8080/confirm",
    )
    dag_run = SimpleNamespace(
        dag_id="sales",
        run_id=run_id,
        conf={},
        run_type="manual",
        clear_number=0,
        logical_date=datetime(2026, 1, 2, 3, 4, run % 60, tzinfo=UTC),
    )
    return {
        "dag": dag,
        "task": task,
        "ti": ti,
        "task_instance": ti,
        "dag_run": dag_run,
        "run_id": run_id,
        "params": {},
        "error": ERROR,
        "exception": ValueError("12 rows of raw.orders have no customer"),
    }


def of_run(context: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return a task's context as a DAG's callback would see it: of the task there is no state, of the run a reason."""
    context["ti"].state = None
    return {name: value for name, value in context.items() if name != "exception"} | {"reason": reason}
