"""Lint findings for a person: the line, a caret, why, and what to do instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bluegreen.lint.engine import FileReport, Report
from bluegreen.lint.rule import Finding


def render(report: Report, *, explain: bool = False) -> str:
    """The whole report as text, without colours."""
    lines: list[str] = []
    for file in report.files:
        if explain:
            lines += _explained(file)
        for finding in file.findings:
            lines += _finding(finding)
    lines.append(_summary(report))
    return "\n".join(lines) + "\n"


def _finding(finding: Finding) -> Iterator[str]:
    place = f"{finding.file}:{finding.line}:{finding.column}"
    yield f"{place}: {finding.level}[{finding.rule}]: {finding.message}"
    gutter = f"{finding.line:>5}"
    yield f"{gutter} | {finding.source_line.expandtabs(1)}"
    mark = "^" * finding.length
    yield f"{' ' * len(gutter)} | {' ' * (finding.column - 1)}{mark}"
    if finding.effect.locks or finding.effect.scan:
        yield f"      takes: {finding.effect}"
    if finding.size:
        yield f"      size:  {finding.size}"
    yield f"      why:   {finding.why}"
    yield f"      safe:  {finding.workaround}"
    if finding.safe:
        for number, line in enumerate(finding.safe.sql.rstrip("\n").split("\n")):
            yield f"      {'write:' if not number else '':<6} {line}"
    yield ""


def _explained(file: FileReport) -> Iterator[str]:
    yield f"{file.name}: {file.strategy}"
    for statement in file.statements:
        first = " ".join(statement.text.split())
        short = first if len(first) <= 70 else first[:69] + "…"
        yield f"{statement.line:>5} | {short}"
        for effect in statement.effects:
            why = f" ({effect.why})" if effect.why else ""
            yield f"      | {effect}{why}"
    yield ""


def _summary(report: Report) -> str:
    counts = Counter(str(finding.level) for finding in report.findings)
    ignored = sum(len(file.ignored) for file in report.files)
    said = [f"{counts[level]} {level}" for level in ("error", "warning", "info")]
    files = len(report.files)
    text = f"{files} file{'' if files == 1 else 's'}: {', '.join(said)}"
    text += f", {ignored} ignored" if ignored else ""
    return f"{text}; strategy: {report.strategy}"
