"""Whether a run may go on past these verdicts, and what a playbook accepts of them.

Owns which answers stop, and matching names against the playbook's `accept`. Pure;
where a run asks is for `steps/compat.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.model.accept import fits

QUIET = frozenset(
    {
        "derived-stale",
        "foreign-key",
        "name-reused",
        "rows-differ",
        "time-zone",
        "trigger",
        "whole-row-lost",
    }
)
"""Rules whose condition, once broken, loses data without an error. The others stop
the stream aloud, while the side that serves has every row."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """Verdicts, sorted by what a run does with them.

    Attributes:
        stopping: those that it stops at, worst first.
        accepted: those that the playbook accepts, and why.
        passing: those that it shows and passes.
        unused: names in `accept` that fit no verdict.
    """

    stopping: tuple[Verdict, ...] = ()
    accepted: tuple[tuple[Verdict, str], ...] = ()
    passing: tuple[Verdict, ...] = ()
    unused: tuple[str, ...] = ()


OF_THE_WINDOW = frozenset({"partition-left-behind", "table-not-published"})
"""Rules by which a playbook may accept a loss that only comes while green serves: a
rollback asks for it, and a judge before the cutover cannot find it."""


OF_A_KEY = "/SILENT/foreign-key/"
"""One entry for a foreign key that rows of blue break counts in both directions, and
goes on counting when the rows are corrected."""


def stops(verdict: Verdict) -> bool:
    """Whether a run must not go on past this verdict unless it is accepted.

    A loss on the way back must be declared, and so must a partition of blue that green
    lacks: it was made after the copy. A condition that no look at data has
    settled stops where breaking it would be silent. The initial copy is made before
    any migration, so what it would meet after one stops no run.
    """
    if verdict.direction is Direction.COPY:
        return False
    match verdict.answer:
        case Answer.OK:
            return False
        case Answer.LOSSY:
            made_later = verdict.rule == "partition-left-behind" and verdict.lacking
            return verdict.direction is Direction.REVERSE or bool(made_later)
        case Answer.OK_IF:
            return not verdict.found and verdict.rule in QUIET
        case _:
            return True


def rule(
    verdicts: Iterable[Verdict],
    accept: Mapping[str, str],
    known: Iterable[Verdict] = (),
) -> Ruling:
    """Sort verdicts.

    Args:
        verdicts: of all directions.
        accept: a name, in which `*` fits anything, and the reason.
        known: verdicts of an earlier look, whose names are no mistake in `accept`.
    """
    stopping, accepted, passing = [], [], []
    used = {n for v in known for n in accept if fits(n, v.name)}
    used |= {n for n in accept if any(f"/{rule}/" in n for rule in OF_THE_WINDOW)}
    for verdict in verdicts:
        fitting = [name for name in accept if fits(name, verdict.name)]
        used.update(fitting)
        if not stops(verdict):
            passing.append(verdict)
        elif fitting:
            accepted.append((verdict, accept[fitting[0]]))
        else:
            stopping.append(verdict)
    unused = tuple(name for name in accept if name not in used and OF_A_KEY not in name)
    return Ruling(tuple(stopping), tuple(accepted), tuple(passing), unused)
