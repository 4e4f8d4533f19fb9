"""A schema with one of everything that PostgreSQL 13 knows."""

from __future__ import annotations

import subprocess

from bluegreen.postgres.tools import find_tool
from tests.kit.databases import Database, DatabasePair

SCHEMA = r"""
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE app.address AS (street text, zip varchar(10));
CREATE TYPE app.span AS RANGE (subtype = int4);
CREATE DOMAIN app.email AS text DEFAULT 'a@b' NOT NULL CHECK (VALUE ~ '@');
CREATE FUNCTION app.plus(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql IMMUTABLE
    AS 'SELECT a + b';
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.at := now(); RETURN NEW; END $$;
CREATE PROCEDURE app.clear(n int) LANGUAGE plpgsql AS $$ BEGIN PERFORM n; END $$;
CREATE AGGREGATE app.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE SEQUENCE app.numbers AS smallint START 5 INCREMENT 3 CYCLE;

CREATE TABLE app.customers (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail app.email,
    name varchar(40) NOT NULL COLLATE "C",
    home app.address,
    state app.mood DEFAULT 'ok',
    at timestamptz DEFAULT now(),
    tags text[] DEFAULT '{}',
    CHECK (length(name) > 0 AND state IN ('sad', 'ok', 'glad'))
);
CREATE TABLE app.orders (
    id bigserial PRIMARY KEY,
    customer int NOT NULL REFERENCES app.customers ON DELETE CASCADE DEFERRABLE,
    price numeric(10,2) CHECK (price >= 0),
    qty int DEFAULT app.plus(1),
    sum numeric GENERATED ALWAYS AS (price * qty) STORED,
    body jsonb,
    during int4range,
    no smallint DEFAULT nextval('app.numbers'),
    UNIQUE (customer, no) DEFERRABLE INITIALLY DEFERRED,
    EXCLUDE USING gist (during WITH &&)
);
CREATE INDEX orders_lower ON app.orders (lower(body ->> 'name')) WHERE price > 1;
CREATE INDEX orders_gin ON app.orders USING gin (body jsonb_path_ops);
CREATE UNIQUE INDEX orders_cover ON app.orders (id DESC NULLS LAST) INCLUDE (qty);
CREATE STATISTICS app.orders_stats (dependencies) ON customer, price FROM app.orders;
CREATE TRIGGER touch BEFORE UPDATE OF name ON app.customers FOR EACH ROW
    WHEN (old.name IS DISTINCT FROM new.name) EXECUTE FUNCTION app.touch();
ALTER TABLE app.customers ENABLE ALWAYS TRIGGER touch;
CREATE RULE quiet AS ON DELETE TO app.customers WHERE old.id < 0 DO INSTEAD NOTHING;
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.orders FOR SELECT TO PUBLIC USING (customer > 0);
CREATE POLICY strict ON app.orders AS RESTRICTIVE WITH CHECK (qty < 100);

CREATE TABLE app.events (id int, at date NOT NULL, note text, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE app.events_2024 PARTITION OF app.events
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
CREATE INDEX events_note ON app.events (note);
CREATE TABLE app.parent (a int CHECK (a > 0));
CREATE TABLE app.child (b int) INHERITS (app.parent) WITH (fillfactor = 70);
CREATE UNLOGGED TABLE app.scratch (a int);
CREATE TABLE public."Odd.name" ("a b" int, "c""d" text);

CREATE VIEW app.glad AS
    SELECT c.id, c.name, count(o.*) AS orders FROM app.customers c
    LEFT JOIN app.orders o ON o.customer = c.id WHERE c.state = 'glad' GROUP BY c.id;
CREATE VIEW app.one AS SELECT customers.id, customers.name AS called
    FROM app.customers WHERE customers.at > now() - interval '1 day'
    AND EXTRACT(year FROM customers.at) > 2000
    AND substring(customers.name from 1 for 2) = 'ab'
    WITH LOCAL CHECK OPTION;
CREATE VIEW app.nested AS WITH w AS (SELECT * FROM app.one)
    SELECT w.id, (SELECT max(orders.price) FROM app.orders WHERE orders.customer = w.id)
    FROM w UNION ALL SELECT 1, 2.5 ORDER BY 1;
CREATE MATERIALIZED VIEW app.sums AS
    SELECT orders.customer, sum(orders.price) FROM app.orders GROUP BY orders.customer;
CREATE UNIQUE INDEX sums_customer ON app.sums (customer);
CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql
    AS 'BEGIN NULL; END';
CREATE EVENT TRIGGER monitor ON ddl_command_end WHEN TAG IN ('CREATE CAST')
    EXECUTE FUNCTION app.watch();
CREATE COLLATION app.german (provider = libc, locale = 'C');

GRANT USAGE ON SCHEMA app TO pg_monitor;
GRANT SELECT, INSERT ON app.orders TO pg_monitor WITH GRANT OPTION;
GRANT ALL ON app.customers TO pg_monitor;
GRANT UPDATE (name) ON app.customers TO pg_read_all_stats;
REVOKE EXECUTE ON FUNCTION app.plus FROM PUBLIC;
GRANT USAGE ON SEQUENCE app.numbers TO pg_monitor;
ALTER TABLE app.parent OWNER TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO pg_monitor;
"""

SINCE_14 = """
CREATE FUNCTION app.modern(a int) RETURNS bigint LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT count(*) FROM app.orders WHERE orders.customer = a;
END;
CREATE PROCEDURE app.both(IN a int, OUT b int) LANGUAGE plpgsql
    AS 'BEGIN b := a; END';
"""


def fill(blue: Database) -> None:
    """Make the schema on blue."""
    blue.run(SCHEMA)
    if blue.major >= 14:
        blue.run(SINCE_14)


def copy_schema(pair: DatabasePair) -> None:
    """Bring blue's schema to green, as users do."""
    dump, restore = find_tool("pg_dump"), find_tool("psql")
    text = subprocess.run(
        [dump.path, "--schema-only", "--no-publications", "--no-subscriptions",
         "--exclude-schema=bluegreen", "-d", pair.blue.conninfo()],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    # pg_dump writes for servers of its own version; this setting came with 17.
    text = text.replace(b"SET transaction_timeout = 0;", b"")
    done = subprocess.run(
        [restore.path, "-q", "-v", "ON_ERROR_STOP=1", "-d", pair.green.conninfo()],
        input=text,
        capture_output=True,
    )
    if done.returncode:
        raise AssertionError(done.stderr.decode())
