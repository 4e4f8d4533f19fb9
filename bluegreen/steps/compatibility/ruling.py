"""What a ruling of `compat` says to a run. Pure.

Owns the words of the refusal and the names to write into the playbook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bluegreen.compat.gate import Ruling
from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.verdict import Direction, Verdict
from bluegreen.model import verdict as model
from bluegreen.model.accept import entries
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted

_MOST_TOLD = 12

_RELAXED = {"no-default", "constraint"}
_DOTS = 2
"""Of `schema.table.column` and `schema.table.constraint`."""


def judged(ruling: Ruling, *, whole: bool) -> model.Verdict:
    """Satisfied, or the refusal that names everything in the way.

    Args:
        ruling: verdicts and what the playbook accepts of them.
        whole: all tiers were looked at, so that an `accept` which fits nothing shows.
    """
    if ruling.stopping:
        return _refused(ruling.stopping)
    if whole and ruling.unused:
        names = "\n".join(ruling.unused)
        return model.Refused(
            Code.ROWS_DO_NOT_FLOW,
            "the playbook accepts what `compat` does not find",
            seen=names,
            wanted="every entry in the playbook's `accept` fits a verdict",
            hint="take these entries out, or copy them again from `bluegreen compat`",
        )
    count = len(ruling.passing) + len(ruling.accepted)
    said = (
        "nothing stands against it" if not count else f"verdicts: {count}, none stops"
    )
    if ruling.accepted:
        said += f"; accepted: {', '.join(v.name for v, _ in ruling.accepted)}"
    return model.Satisfied(said)


def _refused(stopping: Sequence[Verdict]) -> model.Refused:
    told = stopping[:_MOST_TOLD]
    rest = len(stopping) - len(told)
    more = [f"… and {rest} more, see `bluegreen compat`"] if rest else []
    count = counted(len(stopping), "verdict stops", "verdicts stop")
    return model.Refused(
        Code.ROWS_DO_NOT_FLOW,
        f"blue and green would not stay alike: {count} the run",
        seen="\n".join([*map(_line, told), *more]),
        wanted="rows that flow both ways until blue is released",
        hint="\n".join(_ways_out(told)),
    )


def _ways_out(told: Sequence[Verdict]) -> Iterator[str]:
    """What the playbook can do about it; `accept` comes last."""
    names = [name for verdict in told for name in wider(verdict)]
    yield from expanding(names)
    others = [verdict for verdict in told if not wider(verdict)]
    yield from dict.fromkeys(f"{v.where or 'it'}: {fix_of(v)}" for v in others)
    which = "it" if len(told) == 1 else "each"
    yield f"or accept {which}, with a reason, in the playbook:"
    yield from entries((v.id, v.where) for v in told)


def expanding(names: Sequence[str]) -> Iterator[str]:
    """The lines of a playbook by which blue takes these back."""
    if names:
        yield "to let blue take all of it back, in the step `migrate`:"
        yield "  expand_blue:"
        yield from (f"    - {name}" for name in dict.fromkeys(names))


def wider(verdict: Verdict) -> tuple[str, ...]:
    """What of blue `expand_blue` can make or relax, so that the verdict goes."""
    if verdict.direction is not Direction.REVERSE:
        return ()
    relaxed = verdict.rule in _RELAXED and verdict.where.count(".") == _DOTS
    return (verdict.where,) if relaxed else verdict.lacking


def fix_of(verdict: Verdict) -> str:
    """What makes it compatible, in words."""
    return RULES[verdict.rule].fix or verdict.needs


def _line(verdict: Verdict) -> str:
    found = f" ({verdict.found})" if verdict.found else ""
    return f"{verdict.name}: {verdict.why}{found}"
