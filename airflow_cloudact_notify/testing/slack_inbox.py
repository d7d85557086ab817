"""A webhook on loopback."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from airflow_cloudact_notify.testing.loopback import LOOPBACK

_Answer = tuple[int, str, Mapping[str, str]]
"""Status, body, headers."""


class SlackInbox:
    """An HTTP server that takes what is posted to ``url``, like Slack's incoming webhooks.

    ``payloads`` holds the JSON of every request, whatever the answer was. ``host`` is what ``allowed_webhook_hosts``
    needs to hold.

    :param port: left out, a free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.payloads: list[dict[str, Any]] = []
        self._answers: deque[_Answer] = deque()
        self._server = ThreadingHTTPServer((LOOPBACK, port), partial(_Webhook, self.payloads, self._answers))
        self.host = f"{LOOPBACK}:{self._server.server_port}"
        self.url = f"http://{self.host}/services/T000/B000/SECRET"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> Self:
        """Answer the next request that has no answer yet so; after the last one it is ``200 ok`` again."""
        self._answers.append((status, body, headers or {}))
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Webhook(BaseHTTPRequestHandler):
    def __init__(self, payloads: list[dict[str, Any]], answers: deque[_Answer], *args: Any) -> None:
        self._payloads = payloads
        self._answers = answers
        super().__init__(*args)

    def do_POST(self) -> None:
        self._payloads.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, body, headers = self._answers.popleft() if self._answers else (200, "ok", {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing: the request's line holds the webhook's secret."""
