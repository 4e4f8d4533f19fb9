"""Lint findings as GitHub workflow commands, which annotate the changed lines."""

from __future__ import annotations

from bluegreen.lint.engine import Report
from bluegreen.lint.rule import LintFinding

_COMMANDS = {"info": "notice", "warning": "warning", "error": "error"}


def render(report: Report) -> str:
    """One command a line; nothing when nothing was found."""
    return "".join(f"{_command(finding)}\n" for finding in report.findings)


def _command(finding: LintFinding) -> str:
    fields = {
        "file": finding.file,
        "line": str(finding.line),
        "col": str(finding.column),
        "endColumn": str(finding.column + finding.length),
        "title": finding.id,
    }
    said = ",".join(f"{name}={_property(value)}" for name, value in fields.items())
    end = "" if finding.seen.endswith("?") else "."
    message = _data(f"{finding.seen}{end} {finding.fix}")
    return f"::{_COMMANDS[finding.level]} {said}::{message}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
