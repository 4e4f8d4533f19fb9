"""Lint findings as JUnit XML: a suite for each file, a case for each finding."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from bluegreen.lint.engine import FileReport, Report
from bluegreen.lint.rule import LintFinding

# Characters that XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """The report as one XML document."""
    suites = "".join(_suite(file) for file in report.files)
    count = len(report.findings)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return (
        f'{head}<testsuites name="bluegreen lint" tests="{_cases(report)}" '
        f'failures="{count}">\n{suites}</testsuites>\n'
    )


def _cases(report: Report) -> int:
    return sum(max(1, len(file.findings)) for file in report.files)


def _suite(file: FileReport) -> str:
    name, count = _attribute(file.name), len(file.findings)
    cases = "".join(_case(finding) for finding in file.findings)
    cases = cases or f'  <testcase classname={name} name="clean"/>\n'
    return (
        f'<testsuite name={name} tests="{max(1, count)}" failures="{count}">\n'
        f"{cases}</testsuite>\n"
    )


def _case(finding: LintFinding) -> str:
    place = f"{finding.id} {finding.line}:{finding.column}"
    said = f"{finding.source_line}\n{finding.why}\n{finding.fix}"
    return (
        f"  <testcase classname={_attribute(finding.file)} name={_attribute(place)}>"
        f'<failure type="{finding.level}" message={_attribute(finding.seen)}>'
        f"{escape(_clean(said))}</failure></testcase>\n"
    )


def _attribute(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
