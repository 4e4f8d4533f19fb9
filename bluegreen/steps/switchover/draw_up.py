"""What a certificate says, drawn up from the journal's records. Pure.

Owns which record each value comes from. The action that keeps and files it is in
`certify.py`; form and hash are in `model/certificate.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from bluegreen.model import bodies
from bluegreen.model.certificate import (
    Certificate,
    JournalTold,
    Pause,
    RowsProved,
    SequenceSet,
    SideToldOf,
    TableProved,
    Times,
    journal_digest,
)
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.replication.told import told_empty, told_left_out
from bluegreen.steps.switchover.left_behind import told_left_behind
from bluegreen.steps.validation.foreign_keys import CheckForeignKeys, KeysLookedAt
from bluegreen.steps.validation.rows import CompareRows, RowsCompared


def lacking(
    records: Sequence[Record], sides: Mapping[Side, SideToldOf]
) -> Sequence[int]:
    """Epochs of moves between these two databases that have no certificate. Pure."""
    identities = {side: told.identity for side, told in sides.items()}
    held = fold(records).certificates
    return [
        record.epoch
        for record in records
        if record.kind is Kind.COMMITTED
        and record.epoch not in held
        and bodies.Committing.from_body(record.body).identities == identities
    ]


def draw_up(
    name: str,
    records: Sequence[Record],
    epoch: int,
    sides: Mapping[Side, SideToldOf],
) -> Certificate | None:
    """The certificate of the move of this epoch, by the journal. Pure.

    None where the journal does not tell that it was made and its way back opened. That
    every pointer was seen is not told of a move that a rollback undid before.
    """
    told = [record for record in records if record.epoch == epoch]
    commit = _first(told, Kind.COMMITTED)
    moved = _first(told, Kind.MOVED)
    back = _first(told, Kind.WAY_BACK_OPEN)
    undone = any(r.kind is Kind.COMMITTED and r.epoch > epoch for r in records)
    if commit is None or back is None or not (moved or undone):
        return None
    told_by = moved or back
    before = [record for record in records if record.seq <= commit.seq]
    state = fold(before)
    assert state.last_move is not None
    committed = bodies.Committed.from_body(commit.body)
    served = bodies.Moved.from_body(moved.body if moved else {})
    to_side = committed.to
    return Certificate(
        kind=_kind(to_side),
        playbook=name,
        playbook_digest=_digest(before, commit.run),
        run=commit.run,
        epoch=epoch,
        left=to_side.other,
        to=to_side,
        sides=dict(sides),
        pointers=served.pointers,
        fence_position=committed.fence_position,
        marker=committed.marker,
        origin_position=committed.origin_position,
        sequences=_sequences(served),
        left_behind=_left_behind(records, epoch),
        broken_keys=_broken_keys(state.results.values(), epoch - 1),
        left_out=_left_out(records) or None,
        rows=_rows(state.results.values(), epoch - 1),
        pause=_pause(served),
        times=Times(
            begun=_utc(state.last_move.begun),
            committed=_utc(commit.at),
            moved=_utc(moved.at) if moved else None,
            way_back_open=_utc(back.at),
        ),
        way_back_marker_s=bodies.WayBackOpen.from_body(back.body).marker_s,
        journal=JournalTold(
            records=told_by.seq,
            sha256=journal_digest(r for r in records if r.seq <= told_by.seq),
        ),
    ).sealed()


def _first(records: Iterable[Record], kind: Kind) -> Record | None:
    return next((record for record in records if record.kind is kind), None)


def _kind(to_side: Side) -> Literal["cutover", "rollback"]:
    return "cutover" if to_side is Side.GREEN else "rollback"


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _digest(before: Sequence[Record], run: str) -> str:
    started = (r for r in before if r.kind is Kind.RUN_STARTED and r.run == run)
    return next((bodies.RunStarted.from_body(r.body).digest for r in started), "")


def _sequences(moved: bodies.Moved) -> dict[str, SequenceSet] | None:
    if moved.sequence_values is None:
        return None
    return {
        quote_name(schema, name): SequenceSet(last=last, called=called)
        for schema, name, last, called in moved.sequence_values
    }


def _left_out(records: Sequence[Record]) -> tuple[str, ...]:
    empty = (f"materialized view {name} (empty)" for name in told_empty(records))
    return (*told_left_out(records), *empty)


def _left_behind(records: Sequence[Record], epoch: int) -> dict[str, int | None] | None:
    told = told_left_behind(records, epoch)
    return None if told is None else dict(told)


def _broken_keys(results: Iterable[Record], epoch: int) -> dict[str, int] | None:
    """Of the newest look before the move."""
    name = "/" + CheckForeignKeys.name()
    looks = [r for r in results if r.epoch == epoch and r.action.endswith(name)]
    if not looks:
        return None
    newest = max(looks, key=lambda record: record.seq)
    return KeysLookedAt.from_body(newest.body).accepted_orphans or None


def _rows(results: Iterable[Record], epoch: int) -> RowsProved | None:
    """Of the epoch before the move: what a later epoch proves is another move's."""
    name = "/" + CompareRows.name()
    proofs = [r for r in results if r.epoch == epoch and r.action.endswith(name)]
    if not proofs:
        return None
    newest = max(proofs, key=lambda record: record.seq)
    return RowsProved(
        action=newest.action,
        run=newest.run,
        at=_utc(newest.at),
        tables={
            one.table: TableProved(rows=one.rows, checksum=one.checksum or None)
            for one in RowsCompared.from_body(newest.body).tables
        },
    )


def _pause(moved: bodies.Moved) -> Pause:
    return Pause(
        total_ms=moved.pause_ms,
        parts_ms=dict(moved.parts_ms or {}),
        longest_gap_ms=moved.longest_gap_ms,
        client_errors=moved.client_errors,
    )
