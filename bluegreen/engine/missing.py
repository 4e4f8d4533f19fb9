"""Which records a side may lack, and which prove that its time went back.

Owns the rule. A record goes to green first, then to blue; only the record that ends a
move, its commit or its back-out, goes first to the side that traffic goes to. Each
writer first brings both sides to the same end. So a tool that dies leaves one record
on one side alone, and never a second one. A side that lacks more had confirmed it once:
it was restored, promoted from a standby that was behind, or lost what it had not
flushed. Its rows of that time are gone with its records, so nothing repairs it by
copying records.
"""

from __future__ import annotations

from collections.abc import Sequence

from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.counted import counted
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side

_ENDS_OF_MOVES = frozenset({Kind.COMMITTED, Kind.BACKED_OUT})


def require_whole(
    side: Side, known: Sequence[Record], records: Sequence[Record]
) -> None:
    """Refuse a side that lacks what it had confirmed. Pure.

    Args:
        side: whose journal it is.
        known: what it holds, the beginning of the records.
        records: what the longer journal holds.

    Raises:
        LeaseRefused: 8002.
    """
    if len(known) == len(records):
        return
    missing = records[len(known) :]
    if not went_back(side, known, missing):
        return
    raise _went_back(side, missing, fold(records).serving)


def went_back(side: Side, known: Sequence[Record], missing: Sequence[Record]) -> bool:
    """Whether this side can lack these records only by losing them. Pure."""
    whole = (*known, *missing)
    if not missing or _may_be_new(side, known, whole):
        return False
    # A slot is given up while the other side is away; the one that serves is told
    # alone, and may be so right behind a record that the other side did not get.
    lost = [one for one in missing if one.kind is not Kind.ABANDONED]
    if len(lost) > 1:
        return True
    return bool(lost) and side is Side.GREEN and not _first_on_blue(lost[0])


def _may_be_new(side: Side, known: Sequence[Record], records: Sequence[Record]) -> bool:
    """A green that was made again while blue serves; a blue that was released."""
    state = fold(records)
    if side is Side.GREEN:
        return not known and state.serving is Side.BLUE
    return state.released


def _first_on_blue(record: Record) -> bool:
    if record.kind not in _ENDS_OF_MOVES:
        return False
    return bodies.BackedOut.from_body(record.body).to is Side.BLUE


def _went_back(side: Side, missing: Sequence[Record], serving: Side) -> LeaseRefused:
    first, other = missing[0], side.other
    more = counted(len(missing), "more record")
    what = " ".join(filter(None, (str(first.kind), first.action)))
    return LeaseRefused(
        Code.JOURNALS_DISAGREE,
        f"{side} went back in time: it had confirmed records that it lacks now",
        seen=f"{other} holds {more}; the first is record {first.seq}, {what}, of "
        f"{first.at:%Y-%m-%d %H:%M:%S} UTC. What {side} committed since then may be "
        "lost as well",
        wanted=f"a {side} that holds all that it ever confirmed",
        traffic=f"{serving} serves, by the journal on {other}; nothing was opened, "
        "closed, enabled or dropped",
        hint=_ways_on(side, serving),
    )


def _ways_on(side: Side, serving: Side) -> str:
    cause = (
        f"was {side} restored from a snapshot or a backup, or is it a standby that was "
        f"behind? If the server with all its WAL still exists, bring that one back as "
        f"{side} and run again"
    )
    if side is serving:
        return (
            f"{cause}. Keep clients off {side} until then: rows that they wrote are "
            f"missing there. {side.other} still holds what it had received; the "
            'runbook\'s "A side went back in time" has the ways on'
        )
    if side is Side.GREEN:
        return (
            f"{cause}. If not, make green an empty database and run again; the "
            'runbook\'s "Make green again" has the statements'
        )
    return (
        f"{cause}. Until then keep clients off {side}: it may take writes that "
        f"{serving} never gets. If that server is gone, there is no way back to "
        f"{side} any more: stop it, and drop its slot with `bluegreen drop-slot "
        "PLAYBOOK --allow ENDS_ROLLBACK`"
    )
