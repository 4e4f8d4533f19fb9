"""Verdicts as the rows that people and programs read.

Owns what a row says, and carrying it to the terminal and the log. How it looks is for
`report/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bluegreen.compat.gate import Ruling, stops
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.verdict import Answer, Verdict
from bluegreen.model.progress import Progress
from bluegreen.steps.compatibility.texts import Texts, place_of

SEEN = "verdict_seen"
"""The progress that carries a row."""

MEANINGS = {
    Answer.OK: "rows flow",
    Answer.LOSSY: "what only one side has stays there",
    Answer.OK_IF: "rows flow as long as a condition holds",
    Answer.NEEDS: "rows flow once something is done first",
    Answer.UNKNOWN: "it cannot be told, which is no yes",
    Answer.APP: "the application's own write fails",
    Answer.SILENT: "no error anywhere, and the data differ",
    Answer.BREAK: "the stream stops with an error",
}
"""Each answer in one line for a person."""


@dataclass(frozen=True, slots=True)
class Row:
    """One verdict.

    Attributes:
        weight: `stops`, `accepted`, `passes`, or `waits` for catalogs and data.
        name: what a playbook accepts it by.
        answer: OK, LOSSY, OK_IF, NEEDS, UNKNOWN, APP, SILENT or BREAK.
        direction: forward, copy or reverse.
        rule: the rule of `compat`.
        where: table, column or constraint; empty for all.
        place: file and line of the statement that brought it, where one is known.
        why: one sentence.
        condition: of an OK_IF, in words.
        found: what the data said of the condition.
        fix: what makes it compatible.
        law: number of the law of apply.
        row: row of the table of measured changes.
        proof: a measured case, by its id.
        reason: why the playbook accepts it.
    """

    weight: str
    name: str
    answer: str
    direction: str
    rule: str
    where: str
    place: str
    why: str
    condition: str
    found: str
    fix: str
    law: int
    row: str
    proof: str
    reason: str = ""


def rows_of(ruling: Ruling, texts: Texts) -> Iterator[Row]:
    """All verdicts, those that stop first."""
    for verdict in ruling.stopping:
        yield _row(verdict, "stops", texts)
    for verdict, reason in ruling.accepted:
        yield _row(verdict, "accepted", texts, reason)
    for verdict in ruling.passing:
        yield _row(verdict, "waits" if stops(verdict) else "passes", texts)


def _row(verdict: Verdict, weight: str, texts: Texts, reason: str = "") -> Row:
    rule = RULES[verdict.rule]
    conditional = verdict.answer is Answer.OK_IF or bool(verdict.found)
    return Row(
        weight,
        verdict.name,
        str(verdict.answer),
        str(verdict.direction),
        verdict.rule,
        verdict.where,
        place_of(verdict, texts),
        verdict.why,
        verdict.needs if conditional else "",
        verdict.found,
        rule.fix or verdict.needs,
        rule.law,
        rule.row,
        rule.proof,
        reason,
    )


def progress_of(row: Row) -> Progress:
    """One row for the terminal and the log."""
    found = f" ({row.found})" if row.found else ""
    told = {"passes": "note", "waits": "note", "accepted": f"accepted, {row.reason}"}
    weight = told.get(row.weight, row.weight)
    text = f"{weight}: {row.name}: {row.why}{found}"
    return Progress(SEEN, text, values=asdict(row))


def row_of(progress: Progress) -> Row:
    """The row that a progress carries."""
    values: dict[str, Any] = dict(progress.values)
    return Row(**values)
