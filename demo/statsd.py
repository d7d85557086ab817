"""A StatsD server that keeps what it is sent."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from typing import Self

_LINE = re.compile(r"(?P<name>[^:|]+):(?P<value>-?[\d.]+)\|(?P<kind>c|g|ms)")


class StatsdListener:
    """Listens on UDP; ``env`` switches Airflow's metrics on and directs them here."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self._lines: list[str] = []
        self.has_tags = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.env = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
        }

    @property
    def received(self) -> Counter[str]:
        """Return how many values of each of our metrics came in; the kind stands before the name."""
        matches = (match for line in list(self._lines) if (match := _LINE.match(line)))
        return Counter(
            f"{m['kind']} {m['name'].removeprefix('airflow.')}"
            for m in matches
            if "cloudact_notify" in m["name"]
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            try:
                self._lines += self._socket.recv(65_536).decode().splitlines()
            except TimeoutError:
                continue
