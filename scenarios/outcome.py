"""What came of a scenario, compared with what must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from demo.received import Arrival
from scenarios.stage import Call, Finding, Stage
from scenarios.story import Scenario, Told

DESTINATIONS = {"email": "mail", "slack": "Slack"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Calls and arrivals of the scenario's runs; ``findings`` is what else was seen."""

    scenario: Scenario
    calls: tuple[Call, ...]
    arrivals: tuple[Arrival, ...]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        wrong = (*self.missing(), *self._surplus(), *(f.text for f in self.findings if not f.good))
        return [f"{self.scenario.what}: {problem}" for problem in wrong]

    def missing(self) -> Iterator[str]:
        """Yield what has not happened, as yet."""
        wanted, found = self._wanted_and_called()
        yield from (f"not called: {', '.join(call)}" for call in (wanted - found).elements())
        for call in self.calls:
            if call.seconds is None:
                yield f"did not return: {call.callback} of {call.run_id}"
        for (told, destination), arrival in self._matches().items():
            if arrival is None:
                about = (told.run_id, told.event, destination, f"with {told.says!r}")
                yield f"did not arrive: {', '.join(about)}"

    def _surplus(self) -> Iterator[str]:
        wanted, found = self._wanted_and_called()
        yield from (f"called unexpectedly: {', '.join(call)}" for call in (found - wanted).elements())
        expected = [id(arrival) for arrival in self._matches().values()]
        for a in self.arrivals:
            if id(a) not in expected:
                about = (a.run_id, a.event, a.destination, a.title)
                yield f"arrived unexpectedly: {', '.join(about)}"

    def _wanted_and_called(self) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
        called = Counter((call.callback, call.where) for call in self.calls)
        return Counter(self.scenario.called), called

    def _matches(self) -> dict[tuple[Told, str], Arrival | None]:
        """Return the arrival of each expected message at each of its destinations."""
        left = list(self.arrivals)
        matches: dict[tuple[Told, str], Arrival | None] = {}
        for told in self.scenario.told:
            for destination in told.destinations:
                found = next((a for a in left if _fits(a, told, destination)), None)
                matches[told, destination] = found
                left = [a for a in left if a is not found]
        return matches

    @property
    def called(self) -> list[str]:
        """What Airflow called, and where, in words."""
        return _counted(f"{call.callback}, {call.where}" for call in self.calls)

    @property
    def told(self) -> list[str]:
        """What arrived, in words."""
        return _counted(_words(self.arrivals))


def outcome_of(scenario: Scenario, stage: Stage, findings: Iterable[Finding]) -> Outcome:
    """Return what can be seen by now."""
    # Two scenarios may share a DAG, not a run.
    runs = {told.run_id for told in scenario.told}
    arrivals = (a for a in stage.arrivals(scenario.dag_id) if a.run_id in runs)
    return Outcome(
        scenario,
        tuple(call for call in stage.calls(scenario.dag_id) if call.run_id in runs),
        tuple(sorted(arrivals, key=lambda a: a.run_id)),
        tuple(findings),
    )


def _fits(arrival: Arrival, told: Told, destination: str) -> bool:
    about = (arrival.run_id, arrival.event, arrival.destination)
    return about == (told.run_id, told.event, destination) and told.says in f"{arrival.title}\n{arrival.text}"


def _words(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Yield a message's event and title once for each time it arrived, with the destinations it arrived at."""
    titles: dict[tuple[str, str], Counter[str]] = {}
    for a in arrivals:
        titles.setdefault((a.event, _plain(a.title)), Counter())[a.destination] += 1
    for (event, title), destinations in titles.items():
        for number in range(max(destinations.values())):
            where = [word for name, word in DESTINATIONS.items() if destinations[name] > number]
            yield f"{event} “{title}” by {' and '.join(where)}"


def _plain(title: str) -> str:
    """Return a title without Slack's emoji and bold type."""
    return title.strip("*").partition(": ")[2] if title.startswith("*:") else title


def _counted(lines: Iterable[str]) -> list[str]:
    return [line if number == 1 else f"{number} × {line}" for line, number in Counter(lines).items()]
