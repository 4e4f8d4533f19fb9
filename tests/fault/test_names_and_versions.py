"""A renamed playbook, a second one, and a schema of a newer version touch nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import LeaseRefused, ServerRefused
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.belonging import read_belonging
from tests.kit.arena import ENTRY, Arena
from tests.kit.cli import call, write_playbook
from tests.kit.fingerprint import fingerprint

TABLE = "CREATE TABLE t (id int PRIMARY KEY)"
ROWS = "INSERT INTO t SELECT generate_series(1, 20)"
STEPS = [
    {"step": "backup", "workers": 1},
    {"step": "replicate"},
    {"step": "cutover", "probe": False},
    {"step": "hold", "window": "1ms"},
    {"step": "decommission", "final_backup": "last"},
]
WRITING = [
    ("run", "{}"),
    ("plan", "{}"),
    ("rollback", "{}"),
    ("rollback", "{}", "--check"),
    ("decommission", "{}"),
    ("decommission", "{}", "--if-due"),
    ("drop-slot", "{}"),
]


def renamed(playbook: Path, name: str) -> Path:
    told = json.loads(playbook.read_text())
    copy = playbook.with_name(f"{name}.yml")
    copy.write_text(json.dumps({**told, "name": name}))
    return copy


def words_of(call_: tuple[str, ...], playbook: Path) -> list[str]:
    return [word.format(playbook) for word in call_]


def test_a_playbook_that_was_renamed_after_the_cutover_touches_nothing(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    playbook = write_playbook(here, tmp_path, STEPS)
    call("run", playbook).require()
    other, before = renamed(playbook, "other"), fingerprint(here)
    for one in WRITING:
        ended = call(*words_of(one, other)).require(2)
        said = ended.err + ended.out
        assert "BG-2009" in said
        assert f"set up as {here.name}, the playbook says other" in said
        assert f"put `name: {here.name}` back" in said
        assert fingerprint(here) == before, one
    told = call("status", other).require(7)
    assert f"set up as {here.name}, the playbook says other" in told.out
    assert "LOST" not in told.out
    assert fingerprint(here) == before

    # By DSNs the name comes from the journal.
    dsns = ("--blue", here.conninfo(Side.BLUE), "--green", here.conninfo(Side.GREEN))
    call("rollback", *dsns, "--check").require()
    call("decommission", playbook, "--if-due").require()
    for side in Side:
        assert read_belonging(here.database(side)).streams == ()


def test_a_second_playbook_for_the_same_pair_is_refused(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    playbook = write_playbook(here, tmp_path, STEPS[1:2])
    call("run", playbook).require()
    second, before = renamed(playbook, f"{here.name}_2"), fingerprint(here)
    call("run", second).require(2)
    assert fingerprint(here) == before
    call("run", playbook).require()


def test_a_name_that_nothing_carries_yet_may_be_changed(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    playbook = write_playbook(here, tmp_path, STEPS[:1])
    call("run", playbook).require()
    call("run", renamed(playbook, "early")).require()
    for side in Side:
        assert read_belonging(here.database(side)).playbook == "early"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("side", list(Side), ids=str)
def test_a_newer_schema_is_not_written_over(
    arena: Callable[..., Arena], tmp_path: Path, side: Side
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    playbook = write_playbook(here, tmp_path, STEPS)
    call("run", playbook).require()
    database = getattr(here.pair, str(side))
    database.run(
        f"UPDATE bluegreen.identity SET version = {own_schema.VERSION + 1}",
        "CREATE OR REPLACE FUNCTION bluegreen.refuse_change() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$newer$$; END'",
    )
    before = fingerprint(here)
    for one in [*WRITING, ("approve", "{}")]:
        ended = call(*words_of(one, playbook))
        said = ended.err + ended.out
        assert ended.status == 8, (one, said)
        assert f"BG-8004: {side} was set up by a newer bluegreen" in said
    told = call("status", playbook).require(7)
    assert f"{side} was set up by a newer bluegreen" in told.out
    dsns = ("--blue", here.conninfo(Side.BLUE), "--green", here.conninfo(Side.GREEN))
    call("rollback", *dsns).require(8)
    with pytest.raises(LeaseRefused) as caught:
        own_schema.build(here.database(side), here.name)
    assert caught.value.code == 8004
    assert fingerprint(here) == before
    source = "SELECT prosrc FROM pg_proc WHERE proname = 'refuse_change'"
    assert "newer" in str(database.value(source))


def test_a_record_of_a_kind_that_only_a_newer_version_knows(
    arena: Callable[..., Arena], tmp_path: Path
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    playbook = write_playbook(here, tmp_path, STEPS)
    call("run", playbook).require()
    for side in (here.pair.blue, here.pair.green):
        side.run(
            "INSERT INTO bluegreen.journal SELECT max(seq) + 1, now(), 'unheard_of',"
            " 0, 'r', '', '{}', 'x', 'y' FROM bluegreen.journal"
        )
    before = fingerprint(here)
    for one in (*WRITING, ("journal", "{}")):
        ended = call(*words_of(one, playbook)).require(8)
        assert "BG-8004" in ended.err
        assert "unheard_of" in ended.err
    told = call("status", playbook).require(7)
    assert "unheard_of" in told.out
    assert fingerprint(here) == before


@pytest.mark.sampled(1)
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_side_that_is_reached_through_a_pooler_is_refused(
    arena: Callable[..., Arena],
    pooler: Callable[..., Pooler],
    tmp_path: Path,
    mode: str,
) -> None:
    here = arena(16, 18)
    here.pair.blue.run(TABLE, ROWS)
    front = pooler(
        {here.pair.blue.name: here.pair.blue.server},
        pool_mode=mode,
        settings={"ignore_startup_parameters": "options,extra_float_digits"},
    )
    playbook = write_playbook(here, tmp_path, STEPS)
    told = json.loads(playbook.read_text())
    told["blue"] = {"dsn": front.conninfo(here.pair.blue.name)}
    pointer = told["pointers"][0]
    assert pointer["database"] == ENTRY
    playbook.write_text(json.dumps(told))
    before = fingerprint(here)
    for one in [*WRITING[:2], *WRITING[4:5], ("check", "{}"), ("compat", "{}")]:
        ended = call(*words_of(one, playbook)).require(3)
        assert "BG-3001" in ended.err
        assert "this is a pooler" in ended.err
    assert "this is a pooler" in call("status", playbook).require(7).out
    assert fingerprint(here) == before
    with pytest.raises(ServerRefused):
        Database(Side.BLUE, front.conninfo(here.pair.blue.name)).value(
            sql.SQL("SELECT 1")
        )
