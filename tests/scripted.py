"""Servers on loopback that answer as they are told to, badly above all."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any, Self

from airflow_cloudact_notify.testing.loopback import LOOPBACK


class Instead(Enum):
    """What a server does in place of an answer."""

    HANG_UP = auto()
    RESET = auto()
    SILENCE = auto()


HANG_UP, RESET, SILENCE = Instead
Answer = str | Instead


class _Server:
    """A TCP server, one thread for each connection."""

    host = LOOPBACK

    def __init__(self) -> None:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    outer.talk(self)
                except OSError:
                    return  # the client has gone

        class Threads(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        self._server = Threads((LOOPBACK, 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def talk(self, client: Any) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _misbehave(client: Any, how: Instead) -> None:
    if how is SILENCE:
        while client.rfile.read(1):
            pass
    if how is RESET:
        client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The handler's files keep the socket open.
    client.rfile.close()
    client.connection.shutdown(socket.SHUT_RDWR) if how is HANG_UP else client.connection.close()


class ScriptedSmtp(_Server):
    """A mail server.

    :param script: answers by command (``MAIL``, ``RCPT ann@example.com``, …), by ``GREETING``, and by ``CONTENT`` for
        what follows DATA; a list is used up, one answer a time, anything else is for ever. What is not in it is taken.

    ``contents`` counts the mails that came in whole, ``taken`` holds the recipients of those it took, ``commands`` what
    was asked of it.
    """

    def __init__(self, script: Mapping[str, Answer | Sequence[Answer]]) -> None:
        super().__init__()
        self._script = {
            name: deque(told) if isinstance(told, list | tuple) else told for name, told in script.items()
        }
        self.commands: list[str] = []
        self.contents = 0
        self.taken: list[tuple[str, ...]] = []

    def talk(self, client: Any) -> None:
        recipients: list[str] = []
        if not self._say(client, "220 loopback", "GREETING"):
            return
        for raw in client.rfile:
            line = raw.decode().strip()
            self.commands.append(line)
            verb = line.partition(" ")[0].upper()
            names = (f"{verb} {line.partition('<')[2].partition('>')[0]}", verb)
            answer = self._say(client, _USUAL.get(verb, "250 OK"), *names)
            if answer is None:
                return
            if verb == "RCPT" and answer.startswith("250"):
                recipients.append(line.partition("<")[2].partition(">")[0])
            if answer.startswith("354"):
                self._take(client, recipients)
            if verb == "QUIT" or answer.startswith("421"):
                return

    def _take(self, client: Any, recipients: Sequence[str]) -> None:
        while client.rfile.readline() not in (b".\r\n", b""):
            pass
        self.contents += 1
        if self._say(client, "250 OK", "CONTENT") == "250 OK":
            self.taken.append(tuple(recipients))

    def count(self, verb: str) -> int:
        """Return how often a command was given."""
        return sum(line.upper().startswith(verb) for line in self.commands)

    def _say(self, client: Any, usual: str, *names: str) -> str | None:
        told = next((self._script[name] for name in names if name in self._script), usual)
        if isinstance(told, deque):
            told = told.popleft() if told else usual
        if isinstance(told, Instead):
            _misbehave(client, told)
            return None
        client.wfile.write(f"{told}\r\n".encode())
        return told


_USUAL = {
    "EHLO": "250-loopback\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN",
    "AUTH": "235 2.7.0 welcome",
    "DATA": "354 go ahead",
    "QUIT": "221 bye",
}


class ScriptedWebhook(_Server):
    """A web server at ``url`` that gives these answers to its requests, in turn, and then ``200 ok``.

    A text is the answer as it goes over the wire, but for ``Connection: close``, which is added: a client that kept a
    connection this server is about to close would race against it. ``requests`` counts those that came in whole.
    """

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self._answers = deque(answers)
        self.requests = 0
        self.url = f"http://{self.host}:{self.port}/services/T000/B000/SECRET"

    def talk(self, client: Any) -> None:
        length = 0
        while (line := client.rfile.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        client.rfile.read(length)
        self.requests += 1
        answer = (
            self._answers.popleft() if self._answers else "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )
        if isinstance(answer, Instead):
            _misbehave(client, answer)
        else:
            client.wfile.write(answer.replace("\r\n", "\r\nConnection: close\r\n", 1).encode())
