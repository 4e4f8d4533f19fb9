"""Lint findings as SARIF 2.1.0, for code scanning."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from bluegreen import __version__
from bluegreen.lint.engine import Report
from bluegreen.lint.registry import RULES
from bluegreen.lint.rule import LintFinding, Rule, level_of

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"info": "note", "warning": "warning", "error": "error"}


def render(report: Report) -> str:
    """The report as one SARIF log; ignored findings stand in it as suppressed."""
    results = []
    for file in report.files:
        results += [_result(found) for found in file.findings]
        results += [_suppressed(found) for found in file.ignored]
    used = sorted({result["ruleId"] for result in results})
    order = {rule_id: number for number, rule_id in enumerate(used)}
    for result in results:
        result["ruleIndex"] = order[result["ruleId"]]
    driver = {
        "name": "bluegreen",
        "version": __version__,
        "rules": [_rule(RULES[rule_id]) for rule_id in used],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": f"{rule.why} {rule.effect}"},
        "help": {"text": rule.workaround},
        "defaultConfiguration": {"level": _LEVELS[level_of(rule.severity)]},
    }


def _result(finding: LintFinding) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endColumn": finding.column + finding.length,
        "snippet": {"text": finding.source_line},
    }
    place = {"artifactLocation": {"uri": quote(finding.file)}, "region": region}
    return {
        "ruleId": finding.id,
        "level": _LEVELS[finding.level],
        "message": {"text": f"{finding.seen}. {finding.fix}"},
        "locations": [{"physicalLocation": place}],
    }


def _suppressed(finding: LintFinding) -> dict[str, Any]:
    why = {"kind": "inSource", "justification": finding.reason}
    return _result(finding) | {"suppressions": [why]}
