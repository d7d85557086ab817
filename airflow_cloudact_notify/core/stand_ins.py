"""What variables may hold whose values are not known where files are looked at, in a pull request say."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_cloudact_notify.core import documents, references
from airflow_cloudact_notify.core.config import NotificationConfig
from airflow_cloudact_notify.core.documents import Document
from airflow_cloudact_notify.core.errors import ConfigProblem, ConfigurationError

STAND_INS = (
    "value",
    "name@example.com",
    "https://hooks.slack.com/services/T000/B000/XXX",
    "587",
    "true",
    "error",
    "both",
    "U0123ABCD",
)
"""What a variable may hold whose value is not known: the first that fits its key is taken."""


class StandIns:
    """Values for variables that are not known: the first of ``STAND_INS`` that fits a variable's keys."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._fitted: dict[str, int] = {}

    def filled_in(
        self, document: Document, name: str
    ) -> tuple[Document, NotificationConfig | None, tuple[ConfigProblem, ...]]:
        """Return a document with a value for each variable, and what it describes, or what is wrong with it.

        Nothing is said of a key for which no stand-in fits: the variable's value may.
        """
        named = [ref for ref in references.references(document) if not self._env.get(ref.name)]
        choice = {ref.name: self._fitted.get(ref.key, 0) for ref in named}
        while True:
            values = {**self._env, **{name: STAND_INS[index] for name, index in choice.items()}}
            complete: Document = references.substitute(document, values)
            config, refused = _validated(complete, name)
            keys = {problem.key for problem in refused}
            doubtful = {
                ref.name for ref in named if ref.key in keys and choice[ref.name] < len(STAND_INS) - 1
            }
            if not doubtful:
                self._fitted |= {ref.key: choice[ref.name] for ref in named}
                known = {ref.key for ref in named}
                return complete, config, tuple(p for p in refused if p.key not in known)
            choice |= {variable: choice[variable] + 1 for variable in doubtful}


def _validated(document: Document, name: str) -> tuple[NotificationConfig | None, tuple[ConfigProblem, ...]]:
    try:
        return documents.validate(document, name), ()
    except ConfigurationError as error:
        return None, error.problems
