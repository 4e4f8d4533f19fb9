"""Which value each sequence of a side gets from the other side, by what it is for.

Owns the law, as pure functions. A sequence is set from the one of its name and from
those that fed the same columns: a migration makes a serial column an identity, renames
or moves its sequence, or splits a shared one, and the column must go on where it stood.
What the side's own sequence is ahead, as by RESTART in a migration, it stays ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bluegreen.postgres.replication.sequence_facts import SequenceRange
from bluegreen.postgres.replication.sequences import SequenceValue

Name = tuple[str, str]
Stand = tuple[int, bool]
"""The last value, and whether it was given out."""


@dataclass(frozen=True, slots=True)
class SequenceTarget:
    """A sequence that a move sets, and what from.

    Attributes:
        sequence: on the side that traffic goes to, as it stands there.
        sources: those of the other side, the one of its name first.
        untouched: it stands where the move before left it, or where the copy made it.
    """

    sequence: SequenceRange
    sources: tuple[SequenceRange, ...]
    untouched: bool

    @property
    def follows_its_name(self) -> bool:
        """Whether nothing but the sequence of its name counts, and that exactly."""
        own, first = self.sequence, self.sources[0]
        if (first.schema, first.name) != (own.schema, own.name):
            return False
        return own.cycles or (self.untouched and len(self.sources) == 1)


def pair_up(
    publisher: Iterable[SequenceRange],
    subscriber: Iterable[SequenceRange],
    left: Mapping[Name, Stand] | None = None,
) -> tuple[SequenceTarget, ...]:
    """Every sequence of the subscriber that the publisher has something for. Pure.

    Args:
        publisher: sequences of the side that serves.
        subscriber: those of the side that traffic goes to.
        left: where they stood when traffic left the subscriber; None for not known.
    """
    by_name, by_column = {}, {}
    for one in publisher:
        by_name[one.schema, one.name] = one
        by_column.update(dict.fromkeys(one.columns, one))
    found = []
    for own in subscriber:
        named = by_name.get((own.schema, own.name))
        fed = (by_column.get(column) for column in sorted(own.columns))
        sources = tuple(dict.fromkeys(one for one in (named, *fed) if one))
        if sources:
            untouched = _is_untouched(own, sources[0], left)
            found.append(SequenceTarget(own, sources, untouched))
    return tuple(found)


def value_for(
    target: SequenceTarget, stands: Mapping[Name, Stand]
) -> SequenceValue | None:
    """What it is to be set to; None to leave it where it stands. Pure.

    Args:
        target: the sequence.
        stands: where those of the side that serves stand now.
    """
    own = target.sequence
    names = [(one.schema, one.name) for one in target.sources]
    told = [stands[name] for name in names if name in stands]
    if not told:
        return None
    exact = target.follows_its_name and own.least <= told[0][0] <= own.most
    up = 1 if own.step > 0 else -1
    last, called = (
        told[0] if exact else max(told, key=lambda stand: (stand[0] * up, stand[1]))
    )
    if not exact and (own.last * up, own.called) > (last * up, called):
        return None
    return SequenceValue(own.schema, own.name, last, called)


def values_for(
    targets: Iterable[SequenceTarget], stand: Iterable[SequenceValue]
) -> tuple[SequenceValue, ...]:
    """What all of them are to be set to. Pure.

    Args:
        targets: as `pair_up` gave them.
        stand: where the sequences of the side that serves stand now.
    """
    stands = {(one.schema, one.name): (one.last, one.called) for one in stand}
    given = (value_for(target, stands) for target in targets)
    return tuple(one for one in given if one is not None)


def _is_untouched(
    own: SequenceRange, source: SequenceRange, left: Mapping[Name, Stand] | None
) -> bool:
    if left is not None:
        return left.get((own.schema, own.name)) == (own.last, own.called)
    new = not own.called and own.last == own.start
    return new and own.start == source.start and own.step * source.step > 0
