"""A webhook and a mail server in a process of their own, plain and with TLS, so that they share no lock with who sends.

What the webhook's path ends in, and what the recipient's name begins with, says how they behave:

- ``usual``: take it at once
- ``slow``: take it after 300 ms
- ``busy``: refuse every other one (500, or 451), as a server in trouble does
- ``limited``: refuse every other one with 429 and ``Retry-After: 2``; the mail server takes all
- ``hang``: accept and say nothing (the mail server has a port of its own for this)

``GET /taken`` answers how many messages each of the two has taken, by name.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

DELAY = 0.3
LOOPBACK = "127.0.0.1"
SYSTEM_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True)
class Ports:
    """Where the servers listen."""

    http: int
    https: int
    smtp: int
    smtps: int
    silent: int


class Servers:
    """The servers' process; ``ca_file`` holds their authority beside those that everybody trusts.

    A file of one authority would be read in no time, which no real one is.
    """

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "authorities.pem"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", str(self.ca_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        self.ports = Ports(**json.loads(self._process.stdout.readline()))

    def taken(self) -> Counter[str]:
        """Return how many messages have been taken so far, by server and name: ``http usual-ours``, ``smtp …``."""
        connection = http.client.HTTPConnection(LOOPBACK, self.ports.http)
        try:
            connection.request("GET", "/taken")
            return Counter(json.loads(connection.getresponse().read()))
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # They end with their standard input.
        self._process.communicate()


class _Behaviour:
    """What the two servers have taken, and whose turn it is to be refused."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()

    async def of(self, server: str, name: str) -> str:
        """Return the word for what to answer to ``name``: ``ok``, ``busy`` or ``limited``."""
        word = name.partition("-")[0]
        if word == "slow":
            await asyncio.sleep(DELAY)
        elif word == "hang":
            await asyncio.sleep(3600)
        elif word == "busy" or (word == "limited" and server == "http"):
            self._asked[server + name] += 1
            if self._asked[server + name] % 2:
                return word
        self.taken[f"{server} {name}"] += 1
        return "ok"


_HTTP_ANSWERS = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok",
    "busy": b"HTTP/1.1 500 Oops\r\nContent-Length: 12\r\n\r\nrollup_error",
    "limited": b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 12\r\n\r\nrate_limited",
}


def _webhook(
    behaviour: _Behaviour,
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server of HTTP/1.1 that knows as much of it as is needed here, keep-alive included."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path = line.split()[1].decode()
                headers = {}
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                await reader.readexactly(int(headers.get("content-length", 0)))
                writer.write(await _answer(path, behaviour))
                await writer.drain()
                if headers.get("connection", "").lower() == "close":
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the sender has gone
        finally:
            writer.close()

    return serve


async def _answer(path: str, behaviour: _Behaviour) -> bytes:
    if path == "/taken":
        body = json.dumps(behaviour.taken).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    return _HTTP_ANSWERS[await behaviour.of("http", path.rpartition("/")[2])]


class _Mailbox:
    """aiosmtpd's hooks."""

    def __init__(self, behaviour: _Behaviour) -> None:
        self._behaviour = behaviour

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802
        word = await self._behaviour.of("smtp", envelope.rcpt_tos[0].partition("@")[0])
        return "250 OK" if word == "ok" else "451 4.3.0 try again later"


def _certified(ca_file: Path) -> ssl.SSLContext:
    import trustme

    authority = trustme.CA()
    known = SYSTEM_AUTHORITIES.read_bytes() if SYSTEM_AUTHORITIES.is_file() else b""
    ca_file.write_bytes(known + authority.cert_pem.bytes())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(LOOPBACK, "localhost").configure_cert(context)
    return context


async def _silence(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _listening(ca_file: Path) -> tuple[Ports, list[asyncio.Server]]:
    from aiosmtpd.smtp import SMTP

    behaviour, context, loop = _Behaviour(), _certified(ca_file), asyncio.get_running_loop()

    def mail_server() -> SMTP:
        return SMTP(_Mailbox(behaviour), hostname="localhost", loop=loop)

    servers = [
        await asyncio.start_server(_webhook(behaviour), LOOPBACK, 0),
        await asyncio.start_server(_webhook(behaviour), LOOPBACK, 0, ssl=context),
        await loop.create_server(mail_server, LOOPBACK, 0),
        await loop.create_server(mail_server, LOOPBACK, 0, ssl=context),
        await asyncio.start_server(_silence, LOOPBACK, 0),
    ]
    return Ports(*(server.sockets[0].getsockname()[1] for server in servers)), servers


async def _until_nobody_wants_them() -> None:
    ports, _servers = await _listening(Path(sys.argv[1]))
    print(json.dumps(asdict(ports)), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    # Without a farewell: connections that hang would keep it waiting.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_until_nobody_wants_them())
