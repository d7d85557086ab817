"""What ``validate`` found, for people, for machines, for GitHub and for whatever reads SARIF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from airflow_cloudact_notify import __version__
from airflow_cloudact_notify.cli import output
from airflow_cloudact_notify.core.checkup import Finding

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def _level(finding: Finding) -> str:
    return "warning" if finding.is_warning else "error"


def _said(finding: Finding) -> str:
    problem = finding.problem
    return f"{problem.key}: {problem.reason}" if problem.key else problem.reason


def _summary(found: Sequence[Finding], files: int) -> str:
    warnings = sum(finding.is_warning for finding in found)
    parts = [(len(found) - warnings, "error"), (warnings, "warning"), (files, "file")]
    errors, doubts, looked_at = (f"{count:,} {word}{'' if count == 1 else 's'}" for count, word in parts)
    return f"{errors}, {doubts} in {looked_at}"


def _text(found: Sequence[Finding], files: int) -> None:
    colours = {"error": "red", "warning": "yellow"}
    for file, group in groupby(found, lambda finding: finding.problem.file):
        output.say(output.styled(file, "bold"))
        for finding in group:
            level = _level(finding)
            label = output.styled(f"{level:<7}", colours[level])
            line = f"line {finding.problem.line:<3}" if finding.problem.line else ""
            output.say(f"  {line:<8} {label}  {_said(finding)}  ({finding.rule})")
            output.say(f"                    {finding.problem.remedy}")
    output.say(output.styled(_summary(found, files), "red" if found else "green"))


def _json(found: Sequence[Finding], files: int) -> None:
    output.say_json({"files": files, "findings": [_dict(finding) for finding in found]})


def _dict(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "level": _level(finding),
        "rule": finding.rule,
        "reason": problem.reason,
        "remedy": problem.remedy,
    }


def _github(found: Sequence[Finding], files: int) -> None:
    # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message
    for finding in found:
        place = f"file={_property(finding.problem.file)},line={max(finding.problem.line, 1)}"
        title = f"title={_property(finding.rule)}"
        text = _data(f"{_said(finding)}. {finding.problem.remedy}")
        output.say(f"::{_level(finding)} {place},{title}::{text}")
    output.say(_summary(found, files))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sarif(found: Sequence[Finding], files: int) -> None:
    driver = {
        "name": "cloudact-notify",
        "version": __version__,
        "rules": [{"id": rule} for rule in sorted({finding.rule for finding in found})],
    }
    results = [
        {
            "ruleId": finding.rule,
            "level": _level(finding),
            "message": {"text": f"{_said(finding)}. {finding.problem.remedy}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(finding.problem.file, safe="/:")},
                        "region": {"startLine": max(finding.problem.line, 1)},
                    }
                }
            ],
        }
        for finding in found
    ]
    output.say_json(
        {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    )


FORMATS: Mapping[str, Callable[[Sequence[Finding], int], None]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
"""Each prints findings, which come file by file, and how many files were looked at."""
