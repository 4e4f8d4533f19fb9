"""Lint findings for a person: the line, a caret, why, and what to do instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from unicodedata import combining, east_asian_width

from bluegreen.lint.engine import FileReport, Report
from bluegreen.lint.rule import LintFinding


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


def _finding(finding: LintFinding) -> Iterator[str]:
    yield _plain(f"{finding.where}: {finding.level}[{finding.id}]: {finding.seen}")
    gutter = f"{finding.line:>5}"
    before, marked, after = _shown(finding)
    yield f"{gutter} | {before}{marked}{after}"
    mark = "^" * max(_width(marked), 1)
    yield f"{' ' * len(gutter)} | {' ' * _width(before)}{mark}"
    if finding.effect.locks or finding.effect.scan:
        yield _plain(f"      takes: {finding.effect}")
    if finding.size:
        yield f"      size:  {finding.size}"
    yield f"      why:   {finding.why}"
    yield f"      safe:  {finding.fix}"
    if finding.safe:
        for number, line in enumerate(finding.safe.sql.rstrip("\n").split("\n")):
            yield _plain(f"      {'write:' if not number else '':<6} {line}")
    yield ""


def _shown(finding: LintFinding) -> tuple[str, str, str]:
    """The line as what stands before, under and after the mark; cut where it is long.

    A file made by a program may be one line of a megabyte.
    """
    line = finding.source_line
    start, end = finding.column - 1, finding.column - 1 + finding.length
    before, marked, after = line[:start], line[start:end], line[end:]
    if len(line) > _LONGEST:
        before = before if len(before) < _AROUND else "…" + before[-_AROUND:]
        marked = marked if len(marked) < _LONGEST else marked[:_LONGEST] + "…"
        after = after if len(after) < _AROUND else after[:_AROUND] + "…"
    return _plain(before), _plain(marked), _plain(after)


_LONGEST, _AROUND = 200, 60
# What a terminal would obey rather than print. A name may hold any of them.
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}
_CONTROLS |= {9: " ", 10: "\\n", 13: "\\r"}


def _plain(text: str) -> str:
    return text.translate(_CONTROLS)


def _width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    wide = sum(east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(combining(char) > 0 for char in text)


def _explained(file: FileReport) -> Iterator[str]:
    yield f"{file.name}: {file.strategy}"
    for statement in file.statements:
        first = _plain(" ".join(statement.text.split()))
        short = first if len(first) <= 70 else first[:69] + "…"
        yield f"{statement.line:>5} | {short}"
        for effect in statement.effects:
            why = f" ({effect.why})" if effect.why else ""
            yield _plain(f"      | {effect}{why}")
    yield ""


def _summary(report: Report) -> str:
    counts = Counter(finding.level for finding in report.findings)
    ignored = sum(len(file.ignored) for file in report.files)
    said = [f"{counts[level]} {level}" for level in ("error", "warning", "info")]
    files = len(report.files)
    text = f"{files} file{'' if files == 1 else 's'}: {', '.join(said)}"
    text += f", {ignored} ignored" if ignored else ""
    return f"{text}; strategy: {report.strategy}"
