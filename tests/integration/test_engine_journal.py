"""The journal over both sides, on two real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql

from bluegreen.engine.journal import TwinJournal, agreed, open_journal
from bluegreen.engine.journal_refusals import describe
from bluegreen.engine.session import engage
from bluegreen.model.errors import LeaseRefused, ServerRefused
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.table import (
    add_record,
    read_records,
    run_while_free,
    run_while_newest,
    server_time,
)
from tests.kit.databases import DatabasePair


@dataclass(frozen=True)
class Both:
    """Both sides as the tool sees them, and another operator's view of the same."""

    blue: Database
    green: Database
    pair: DatabasePair

    def journal(self, run: str = "r-1") -> TwinJournal:
        return open_journal(self.blue, self.green, "shop", run, f"ann@here {run}")


@pytest.fixture
def both(
    database_pair: Callable[[int, int], DatabasePair],
) -> Iterator[Callable[[], Both]]:
    with ExitStack() as stack:

        def view() -> Both:
            pair = database_pair(15, 16)
            blue = Database(Side.BLUE, pair.blue.conninfo())
            green = Database(Side.GREEN, pair.green.conninfo())
            stack.callback(blue.close)
            stack.callback(green.close)
            return Both(blue, green, pair)

        yield view


def told(database: Database) -> list[tuple[int, str]]:
    return [(record.seq, str(record.kind)) for record in read_records(database)]


def lose_the_end(database: Database, from_seq: int) -> None:
    """What restoring a side from a backup does to its journal."""
    with database.connect() as session:
        session.execute("ALTER TABLE bluegreen.journal DISABLE TRIGGER append_only")
        session.execute("DELETE FROM bluegreen.journal WHERE seq >= %s", (from_seq,))
        session.execute("ALTER TABLE bluegreen.journal ENABLE TRIGGER append_only")


def test_both_sides_tell_each_record_alike(both: Callable[[], Both]) -> None:
    here = both()
    journal = here.journal()
    written = [
        journal.append(Kind.RUN_STARTED, body={"playbook": "shop"}),
        journal.append(Kind.INTENT, action="a/b", body={"odd": (1, 2.5, None, "ä€")}),
    ]
    assert [record.seq for record in written] == [1, 2]
    assert written == read_records(here.blue) == read_records(here.green)
    assert list(journal.records()) == written
    assert written[1].body == {"odd": [1, 2.5, None, "ä€"]}
    assert written[0].writer == "ann@here r-1"


def test_the_time_is_greens(both: Callable[[], Both]) -> None:
    here = both()
    before = server_time(here.green)
    record = here.journal().append(Kind.NOTE)
    assert before <= record.at <= server_time(here.green)
    assert record.at.tzinfo is not None
    assert abs(record.at - datetime.now(UTC)) < timedelta(hours=1)


def test_a_commit_point_raises_the_epoch(both: Callable[[], Both]) -> None:
    journal = both().journal()
    kinds = [Kind.NOTE, Kind.COMMITTED, Kind.MOVED, Kind.COMMITTED, Kind.NOTE]
    epochs = [journal.append(kind, body={"to": "green"}).epoch for kind in kinds]
    assert epochs == [0, 1, 1, 2, 2]


def test_a_draft_is_what_append_would_write_and_writes_nothing(
    both: Callable[[], Both],
) -> None:
    here = both()
    journal = here.journal()
    journal.append(Kind.NOTE)
    draft = journal.draft(Kind.COMMITTED, action="cutover/move", body={"to": "green"})
    assert (draft.seq, draft.epoch, draft.run) == (2, 1, "r-1")
    assert told(here.blue) == told(here.green) == [(1, "note")]


def test_without_our_schema_there_is_no_story_and_nothing_is_built(
    both: Callable[[], Both],
) -> None:
    here = both()
    journal = TwinJournal(here.blue, here.green, "r-1", "ann@here 1")
    assert list(journal.records()) == []
    with pytest.raises(LeaseRefused) as caught:
        journal.append(Kind.NOTE)
    assert str(caught.value) == (
        "error BG-8004: the journal cannot be written on green\n"
        f"  seen:    {here.green.describe()} has no table bluegreen.journal\n"
        "  wanted:  our schema, which `bluegreen run` makes\n"
        "  hint:    was nothing run yet, was it dropped, or the database made again? "
        "`bluegreen status` tells what stands"
    )
    assert not own_schema.is_built(here.green)


TO_BLUE = {"to": "blue"}


@pytest.mark.parametrize("behind", ["blue", "green"])
def test_the_longer_story_counts_and_the_other_side_gets_its_end(
    both: Callable[[], Both], behind: str
) -> None:
    """What a kill between the two writes leaves: green is written first, and blue is
    where a move to it ends."""
    here = both()
    journal = here.journal()
    for _ in range(3):
        journal.append(Kind.NOTE)
    journal.append(Kind.BACKED_OUT, body=TO_BLUE)
    side = here.blue if behind == "blue" else here.green
    lose_the_end(side, 4)
    assert [record.seq for record in journal.records()] == [1, 2, 3, 4]
    assert len(told(side)) == 3, "reading repairs nothing"
    assert journal.reconcile() == 1
    assert journal.reconcile() == 0
    assert read_records(here.blue) == read_records(here.green)


@pytest.mark.parametrize("behind", ["blue", "green"])
def test_the_next_record_repairs_first(both: Callable[[], Both], behind: str) -> None:
    here = both()
    journal = here.journal()
    journal.append(Kind.NOTE)
    journal.append(Kind.BACKED_OUT, body=TO_BLUE)
    lose_the_end(here.blue if behind == "blue" else here.green, 2)
    assert journal.append(Kind.RELEASED).seq == 3
    assert (
        told(here.blue)
        == told(here.green)
        == [
            (1, "note"),
            (2, "backed_out"),
            (3, "released"),
        ]
    )


@pytest.mark.parametrize(("behind", "first"), [("blue", 3), ("green", 4)])
def test_a_side_that_lacks_more_went_back_in_time(
    both: Callable[[], Both], behind: str, first: int
) -> None:
    here = both()
    journal = here.journal()
    for _ in range(4):
        journal.append(Kind.NOTE)
    side = here.blue if behind == "blue" else here.green
    lose_the_end(side, first)
    before = told(side)
    for look in (journal.records, journal.reconcile, lambda: journal.append(Kind.NOTE)):
        with pytest.raises(LeaseRefused) as caught:
            look()
        assert caught.value.code == 8002
        assert caught.value.problem.startswith(f"{behind} went back in time: it had")
    assert told(side) == before, "nothing is copied over the loss"


def test_a_writer_between_the_two_reads_is_no_loss(both: Callable[[], Both]) -> None:
    here = both()
    journal = here.journal()
    journal.append(Kind.NOTE)
    early = read_records(here.green)
    for _ in range(3):
        journal.append(Kind.NOTE)
    late = read_records(here.blue)
    assert len(agreed(late, early, here.blue, here.green)[2]) == 4
    assert len(agreed(early, late, here.blue, here.green)[2]) == 4


def test_a_side_made_anew_learns_the_whole_story(both: Callable[[], Both]) -> None:
    here = both()
    here.journal().append(Kind.NOTE)
    own_schema.remove(here.green)
    assert [record.seq for record in here.journal("r-2").records()] == [1]
    assert told(here.green) == [(1, "note")]


def test_two_stories_are_refused_naming_the_first_difference(
    both: Callable[[], Both],
) -> None:
    here = both()
    journal = here.journal()
    first = journal.append(Kind.NOTE)
    other = Record(2, first.at, Kind.COMMITTED, 1, "r-8", "a/b", {}, "bob@there 9")
    mine = Record(2, first.at, Kind.NOTE, 0, "r-9", "", {}, "ann@here 7")
    add_record(here.blue, mine)
    add_record(here.green, other)
    for look in (journal.records, journal.reconcile, lambda: journal.append(Kind.NOTE)):
        with pytest.raises(LeaseRefused) as caught:
            look()
        assert str(caught.value) == (
            "error BG-8002: the journals disagree from record 2 on\n"
            "  seen:    blue:  2 note (run r-9, epoch 0) by ann@here 7\n"
            "           green: 2 committed a/b (run r-8, epoch 1) by bob@there 9\n"
            "  wanted:  the same records, or one side that only lacks the last ones\n"
            "  hint:    was a side restored from a backup, or did two operators work "
            "at once? Compare both with `SELECT * FROM bluegreen.journal ORDER BY seq`"
        )
    assert caught.value.exit_status == 8


def test_a_gap_is_refused(both: Callable[[], Both]) -> None:
    here = both()
    first = here.journal().append(Kind.NOTE)
    add_record(here.blue, Record(3, first.at, Kind.NOTE, 0, "r-9"))
    with pytest.raises(LeaseRefused) as caught:
        here.journal()
    assert str(caught.value).splitlines()[0] == (
        "error BG-8002: the journal on blue lacks record 2"
    )


class Racing(TwinJournal):
    """Another writer takes the number between our look and our write."""

    kind = Kind.APPROVED
    races = 1

    def _draft(self, kind, action, body):  # type: ignore[no-untyped-def]
        mine = super()._draft(kind, action, body)
        if self.races:
            self.races -= 1
            taken = Record(
                mine.seq, mine.at, self.kind, 0, "r-2", "", {"step": "s"}, "bob"
            )
            add_record(self._green, taken)
        return mine


def test_an_approval_in_between_only_takes_a_number(both: Callable[[], Both]) -> None:
    here = both()
    here.journal()
    journal = Racing(here.blue, here.green, "r-1", "ann@here 1")
    assert journal.append(Kind.INTENT, action="a/b").seq == 2
    assert told(here.blue) == told(here.green) == [(1, "approved"), (2, "intent")]


@pytest.mark.parametrize("to", Side)
def test_an_approval_that_meets_a_move_takes_no_number(
    both: Callable[[], Both], to: Side
) -> None:
    """On green alone it would part the stories when blue commits under its number."""
    here = both()
    mover, approver = here.journal(), here.journal("r-2")
    mover.append(Kind.PAUSING, body={"to": str(to)})
    with pytest.raises(LeaseRefused, match="a move of traffic is going on") as refused:
        approver.append(Kind.APPROVED, body={"step": "approve"})
    assert refused.value.code == 8001
    assert told(here.blue) == told(here.green) == [(1, "pausing")]
    mover.append(Kind.BACKED_OUT, body={"to": str(to)})
    assert approver.append(Kind.APPROVED, body={"step": "approve"}).seq == 3


def test_letters_that_the_databases_lack_do_not_stop_a_record(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(15, 16)
    for side in (pair.blue, pair.green):
        name = sql.Identifier(side.name)
        with side.server.connect() as session:
            session.execute(sql.SQL("DROP DATABASE {}").format(name))
            session.execute(
                sql.SQL(
                    "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"
                ).format(name)
            )
    blue = Database(Side.BLUE, pair.blue.conninfo())
    green = Database(Side.GREEN, pair.green.conninfo())
    try:
        journal = open_journal(blue, green, "shop", "r-1")
        kept = journal.append(Kind.NOTE, body={"where": "caf\u00e9"})
        journal.append(Kind.NOTE, body={"where": "blue \u2192 green"})
        assert [record.body["where"] for record in journal.records()] == [
            kept.body["where"],
            "blue ? green",
        ]
        assert kept.body["where"] == "caf\u00e9"
    finally:
        blue.close()
        green.close()


def test_another_writer_of_anything_else_is_refused(both: Callable[[], Both]) -> None:
    here = both()
    here.journal()
    journal = Racing(here.blue, here.green, "r-1", "ann@here 1")
    journal.kind = Kind.INTENT
    with pytest.raises(LeaseRefused) as caught:
        journal.append(Kind.INTENT, action="a/b")
    assert str(caught.value) == (
        "error BG-8001: another operator wrote record 1 of the journal\n"
        "  seen:    1 intent (run r-2, epoch 0) by bob\n"
        "  wanted:  one operator at a time\n"
        "  hint:    `bluegreen journal` shows who; wait until that run has ended, "
        "then run again"
    )


def test_numbers_taken_without_end_are_refused(both: Callable[[], Both]) -> None:
    here = both()
    here.journal()
    journal = Racing(here.blue, here.green, "r-1", "ann@here 1")
    journal.races = 100
    with pytest.raises(LeaseRefused) as caught:
        journal.append(Kind.INTENT)
    assert caught.value.code == 8001
    assert journal.races == 95


def test_who_reconciles_at_the_same_time_writes_the_same(
    both: Callable[[], Both],
) -> None:
    """An approval reads green's new record and tells blue before its writer does."""
    here = both()
    here.journal()
    journal = here.journal()

    class Helped(TwinJournal):
        def _store(
            self, database: Database, record: Record, lease: int | None = None
        ) -> bool:
            stored = super()._store(database, record, lease)
            if database is self._green:
                journal.reconcile()
            return stored

    Helped(here.blue, here.green, "r-1", "ann@here 1").append(Kind.INTENT)
    assert told(here.blue) == told(here.green) == [(1, "intent")]


def test_one_database_under_two_names_is_no_pair(both: Callable[[], Both]) -> None:
    here = both()
    twin = Database(Side.GREEN, here.pair.blue.conninfo())
    try:
        with pytest.raises(ServerRefused) as caught:
            open_journal(here.blue, twin, "shop", "r-1")
    finally:
        twin.close()
    assert caught.value.code == 3002
    assert not own_schema.is_built(here.blue)


def test_a_record_is_described_in_one_line() -> None:
    record = Record(7, datetime.now(UTC), Kind.NOTE, 2, "r-1", "", {}, "ann@db1 8")
    assert describe(record) == "7 note (run r-1, epoch 2) by ann@db1 8"


def test_a_record_is_stored_only_while_its_writer_holds_the_lease(
    both: Callable[[], Both],
) -> None:
    here = both()
    here.journal().append(Kind.NOTE)
    with engage(here.blue, here.green, "shop", "r-2") as held:
        held.journal.append(Kind.RUN_STARTED)
        before = told(here.blue)
        for side in (here.pair.blue, here.pair.green):
            side.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        here.journal("r-3").append(Kind.RUN_STARTED)
        with pytest.raises(LeaseRefused) as caught:
            held.journal.append(Kind.FAILED, body={"code": 4001})
    text = str(caught.value)
    newest = describe(read_records(here.green)[-1])
    assert text == (
        "error BG-8001: the lease is not held any more\n"
        f"  seen:    {here.green.describe()} did not take record 4, failed, from this "
        "run\n"
        f"           its newest record: {newest}\n"
        "  wanted:  this run's session holds the lease on both sides\n"
        "  hint:    was this process stopped, or the network cut? Another run may have "
        "moved traffic meanwhile: look at `bluegreen status`, then run again"
    )
    assert told(here.blue) == told(here.green) == [*before, (3, "run_started")]


def test_a_command_runs_only_while_no_newer_pause_and_no_such_record_is_there(
    both: Callable[[], Both],
) -> None:
    here = both()
    journal = here.journal()
    pause = journal.append(Kind.PAUSING, body={"to": "green"}).seq
    made = sql.SQL("CREATE TABLE {} ()").format
    free, newest = run_while_free, run_while_newest
    assert free(here.blue, made(sql.Identifier("public", "it's 1")), pause + 1)
    journal.append(Kind.BACKED_OUT, body={"to": "green"})
    assert not free(here.blue, made(sql.Identifier("public", "2")), pause + 1)
    assert newest(here.blue, made(sql.Identifier("public", "3")), pause)
    journal.append(Kind.PAUSING, body={"to": "green"})
    assert not newest(here.blue, made(sql.Identifier("public", "4")), pause)
    with pytest.raises(SqlError) as caught:
        newest(here.blue, made(sql.Identifier("public", "3")), pause + 2)
    assert caught.value.sqlstate == "42P07"
    tables = here.pair.blue.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert tables == [("3",), ("it's 1",)]
