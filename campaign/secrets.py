"""Secrets, planted where real ones are, and a search for them in whatever leaves the process or is kept."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Planted:
    """One secret for each place that has one."""

    token_root: str = "Planted1Root2Webhook3Token"
    token_acme: str = "Planted1Acme2Webhook3Token"
    token_beta: str = "Planted1Beta2Webhook3Token"
    token_gamma: str = "Planted1Gamma2Webhook3Token"
    password: str = "planted-beta-mail-password"
    connection: str = "planted-gamma-connection-password"
    database: str = "planted-database-password"
    bearer: str = "planted.bearer.token.0123456789"
    api_key: str = "planted-api-key"

    def variables(self) -> dict[str, str]:
        """Return the environment variables that the configurations name."""
        return {
            "CLOUDACT_NOTIFY_TOKEN": self.token_root,
            "ACME_TOKEN": self.token_acme,
            "BETA_TOKEN": self.token_beta,
            "GAMMA_TOKEN": self.token_gamma,
            "BETA_PASSWORD": self.password,
        }

    def exception(self) -> str:
        """Return what libraries say when something goes wrong."""
        return (
            f"OperationalError: could not connect to postgresql://etl:{self.database}@db.internal/sales, "
            f"Authorization: Bearer {self.bearer}, password={self.database}"
        )

    def values(self) -> list[str]:
        """Return all of them."""
        return [getattr(self, one.name) for one in fields(self)]


SECRETS = Planted()
UNKEPT = "A message that was not delivered could not be kept"
"""How a line of the log begins that has a message whole, since there was no time or no store to keep it."""


class Search:
    """Looks for the secrets in texts; ``found`` says where one was."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.searched = 0
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def look(self, where: str, text: str) -> None:
        """Look at one text. Half a secret is one, too."""
        with self._lock:
            self.searched += len(text)
            for secret in SECRETS.values():
                if secret[: len(secret) * 2 // 3] in text:
                    self.found.append(f"{where}: {secret} in {text[:2000]}")

    def lines(self, *beginnings: str) -> list[str]:
        """Return the lines of the log that begin so."""
        return [line for line in self._lines if line.startswith(beginnings)]

    @contextlib.contextmanager
    def listening(self, logger: logging.Logger) -> Iterator[None]:
        """Look at everything that is logged, at any level."""
        outer = self

        class Ear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                text = self.format(record)
                outer.look(f"the log of {record.name}", text)
                if record.levelno >= logging.ERROR:
                    outer._lines.append(text)

        ear, level = Ear(), logger.level
        logger.addHandler(ear)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(ear)
            logger.setLevel(level)
