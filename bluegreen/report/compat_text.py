"""Verdicts of `compat` as text for a person. Owns that table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from bluegreen.compat.verdict import id_and_where
from bluegreen.model.accept import entries
from bluegreen.model.counted import counted
from bluegreen.report.compat_result import CompatResult
from bluegreen.report.page import Page, Part, columns
from bluegreen.steps.compatibility.rows import MEANINGS, Row

_WAYS = {
    "forward": "forward, blue to green",
    "copy": "initial copy, blue to green",
    "reverse": "reverse, green to blue after the cutover",
}


def compat_page(result: CompatResult) -> Page:
    """Every direction's verdicts, what they mean and what to do."""
    lines = [f"{result.name}: judged by {result.tiers}"]
    if result.note:
        lines.append(f"  {result.note}")
    return [*lines, "", *verdicts(result.rows), *_ending(result)]


def verdicts(rows: Iterable[Row]) -> Page:
    """The verdicts, by direction, then what each answer among them means."""
    shown = _without_copies([row for row in rows if row.answer != "OK" or row.found])
    lines: list[Part] = []
    order = list(_WAYS)
    ranked = sorted(shown, key=lambda row: order.index(row.direction))
    for way, several in groupby(ranked, key=lambda row: row.direction):
        lines.append(_WAYS[way])
        for row in several:
            lines += _row(row)
        lines.append("")
    answers = dict.fromkeys(_answer(row) for row in ranked)
    meanings = {str(answer): text for answer, text in MEANINGS.items()}
    return lines + [f"  {a}: {meanings[a]}" for a in answers] + [""] * bool(answers)


def _without_copies(rows: Sequence[Row]) -> list[Row]:
    """The initial copy meets what the stream meets; only what is its own is shown."""
    forward = {
        (r.answer, r.rule, r.where, r.why) for r in rows if r.direction != "copy"
    }
    return [
        row
        for row in rows
        if row.direction != "copy"
        or (row.answer, row.rule, row.where, row.why) not in forward
    ]


def _answer(row: Row) -> str:
    """A condition that was asked and holds is told as one, not as a plain OK."""
    return "OK_IF" if row.answer == "OK" else row.answer


def _row(row: Row) -> Page:
    place = f"  {row.place}" if row.place else ""
    finding, _ = id_and_where(row.name)
    condition = row.condition if row.condition != row.fix else ""
    told = {
        "if:": condition,
        "found:": row.found,
        "fix:": row.fix if row.answer != "OK" else "",
        "accepted:": row.reason,
        "id:": finding,
    }
    return [
        f"  {_answer(row):<8}{row.where or 'every table'}{place}  [{row.weight}]",
        *columns([(row.why,)], indent=4),
        *columns(((name, said) for name, said in told.items() if said), indent=4),
    ]


def _ending(result: CompatResult) -> list[str]:
    stopping = [row for row in result.rows if row.weight == "stops"]
    if result.unused:
        names = "\n".join(f"  {name}" for name in result.unused)
        return [f"`accept` has entries that fit no verdict:\n{names}"]
    waiting = sum(row.weight == "waits" for row in result.rows)
    if not stopping and waiting:
        several = counted(waiting, "verdict waits", "verdicts wait")
        return [f"nothing stops a run yet; {several} for catalogs and data"]
    if not stopping:
        return ["nothing would stop a run"]
    return [
        "a run would stop; where it is meant, accept it in the playbook:",
        *entries(id_and_where(row.name) for row in stopping),
    ]
