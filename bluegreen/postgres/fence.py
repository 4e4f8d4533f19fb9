"""The fence: statement triggers that make a side refuse writes on its data.

Owns making, closing, opening and reading it, and that only one session switches it.
How it is closed inside a pause, with what holds it up, is in `fence_closer.py`.
The trigger function and the procedure that switches one table at a time stand in
`house.py`; opening green's fence together with the commit record is in
`commit_point.py`.

Why triggers: every connection fence (NOLOGIN, REVOKE CONNECT, connection limits,
read-only defaults) let one more commit through from a session that was still starting
up. ENABLE TRIGGER takes SHARE ROW EXCLUSIVE, so it waits for every transaction that
wrote to the table, and each later writer sees the trigger. The apply worker runs with
session_replication_role = replica and is not affected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.database import Database, SqlError, wait_briefly_for_locks

Connection = psycopg.Connection[tuple[Any, ...]]

MAKING_LOCK = "200ms"
"""How long writers of a table may queue behind the making of its trigger."""

MAKING_TRIES = 20
MAKING_PAUSE_S = 0.5
"""Twenty tries half a second apart: a table that is never free for 10 s is in a long
transaction, and a person should know of it."""

OPENING_LOCK = "250ms"
"""How long the opening of one table is waited for: a manual VACUUM holds its lock for
hours, and who is refused by the other tables must not wait for that."""

SWITCH = (7331, 2)
"""The advisory lock of the session that switches the fence. Killing a client does not
end its statement: a `set_fence(true)` that waited for a writer went on after the guard
had opened the fence, and nobody was left to open it again."""

SWITCH_WAIT = "2s"
"""A session that was ended lets go within milliseconds."""

DROPPED = "42P01"
"""A table that went away since it was listed."""

LOCKED = {"55P03", "57014", "40P01"}
"""A lock was not had in time: its timeout, a cancel, a deadlock."""

# Tables with rows of their own and partitioned parents; a partition written to
# directly does not fire its parent's trigger. Extensions own their tables.
_FENCED_TABLES = """
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
      AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
"""
_TRIGGERS = "SELECT tgrelid, tgenabled FROM pg_trigger WHERE tgname = 'bluegreen_fence'"
_SWITCHES = sql.SQL(
    "FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
    " AND (l.classid, l.objid) = ({}::oid, {}::oid) AND l.database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
).format(*SWITCH)


@dataclass(frozen=True, slots=True)
class FenceFacts:
    """How a side's fence stands.

    Attributes:
        tables: tables that ought to have a trigger.
        missing: those that have none.
        closed: those whose trigger is on.
        switching: a session is about to switch them.
    """

    tables: int
    missing: int
    closed: int
    switching: bool = False

    @property
    def is_made(self) -> bool:
        """Every table has its trigger."""
        return self.missing == 0

    @property
    def is_closed(self) -> bool:
        """Every table refuses writes. A database without tables has no fence."""
        return self.missing == 0 and self.closed == self.tables

    @property
    def is_open(self) -> bool:
        """No table refuses writes, and none is about to."""
        return self.closed == 0 and not self.switching


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session whose open transaction holds the fence up; pid 0 is a prepared one."""

    pid: int
    who: str
    since: str
    query: str

    def __str__(self) -> str:
        if self.pid == 0:
            return "a prepared transaction (see pg_prepared_xacts)"
        return f"pid {self.pid}, {self.who}, in its transaction for {self.since}: " + (
            self.query or "(no query)"
        )


def read_fence(database: Database) -> FenceFacts:
    """Ask the catalog how the fence stands.

    An unlogged table without a trigger is not counted as missing: an application may
    make and drop such tables all day.
    """
    row = database.rows(
        sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE f.tgrelid IS NULL),"
            " count(*) FILTER (WHERE f.tgenabled <> 'D'), EXISTS ({})"
            " FROM ({}) t LEFT JOIN ({}) f ON f.tgrelid = t.oid"
            " WHERE f.tgrelid IS NOT NULL OR EXISTS (SELECT FROM pg_class p"
            "  WHERE p.oid = t.oid AND p.relpersistence = 'p')"
        ).format(
            sql.SQL("SELECT {}").format(_SWITCHES),
            sql.SQL(_FENCED_TABLES),
            sql.SQL(_TRIGGERS),
        )
    )[0]
    return FenceFacts(*row)


def create_fence(
    database: Database, *, closed: Literal["closed", "open"], clock: Clock
) -> int:
    """Give every table its trigger, switched on or off, one transaction a table.

    A trigger that is there already keeps its state. Writers of a table queue behind
    us, so each try waits for its lock only briefly. Returns how many were made.

    Raises:
        BudgetError: 5003; a table stayed locked, by whom.
    """
    tables = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname FROM ({}) t JOIN pg_class c USING (oid)"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid"
            " AND g.tgname = 'bluegreen_fence') ORDER BY 1, 2"
        ).format(sql.SQL(_FENCED_TABLES))
    )
    settings = {
        "lock_timeout": MAKING_LOCK,
        # A trigger that a crash takes away again is made by the next run.
        "synchronous_commit": "off",
    }
    with database.connect(**settings) as own:
        with database.translated():
            wait_briefly_for_locks(own)
        for schema, name in tables:
            for attempt in range(MAKING_TRIES):
                if _made(database, own, sql.Identifier(schema, name), closed):
                    break
                if attempt == MAKING_TRIES - 1:
                    raise _stayed_locked(database, schema, name)
                clock.sleep(MAKING_PAUSE_S)
    return len(tables)


def _made(
    database: Database, own: Connection, table: sql.Identifier, closed: str
) -> bool:
    """Make one trigger; False when its lock could not be had in time."""
    try:
        with database.translated(), own.transaction():
            _create_trigger(own, table, closed)
    except SqlError as error:
        if error.sqlstate == DROPPED:
            return True
        if error.sqlstate not in LOCKED:
            raise
        return False
    return True


def _stayed_locked(database: Database, schema: str, name: str) -> BudgetError:
    return BudgetError(
        5003,
        f"the fence trigger of {schema}.{name} on {database.side} could not be made",
        seen=_holders(database, [f"{schema}.{name}"]),
        wanted=f"a moment without a write transaction in {MAKING_TRIES} tries",
        hint="wait until that transaction has ended, or end it; then run again",
    )


def _still_closed(database: Database) -> BudgetError:
    rows = database.rows(
        sql.SQL(
            "SELECT n.nspname || '.' || c.relname FROM ({}) f"
            " JOIN pg_class c ON c.oid = f.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE f.tgenabled <> 'D' ORDER BY 1"
        ).format(sql.SQL(_TRIGGERS))
    )
    tables = [name for (name,) in rows]
    return BudgetError(
        5003,
        f"{len(tables)} tables of {database.side} still refuse writes: "
        f"{', '.join(tables[:5])}" + (" …" if len(tables) > 5 else ""),
        seen=_holders(database, tables),
        wanted="a moment without a lock on them, to open their fence",
        hint="end that session (`SELECT pg_terminate_backend(PID)`), or wait for it; "
        "then run again. All other tables take writes",
    )


def _holders(database: Database, tables: list[str]) -> str:
    """Who holds locks that keep us off these tables, a line each."""
    rows = database.rows(
        sql.SQL(
            "SELECT DISTINCT ON (l.pid) l.pid, concat_ws(' ', a.usename,"
            " nullif(a.application_name, ''), a.client_addr),"
            " coalesce((now() - a.xact_start)::text, ''),"
            " coalesce(left(a.query, 120), '')"
            " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
            " WHERE l.granted AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')"
            " AND l.pid <> pg_backend_pid() AND a.datname = current_database()"
            " AND l.relation IN (SELECT c.oid FROM pg_class c JOIN pg_namespace n"
            "  ON n.oid = c.relnamespace"
            "  WHERE n.nspname || '.' || c.relname = ANY (%s))"
        ),
        (tables,),
    )
    told = [f"held up by {Blocker(*row)}" for row in rows]
    return "\n".join(told) or "the table was locked again and again"


def _create_trigger(own: Connection, table: sql.Identifier, closed: str) -> None:
    own.execute(
        sql.SQL(
            "CREATE TRIGGER bluegreen_fence"
            " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}"
            " FOR EACH STATEMENT EXECUTE FUNCTION bluegreen.refuse_write()"
        ).format(table)
    )
    if closed == "open":
        own.execute(
            sql.SQL("ALTER TABLE ONLY {} DISABLE TRIGGER bluegreen_fence").format(table)
        )


def drop_fence(database: Database) -> None:
    """Take every trigger away, one transaction a table."""
    tables = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname FROM ({}) f"
            " JOIN pg_class c ON c.oid = f.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
        ).format(sql.SQL(_TRIGGERS))
    )
    for schema, name in tables:
        database.run(
            sql.SQL("DROP TRIGGER IF EXISTS bluegreen_fence ON {}").format(
                sql.Identifier(schema, name)
            )
        )


def close_fence(database: Database) -> None:
    """Refuse writes on every table, durably and without hurry.

    Inside a pause `FenceCloser` does it instead.
    """
    _switch(database, sql.SQL("CALL bluegreen.set_fence(true)"), "0")


def open_fence(database: Database) -> None:
    """Let the side take writes again, durably.

    Raises:
        BudgetError: 5003; some tables are held up, by whom. All others are open.
    """
    if not _switch(database, sql.SQL("CALL bluegreen.set_fence(false)"), OPENING_LOCK):
        raise _still_closed(database)


def _switch(database: Database, call: sql.SQL, lock_timeout: str) -> bool:
    """One asynchronous commit a table, and one synchronous commit that covers all.

    A transaction that wrote no WAL is not flushed, hence the message. False when some
    tables could not be had within `lock_timeout` each.
    """
    all_of_them = True
    with database.connect(synchronous_commit="off") as own, database.translated():
        wait_briefly_for_locks(own)
        be_the_switch(own)
        _limit_locks(own, lock_timeout)
        try:
            own.execute(call)
        except psycopg.errors.LockNotAvailable:
            all_of_them = False
        own.execute(sql.SQL("SET synchronous_commit = on"))
        own.execute(sql.SQL("SELECT pg_logical_emit_message(true, 'bluegreen', '')"))
        # A closed session holds its locks a little longer.
        own.execute(sql.SQL("SELECT pg_advisory_unlock_all()"))
    return all_of_them


def _limit_locks(own: Connection, lock_timeout: str) -> None:
    own.execute(
        sql.SQL("SELECT set_config('lock_timeout', %s, false)"), (lock_timeout,)
    )


def be_the_switch(own: Connection) -> None:
    """Nobody else switches the fence from now on: who still does is ended.

    That is a tool that died or was stopped in the middle of it; the lease and the guard
    see to it that whoever comes later is right.
    """
    own.execute(
        sql.SQL("SELECT count(pg_terminate_backend(l.pid)) {}").format(_SWITCHES)
    )
    _limit_locks(own, SWITCH_WAIT)
    own.execute(sql.SQL("SELECT pg_advisory_lock(%s, %s)"), SWITCH)
    own.execute(sql.SQL("SET lock_timeout = 0"))
