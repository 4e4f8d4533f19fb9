"""The journal over both sides: the same records, kept twice.

Owns agreeing on them, numbering new records and fixing the side that fell
behind. The table is in `postgres/journal/table.py`; what they mean is in
`model/history.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from bluegreen.engine.journal_refusals import (
    another_writer,
    disagree,
    gap,
    in_a_move,
    lease_lost,
    not_built,
)
from bluegreen.engine.missing import require_whole
from bluegreen.engine.records import Twins
from bluegreen.engine.writer import this_writer
from bluegreen.model.chain import link
from bluegreen.model.errors import LeaseRefused, ServerRefused
from bluegreen.model.history import fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import require_own_sides, require_pair
from bluegreen.postgres.database import Database, ServerGoneError, SqlError
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.table import add_record, read_records, server_time

WITHOUT_LEASE = frozenset({Kind.APPROVED, Kind.NOTE})
"""Kinds that a person may add while a run holds the lease; a run that meets one takes
the next number and goes on."""

NUMBER_TRIES = 5
"""People approve one at a time; five records in the same millisecond are a program."""

_UNIQUE_VIOLATION = "23505"
_UNTRANSLATABLE = "22P05"
"""A database that is not in UTF8 lacks a letter, an arrow of ours for one."""
_NOT_BUILT = {"42P01", "3F000"}


class TwinJournal:
    """The records as both databases have them. Green is written first, then blue.

    Its reads and writes use each side's warm session and must not run inside a
    transaction of it.

    Args:
        blue: the one side.
        green: the other.
        run: id of this run, on each record that it writes.
        writer: `user@host pid`.
        lease: by side, the process on its server that holds the writer's lease. A
            record is stored only while it does. Empty for who writes without one.
        twins: what was read before, where this process read it already.
    """

    def __init__(
        self,
        blue: Database,
        green: Database,
        run: str,
        writer: str = "",
        *,
        lease: Mapping[Side, int] | None = None,
        twins: Twins | None = None,
    ) -> None:
        self.run = run
        self.writer = writer or this_writer()
        self._blue = blue
        self._green = green
        self._lease = dict(lease or {})
        self.twins = twins or Twins(agree)

    def records(self) -> Sequence[Record]:
        """All records, oldest first, as both sides have them now.

        Only what is new is read; see `records.py`.

        Raises:
            LeaseRefused: 8002; the journals disagree.
            StepError: a side went away.
            ServerRefused: a side cannot be reached.
        """
        return self._read()[2]

    def told_by(self, side: Side) -> Sequence[Record]:
        """All records as one side alone tells them.

        Raises:
            StepError: it went away.
            ServerRefused: it cannot be reached.
        """
        return self.twins.read(self._green if side is Side.GREEN else self._blue)

    def append(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        """Write one record to both sides, flushed on both before this returns.

        What the databases have no letters for is written as question marks.

        Raises:
            LeaseRefused: 8001 another operator writes, the writer's lease is lost, or
                an approval meets a move; 8002 the journals disagree; 8004 no schema of
                ours.
        """
        told = body or {}
        for _ in range(NUMBER_TRIES):
            record = self._draft(kind, action, told)
            try:
                if self._tell_both(record):
                    return record
            except SqlError as error:
                if error.sqlstate != _UNTRANSLATABLE or told == _in_ascii(told):
                    raise
                told = _in_ascii(told)
        raise another_writer(record, None)

    def draft(
        self, kind: Kind, *, action: str = "", body: Mapping[str, Any] | None = None
    ) -> Record:
        """The record that `append` would write now.

        For the commit point, which is written in one transaction with the fence.
        """
        return self._draft(kind, action, body or {})

    def reconcile(self) -> int:
        """Tell the side that fell behind what it missed; returns how many records.

        Raises:
            LeaseRefused: 8002; the journals disagree, or a side went back in time.
        """
        blue, green, records = self._read()
        self._complete(blue, green, records)
        return 2 * len(records) - len(blue) - len(green)

    def _read(self) -> tuple[Sequence[Record], Sequence[Record], Sequence[Record]]:
        """What blue has, what green has, and what holds.

        Once blue is released it may be gone; then green's records hold.
        """
        green = self.told_by(Side.GREEN)
        try:
            blue = self.told_by(Side.BLUE)
        except (ServerGoneError, ServerRefused):
            if not _released(green):
                raise
            blue = green
        return agreed(blue, green, self._blue, self._green, self.twins.agreed)

    def _complete(
        self, blue: Sequence[Record], green: Sequence[Record], records: Sequence[Record]
    ) -> None:
        for database, known in ((self._green, green), (self._blue, blue)):
            for record in records[len(known) :]:
                self._store(database, record)

    def _draft(self, kind: Kind, action: str, body: Mapping[str, Any]) -> Record:
        blue, green, records = self._read()
        if kind is Kind.APPROVED and (move := fold(records).open_move):
            # Its number is the one that the commit record is about to take.
            raise in_a_move(move)
        self._complete(blue, green, records)
        return Record(
            seq=len(records) + 1,
            at=server_time(self._green),
            kind=kind,
            epoch=fold(records).epoch + (kind is Kind.COMMITTED),
            run=self.run,
            action=action,
            body=_as_stored(body),
            writer=self.writer,
            follows=link(records),
        )

    def _tell_both(self, record: Record) -> bool:
        """Store it on green, then on blue. False when its number was taken."""
        if not self._store(self._green, record, self._lease.get(Side.GREEN)):
            return False
        try:
            return self._store(self._blue, record, self._lease.get(Side.BLUE))
        except (ServerGoneError, ServerRefused):
            if _released(self.told_by(Side.GREEN)):
                return True
            raise

    def _store(
        self, database: Database, record: Record, lease: int | None = None
    ) -> bool:
        """Store one record. False when a record that needs no lease has its number.

        The same record there already is fine: two who reconcile write the same.
        """
        try:
            if not add_record(database, record, lease):
                raise lease_lost(database, record, self.told_by(database.side))
        except SqlError as error:
            if error.sqlstate in _NOT_BUILT:
                raise not_built(database) from None
            if error.sqlstate != _UNIQUE_VIOLATION:
                raise
            there = read_records(database, record.seq - 1)[0]
            if there != record and there.kind not in WITHOUT_LEASE:
                raise another_writer(record, there) from None
            return there == record
        return True


def open_journal(
    blue: Database,
    green: Database,
    playbook: str,
    run: str,
    writer: str = "",
    *,
    lease: Mapping[Side, int] | None = None,
    twins: Twins | None = None,
) -> TwinJournal:
    """Build our schema on both sides where it is missing and open the journal.

    Call it with the lease held. The sides hold the same records when it returns.

    Raises:
        ServerRefused: 3002 the two are no pair, or exchanged; 3008 a right is missing.
            Nothing was touched then.
        LeaseRefused: 8002; the journals disagree.
    """
    require_pair(blue, green)
    require_own_sides(blue, green)
    missing = [side for side in (blue, green) if not own_schema.is_built(side)]
    for database in missing:
        own_schema.require_right(database)
    for database in missing:
        own_schema.build(database, playbook)
    journal = TwinJournal(blue, green, run, writer, lease=lease, twins=twins)
    journal.reconcile()
    return journal


def agreed(
    blue: Sequence[Record],
    green: Sequence[Record],
    on_blue: Database,
    on_green: Database,
    agree_on: Callable[[Sequence[Record], Sequence[Record]], Sequence[Record]]
    | None = None,
) -> tuple[Sequence[Record], Sequence[Record], Sequence[Record]]:
    """What blue has, what green has, and what holds.

    A tool that writes between the two reads makes the side that was read first look
    short. So that side is read once more, as far as the other one had come.

    Raises:
        LeaseRefused: 8002; the journals disagree, or a side went back in time.
    """
    agree_on = agree_on or agree
    try:
        return blue, green, agree_on(blue, green)
    except LeaseRefused:
        if len(blue) < len(green):
            blue = read_records(on_blue)[: len(green)]
        else:
            green = read_records(on_green)[: len(blue)]
    return blue, green, agree_on(blue, green)


def agree(
    blue: Sequence[Record], green: Sequence[Record], known: int = 0
) -> Sequence[Record]:
    """The longer journal, of which the shorter must be the beginning. Pure.

    The shorter one may lack what a tool that died, or a side that was away, explains
    (see `missing.py`); a side that lacks more went back in time.

    Args:
        blue: what blue tells.
        green: what green tells.
        known: how many records at the beginning were compared before.

    Raises:
        LeaseRefused: 8002, naming the first record that differs, or that is lost.
    """
    pairs = zip(islice(blue, known, None), islice(green, known, None))  # noqa: B905
    for here, there in pairs:  # the shorter one ends it
        if here != there:
            raise disagree(here, there)
    records = max(blue, green, key=len)
    for number, record in enumerate(islice(records, known, None), start=known + 1):
        if record.seq != number:
            raise gap(number, "blue" if records is blue else "green")
    require_whole(Side.BLUE, blue, records)
    require_whole(Side.GREEN, green, records)
    return records


def epoch_of(records: Sequence[Record]) -> int:
    """The highest epoch told; 0 before the first move."""
    return max((record.epoch for record in records), default=0)


def _released(records: Sequence[Record]) -> bool:
    return any(record.kind is Kind.RELEASED for record in records)


def _as_stored(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as jsonb gives it back, so that a record equals itself re-read."""
    stored: dict[str, Any] = json.loads(json.dumps(dict(body), allow_nan=False))
    return stored


def _in_ascii(body: Mapping[str, Any]) -> dict[str, Any]:
    text = json.dumps(dict(body), ensure_ascii=False)
    plain: dict[str, Any] = json.loads(text.encode("ascii", "replace"))
    return plain
