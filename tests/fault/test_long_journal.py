"""A journal of years costs a run and a guard no more than a new one."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from bluegreen.engine.guard import end_pause
from bluegreen.engine.lifeline import _last_pause
from bluegreen.engine.verify_journal import require_chained
from bluegreen.model.chain import digest, link
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.postgres.fence.fence import read_fence
from bluegreen.postgres.journal import table as journal_table
from bluegreen.postgres.journal.table import read_records
from bluegreen.steps.switchover.recover import RecoverSwitchover
from bluegreen.steps.world import World
from tests.fault.test_cut_in_the_pause import paused, ready
from tests.kit.arena import Arena, bring_about, replicate
from tests.kit.cli import call, write_playbook

pytestmark = pytest.mark.timeout(600)
LONG = 20_000
RUNS = 3
"""Of which the fastest tells what an act takes on a quiet machine."""
BULK = {"verb": "run", "text": "x" * 1_000}
COLUMNS = "seq, at, kind, epoch, run, action, body, writer, follows"


def lengthen(here: Arena, count: int = LONG) -> None:
    """Runs that found nothing to do, on both sides, each following the one before."""
    side = here.database(Side.BLUE)
    story = read_records(side)
    side.close()
    last, head, more = len(story), link(story), []
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(last + 1, last + count + 1):
        at, run = start + timedelta(minutes=number), f"r-{number}"
        record = Record(
            number, at, Kind.RUN_STARTED, 0, run, "", BULK, "ann@db1 1", head
        )
        more.append(record)
        head = digest(record)
    for database in (here.pair.blue, here.pair.green):
        with database.connect() as session, session.cursor() as cursor:
            with cursor.copy(f"COPY bluegreen.journal ({COLUMNS}) FROM STDIN") as copy:
                for one in more:
                    row = [getattr(one, name) for name in COLUMNS.split(", ")]
                    row[2], row[6] = str(one.kind), Jsonb(dict(one.body))
                    copy.write_row(row)
            session.commit()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of all records that a server gave."""
    numbers: list[int] = []
    made = journal_table._record

    def counted(row: tuple[object, ...]) -> Record:
        numbers.append(int(str(row[0])))
        return made(row)

    monkeypatch.setattr(journal_table, "_record", counted)
    return numbers


def test_a_run_reads_a_long_journal_once(
    arena: Callable[..., Arena], read: list[int]
) -> None:
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    here.world()
    lengthen(here)
    world = here.world()
    assert len(read) == 2 * LONG
    read.clear()
    replicate(world)
    bring_about(world, RecoverSwitchover("run"))
    assert fold(world.journal.records()).epoch == 0
    looks = len(read)
    assert looks < LONG / 10
    assert min(read) >= LONG
    assert require_chained(world).green > LONG


def test_a_guard_lets_clients_go_by_the_records_of_its_own_pause(
    arena: Callable[..., Arena], read: list[int]
) -> None:
    here = arena(16, 18)
    ready(here)
    lengthen(here)
    world = here.world()
    paused(world)
    guard = here.world()
    read.clear()
    assert end_pause(guard, "the tool died")
    assert read
    assert min(read) >= LONG
    assert not guard.pointers[0].observe().paused
    assert read_fence(guard.blue).is_open
    read.clear()
    last = _last_pause(guard.blue)
    assert last is not None
    assert read == [last.seq]


def test_a_side_that_went_back_is_read_as_a_whole_again(
    arena: Callable[..., Arena], read: list[int]
) -> None:
    """Its last record is another one, though its number is known."""
    here = arena(16, 18)
    world = here.world()
    for number in range(3):
        world.journal.append(Kind.NOTE, body={"n": number})
    assert len(world.journal.told_by(Side.GREEN)) == 3
    for side in (here.pair.blue, here.pair.green):
        side.run(
            "ALTER TABLE bluegreen.journal DISABLE TRIGGER append_only",
            "DELETE FROM bluegreen.journal WHERE seq > 1",
        )
    other = here.world()
    for number in range(3):
        other.journal.append(Kind.NOTE, body={"other": number})
    told = [record.body for record in world.journal.records()]
    assert told == [{"n": 0}, *({"other": number} for number in range(3))]


def test_a_story_read_on_means_what_a_whole_one_means(
    arena: Callable[..., Arena],
) -> None:
    here = arena(16, 18)
    world = here.world()
    kinds = (Kind.RUN_STARTED, Kind.INTENT, Kind.FAILED, Kind.RESULT)
    for kind in kinds:
        world.journal.append(kind, action="a/b", body={"code": 4001, "problem": "p"})
        told = world.journal.records()
        assert fold(told) == replace(fold(list(told), State()))
    assert fold(world.journal.records()).runs == (world_run(world),)


def world_run(world: World) -> str:
    return world.journal.records()[0].run


def fastest(act: Callable[[], object]) -> float:
    """Seconds that `act` takes, by the fastest of some tries."""
    took = []
    for _ in range(RUNS):
        begun = time.monotonic()
        act()
        took.append(time.monotonic() - begun)
    return min(took)


def seconds_of_a_run(playbook: Path) -> float:
    """How long the next run takes."""
    return fastest(lambda: call("run", playbook).require())


def seconds_of_a_look(here: Arena) -> float:
    """How long it takes to read and fold the journals of both sides once."""

    def look() -> None:
        for side in (Side.BLUE, Side.GREEN):
            with closing(here.database(side)) as database:
                fold(read_records(database))

    return fastest(look)


def test_an_idle_run_takes_no_time_that_grows_with_the_looks(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    """Reading and folding once; each look did so before, some forty times a run.

    Held against one look, as both grow alike with the journal and with the load.
    """
    here = arena(16, 18)
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    playbook = write_playbook(here, tmp_path, [{"step": "replicate"}])
    call("run", playbook).require()
    with_few = seconds_of_a_run(playbook)
    before = here.pair.blue.value("SELECT count(*) FROM bluegreen.journal")
    lengthen(here)
    with_many = seconds_of_a_run(playbook)
    one_look = seconds_of_a_look(here)
    assert with_many - with_few < 10 * one_look, (with_few, with_many, one_look)
    after = here.pair.blue.value("SELECT count(*) FROM bluegreen.journal")
    assert after == int(str(before)) + LONG + RUNS
    texts = here.pair.blue.value(
        "SELECT count(*) FROM bluegreen.journal"
        " WHERE body ? 'text' AND body ->> 'text' <> %s",
        BULK["text"],
    )
    assert texts == 2, "the text was told at first, and after others had told another"
    print(with_few, with_many)
