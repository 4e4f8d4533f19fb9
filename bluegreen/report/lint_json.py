"""Lint findings as JSON, with the effects of every statement where asked for."""

from __future__ import annotations

import json
from typing import Any

from bluegreen.lint.effects.effect import Effect
from bluegreen.lint.engine import FileReport, Report
from bluegreen.lint.rule import LintFinding


def render(report: Report) -> str:
    """The report as one JSON object."""
    content = {
        "strategy": str(report.strategy),
        "files": [_file(file) for file in report.files],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _file(file: FileReport) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": file.name,
        "strategy": str(file.strategy),
        "findings": [finding(found) for found in file.findings],
        "ignored": [
            finding(found) | {"reason": found.reason} for found in file.ignored
        ],
    }
    if file.statements:
        content["statements"] = [
            {
                "line": statement.line,
                "sql": statement.text,
                "effects": [effect(found) for found in statement.effects],
            }
            for statement in file.statements
        ]
    return content


def finding(found: LintFinding) -> dict[str, Any]:
    """One finding."""
    return {
        "rule": found.id,
        "level": found.level,
        "message": found.seen,
        "line": found.line,
        "column": found.column,
        "length": found.length,
        "size": found.size,
        "why": found.why,
        "workaround": found.fix,
        "effect": effect(found.effect),
        "safe": found.safe.sql if found.safe else None,
        "fixable": bool(found.safe and found.safe.edits),
    }


def effect(of: Effect) -> dict[str, Any]:
    """What a statement locks, rewrites and scans."""
    return {
        "locks": {str(table): str(lock) for table, lock in of.locks},
        "rewrite": of.rewrite.name.lower(),
        "scan": [str(table) for table in of.scan],
        "sure": of.sure,
        "why": of.why,
    }
