"""The real thing is planted on real servers, the look sees it, the fix fixes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bluegreen.steps.check import Check, find
from tests.kit.databases import DatabasePair
from tests.kit.findings import blocking, seen
from tests.kit.steps import open_world
from tests.kit.wait import wait_until

Pairs = Callable[[int, int], DatabasePair]

PARTS = (
    "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9)",
)
FAR = (
    "CREATE FOREIGN DATA WRAPPER nowhere",
    "CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere",
    "CREATE FOREIGN TABLE far (id int) SERVER nowhere",
)
NOTE = (
    "CREATE TABLE log (id int PRIMARY KEY)",
    "CREATE TABLE orders (id int PRIMARY KEY)",
    """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END'""",
    "CREATE TRIGGER note AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note()",
)
FOREIGN_KEY = (
    "CREATE TABLE a (id int PRIMARY KEY)",
    "CREATE TABLE b (id int PRIMARY KEY)",
    'ALTER TABLE b ADD CONSTRAINT "To a" FOREIGN KEY (id) REFERENCES a NOT VALID',
)


def of_database(words: str) -> str:
    """ALTER DATABASE … SET, for the database in which it is run."""
    return f"""DO $do$ BEGIN EXECUTE format($$ALTER DATABASE %I SET {words}$$,
    current_database()); END $do$"""


@dataclass(frozen=True)
class Planted:
    """Statements that plant a thing, and what the look makes of it.

    `fixes`: the finding's fix is SQL; it is run on its side and the thing is gone.
    `besides`: what else it blocks by, with a fix of its own.
    """

    id: str
    where: str
    blocks: bool
    fixes: bool
    blue: tuple[str, ...] = ()
    green: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()


PLANTED = [
    Planted(
        "table-without-identity",
        "blue",
        True,
        True,
        ("CREATE TABLE notes (body text)",),
    ),
    Planted(
        "table-without-identity",
        "blue",
        True,
        True,
        ('CREATE TABLE "Notes" ("No" int NOT NULL CONSTRAINT "No one" UNIQUE)',),
    ),
    Planted(
        "table-without-identity",
        "blue",
        True,
        True,
        (
            "CREATE TABLE notes (id int PRIMARY KEY)",
            "ALTER TABLE notes REPLICA IDENTITY NOTHING",
        ),
    ),
    Planted(
        "table-without-identity",
        "blue",
        True,
        True,
        ("CREATE TABLE notes (id int PRIMARY KEY DEFERRABLE)",),
    ),
    Planted(
        "full-identity-unusable",
        "blue",
        True,
        False,
        ("CREATE TABLE notes (body json)", "ALTER TABLE notes REPLICA IDENTITY FULL"),
    ),
    Planted(
        "identity-generated",
        "blue",
        True,
        False,
        ("CREATE TABLE t (a int, g int GENERATED ALWAYS AS (a) STORED PRIMARY KEY)",),
    ),
    Planted(
        "unlogged-table",
        "blue",
        True,
        True,
        ("CREATE UNLOGGED TABLE cache (id int PRIMARY KEY)",),
    ),
    Planted(
        "migration-table",
        "blue",
        False,
        False,
        ("CREATE TABLE alembic_version (version_num text PRIMARY KEY)",),
    ),
    Planted("large-objects", "blue", True, False, ("SELECT lo_create(0)",)),
    Planted("sequences", "blue", False, False, ("CREATE SEQUENCE s",)),
    Planted("partitioned-tables", "blue", False, False, PARTS),
    Planted("foreign-tables", "blue", False, False, FAR),
    Planted(
        "materialized-views",
        "blue",
        False,
        False,
        ("CREATE MATERIALIZED VIEW m AS SELECT 1 AS one",),
    ),
    Planted(
        "inherited-tables",
        "blue",
        False,
        False,
        (
            "CREATE TABLE a (id int PRIMARY KEY)",
            "CREATE TABLE b (PRIMARY KEY (id)) INHERITS (a)",
        ),
    ),
    Planted(
        "generated-columns",
        "blue",
        False,
        False,
        ("CREATE TABLE t (id int PRIMARY KEY, b int GENERATED ALWAYS AS (2) STORED)",),
    ),
    Planted(
        "identity-columns",
        "blue",
        False,
        False,
        ("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",),
    ),
    Planted(
        "trigger-unqualified",
        "blue",
        True,
        True,
        (*NOTE, "ALTER TABLE orders ENABLE ALWAYS TRIGGER note"),
    ),
    Planted(
        "function-unqualified",
        "blue",
        True,
        True,
        (
            (
                "CREATE FUNCTION plain(t text) RETURNS text IMMUTABLE LANGUAGE sql"
                " AS 'SELECT lower(t)'"
            ),
            (
                "CREATE FUNCTION slug(t text) RETURNS text IMMUTABLE LANGUAGE plpgsql"
                " AS 'BEGIN RETURN plain(t); END'"
            ),
            (
                "CREATE TABLE t (id int PRIMARY KEY, t text CHECK (slug(t) <> ''),"
                " g text GENERATED ALWAYS AS (slug(t)) STORED)"
            ),
            "CREATE INDEX i ON t (slug(t))",
            "INSERT INTO t VALUES (1, 'a')",
        ),
    ),
    Planted(
        "trigger-always",
        "blue",
        False,
        False,
        (
            *NOTE,
            "ALTER FUNCTION note() SET search_path = public, pg_temp",
            "ALTER TABLE orders ENABLE REPLICA TRIGGER note",
        ),
    ),
    Planted(
        "event-triggers",
        "green",
        False,
        False,
        (),
        (
            """CREATE FUNCTION quiet() RETURNS event_trigger LANGUAGE plpgsql AS
            'BEGIN END'""",
            "CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION quiet()",
        ),
    ),
    Planted(
        "event-trigger-writes",
        "blue",
        True,
        True,
        (
            "CREATE TABLE ddl_log (id serial PRIMARY KEY, tag text)",
            """CREATE FUNCTION log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO public.ddl_log (tag) VALUES (tg_tag); END'""",
            """CREATE EVENT TRIGGER "Log" ON ddl_command_end
            EXECUTE FUNCTION log_ddl()""",
        ),
    ),
    Planted(
        "stream-limited",
        "blue",
        True,
        True,
        (of_database("statement_timeout = 9000"),),
        (of_database("statement_timeout = 9000"),),
    ),
    Planted(
        "stream-limited",
        "green",
        True,
        True,
        (),
        (of_database("transaction_timeout = '1min'"),),
        besides=("setting-on-green-only",),
    ),
    Planted(
        "fence-passed",
        "blue",
        True,
        True,
        (of_database("session_replication_role = replica"),),
    ),
    Planted("constraint-not-valid", "blue", False, True, FOREIGN_KEY),
    Planted(
        "row-by-row-constraints",
        "blue",
        False,
        False,
        ("CREATE TABLE t (id int PRIMARY KEY, no int UNIQUE DEFERRABLE)",),
    ),
    Planted(
        "prepared-transaction",
        "blue",
        True,
        True,
        (
            "CREATE TABLE t (id int PRIMARY KEY)",
            "BEGIN",
            "INSERT INTO t VALUES (1)",
            "PREPARE TRANSACTION 'it''s one'",
        ),
    ),
    Planted(
        "foreign-slot",
        "blue",
        True,
        True,
        ("SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')",),
    ),
    Planted(
        "foreign-publications",
        "blue",
        False,
        False,
        ("CREATE PUBLICATION events",),
    ),
    Planted(
        "foreign-subscription",
        "green",
        True,
        True,
        (),
        (
            """CREATE SUBSCRIPTION feed CONNECTION 'host=nowhere' PUBLICATION p
            WITH (connect = false, slot_name = NONE)""",
        ),
    ),
    Planted(
        "green-not-empty",
        "green",
        True,
        False,
        (),
        ("CREATE TABLE elsewhere (id int PRIMARY KEY)",),
    ),
    Planted(
        "green-not-empty",
        "green",
        True,
        False,
        ("CREATE TABLE orders (id int PRIMARY KEY)",),
        ("CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders VALUES (1)"),
    ),
    Planted("extension-missing", "green", True, False, ("CREATE EXTENSION hstore",)),
    Planted(
        "extension-tables",
        "blue",
        False,
        False,
        (
            "CREATE TABLE t (id int PRIMARY KEY)",
            "ALTER EXTENSION plpgsql ADD TABLE t",
        ),
    ),
]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: f"{p.id}-{PLANTED.index(p)}")
def test_what_is_planted_is_seen_and_mended(
    planted: Planted, database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    pair.blue.run(*planted.blue)
    pair.green.run(*planted.green)
    with open_world(pair, tmp_path) as world:
        [finding] = seen(world)[planted.id]
        assert (finding.where, finding.is_blocking) == (planted.where, planted.blocks)
        expected = [planted.id] if planted.blocks else []
        assert sorted(blocking(world)) == sorted([*expected, *planted.besides])
        if planted.fixes:
            side = pair.blue if planted.where == "blue" else pair.green
            side.run(finding.fix)
            assert planted.id not in seen(world)
            assert blocking(world) == list(planted.besides)


def test_an_index_that_was_left_behind_is_dropped(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY, no int)",
        "INSERT INTO t VALUES (1, 7), (2, 7)",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        pair.blue.run('CREATE UNIQUE INDEX CONCURRENTLY "Half" ON t (no)')
    with open_world(pair, tmp_path) as world:
        [finding] = seen(world)["invalid-index"]
        pair.blue.run(finding.fix)
        assert "invalid-index" not in seen(world)


def test_transactions_are_named_by_their_age(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    with (
        open_world(pair, tmp_path) as world,
        pair.blue.connect(application_name="nightly") as writer,
        pair.blue.connect() as reader,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM t")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES (1)")
        assert "long-transaction" not in seen(world)
        action, _ = Check(max_transaction_age="0s").actions()  # type: ignore[arg-type]
        by_id = {f.id: f for f in action.observe(world).all}
        found = by_id["long-transaction"]
        assert (found.where, found.is_blocking) == ("blue", True)
        assert "postgres@127.0.0.1, nightly" in found.seen
        assert not by_id["long-read"].is_blocking
        pair.blue.run(found.fix)
        wait_until(
            lambda: "long-transaction" not in {f.id for f in action.observe(world).all},
            "the transaction to be ended",
        )
        with pytest.raises(psycopg.errors.AdminShutdown):
            writer.execute("SELECT 1")


def test_a_look_does_not_wait_for_a_locked_table(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(18, 18)
    pair.blue.run(
        "CREATE TABLE t (id int PRIMARY KEY, at int DEFAULT 1 + 1, CHECK (id > 0))"
    )
    with open_world(pair, tmp_path) as world, pair.blue.connect() as session:
        session.execute("BEGIN")
        session.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        assert blocking(world) == []


def test_roles_and_settings_that_green_lacks(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    blue = pair.blue.name
    roles = ["check_app", '"Check readers"']
    pair.blue.run(
        'CREATE ROLE "Check readers"',
        "CREATE ROLE check_app LOGIN NOINHERIT CONNECTION LIMIT 7"
        ' IN ROLE "Check readers"',
        "CREATE ROLE check_elsewhere LOGIN",
        "CREATE TABLE t (id int PRIMARY KEY)",
        'GRANT SELECT ON t TO "Check readers"',
        "ALTER TABLE t OWNER TO check_app",
        'ALTER ROLE check_app SET search_path = "$user", shop, public',
        f"ALTER ROLE check_app IN DATABASE {blue} SET work_mem = '64MB'",
        f"ALTER DATABASE {blue} SET TimeZone = 'Europe/Berlin'",
    )
    with ExitStack() as stack:
        stack.callback(
            pair.green.run,
            *(f"DROP ROLE IF EXISTS {r}" for r in roles),
        )
        stack.callback(
            pair.blue.run,
            "DROP TABLE t",
            "DROP ROLE check_elsewhere",
            *(f"DROP ROLE {r}" for r in roles),
        )
        world = stack.enter_context(open_world(pair, tmp_path))
        found = seen(world)
        assert len(found["role-missing"]) == 2
        assert len(found["membership-missing"]) == 1
        assert len(found["role-setting-missing"]) == 3
        assert "check_elsewhere" in found["role-missing-unused"][0].seen
        fixes = [f.fix for f in find(world) if f.is_blocking]
        pair.green.run(*fixes)
        assert blocking(world) == []
        pair.green.run("ALTER ROLE check_app NOLOGIN")
        [differs] = seen(world)["role-differs"]
        assert differs.is_blocking
        pair.green.run(differs.fix)
        assert "role-differs" not in seen(world)


def test_a_login_role_named_like_our_schema(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    pair.green.run("CREATE ROLE bluegreen LOGIN")
    with ExitStack() as stack:
        stack.callback(pair.green.run, "DROP ROLE bluegreen")
        world = stack.enter_context(open_world(pair, tmp_path))
        [finding] = seen(world)["role-named-bluegreen"]
        assert (finding.where, finding.is_blocking) == ("green", False)
        pair.green.run(finding.fix)
        assert "role-named-bluegreen" not in seen(world)


def test_extension_versions(database_pair: Pairs, tmp_path: Path) -> None:
    pair = database_pair(15, 17)
    pair.blue.run("CREATE EXTENSION pg_stat_statements")
    with open_world(pair, tmp_path) as world:
        [newer] = seen(world)["extension-newer"]
        assert not newer.is_blocking
        pair.green.run("CREATE EXTENSION pg_stat_statements VERSION '1.9'")
        [older] = seen(world)["extension-older"]
        assert older.is_blocking
        pair.green.run(older.fix)
        found = seen(world)
        assert "extension-older" not in found
        assert "extension-newer" not in found
