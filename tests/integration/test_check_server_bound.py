"""Values that mean something on one server only: where they are, and what fixes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_bound import (
    Bound,
    read_bound_columns,
    read_counters,
)
from bluegreen.postgres.database import Database
from tests.kit import databases
from tests.kit.databases import DatabasePair
from tests.kit.findings import blocking, seen
from tests.kit.steps import open_world

Pairs = Callable[[int, int], DatabasePair]

SCHEMA = (
    "CREATE SCHEMA app",
    "CREATE TYPE app.state AS ENUM ('new', 'done')",
    "CREATE TYPE app.money AS (amount numeric, currency text)",
    "CREATE TYPE app.stamp AS (tx xid8, at timestamptz)",
    "CREATE TYPE app.hours AS RANGE (subtype = time)",
    "CREATE DOMAIN app.tx AS xid8 NOT NULL",
    "CREATE DOMAIN app.status AS app.state",
)
OF_EXTENSION = {"mail": {"m": ("app.citext", {Bound.TYPE})}}
COLUMNS: dict[str, dict[str, tuple[str, set[Bound]]]] = {
    "xid": {"tx": ("xid", {Bound.TRANSACTION})},
    "xid8": {"tx": ("xid8 DEFAULT pg_current_xact_id()", {Bound.TRANSACTION})},
    "snapshot": {"s": ("pg_snapshot", {Bound.TRANSACTION})},
    "old_snapshot": {"s": ("txid_snapshot", {Bound.TRANSACTION})},
    "array": {"tx": ("xid8[]", {Bound.TRANSACTION})},
    "of_domain": {"tx": ("app.tx", {Bound.TRANSACTION})},
    "of_composite": {"s": ("app.stamp", {Bound.TRANSACTION, Bound.TYPE})},
    "number": {"tx": ("bigint DEFAULT txid_current()", {Bound.TRANSACTION})},
    "cast": {
        "tx": (
            "bigint DEFAULT (pg_current_xact_id()::text::bigint + 0)",
            {Bound.TRANSACTION},
        )
    },
    "word": {"at": ("text DEFAULT pg_current_wal_lsn()::text", {Bound.WAL})},
    "lsn": {"at": ("pg_lsn", {Bound.WAL})},
    "relid": {"id": ("oid", {Bound.OID})},
    "relids": {"ids": ("oid[]", {Bound.OID})},
    "names": {"c": ("regclass", set()), "r": ("regrole", set())},
    "state": {"s": ("app.state", {Bound.TYPE}), "l": ("app.state[]", {Bound.TYPE})},
    "status": {"s": ("app.status", {Bound.TYPE})},
    "money": {"m": ("app.money", {Bound.TYPE})},
    "hours": {"h": ("app.hours", {Bound.TYPE})},
    "plain": {
        "a": ("bigint DEFAULT 561", set()),
        "b": ("timestamptz DEFAULT now()", set()),
        "c": ("uuid DEFAULT gen_random_uuid()", set()),
        "d": ("int4range", set()),
    },
}


def test_each_column_is_known_by_what_it_carries(
    database: Callable[[int], databases.Database],
) -> None:
    for major in (13, 15, 18):
        here = database(major)
        here.run(*SCHEMA)
        every = dict(COLUMNS)
        if major == 15:
            here.run("CREATE EXTENSION citext SCHEMA app")
            every |= OF_EXTENSION
        for table, columns in every.items():
            words = ", ".join(f"{name} {words}" for name, (words, _) in columns.items())
            here.run(f'CREATE TABLE app."Of {table}" ({words})')
        here.run(
            "CREATE TABLE app.parts (id int, tx xid8) PARTITION BY LIST (id)",
            "CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES IN (1)",
            'CREATE VIEW app.seen AS SELECT * FROM app."Of xid8"',
            "CREATE UNLOGGED TABLE app.cache (tx xid8)",
        )
        ours = Database(Side.BLUE, here.conninfo())
        try:
            found: dict[str, set[Bound]] = {}
            for one in read_bound_columns(ours):
                found.setdefault(one.name, set()).add(one.bound)
        finally:
            ours.close()
        expected = {
            f"app.Of {table}.{name}": bounds
            for table, columns in every.items()
            for name, (_, bounds) in columns.items()
            if bounds
        }
        assert found == {**expected, "app.parts.tx": {Bound.TRANSACTION}}


def test_ids_go_on_upwards_once_green_has_taken_enough(
    database_pair: Pairs, tmp_path: Path
) -> None:
    """What a reader of events by their ids sees, is the same on both sides."""
    pair = database_pair(15, 18)
    make = "CREATE TABLE ev (id int PRIMARY KEY, tx xid8 DEFAULT pg_current_xact_id())"
    pair.blue.run(make, "INSERT INTO ev VALUES (1)")
    with open_world(pair, tmp_path) as world:
        ahead = read_counters(world.green).next_id - read_counters(world.blue).next_id
        if ahead >= 0:
            pair.blue.run(take(read_counters(world.green).next_id + 1_000))
        [finding] = seen(world)["transaction-ids-kept"]
        assert (finding.where, finding.is_blocking) == ("green", True)
        assert "public.ev.tx" in finding.seen
        pair.green.run(finding.fix)
        assert blocking(world) == []
        pair.green.run(make, "INSERT INTO ev VALUES (2)")
        ids = [
            one.value("SELECT max(tx)::text::bigint FROM ev")
            for one in (pair.blue, pair.green)
        ]
        assert ids == sorted(ids)  # type: ignore[type-var]


def take(wanted: int) -> str:
    """Take ids until there are that many."""
    return f"""DO $do$ BEGIN WHILE pg_current_xact_id()::text::bigint < {wanted}
        LOOP COMMIT; END LOOP; END $do$"""


def test_oids_of_tables_are_put_right_by_name(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 17)
    for side, names in ((pair.blue, ("a", "b")), (pair.green, ("x", "b", "a"))):
        side.run(*(f'CREATE TABLE "Of {name}" (id int PRIMARY KEY)' for name in names))
    log = 'CREATE TABLE "Log" (id int PRIMARY KEY, "relId" oid)'
    pair.blue.run(
        log,
        """INSERT INTO "Log" VALUES (1, '"Of a"'::regclass), (2, '"Of b"'::regclass),
        (3, '"Of a"'::regclass), (4, 7)""",
    )
    rows = pair.blue.rows('SELECT id, "relId" FROM "Log"')
    pair.green.run(log)
    for row in rows:
        pair.green.rows('INSERT INTO "Log" VALUES (%s, %s) RETURNING id', *row)
    with open_world(pair, tmp_path) as world:
        [finding] = seen(world)["oid-columns"]
        assert not finding.is_blocking
        statement = pair.blue.value(finding.fix)
        pair.green.run(str(statement))
    named = 'SELECT id, "relId"::regclass::text FROM "Log" ORDER BY id'
    assert pair.green.rows(named) == pair.blue.rows(named)


def test_types_have_other_numbers_on_green(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    pair.blue.run("CREATE TYPE state AS ENUM ('new')")
    with open_world(pair, tmp_path) as world:
        assert "type-oids-differ" not in seen(world)
        pair.blue.run("CREATE TABLE t (id int PRIMARY KEY, s state[])")
        [finding] = seen(world)["type-oids-differ"]
        assert not finding.is_blocking
        assert "public.state" in finding.seen
