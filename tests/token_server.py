"""A token server of Microsoft's and Google's kind, over TLS on loopback, and a mail server that asks for its tokens."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import tempfile
from collections import deque
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Self
from unittest import mock
from urllib.parse import parse_qsl

import trustme
from aiosmtpd.smtp import AuthResult

from airflow_cloudact_notify.core import oauth2
from airflow_cloudact_notify.testing import SmtpInbox
from airflow_cloudact_notify.testing.loopback import LOOPBACK


class TokenServer:
    """Gives out ``token-1``, ``token-2``, … at ``authority``; ``asked`` holds the forms it was asked with."""

    def __init__(self, lifetime: int = 3600) -> None:
        self.asked: list[dict[str, str]] = []
        self.lifetime = lifetime
        self._answers: deque[tuple[int, dict[str, Any]]] = deque()
        self._server = ThreadingHTTPServer((LOOPBACK, 0), partial(_Tokens, self))
        self.authority = f"https://{LOOPBACK}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def answer(self, status: int, **fields: Any) -> Self:
        """Answer the next request for a token so."""
        self._answers.append((status, fields))
        return self

    def next_answer(self) -> tuple[int, dict[str, Any]]:
        if self._answers:
            return self._answers.popleft()
        token = {"access_token": f"token-{len(self.asked)}", "token_type": "Bearer"}
        return 200, token | {"expires_in": self.lifetime}

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run, trusted by this process, which has forgotten all tokens and forgets them again."""
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(LOOPBACK).configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "ca.pem"
            authority.cert_pem.write_to_path(str(bundle))
            with mock.patch.dict(os.environ, REQUESTS_CA_BUNDLE=str(bundle)):
                self._thread.start()
                forget_tokens()
                try:
                    yield self
                finally:
                    forget_tokens()
                    self._server.shutdown()
                    self._server.server_close()
                    self._thread.join()


def forget_tokens() -> None:
    oauth2._application.cache_clear()
    oauth2._google_credentials.cache_clear()


class _Tokens(BaseHTTPRequestHandler):
    def __init__(self, outer: TokenServer, *args: Any) -> None:
        self._outer = outer
        super().__init__(*args)

    def do_GET(self) -> None:
        """Tell where what is, as Microsoft does below every directory."""
        tenant = self.path.split("/")[1]
        if tenant == "unknown":
            self._say(400, {"error": "invalid_tenant"})
            return
        place = f"{self._outer.authority}/{tenant}/oauth2/v2.0"
        self._say(
            200,
            {
                "authorization_endpoint": f"{place}/authorize",
                "token_endpoint": f"{place}/token",
                "issuer": place,
            },
        )

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self._outer.asked.append(dict(parse_qsl(form)) | {"path": self.path})
        self._say(*self._outer.next_answer())

    def _say(self, status: int, fields: dict[str, Any]) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class OAuthInbox(SmtpInbox):
    """A mail server with STARTTLS that takes ``tokens`` of ``user`` by XOAUTH2, and nothing else.

    ``seen`` holds what it was sent. One that it does not take it answers as Google does: a challenge that says why,
    then, after an empty line, ``refusal``.
    """

    def __init__(
        self,
        user: str,
        *tokens: str,
        refusal: str = "535 5.7.3 Authentication unsuccessful",
        **options: Any,
    ) -> None:
        super().__init__(security="starttls", login=(user, "no password"), **options)
        self.seen: list[str] = []
        self._good = {f"user={user}\x01auth=Bearer {token}\x01\x01" for token in tokens}
        self._refusal = refusal

    async def auth_XOAUTH2(self, server: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        self.seen.append(base64.b64decode(args[1], validate=True).decode())
        if self.seen[-1] in self._good:
            return AuthResult(success=True, auth_data=self.seen[-1])
        answer = await server.challenge_auth(b'{"status":"400","schemes":"Bearer"}')
        assert answer == b"", answer
        await server.push(self._refusal)
        return AuthResult(success=False, handled=True)
