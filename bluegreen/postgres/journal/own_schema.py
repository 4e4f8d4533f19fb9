"""Our own schema `bluegreen` in a database: making it, its version, removing it.

Owns the tables `identity`, `journal`, `marker` and the function of the commit point.
Reading and writing the journal is in `table.py`, the fence in `postgres/fence/fence.py`
and its SQL in `postgres/fence/routines.py`, the commit point in
`postgres/fence/commit_point.py`, markers in `postgres/replication/marker.py` and
`postgres/replication/heartbeat.py`.

Nothing here is published (but `marker`), dumped or compared. The schema must not be
named like a login role: `"$user"` in the default search_path would send the role's
own objects here.
"""

from __future__ import annotations

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import LeaseRefused, ServerRefused
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import other_side
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.fence import routines
from bluegreen.postgres.quoting import quote_name

VERSION = 5
"""Raised whenever a statement below changes what an installed schema holds."""

BUILD_WAIT = "10s"
"""The schema is made in a second; who holds the lock for longer does something else."""

_LOCK_NOT_AVAILABLE = "55P03"

_TABLES = """
CREATE SCHEMA IF NOT EXISTS bluegreen;

CREATE TABLE IF NOT EXISTS bluegreen.identity (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    side text NOT NULL CHECK (side IN ('blue', 'green')),
    id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
    playbook text NOT NULL,
    version integer NOT NULL,
    pass bytea
);
COMMENT ON TABLE bluegreen.identity IS
    'Who this database is. Never published or copied.';

-- Nothing is in it. Its lock is the lease where a stranger has the advisory one.
CREATE TABLE IF NOT EXISTS bluegreen.lease (one boolean);

CREATE TABLE IF NOT EXISTS bluegreen.journal (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    kind text NOT NULL,
    epoch integer NOT NULL,
    run text NOT NULL,
    action text NOT NULL,
    body jsonb NOT NULL,
    writer text NOT NULL
);
ALTER TABLE bluegreen.journal
    ADD COLUMN IF NOT EXISTS follows text NOT NULL DEFAULT '';
COMMENT ON TABLE bluegreen.journal IS
    'What bluegreen did: intents, results, moves. Append-only, the same on both sides.';

CREATE TABLE IF NOT EXISTS bluegreen.marker (
    id uuid PRIMARY KEY,
    publisher text NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
ALTER TABLE bluegreen.marker
    ADD COLUMN IF NOT EXISTS epoch integer,
    ADD COLUMN IF NOT EXISTS number bigint,
    ADD COLUMN IF NOT EXISTS position pg_catalog.pg_lsn,
    ADD COLUMN IF NOT EXISTS kept bigint,
    ADD COLUMN IF NOT EXISTS decoded bigint,
    ADD COLUMN IF NOT EXISTS counted_since text;
CREATE UNIQUE INDEX IF NOT EXISTS marker_heartbeat
    ON bluegreen.marker (publisher, epoch, number);
COMMENT ON TABLE bluegreen.marker IS
    'Rows that travel with the stream to prove how far it has come; those with a '
    'number are heartbeats, which prove that nothing is missing.';
"""

_ROUTINES = """
CREATE OR REPLACE FUNCTION bluegreen.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the journal of bluegreen is append-only' USING ERRCODE = '55000';
END $$;

-- As it was called up to version 2.
DROP FUNCTION IF EXISTS
    bluegreen.commit_move(bigint, text, integer, text, text, jsonb, text);
CREATE OR REPLACE FUNCTION bluegreen.commit_move(
    p_seq bigint, p_kind text, p_epoch integer, p_run text, p_action text,
    p_body jsonb, p_writer text, p_follows text
) RETURNS pg_lsn
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    origin_position pg_lsn := pg_current_wal_insert_lsn();
BEGIN
    -- Whatever session asks; a SET clause would end before the commit does.
    PERFORM set_config('synchronous_commit', 'on', true);
    INSERT INTO bluegreen.journal
        (seq, kind, epoch, run, action, body, writer, follows)
    VALUES (p_seq, p_kind, p_epoch, p_run, p_action,
        p_body || jsonb_build_object('origin_position', origin_position), p_writer,
        p_follows);
    CALL bluegreen.set_fence(false);
    RETURN origin_position;
END $$;

-- As it was up to version 4: every sequence in one transaction, a lock for each.
DROP FUNCTION IF EXISTS bluegreen.sequence_values();
CREATE OR REPLACE FUNCTION bluegreen.sequence_values(p_after oid, p_most integer)
RETURNS TABLE (
    id oid, schema_name name, sequence_name name, last bigint, called boolean
)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR id, schema_name, sequence_name, last IN
        SELECT o.*, pg_sequence_last_value(o.seqrelid) FROM (
            SELECT s.seqrelid, n.nspname, c.relname
            FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE s.seqrelid > p_after
                AND c.relpersistence <> 't' AND n.nspname <> 'bluegreen'
            ORDER BY s.seqrelid LIMIT p_most
        ) o
    LOOP
        called := last IS NOT NULL;
        -- A sequence that gave nothing yet may have been restarted: only its own row
        -- tells where it stands.
        IF NOT called THEN
            EXECUTE format('SELECT last_value, is_called FROM %I.%I',
                schema_name, sequence_name) INTO last, called;
        END IF;
        RETURN NEXT;
    END LOOP;
END $$;

REVOKE ALL ON ALL ROUTINES IN SCHEMA bluegreen FROM PUBLIC;
-- What any client may ask: which side answers. Tables and all else stay shut.
GRANT USAGE ON SCHEMA bluegreen TO PUBLIC;
GRANT EXECUTE ON FUNCTION bluegreen.who_am_i() TO PUBLIC;
"""

_GUARD_JOURNAL = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bluegreen.journal
FOR EACH STATEMENT EXECUTE FUNCTION bluegreen.refuse_change()
"""


def is_built(database: Database) -> bool:
    """Whether our schema stands in this database, in this version, with an identity."""
    if database.value(sql.SQL("SELECT to_regclass('bluegreen.identity') IS NULL")):
        return False
    found = database.rows(sql.SQL("SELECT version FROM bluegreen.identity"))
    return found == [(VERSION,)]


def require_right(database: Database) -> None:
    """Refuse a role that could not make our schema, before a part of it is made.

    Raises:
        ServerRefused: 3008.
    """
    name, role, may = database.rows(
        sql.SQL(
            "SELECT current_database(), current_user,"
            " has_database_privilege(current_database(), 'CREATE')"
        )
    )[0]
    if not may:
        role, name = quote_name(role), quote_name(name)
        raise ServerRefused(
            Code.RIGHT_MISSING,
            f"our schema cannot be made on {database.side}",
            seen=f"role {role} lacks CREATE on database {name} of {database.address}",
            wanted="a schema `bluegreen` for the journal, the identity and the fence",
            hint=f"GRANT CREATE ON DATABASE {name} TO {role}; `bluegreen check` names "
            "the other rights that are missing",
        )


def build(database: Database, playbook: str) -> None:
    """Make our schema, or bring it to this version. Repeating it changes nothing.

    A newer version is left alone: it is asked behind the lock, so that one that comes
    up at this moment is seen.

    Raises:
        ServerRefused: 3002; the database calls itself the other side.
        LeaseRefused: 8004 a newer version is there; 8001 another session holds the
            lock of the build.
    """
    with database.transaction() as session:
        _lock_build(database)
        _refuse_newer(database)
        session.execute(sql.SQL(_TABLES))
        session.execute(sql.SQL(routines.STATE))
        session.execute(sql.SQL(routines.ROUTINES))
        session.execute(sql.SQL(_ROUTINES))
        _guard_journal(database)
        session.execute(
            sql.SQL(
                "INSERT INTO bluegreen.identity (side, playbook, version)"
                " VALUES (%s, %s, %s)"
                " ON CONFLICT (one) DO UPDATE SET version = excluded.version"
            ),
            (str(database.side), playbook, VERSION),
        )
        _refuse_other_side(database)


def rename(database: Database, playbook: str) -> None:
    """Set the playbook's name; for a pair on which nothing carries the former one."""
    database.run(
        sql.SQL("UPDATE bluegreen.identity SET playbook = %s WHERE playbook <> %s"),
        (playbook, playbook),
    )


def version_of_schema(database: Database) -> int:
    """The version of our schema there; 0 where it is missing."""
    if database.value(sql.SQL("SELECT to_regclass('bluegreen.identity') IS NULL")):
        return 0
    found = database.rows(sql.SQL("SELECT version FROM bluegreen.identity"))
    return int(found[0][0]) if found else 0


def newer(side: Side, address: str, version: int) -> LeaseRefused:
    """The refusal of a schema that a newer bluegreen has made."""
    return LeaseRefused(
        Code.JOURNAL_NOT_WRITABLE,
        f"{side} was set up by a newer bluegreen",
        seen=f"{address} has our schema in version {version}",
        wanted=f"version {VERSION} or older, which this bluegreen knows; nothing was "
        "touched",
        hint="use the bluegreen that set it up, or a newer one; `bluegreen --version`",
    )


def _lock_build(database: Database) -> None:
    """Two operators may build at once; the second waits and finds it done.

    Anybody may take an advisory lock, so the wait has an end, and who holds it a name.

    Raises:
        LeaseRefused: 8001.
    """
    try:
        with database.transaction() as session:
            session.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(BUILD_WAIT))
            session.execute(sql.SQL("SELECT pg_advisory_xact_lock(7331, 0)"))
            session.execute(sql.SQL("SET LOCAL lock_timeout = 0"))
    except SqlError as error:
        if error.sqlstate != _LOCK_NOT_AVAILABLE:
            raise
        raise _build_is_held(database) from None


def _build_is_held(database: Database) -> LeaseRefused:
    holders = database.rows(
        sql.SQL(
            "SELECT a.pid, a.usename::text, coalesce(a.application_name, '')"
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
            " AND (l.classid, l.objid) = (7331::oid, 0::oid)"
        )
    )
    return LeaseRefused(
        Code.LEASE_HELD,
        f"another session holds the lock under which our schema is made on "
        f"{database.side}",
        seen="\n".join(
            f"process {pid}, role {role}, {name!r}" for pid, role, name in holders
        ),
        wanted="the advisory lock (7331, 0), which only bluegreen uses, free",
        hint="wait until that session has ended, or end it by "
        "`SELECT pg_terminate_backend(PROCESS)`, then run again",
    )


def _refuse_newer(database: Database) -> None:
    if (version := version_of_schema(database)) > VERSION:
        raise newer(database.side, database.address, version)


def remove(database: Database) -> None:
    """Drop our schema, journal included. Fence triggers must be gone before."""
    database.run(sql.SQL("DROP SCHEMA IF EXISTS bluegreen CASCADE"))


def _guard_journal(database: Database) -> None:
    guarded = database.value(
        sql.SQL(
            "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'append_only'"
            " AND tgrelid = 'bluegreen.journal'::regclass)"
        )
    )
    if not guarded:
        database.run(sql.SQL(_GUARD_JOURNAL))


def _refuse_other_side(database: Database) -> None:
    side, playbook = database.rows(
        sql.SQL("SELECT side, playbook FROM bluegreen.identity")
    )[0]
    if side != database.side:
        raise other_side(database, side, playbook)
