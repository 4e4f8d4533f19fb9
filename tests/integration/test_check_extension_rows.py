"""Rows in tables of extensions: counted by their condition, copied by the commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from bluegreen.postgres.catalog.extension_rows import read_extension_rows
from tests.kit.databases import Database, DatabasePair
from tests.kit.findings import blocking, seen
from tests.kit.steps import open_world

Pairs = Callable[[int, int], DatabasePair]

# An extension's script calls pg_extension_config_dump; none that ours have does.
MADE = (
    'CREATE SCHEMA "Parts"',
    """CREATE TABLE "Parts".config (id int PRIMARY KEY, "Name" text, own bool,
        twice int GENERATED ALWAYS AS (id * 2) STORED)""",
    """INSERT INTO "Parts".config VALUES (1, 'shipped {}%', false)""",
    'CREATE TABLE "Parts".quiet (id int)',
    'ALTER EXTENSION plpgsql ADD TABLE "Parts".config',
    'ALTER EXTENSION plpgsql ADD TABLE "Parts".quiet',
    """UPDATE pg_extension SET extcondition = ARRAY['WHERE own', ''],
        extconfig = ARRAY['"Parts".config'::regclass::oid,
            '"Parts".quiet'::regclass::oid] WHERE extname = 'plpgsql'""",
)
ROWS = """INSERT INTO "Parts".config VALUES (2, E'a\\tb', true), (3, NULL, true)"""


def copy_by(fix: str, pair: DatabasePair) -> None:
    """What a shell would run: psql BLUE … | psql GREEN …."""
    from_, _, to = fix.partition(" | ")
    [out], into = words_of(from_), words_of(to)
    with pair.blue.connect() as blue, pair.green.connect() as green:
        with blue.cursor().copy(out.encode()) as read:
            text = b"".join(bytes(part) for part in read)
        for one in into[:-1]:
            green.execute(one.encode())
        with green.cursor().copy(into[-1].encode()) as write:
            write.write(text)


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    return [words[n + 1] for n, word in enumerate(words) if word == "-c"]


def own_rows(database: Database) -> list[tuple[object, ...]]:
    return database.rows('SELECT * FROM "Parts".config WHERE own ORDER BY id')


def test_rows_of_a_user_are_told_and_copied(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 17)
    for one in (pair.blue, pair.green):
        one.run(*MADE)
    with open_world(pair, tmp_path) as world:
        assert "extension-rows" not in seen(world)
        pair.blue.run(ROWS)
        [finding] = seen(world)["extension-rows"]
        assert finding.is_blocking
        assert "Parts.config of extension plpgsql: 2 rows on blue" in finding.seen
        copy_by(finding.fix, pair)
        assert own_rows(pair.green) == own_rows(pair.blue)
        assert blocking(world) == []
        pair.blue.run("""UPDATE "Parts".config SET "Name" = 'x' WHERE id = 3""")
        [again] = seen(world)["extension-rows"]
        copy_by(again.fix, pair)
        assert own_rows(pair.green) == own_rows(pair.blue)
        assert pair.green.value('SELECT count(*) FROM "Parts".config') == 3
        assert blocking(world) == []


def test_a_table_that_is_locked_holds_nothing_up(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 18)
    for one in (pair.blue, pair.green):
        one.run(*MADE)
    with open_world(pair, tmp_path) as world, pair.blue.connect() as session:
        session.execute("BEGIN")
        session.execute('LOCK TABLE "Parts".config IN ACCESS EXCLUSIVE MODE')
        [rows] = [r for r in read_extension_rows(world.blue) if r.table[1] == "config"]
        assert rows.count is None
        [finding] = seen(world)["extension-rows"]
        assert not finding.is_blocking
