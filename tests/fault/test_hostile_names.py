"""Hostile names through all that builds SQL, in a whole run 5,000: nothing is injected.

Schemas, tables, columns, sequences, types, functions, views, indexes, constraints,
roles and both databases have such names; they go through schema copy, publication,
initial copy, fence, checksums, sequences, a migration and a cutover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from psycopg import sql

from bluegreen.lab.pooler import Pooler
from bluegreen.lab.server import Server
from bluegreen.postgres.quoting import quote_name, quote_value
from tests.kit.arena import ENTRY, Arena
from tests.kit.cli import accepting, call, write_playbook
from tests.kit.databases import Database, DatabasePair, drop_databases
from tests.kit.hostile import cut, hostile_names, literal, quoted
from tests.kit.sampling import get_seed, size

SEED = get_seed()
SCHEMAS = size(sampled=3, whole=12)
TABLES, COLUMNS, ROLES = 16, 24, 60
DATABASE = 'o\'dd "db"; DROP DATABASE %s{}\\ 日'
STEPS = (
    {"step": "check"},
    {"step": "backup", "to": "backups"},
    {"step": "replicate", "workers": 4},
    {"step": "migrate", "files": ["*.sql"]},
    {"step": "compat"},
    {"step": "validate"},
    {"step": "cutover", "max_pause": "30s", "probe": False},
    {"step": "hold", "window": "1h"},
)
ACCEPT = accepting(
    {
        "few-sync-workers": "small servers",
        "prepared-transaction": "meant",
        "reverse/LOSSY/*/*": "green's own may be lost",
    }
)
ALL_NAMES = (
    (
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'"
        " AND nspname <> 'bluegreen'"
    ),
    (
        "SELECT n.nspname, c.relname, c.relkind::text, a.attname FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a"
        " ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE n.nspname !~ '^(pg_|information_schema$)' AND n.nspname <> 'bluegreen'"
    ),
    (
        "SELECT n.nspname, t.typname, e.enumlabel FROM pg_enum e"
        " JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n"
        " ON n.oid = t.typnamespace WHERE n.nspname <> 'bluegreen'"
    ),
    (
        "SELECT n.nspname, p.proname, p.prosrc FROM pg_proc p JOIN pg_namespace n"
        " ON n.oid = p.pronamespace"
        " WHERE n.nspname !~ '^(pg_|information_schema$)' AND n.nspname <> 'bluegreen'"
    ),
    (
        "SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace::regnamespace::text"
        " !~ '^(pg_|information_schema$|bluegreen$)' AND contype <> 'n'"
    ),
)


class Names:
    """Hostile names, each handed out once and counted."""

    def __init__(self, seed: int) -> None:
        self._source = hostile_names(seed)
        self.given = 0

    def __call__(self) -> str:
        self.given += 1
        return next(self._source)


def build(blue: Database, names: Names, roles: list[str]) -> list[tuple[str, str]]:
    """Make all that can bear a name; gives schema and name of each table."""
    tables = []
    with blue.connect() as session:
        run = lambda text: session.execute(text.encode())  # noqa: E731
        run("CREATE TABLE public.canary (id int PRIMARY KEY, sings text)")
        run("INSERT INTO public.canary VALUES (1, 'alive')")
        for _ in range(SCHEMAS):
            schema = names()
            if schema.startswith("pg_"):  # the server keeps these for itself
                schema = cut(f"a{schema}")
            run(f"CREATE SCHEMA {quoted(schema)}")
            with session.transaction():
                tables += [
                    (schema, table) for table in _fill(run, schema, names, roles)
                ]
    return tables


def _fill(
    run: Callable[[str], object], schema: str, names: Names, roles: list[str]
) -> Iterator[str]:
    label, kind, function = names(), names(), names()
    run(f"CREATE TYPE {quoted(schema, kind)} AS ENUM ({literal(label)}, 'plain')")
    body = literal(f"SELECT 1 /* {names().replace('*/', '').replace('/*', '')} */")
    run(
        f"CREATE FUNCTION {quoted(schema, function)}({quoted(names())} int)"
        f" RETURNS int LANGUAGE sql AS{body}"
    )
    parent: tuple[str, str] | None = None
    for number in range(TABLES):
        table, key, sequence = names(), names(), names()
        run(f"CREATE SEQUENCE {quoted(schema, sequence)} INCREMENT -3")
        run(f"SELECT nextval({literal(quoted(schema, sequence))})")
        sequence = names()
        run(f"CREATE SEQUENCE {quoted(schema, sequence)} START {1000}")
        others = [names() for _ in range(COLUMNS - 2)]
        kinds = [f"{quoted(name)} text" for name in others[:-2]]
        twice = f"upper({quoted(others[0])})"
        run(
            f"CREATE TABLE {quoted(schema, table)} ("
            f"{quoted(key)} bigint DEFAULT"
            f" nextval({literal(quoted(schema, sequence))}) CONSTRAINT"
            f" {quoted(names())} PRIMARY KEY, {', '.join(kinds)},"
            f" {quoted(others[-2])} {quoted(schema, kind)},"
            f" {quoted(others[-1])} text GENERATED ALWAYS AS ({twice}) STORED,"
            f" CONSTRAINT {quoted(names())} CHECK ({quoted(others[0])} <> ''))"
        )
        run(
            f"INSERT INTO {quoted(schema, table)}"
            f" ({quoted(others[0])}, {quoted(others[1])}, {quoted(others[-2])})"
            f" SELECT {literal(label)} || i, {literal(table)}, {literal(label)}"
            " FROM generate_series(1, 20) i"
        )
        index = quoted(names())
        run(f"CREATE INDEX {index} ON {quoted(schema, table)} ({quoted(others[1])})")
        run(f"GRANT SELECT ON {quoted(schema, table)} TO {quoted(roles[number])}")
        if parent:
            run(
                f"ALTER TABLE {quoted(schema, table)} ADD CONSTRAINT {quoted(names())}"
                f" FOREIGN KEY ({quoted(key)}) REFERENCES {quoted(schema, parent[0])}"
                f" ({quoted(parent[1])})"
            )
        parent = (table, key)
        run(
            f"CREATE VIEW {quoted(schema, names())} AS"
            f" SELECT {quoted(key)} AS {quoted(names())} FROM {quoted(schema, table)}"
        )
        yield table


@pytest.fixture
def arena_of_odd_names(
    servers: Callable[..., Server], lab_folder: Path
) -> Iterator[tuple[Arena, list[str]]]:
    """Databases and roles with hostile names; the pooler reaches them by its quotes."""
    names, pair = Names(SEED), (servers(16), servers(18))
    # pg_ is reserved for the server's own roles.
    roles = [cut(f"r{number} {names()}") for number in range(ROLES)]
    with ExitStack() as stack:
        sides = [Database(server, DATABASE) for server in pair]
        for server in pair:
            with server.connect() as session:
                name = sql.Identifier(DATABASE)
                session.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(name)
                )
                for role in roles:
                    session.execute(
                        sql.SQL("CREATE ROLE {}").format(sql.Identifier(role))
                    )
        stack.callback(_drop_roles, pair, roles)
        stack.callback(drop_databases, *sides)
        inside = DATABASE.replace("'", "''")
        target = f"host={pair[0].host} port={pair[0].port} dbname='{inside}'"
        front = stack.enter_context(Pooler.start(lab_folder / "p", {ENTRY: target}))
        here = Arena("odd", DatabasePair(*sides), front)
        stack.enter_context(here.stack)
        yield here, roles


def _drop_roles(servers: tuple[Server, ...], roles: list[str]) -> None:
    for server in servers:
        with server.connect() as session:
            for role in roles:
                session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def everything(database: Database) -> list[set[tuple[object, ...]]]:
    return [set(database.rows(query)) for query in ALL_NAMES]


@pytest.mark.timeout(900)
def test_names_go_over_and_inject_nothing(
    arena_of_odd_names: tuple[Arena, list[str]], tmp_path: Path
) -> None:
    here, roles = arena_of_odd_names
    blue, green = here.pair.blue, here.pair.green
    names = Names(SEED + 1)
    tables = build(blue, names, roles)
    assert names.given + len(roles) >= size(sampled=1000, whole=5000)
    added = [names() for _ in tables[:20]]
    (tmp_path / "1.sql").write_text(
        "".join(
            f"ALTER TABLE {quoted(*table)} ADD COLUMN {quoted(name)} text;\n"
            for table, name in zip(tables, added, strict=False)
        )
    )
    before = everything(blue)
    playbook = write_playbook(here, tmp_path, STEPS, accept=ACCEPT)
    call("run", playbook).require()
    assert blue.rows("SELECT sings FROM public.canary") == [("alive",)]
    assert green.rows("SELECT sings FROM public.canary") == [("alive",)]
    assert everything(blue) == before
    found = everything(green)
    assert found[0] == before[0]
    columns = {row[3] for row in found[1] - before[1]}
    assert columns == set(added)
    assert before[1] <= found[1]
    assert found[2:] == before[2:]


def test_a_quoted_name_means_itself(database: Callable[[int], Database]) -> None:
    one, source = database(16), hostile_names(7)
    names = [next(source) for _ in range(5000)]
    with one.connect() as session:
        for batch in (names[at : at + 500] for at in range(0, len(names), 500)):
            said = ", ".join(
                f"{quote_value(name)} AS {quote_name(name)}" for name in batch
            )
            cursor = session.execute(f"SELECT {said}".encode())
            assert [column.name for column in cursor.description or ()] == batch
            assert cursor.fetchone() == tuple(batch)
