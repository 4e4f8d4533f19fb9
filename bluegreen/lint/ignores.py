"""Ignores written beside the SQL: `-- bluegreen: ignore RULE[, RULE] reason`.

An ignore counts for the statement that it stands in, or on whose line it stands; else
for the next one. `ignore-file` counts for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from bluegreen.sql.source import Comment, Source, Statement

_FORM = r"bluegreen:\s*ignore(-file)?\b[ \t]*([^\r\n]*)"
_LIST = r"(?s)\s*([\w-]+(?:\s*,\s*[\w-]+)*)\s*(.*)"


@dataclass(slots=True, eq=False)
class Ignore:
    """One ignore.

    Attributes:
        at: where it stands.
        rules: what it names.
        reason: what it says; may be empty, which is a finding.
        index: of the statement it counts for; None for the whole file.
        used: rules that it has hidden.
    """

    at: int
    rules: tuple[str, ...]
    reason: str
    index: int | None
    used: set[str] = field(default_factory=set)


def find(source: Source) -> list[Ignore]:
    """Every ignore in a file."""
    if "bluegreen:" not in source.text:
        return []
    found = (_read(source, comment) for comment in source.comments)
    return [ignore for ignore in found if ignore]


def _read(source: Source, comment: Comment) -> Ignore | None:
    match = re.search(_FORM, comment.text)
    if match is None:
        return None
    names, reason = "", ""
    if parts := re.match(_LIST, match[2].removesuffix("*/").strip()):
        names, reason = parts[1], parts[2].strip(" -:")
    rules = tuple(name.strip() for name in names.split(",") if name.strip())
    index = None if match[1] else _statement_for(source, comment)
    return Ignore(comment.at, rules, reason, index)


def _statement_for(source: Source, comment: Comment) -> int:
    line = source.place(comment.at)[0]
    before: Statement | None = None
    for statement in source.statements:
        if statement.at <= comment.at < statement.end:
            return statement.index
        if statement.at > comment.at:
            same_line = before and source.place(before.end)[0] == line
            return before.index if before and same_line else statement.index
        before = statement
    return before.index if before and source.place(before.end)[0] == line else -1


def hiding(
    ignores: Iterable[Ignore], rule: str, index: int, never: Container[str]
) -> Ignore | None:
    """The ignore that hides a finding, marked as used."""
    for ignore in ignores:
        if rule in ignore.rules and ignore.index in (None, index) and rule not in never:
            ignore.used.add(rule)
            return ignore if ignore.reason else None
    return None
