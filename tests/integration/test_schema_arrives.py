"""All of a schema arrives, whatever section of the dump it stands in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg import sql

from bluegreen.postgres.database import Database
from bluegreen.postgres.schema.compare import compare_schemas
from bluegreen.postgres.schema.copy import (
    copy_keys,
    copy_rest,
    copy_tables,
    missing_after_rows,
)
from bluegreen.postgres.schema.dump import schema_dump
from bluegreen.postgres.schema.missing import missing_of
from tests.kit import databases
from tests.kit.databases import DatabasePair
from tests.kit.steps import handles

BASE = """
    CREATE SCHEMA shop;
    GRANT USAGE ON SCHEMA shop TO pg_monitor;
    CREATE TABLE shop.items (id int PRIMARY KEY, name text);
"""
AS_QUERY = "SELECT i.id, i.name, count(*) AS n FROM shop.items i GROUP BY i.id"
FUNCTION = f"""CREATE FUNCTION shop.seen() RETURNS TABLE (id int, name text, n bigint)
    LANGUAGE sql STABLE BEGIN ATOMIC {AS_QUERY}; END"""
PROCEDURE = f"""CREATE PROCEDURE shop.fill() LANGUAGE sql
    BEGIN ATOMIC INSERT INTO shop.items SELECT id + 1, name FROM ({AS_QUERY}) x; END"""
MATERIALIZED = f"CREATE MATERIALIZED VIEW shop.per_item AS {AS_QUERY}"
VIEW = f"CREATE VIEW shop.per_item AS {AS_QUERY}"

LATE = {
    "grant on a materialized view": f"""{MATERIALIZED};
        GRANT SELECT ON shop.per_item TO pg_monitor""",
    "grant on its column": f"""{MATERIALIZED};
        GRANT SELECT (name) ON shop.per_item TO pg_monitor""",
    "its index, comments and owner": f"""{MATERIALIZED};
        CREATE UNIQUE INDEX one ON shop.per_item (id);
        COMMENT ON MATERIALIZED VIEW shop.per_item IS 'per item';
        COMMENT ON INDEX shop.one IS 'one';
        COMMENT ON COLUMN shop.per_item.n IS 'how many';
        ALTER MATERIALIZED VIEW shop.per_item OWNER TO pg_monitor""",
    "function that depends on a key": f"""{FUNCTION};
        REVOKE EXECUTE ON FUNCTION shop.seen FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION shop.seen TO pg_monitor""",
    "procedure that depends on a key": f"""{PROCEDURE};
        COMMENT ON PROCEDURE shop.fill IS 'fills'""",
    "view that depends on a key, and what stands on it": f"""{VIEW};
        GRANT SELECT (id) ON shop.per_item TO pg_monitor;
        CREATE VIEW shop.over AS SELECT id FROM shop.per_item;
        CREATE MATERIALIZED VIEW shop.kept AS SELECT id FROM shop.over;
        CREATE INDEX kept_id ON shop.kept (id);
        CREATE FUNCTION shop.over_all() RETURNS SETOF shop.per_item LANGUAGE sql
            AS 'SELECT * FROM shop.per_item';
        CREATE FUNCTION shop.no() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER t INSTEAD OF INSERT ON shop.per_item FOR EACH ROW
            EXECUTE FUNCTION shop.no()""",
    "rule that writes to another view": f"""{VIEW};
        CREATE RULE r AS ON INSERT TO shop.items WHERE NEW.id < 0
            DO INSTEAD SELECT * FROM shop.per_item""",
    "default privileges": """
        ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO pg_monitor;
        ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO pg_monitor""",
    "default privileges that take away": """
        ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE pg_monitor REVOKE USAGE ON TYPES FROM PUBLIC
        """,
    "default privileges beside a late view without grants": f"""{MATERIALIZED};
        ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO pg_monitor;
        REVOKE ALL ON shop.per_item FROM pg_monitor""",
    "comments on a constraint, a trigger, a policy and a rule": """
        ALTER TABLE shop.items ADD CONSTRAINT u UNIQUE (name);
        CREATE FUNCTION shop.no() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER t BEFORE INSERT ON shop.items FOR EACH ROW
            EXECUTE FUNCTION shop.no();
        CREATE POLICY p ON shop.items USING (true);
        CREATE RULE r AS ON DELETE TO shop.items WHERE OLD.id < 0 DO INSTEAD NOTHING;
        COMMENT ON CONSTRAINT u ON shop.items IS 'unique';
        COMMENT ON CONSTRAINT items_pkey ON shop.items IS 'key';
        COMMENT ON TRIGGER t ON shop.items IS 'trigger';
        COMMENT ON POLICY p ON shop.items IS 'policy';
        COMMENT ON RULE r ON shop.items IS 'rule'""",
    "names that became key words": """
        CREATE TABLE shop.json (id int PRIMARY KEY, json_value text UNIQUE);
        CREATE TYPE shop.merge_action AS ENUM ('a');
        CREATE FUNCTION shop.of(x shop.merge_action) RETURNS int LANGUAGE sql
            AS 'SELECT 1';
        CREATE INDEX json_query ON shop.json (json_value text_pattern_ops);
        CREATE STATISTICS shop.json_table ON id, json_value FROM shop.json""",
    "constraint that is not valid": """
        ALTER TABLE shop.items ADD CONSTRAINT c CHECK (name <> '') NOT VALID;
        COMMENT ON CONSTRAINT c ON shop.items IS 'not valid'""",
}

GRANTS = """
    SELECT 'class', c.relname::text, pg_get_userbyid(c.relowner)::text,
        coalesce(c.relacl, acldefault('r', c.relowner))::text
    FROM pg_class c WHERE c.relnamespace = 'shop'::regnamespace UNION ALL
    SELECT 'column', a.attname::text, '', a.attacl::text FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'shop'::regnamespace
    AND a.attnum > 0 UNION ALL
    SELECT 'function', p.proname::text, pg_get_userbyid(p.proowner)::text,
        p.proacl::text FROM pg_proc p WHERE p.pronamespace = 'shop'::regnamespace
    UNION ALL
    SELECT 'default', d.defaclnamespace::regnamespace::text || d.defaclobjtype::text,
        pg_get_userbyid(d.defaclrole)::text, d.defaclacl::text FROM pg_default_acl d
    UNION ALL
    SELECT 'comment', (pg_identify_object(d.classoid, d.objoid, d.objsubid)).type,
        (pg_identify_object(d.classoid, d.objoid, d.objsubid)).name, d.description
    FROM pg_description d WHERE d.objoid >= 16384 ORDER BY 1, 2, 3, 4
"""


def rights(database: databases.Database) -> list[tuple[object, ...]]:
    # MAINTAIN came with 17, and is among ALL there.
    return [
        tuple(str(word).replace("m/", "/") for word in row)
        for row in database.rows(GRANTS)
    ]


def copy_again(blue: Database, green: Database) -> None:
    copy_keys(blue, green)
    copy_rest(blue, green, workers=2, done=lambda done, total: None)


@pytest.mark.parametrize("late", LATE)
def test_it_is_there_with_its_rights_and_comments(
    database_pair: Callable[[int, int], DatabasePair], late: str
) -> None:
    pair = database_pair(15, 17)
    pair.blue.run(BASE, LATE[late])
    with handles(pair) as (blue, green):
        copy_tables(blue, green)
        copy_again(blue, green)
        for section in ("pre-data", "post-data"):
            with schema_dump(blue, section) as dump:
                assert missing_of(blue, green, dump.entries()) == set()
        assert compare_schemas(blue, green).blocking == ()
        assert rights(pair.green) == rights(pair.blue)
        # A run that was killed does it again.
        copy_again(blue, green)
        assert rights(pair.green) == rights(pair.blue)


def test_what_is_there_already_is_not_counted(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(15, 17)
    pair.blue.run(BASE, "CREATE INDEX i ON shop.items (name)")
    with handles(pair) as (blue, green):
        copy_tables(blue, green)
        assert missing_after_rows(blue, green) == 2
        copy_again(blue, green)
        assert missing_after_rows(blue, green) == 0


def test_a_tablespace_that_green_lacks_is_left_out(
    database_pair: Callable[[int, int], DatabasePair],
) -> None:
    pair = database_pair(15, 17)
    place = f"fast_{pair.blue.name}"
    with pair.blue.connect() as session:
        session.execute("SET allow_in_place_tablespaces = on")
        session.execute(
            sql.SQL("CREATE TABLESPACE {} LOCATION ''").format(sql.Identifier(place))
        )
    try:
        pair.blue.run(
            BASE,
            f"CREATE TABLE shop.fast (id int PRIMARY KEY) TABLESPACE {place}",
            f"CREATE INDEX fast_id ON shop.fast (id) TABLESPACE {place}",
            "COMMENT ON TABLE shop.fast IS 'fast'",
        )
        with handles(pair) as (blue, green):
            copy_tables(blue, green)
            copy_again(blue, green)
        assert rights(pair.green) == rights(pair.blue)
        assert pair.green.value("SELECT to_regclass('shop.fast_id')") is not None
    finally:
        pair.blue.run("DROP SCHEMA shop CASCADE", f"DROP TABLESPACE {place}")
