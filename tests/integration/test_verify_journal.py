"""The journal's chain over two real servers: no false alarm, and no quiet edit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from bluegreen.engine.drop_slot import _tell_alone
from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.verify_journal import Chained, require_chained
from bluegreen.model.errors import LeaseRefused
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from tests.kit.arena import Arena, move, replicate
from tests.kit.cli import call, write_playbook
from tests.kit.databases import Database

AWKWARD = {
    "ü\u2028": [1.5, 1e20, 0.1, -0.0, 10**18, None, "é\\"],
    "b": {"z": 1, "a": 2},
}

EDIT = """UPDATE bluegreen.journal SET body = '{"n": 7}' WHERE seq = 2"""


def forge(database: Database, *statements: str) -> None:
    """As somebody who owns the database can."""
    table = "ALTER TABLE bluegreen.journal"
    database.run(
        f"{table} DISABLE TRIGGER append_only",
        *statements,
        f"{table} ENABLE TRIGGER append_only",
    )


@pytest.fixture
def here(arena: Callable[..., Arena]) -> Arena:
    return arena(16, 18)


def test_moves_guards_approvals_and_lost_ends_raise_no_alarm(here: Arena) -> None:
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    world = here.guarded_world()
    replicate(world)
    move(world, Side.GREEN)
    move(world, Side.BLUE)
    world.journal.append(Kind.NOTE, body=AWKWARD)
    # Another process writes in between, and ours goes on from there.
    other = TwinJournal(here.database(Side.BLUE), here.database(Side.GREEN), "r-guard")
    other.append(Kind.NOTE, body={"guard": "the tool died"})
    world.journal.append(Kind.NOTE, body={"n": 1})
    whole = require_chained(world)
    assert whole == Chained(here.name, whole.green, whole.green, whole.head)
    # A crash between the two writes, then a record that one side tells alone.
    last = f"DELETE FROM bluegreen.journal WHERE seq = {whole.green}"
    forge(here.pair.blue, last)
    assert require_chained(world) == Chained(
        here.name, whole.green - 1, whole.green, whole.head
    )
    _tell_alone(world, world.green, {"serving": "green"})
    world.journal.append(Kind.NOTE)
    ended = require_chained(world)
    assert ended.blue == ended.green == whole.green + 2
    # Not one of them is without its link.
    assert not any(record.follows == "" for record in world.journal.records())


def test_an_edit_is_named_with_side_and_record(here: Arena, tmp_path: Path) -> None:
    world = here.world()
    for n in range(4):
        world.journal.append(Kind.NOTE, body={"n": n})
    playbook = write_playbook(here, tmp_path, [{"step": "replicate"}])
    told = call("journal", "--check", playbook).require().out
    assert re.fullmatch(
        "4 records on green, 4 on blue: the same, and each record follows the one "
        "before it\nhead: [0-9a-f]{64}\n",
        told,
    )
    forge(here.pair.green, EDIT)
    with pytest.raises(LeaseRefused) as caught:
        require_chained(world)
    text = re.sub(r"\(run \S+, epoch 0\) by .*", "BY", str(caught.value))
    assert text == (
        "error BG-8005: the journal on green is not what was written: record 3 does "
        "not follow the one before it\n"
        "  seen:    before: 2 note BY\n"
        "           then:   3 note BY\n"
        "  wanted:  each record carries the SHA-256 of the one before it\n"
        "  hint:    someone edited it, took a record out or put one in. Compare both "
        "sides by `SELECT * FROM bluegreen.journal ORDER BY seq`, and keep both tables"
    )
    assert call("journal", "--check", playbook).status == 8
    # On both sides alike it is found as well; only the last one's edit is not.
    forge(
        here.pair.blue,
        """UPDATE bluegreen.journal SET body = '{"n": 7}' WHERE seq = 2""",
    )
    with pytest.raises(LeaseRefused, match="the journal on blue"):
        require_chained(world)


def test_what_an_older_version_wrote_is_no_alarm(here: Arena) -> None:
    world = here.world()
    for database in (here.pair.blue, here.pair.green):
        with database.connect() as session:
            session.execute(
                "INSERT INTO bluegreen.journal"
                " (seq, at, kind, epoch, run, action, body, writer)"
                " VALUES (1, '2026-05-04 01:02:03Z', 'note', 0, 'r-0', '', %s, 'bob')",
                (Jsonb({}),),
            )
    world.journal.append(Kind.NOTE)
    assert require_chained(world).blue == 2
    assert world.journal.records()[1].follows
