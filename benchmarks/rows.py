"""What is measured, between whom, and what it may cost."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("ours", "official", "apprise", "bare")
PRELOADED = "preloaded"
"""An argument of contenders: whether the process is forked from one that has ``[cloudact_notify] preload`` on.

Ours are, as in Airflow as installed. The others are not: they would find ``requests`` imported.
"""
NOT_PRELOADED = "ours, without preload"

Sample = Mapping[str, float]
Samples = Mapping[str, Sequence[Sample]]
"""By contender; the n-th of all contenders were measured one right after the other."""


@dataclass(frozen=True)
class Experiment:
    """A job of ``benchmarks.jobs`` that contenders do in turn, ``rounds`` times.

    :param contenders: the arguments that each adds.
    :param warm_up: rounds before the first that counts.
    :param tells: how often each run tells, or tells ``count`` times: all of it has to arrive.
    """

    job: str
    contenders: Mapping[str, Mapping[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rounds: int = 15
    warm_up: int = 1
    tells: int = 0


@dataclass(frozen=True)
class Limit:
    """What ours may be: at most so many times another's figure, so much more than it, or so much.

    :param kind: ``ratio``, ``difference`` or ``value``.
    """

    at_most: float
    kind: str = "value"
    against: str = ""

    def of(self, row: Row, samples: Samples) -> float:
        """Return the figure that the limit is for: the median of what the pairs say."""
        ours = row.figures(samples, "ours")
        if self.kind == "value":
            return statistics.median(ours)
        compare: Callable[[float, float], float] = _ratio if self.kind == "ratio" else _difference
        others = row.figures(samples, self.against)
        return statistics.median(compare(mine, other) for mine, other in zip(ours, others, strict=True))

    def words(self, figure: float, unit: str) -> str:
        """Return the figure beside what it may be."""
        if self.kind == "ratio":
            return f"{figure:.2f}× of {self.against} (≤ {self.at_most:g}×)"
        more = f" more than {self.against}" if self.kind == "difference" else ""
        return f"{figure:.3g} {unit}{more} (≤ {self.at_most:g} {unit})"


def _ratio(mine: float, other: float) -> float:
    return mine / other


def _difference(mine: float, other: float) -> float:
    return mine - other


@dataclass(frozen=True)
class Row:
    """A line of the table: a figure of an experiment, for those who took part."""

    title: str
    experiment: str
    figure: str
    unit: str
    limits: tuple[Limit, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Whom of the experiment a column shows, where it is not the contender of its name."""
    shown: tuple[str, ...] = COLUMNS

    def figures(self, samples: Samples, column: str) -> list[float]:
        """Return a column's figures, none when nobody took part."""
        who = self.renamed.get(column, column)
        return [sample[self.figure] for sample in samples.get(who, ())]


TENANTS = 10_000
COUNT = 200
WITHOUT_PRELOAD = {
    "import": "import",
    "first": "first",
    "first, TLS": "first, with TLS",
    "memory": "memory",
}
"""Experiments in which ours take part once more, without preload, and what their rows say."""


def _all(**arguments: Any) -> dict[str, dict[str, Any]]:
    return {who: {"who": who, PRELOADED: who == "ours", **arguments} for who in COLUMNS}


def _without_preload(experiment: str, figure: str, unit: str, *limits: Limit) -> Row:
    title = f"… {WITHOUT_PRELOAD[experiment]}, not forked (preload = False)"
    return Row(title, experiment, figure, unit, limits, {"ours": NOT_PRELOADED}, shown=("ours",))


def _import(module: str, name: str) -> dict[str, str]:
    return {"module": module, "name": name}


def experiments(tenants_folders: Mapping[str, str]) -> dict[str, Experiment]:
    """Return the experiments by name.

    :param tenants_folders: configurations of a few tenants and of many.
    """
    few, many = tenants_folders["few"], tenants_folders["many"]
    claimed = {"ours, with the claim": {"who": "ours", "place": "usual", "state": True, PRELOADED: True}}
    our_name = _import("airflow_cloudact_notify", "on_failure")

    def not_preloaded(place: str) -> dict[str, dict[str, Any]]:
        return {NOT_PRELOADED: {"who": "ours", "place": place}}

    return {
        "import": Experiment(
            "import_of",
            {
                "ours": {**our_name, PRELOADED: True},
                NOT_PRELOADED: our_name,
                "official": _import(
                    "airflow.providers.slack.notifications.slack_webhook", "SlackWebhookNotifier"
                ),
                "smtp": _import("airflow.providers.smtp.notifications.smtp", "SmtpNotifier"),
                "apprise": _import("airflow.providers.apprise.notifications.apprise", "AppriseNotifier"),
            },
        ),
        "first": Experiment("first", _all(place="usual") | claimed | not_preloaded("usual"), tells=1),
        "first, TLS": Experiment("first", _all(place="tls") | not_preloaded("tls"), tells=1),
        "many": Experiment("many", _all(place="usual", count=COUNT), rounds=3, warm_up=0, tells=1),
        "many, TLS": Experiment("many", _all(place="tls", count=COUNT // 4), rounds=3, warm_up=0, tells=1),
        "delayed": Experiment("delayed", _all(), rounds=5, tells=2),
        "memory": Experiment("memory", _all(place="usual") | not_preloaded("usual"), rounds=5, tells=1),
        "suppressed": Experiment(
            "quiet", {"ours": {}}, {"occasion": "suppressed", "count": 50}, rounds=5, warm_up=0
        ),
        "off": Experiment("quiet", {"ours": {}}, {"occasion": "off", "count": 50}, rounds=5, warm_up=0),
        "lookup": Experiment(
            "lookup",
            {
                "ours": {"folder": many, "tenants": TENANTS},
                "among 100": {"folder": few, "tenants": 100},
            },
            {"count": 99},
            rounds=5,
        ),
        "validate": Experiment(
            "validate", {"ours": {}}, {"folder": many, "tenants": TENANTS}, rounds=1, warm_up=0
        ),
    }


ROWS = (
    Row(
        "import in a DAG file (official: Slack's alone)",
        "import",
        "ms",
        "ms",
        (Limit(1.0), Limit(0.02, "ratio", "official")),
    ),
    _without_preload("import", "ms", "ms", Limit(1.0), Limit(0.02, "ratio", "official")),
    Row(
        "first Slack + mail in a fresh process, imports included",
        "first",
        "all",
        "ms",
        (Limit(0.40, "ratio", "official"),),
    ),
    Row("… of it the callback itself", "first", "callback", "ms"),
    Row(
        "… with the claim, each Variable call taking 6 ms",
        "first",
        "all",
        "ms",
        (Limit(250, "difference", "ours without"),),
        {"ours": "ours, with the claim", "ours without": "ours"},
        shown=("ours",),
    ),
    _without_preload("first", "all", "ms", Limit(0.40, "ratio", "official")),
    Row("first, both with TLS", "first, TLS", "all", "ms", (Limit(0.70, "ratio", "official"),)),
    Row("… of it the callback itself", "first, TLS", "callback", "ms"),
    _without_preload("first, TLS", "all", "ms", Limit(0.70, "ratio", "official")),
    Row(
        f"each of {COUNT} in one process",
        "many",
        "ms",
        "ms",
        (Limit(0.50, "ratio", "official"), Limit(1.5, "ratio", "bare")),
    ),
    Row("… of it waiting for Variables", "many", "waited", "ms", shown=("ours",)),
    Row(f"each of {COUNT // 4}, both with TLS", "many, TLS", "ms", "ms"),
    Row("both servers take 300 ms", "delayed", "ms", "ms", (Limit(0.55, "ratio", "official"),)),
    Row("memory that a first notification adds", "memory", "mb", "MB", (Limit(0.60, "ratio", "official"),)),
    _without_preload("memory", "mb", "MB", Limit(0.60, "ratio", "official")),
    Row("held back by a cooldown: our own time", "suppressed", "own", "ms", (Limit(2.0),)),
    Row("held back by a cooldown: Variable calls", "suppressed", "calls", "calls", (Limit(2.0),)),
    Row("INFO event that is off: our own time", "off", "own", "ms", (Limit(1.0),)),
    Row("INFO event that is off: Variable calls", "off", "calls", "calls", (Limit(0.0),)),
    Row(
        f"looking one of {TENANTS:,} tenants up",
        "lookup",
        "ms",
        "ms",
        (Limit(1.5, "ratio", "among 100"),),
    ),
    Row(f"validating {TENANTS:,} tenants", "validate", "s", "s", (Limit(10.0),)),
)


@dataclass(frozen=True)
class Trouble:
    """A server in trouble, and somebody who tells it something.

    :param only: ``chat`` or ``mail``: the official notifier that is called alone.
    :param seconds: what ours may take.
    """

    title: str
    place: str
    who: str
    only: str | None = None
    seconds: float | None = None


BUDGET = 10.0
"""Seconds that a callback of ours may take: the default."""
_SAYS = {
    "busy": "500 and 451, once",
    "limited": "429 with Retry-After: 2, once",
    "hang": "accept, and say nothing",
}
TROUBLES = (
    *(
        Trouble(title, place, who)
        for place, title in _SAYS.items()
        for who in COLUMNS[:3]
        if (place, who) != ("hang", "official")
    ),
    Trouble(_SAYS["hang"], "hang", "official", only="chat"),
    Trouble(_SAYS["hang"], "hang", "official", only="mail"),
)
