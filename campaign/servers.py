"""A web server and a mail server on loopback that misbehave at random, by a seed, and keep books of what they took."""

from __future__ import annotations

import base64
import contextlib
import random
import re
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import Any, Self

from airflow_cloudact_notify.testing.loopback import LOOPBACK

NUMBER = re.compile(r"run-(\d{4,})")
"""What a run is called, so that a server knows which message it is given: summaries name no runs."""
LONGEST_HANG = 30.0

WEBHOOK_FAULTS = (
    "reset",
    "hang",
    "garbage",
    "no_service",
    "invalid_blocks",
    "forbidden",
    "server_error",
    "unavailable",
    "too_many",
    "too_many_until_date",
    "too_many_nonsense",
    "close_after_body",
    "redirect",
)
MAIL_FAULTS = (
    "reset",
    "hang",
    "garbage",
    "busy",
    "refuse_login",
    "refuse_all",
    "refuse_one",
    "defer_one",
    "reject_content",
    "defer_content",
    "close_after_data",
    "take_and_close",
)


class Server:
    """One destination. ``taken`` counts what it took by number, ``unsure`` what it took without saying so.

    ``told`` counts it by number and recipient: a mail may be taken in parts.

    :param wrong: a TLS context whose certificate nobody trusts.
    :param right: one whose certificate is trusted; left out, the server speaks without TLS.
    """

    faults: tuple[str, ...] = ()

    def __init__(
        self,
        seed: object,
        right: ssl.SSLContext | None = None,
        wrong: ssl.SSLContext | None = None,
    ) -> None:
        self.random = random.Random(f"{seed}")
        self.right, self.wrong = right, wrong
        self.taken: Counter[int] = Counter()
        self.unsure: Counter[int] = Counter()
        self.told: Counter[tuple[int, str]] = Counter()
        self.met: Counter[str] = Counter()
        self.bodies: list[str] = []
        self.share_of_faults = 0.0
        self.port = 0
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._listener: socket.socket | None = None

    @property
    def host(self) -> str:
        """The address with its port."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self.close()

    def open(self) -> None:
        """Listen, on the same port as before."""
        if self._listener is None:
            self._listener = socket.create_server((LOOPBACK, self.port), backlog=64)
            self.port = self._listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                fault = self._fault()
            threading.Thread(target=self._serve, args=(client, fault), daemon=True).start()

    def _fault(self) -> str:
        """Return what goes wrong with a connection, an empty text for nothing."""
        if self.random.random() >= self.share_of_faults:
            return ""
        names = (*self.faults, "wrong_certificate") if self.right else self.faults
        return self.random.choice(names)

    def _serve(self, client: socket.socket, fault: str) -> None:
        self.met[fault or "fine"] += 1
        with contextlib.suppress(OSError, ssl.SSLError, ValueError), client:
            client.settimeout(LONGEST_HANG)
            if fault == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if fault == "hang":
                self._done.wait(LONGEST_HANG)
                return
            with contextlib.ExitStack() as opened:
                self.talk(client, fault, opened)

    def talk(self, client: socket.socket, fault: str, opened: contextlib.ExitStack) -> None:
        """Serve one connection.

        :param opened: what is to be closed after it.
        """
        raise NotImplementedError

    def _secured(self, client: socket.socket, fault: str, opened: contextlib.ExitStack) -> socket.socket:
        context = self.wrong if fault == "wrong_certificate" else self.right
        if context is None:
            return client
        return opened.enter_context(context.wrap_socket(client, server_side=True))

    def note(self, body: str, *, sure: bool, recipients: Iterable[str] = ("",)) -> None:
        """Write down what was taken."""
        with self._lock:
            self.bodies.append(body)
            for number in {int(found) for found in NUMBER.findall(body)[:1]}:
                (self.taken if sure else self.unsure)[number] += 1
                self.told.update((number, who) for who in recipients if sure)


class Webhook(Server):
    """Takes what is posted to it."""

    faults = WEBHOOK_FAULTS

    def talk(self, client: socket.socket, fault: str, opened: contextlib.ExitStack) -> None:
        client = self._secured(client, fault, opened)
        with client.makefile("rb") as lines:
            length = 0
            while (line := lines.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            body = lines.read(length).decode()
            if fault == "close_after_body":
                # Whether it has taken the message, nobody knows but itself.
                if self.random.random() < 0.5:
                    self.note(body, sure=False)
                return
            status, text, more = _ANSWERS.get(fault, lambda: ("200 OK", "ok", ""))()
            if fault == "garbage":
                client.sendall(b"\x00\xff no web server \r\n\r\n")
                return
            if status.startswith("200"):
                self.note(body, sure=True)
            answer = (
                f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n{more}\r\n{text}"
            )
            client.sendall(answer.encode())


_ANSWERS: dict[str, Callable[[], tuple[str, str, str]]] = {
    "no_service": lambda: ("404 Not Found", "no_service", ""),
    "invalid_blocks": lambda: ("400 Bad Request", "invalid_blocks", ""),
    "forbidden": lambda: ("403 Forbidden", "action_prohibited", ""),
    "server_error": lambda: ("500 Oops", "rollup_error", ""),
    "unavailable": lambda: ("503 Later", "", ""),
    "too_many": lambda: ("429 Slow down", "rate_limited", "Retry-After: 1\r\n"),
    "too_many_until_date": lambda: ("429 Slow down", "", f"Retry-After: {formatdate(usegmt=True)}\r\n"),
    "too_many_nonsense": lambda: ("429 Slow down", "", "Retry-After: soon, -1\r\n"),
    "redirect": lambda: ("302 Found", "", "Location: http://127.0.0.1:1/\r\n"),
}


class MailServer(Server):
    """A mail server: STARTTLS where it has certificates, and a login that anybody may use."""

    faults = MAIL_FAULTS

    def talk(self, client: socket.socket, fault: str, opened: contextlib.ExitStack) -> None:
        if fault == "garbage":
            client.sendall(b"\x00\xff no mail server\r\n")
            return
        self._say(client, "421 busy" if fault == "busy" else "220 loopback")
        lines = opened.enter_context(client.makefile("rb"))
        recipients: dict[str, bool] = {}
        while line := lines.readline().decode("ascii", "replace").strip():
            verb = line.upper().split()[0]
            if verb == "STARTTLS":
                self._say(client, "220 go ahead")
                client = self._secured(client, fault, opened)
                lines = opened.enter_context(client.makefile("rb"))
            elif verb == "RCPT":
                recipients[line] = self._recipient(client, fault, first=not recipients)
            elif verb == "DATA":
                if not self._content(client, lines, fault, recipients):
                    return
            else:
                self._say(client, self._usual(verb, line, fault))
            if verb == "QUIT":
                return

    def _usual(self, verb: str, line: str, fault: str) -> str:
        if verb == "EHLO":
            tls = "250-STARTTLS\r\n" if self.right else ""
            return f"250-loopback\r\n{tls}250 AUTH PLAIN"
        if verb == "AUTH":
            with contextlib.suppress(ValueError):
                base64.b64decode(line.split()[-1])
            return "535 5.7.8 bad credentials" if fault == "refuse_login" else "235 welcome"
        return "221 bye" if verb == "QUIT" else "250 OK"

    def _recipient(self, client: socket.socket, fault: str, *, first: bool) -> bool:
        """Answer one recipient, and return whether he is taken; the first of them is the one that some faults mean."""
        no = ""
        if fault == "refuse_all" or (fault == "refuse_one" and first):
            no = "550 5.1.1 no such user"
        elif fault == "defer_one" and first:
            no = "450 4.2.1 greylisted"
        self._say(client, no or "250 OK")
        return not no

    def _content(self, client: socket.socket, lines: Any, fault: str, recipients: Mapping[str, bool]) -> bool:
        """Take a mail's content; return whether the conversation goes on."""
        self._say(client, "354 go ahead")
        content = b""
        while (line := lines.readline()) not in (b".\r\n", b""):
            content += line
        text = content.decode("utf-8", "replace")
        if fault in ("close_after_data", "take_and_close"):
            if fault == "take_and_close":
                self.note(text, sure=False)
            return False
        answers = {"reject_content": "554 5.7.1 policy", "defer_content": "452 4.3.1 out of storage"}
        if fault not in answers:
            self.note(text, sure=True, recipients=[who for who in recipients if recipients[who]])
        self._say(client, answers.get(fault, "250 taken"))
        return True

    @staticmethod
    def _say(client: socket.socket, line: str) -> None:
        client.sendall(f"{line}\r\n".encode())
