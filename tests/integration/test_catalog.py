"""What is a fact of a table and what only looks like one, on every version."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bluegreen.compat.probe.rehearsal import orphans
from bluegreen.compat.probe.snapshot import read_snapshot
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.lab.binaries import MAJORS
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.contents import read_contents
from bluegreen.postgres.catalog.foreign_keys import read_foreign_keys
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.schema.expansion_catalog import constraint_names
from bluegreen.postgres.schema.items import read_items
from tests.kit import databases

ENFORCED_SINCE = 18

SCHEMA = """
CREATE SCHEMA app;
CREATE DOMAIN app.small AS int DEFAULT 7;
CREATE COLLATION app."By C" (provider = libc, locale = 'C');
CREATE TABLE app.d (
    id int PRIMARY KEY, gone int, a varchar(9) DEFAULT NULL,
    b numeric(9,2) DEFAULT NULL, c app.small DEFAULT NULL, d varchar(9) DEFAULT 'x',
    e text COLLATE app."By C", g int GENERATED ALWAYS AS (id + 1) STORED
);
ALTER TABLE app.d DROP COLUMN gone;
CREATE TABLE app.parent (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE app.low PARTITION OF app.parent FOR VALUES FROM (0) TO (10);
CREATE TABLE app.high PARTITION OF app.parent FOR VALUES FROM (10) TO (20);
CREATE TABLE app.child (id int PRIMARY KEY, up int REFERENCES app.parent);
INSERT INTO app.parent VALUES (1), (11);
INSERT INTO app.child VALUES (1, 1), (2, 11), (3, NULL);
CREATE SCHEMA bluegreen;
CREATE FUNCTION app.seen() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RETURN NEW; END';
"""


@pytest.fixture(params=MAJORS)
def made(
    request: pytest.FixtureRequest, database: Callable[[int], databases.Database]
) -> databases.Database:
    """A database with that schema."""
    one = database(request.param)
    one.run(SCHEMA)
    return one


@pytest.fixture
def handle(made: databases.Database) -> Iterator[Database]:
    """Our handle to it."""
    own = Database(Side.BLUE, made.conninfo())
    yield own
    own.close()


def whole_and_plain(database: Database) -> list[dict[str, Relation]]:
    with database.connect() as session:
        whole = read_snapshot(session).relations.values()
    plain = (r for r in read_relations(database) if not r.extension)
    return [{r.full_name: r for r in found} for found in (whole, plain)]


def test_columns(handle: Database) -> None:
    """DEFAULT NULL fills nothing, but takes away what a domain would fill in."""
    for tables in whole_and_plain(handle):
        found = {c.name: c.default for c in tables["app.d"].columns}
        assert found == {
            "id": "",
            "a": "",
            "b": "",
            "c": "NULL::integer",
            "d": "'x'::character varying",
            "e": "",
            "g": "(id + 1)",
        }
        assert [c.position for c in tables["app.d"].columns] == [1, 3, 4, 5, 6, 7, 8]
    items = read_items(handle)
    whole, plain = whole_and_plain(handle)
    for column in whole["app.d"].columns:
        text = fewer_quotes(items[f"column app.d.{column.name}"].definition)
        assert text.startswith(column.full_type)
        assert ("DEFAULT" in text) == bool(column.default and not column.generated)
    types = [(c.type, c.plain_type) for c in whole["app.d"].columns[:3]]
    assert types[1:] == [
        ("character varying(9)", "character varying"),
        ("numeric(9,2)", "numeric"),
    ]
    assert whole["app.d"].columns[5].full_type == 'text COLLATE app."By C"'
    assert {r.full_name for r in whole.values()} == {
        r.full_name for r in plain.values()
    }
    assert whole["app.low"].parents == (("app", "parent"),)


def test_a_key_to_a_partitioned_table_is_one_key(
    made: databases.Database, handle: Database
) -> None:
    """PostgreSQL has a row of it for each partition, which no row has to fit."""
    assert made.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'") == 3
    assert list(read_foreign_keys(handle)) == ["constraint app.child.child_up_fkey"]
    assert {n for n in constraint_names(handle) if "fkey" in n} == {
        "app.child.child_up_fkey"
    }
    with handle.connect() as session:
        catalog = read_snapshot(session)
        stream = Stream(Direction.FORWARD, catalog, catalog, None)
        assert orphans(session, stream).total() == 0
        session.execute("SET session_replication_role = replica")
        session.execute("DELETE FROM app.low")
        assert orphans(session, stream) == {(("app", "child"), "child_up_fkey"): 1}


def test_a_key_that_is_not_enforced_is_no_key(
    made: databases.Database, handle: Database
) -> None:
    if made.major < ENFORCED_SINCE:
        return
    made.run(
        "ALTER TABLE app.d ADD CONSTRAINT loose FOREIGN KEY (g)"
        " REFERENCES app.child (id) NOT ENFORCED"
    )
    assert list(read_foreign_keys(handle)) == ["constraint app.child.child_up_fkey"]


WATCHED = """
CREATE TABLE {name} (id int UNIQUE DEFERRABLE);
CREATE TRIGGER seen AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION app.seen();
ALTER TABLE {name} ENABLE ALWAYS TRIGGER seen;
"""


@pytest.mark.parametrize(
    ("name", "then", "seen"),
    [
        ("app.plain", "", ["seen"]),
        ("pg_temp.passing", "", []),
        ("app.its", "ALTER EXTENSION plpgsql ADD TABLE app.its", []),
        ("bluegreen.ours", "", []),
    ],
)
def test_only_what_is_streamed_counts(
    made: databases.Database, handle: Database, name: str, then: str, seen: list[str]
) -> None:
    """Not what one session has for itself, nor what an extension or we brought."""
    with made.connect() as session:
        session.execute((WATCHED.format(name=name) + then).encode())
        found = read_contents(handle)
    assert [one.name for one in found.apply_triggers] == seen
    assert len(found.constraints) == len(seen)
