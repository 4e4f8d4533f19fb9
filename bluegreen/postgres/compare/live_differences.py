"""When a difference that was seen under live writes is a real one. Pure.

Owns weighing one row's looks. A look at green stands between two looks at blue, and a
marker row made the way after the first of these: what blue held then, or something
newer, must be on green. It may be newer than what blue shows at the second look too: a
walsender sends a commit once it is flushed, and blue shows it a little later.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Literal

STEADY_ROUNDS = 3
"""One round in which blue stands still is no proof: a value may have gone away and come
back in between, and green may have a commit that blue does not show yet."""

MOVING_ROUNDS = 10
"""A row that blue changes in every round and that stands still on green this long does
not follow: each marker that came would have brought a newer value along."""

Value = Hashable
"""A row's hash, or None where the row is not there."""

Severity = Literal["settled", "follows", "differs", "open"]


@dataclass(frozen=True, slots=True)
class Look:
    """One round: blue, then a marker's way, then green, then blue again."""

    before: Value
    green: Value
    after: Value


@dataclass(frozen=True, slots=True)
class Weighed:
    """What is known of one row.

    Attributes:
        severity: `settled` both were seen equal; `follows` both keep changing, and the
            stream writes all columns of a row at once; `differs`; `open` look again.
        look: the last look.
        steady: rounds in which both stood still and apart.
        stuck: rounds in which green stood still and apart while blue changed.
    """

    severity: Severity
    look: Look
    steady: int = 0
    stuck: int = 0


def weigh(look: Look, known: Weighed | None = None) -> Weighed:
    """Add a look to what is known of a row."""
    if look.green in (look.before, look.after):
        return Weighed("settled", look)
    if known is None:
        still = look.before == look.after
        return Weighed("open", look, steady=int(still), stuck=int(not still))
    if look.green != known.look.green:
        moved = known.look.before != look.after
        return Weighed("follows" if moved else "open", look, steady=int(not moved))
    if look.before == look.after == known.look.after:
        known = replace(known, look=look, steady=known.steady + 1)
    else:
        known = replace(known, look=look, steady=0, stuck=known.stuck + 1)
    enough = known.steady >= STEADY_ROUNDS or known.stuck >= MOVING_ROUNDS
    return replace(known, severity="differs" if enough else "open")
