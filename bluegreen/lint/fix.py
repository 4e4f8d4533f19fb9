"""`--fix`: puts safe forms into the text. Pure; writing the file is for the verb."""

from __future__ import annotations

from collections.abc import Iterable

from bluegreen.lint.rule import LintFinding


def fixed(text: str, findings: Iterable[LintFinding]) -> tuple[str, int]:
    """The text with every edit that can be made mechanically, and how many were made.

    Two findings may want to change the same place: the first one gets it, and a second
    run makes the next. An insertion at the start of a replaced stretch is kept.
    """
    wanted = [
        finding.safe.edits
        for finding in findings
        if finding.safe and finding.safe.edits
    ]
    taken: list[tuple[int, int, str]] = []
    made = 0
    for edits in sorted(wanted, key=lambda edits: (edits[0].end, edits[0].at)):
        spans = [(edit.at, edit.end, edit.text) for edit in edits]
        if any(_meet(span, other) for span in spans for other in taken):
            continue
        taken += spans
        made += 1
    for at, end, new in sorted(taken, reverse=True):
        text = text[:at] + new + text[end:]
    return text, made


def _meet(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    if one[0] == one[1] or other[0] == other[1]:
        inner, outer = (one, other) if one[0] == one[1] else (other, one)
        return outer[0] < inner[0] < outer[1] or inner[:2] == outer[:2]
    return one[0] < other[1] and other[0] < one[1]
