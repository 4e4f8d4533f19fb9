"""Would each sequence's value fit the other side's sequence? Reading, and a pure look.

Owns the ranges. A move sets every sequence of the side that traffic goes to, inside the
pause; a value out of its range is refused there (22003), so it is looked for before.
Which value each gets is in `sequence_values.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from bluegreen.model.side import Side
from bluegreen.postgres.replication.sequence_facts import SequenceRange
from bluegreen.postgres.replication.sequence_values import pair_up, value_for

NEAR = 0.9
"""From this part of the narrower range on there is little time left to widen it."""


class Tightness(StrEnum):
    """How a value stands in the other side's range."""

    OUT = "out"
    NEAR = "near"
    NARROW = "narrow"


@dataclass(frozen=True, slots=True)
class SequenceMisfit:
    """A sequence whose value does not fit the other side's, or may come to it.

    Attributes:
        where: the sequence.
        how: out of the range, near its end, or with a narrower range ahead.
        says: values and ranges of both sides.
        repair: the ALTER SEQUENCE for the side `on`.
        on: the side that would get the value.
    """

    where: str
    how: Tightness
    says: str
    repair: str
    on: Side


def compare_ranges(
    publisher: Iterable[SequenceRange], subscriber: Iterable[SequenceRange], on: Side
) -> list[SequenceMisfit]:
    """Hold the values that `on` would get against its ranges, worst first. Pure.

    Sequences that get none are not set, so they cannot fail.
    """
    here = tuple(publisher)
    stands = {(one.schema, one.name): (one.last, one.called) for one in here}
    found = []
    for target in pair_up(here, subscriber):
        other = target.sequence
        gets = value_for(target, stands)
        last, called = (gets or other).last, (gets or other).called
        for one in target.sources:
            how = _how(replace(one, last=last, called=called), other)
            found += [_misfit(how, one, other, on)] if how else []
    return sorted(found, key=lambda one: (list(Tightness).index(one.how), one.where))


def _misfit(
    how: Tightness, one: SequenceRange, other: SequenceRange, on: Side
) -> SequenceMisfit:
    ending = ", which is nearly used up" if how is Tightness.NEAR else ""
    there = "it" if other.full_name == one.full_name else other.full_name
    says = (
        f"sequence {one.full_name} stands at {one.last} on {on.other} and goes to "
        f"{one.end}; on {on} {there} goes from {other.least} to {other.most}{ending}"
    )
    return SequenceMisfit(one.full_name, how, says, _repair(one, other), on)


def _how(one: SequenceRange, other: SequenceRange) -> Tightness | None:
    if not other.least <= one.last <= other.most:
        return Tightness.OUT
    # Where both go equally far, the end is the application's own matter.
    up = one.step > 0
    goes_on = one.most > other.most if up else one.least < other.least
    if not goes_on:
        # One that begins again does so at its own other end.
        inside = other.least <= one.least and one.most <= other.most
        return Tightness.NARROW if one.cycles and not inside else None
    used = _used(one, other)
    if used >= 1.0 and one.called and not other.cycles:
        return Tightness.OUT  # It fits, and no further value does.
    return Tightness.NEAR if used >= NEAR else Tightness.NARROW


def _used(one: SequenceRange, other: SequenceRange) -> float:
    """How much of the other's range lies behind the value, in this one's direction."""
    span = other.most - other.least
    behind = one.last - other.least if one.step > 0 else other.most - one.last
    return behind / span if span else 1.0


def _repair(one: SequenceRange, other: SequenceRange) -> str:
    """What makes the other's range hold this one's, its own values kept."""
    kind = f" AS {one.type}" if one.type != other.type and _is_wider(one, other) else ""
    least, most = min(one.least, other.least), max(one.most, other.most)
    return f"ALTER SEQUENCE {other.full_name}{kind} MINVALUE {least} MAXVALUE {most};"


def _is_wider(one: SequenceRange, other: SequenceRange) -> bool:
    sizes = ["smallint", "integer", "bigint"]
    return sizes.index(one.type) > sizes.index(other.type)
