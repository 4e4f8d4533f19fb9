"""The fence: statement triggers that make a side refuse writes on its data.

Owns making, closing, opening and reading it, and that only one session switches it.
How it is closed inside a pause, with what holds it up, is in `closer.py`; the
routines and where its state is kept are in `routines.py`; opening green's fence
together with the commit record is in `commit_point.py`.

Why triggers: every connection fence (NOLOGIN, REVOKE CONNECT, connection limits,
read-only defaults) let one more commit through from a session that was still starting
up. CREATE TRIGGER takes SHARE ROW EXCLUSIVE, so it waits for every transaction that
wrote to the table, and each later write asks the flag. The apply worker runs with
session_replication_role = replica and is not affected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql

from bluegreen.model.clock import Clock
from bluegreen.model.codes import Code
from bluegreen.model.errors import BudgetError
from bluegreen.postgres.database import (
    LOCK_NOT_FREE,
    Database,
    SqlError,
)
from bluegreen.postgres.session import wait_briefly_for_locks

Connection = psycopg.Connection[tuple[Any, ...]]

MAKING_LOCK = "200ms"
"""How long writers of a table may queue behind the making of its trigger."""

MAKING_TRIES = 20
MAKING_PAUSE_S = 0.5
"""Twenty tries half a second apart: a table that is never free for 10 s is in a long
transaction, and a person should know of it."""

SWITCH_WAIT = "2s"
"""A session that was ended lets go within milliseconds."""

LOCKED = LOCK_NOT_FREE | {"57014"}
"""A lock was not had in time. Our statements here end by `statement_timeout` too."""

GONE = {"42P01", "3F000"}
"""The table was dropped meanwhile, or its schema."""

_TRUNCATE_OF_FOREIGN_SINCE = 16
"""Foreign tables take TRUNCATE triggers (PostgreSQL release notes, 16)."""

# Asked inside the pause, so not by `postgres/catalog`.
# Tables with rows of their own, partitioned parents and foreign tables: a write to a
# partition does not fire its parent's trigger, and one through a parent by inheritance,
# which a foreign table may be, does not fire the child's. Extensions own their tables,
# but for those that are parents of tables of others.
FENCED_TABLES = """
    SELECT c.oid, c.relpersistence = 'u' AS unlogged
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'bluegreen')
      AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'
      AND (NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
                       AND d.objid = c.oid AND d.deptype = 'e')
           OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid))
"""
_TRIGGERS = """
    SELECT t.tgrelid, t.tgenabled IN ('O', 'A') AS enabled, t.xmin AS changed_by
    FROM pg_trigger t WHERE t.tgname = 'bluegreen_fence'
"""
_SWITCHES = sql.SQL(
    "FROM pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'ExclusiveLock'"
    " AND l.relation = to_regclass('bluegreen.fence') AND l.pid <> pg_backend_pid()"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(frozen=True, slots=True)
class FenceFacts:
    """How a side's fence stands.

    Attributes:
        tables: tables that ought to have a trigger; unlogged ones, which applications
            make and drop all day, only if they have one.
        missing: those that have none.
        closed: those that refuse writes.
        off: those whose trigger was disabled by others.
        shut: the flag says that the side refuses writes.
        switching: a session is about to change the flag.
        touched: those whose trigger others disabled, enabled or made since the fence
            was closed: it may have been off for a while.
    """

    tables: int
    missing: int
    closed: int
    off: int = 0
    shut: bool = False
    switching: bool = False
    touched: Sequence[str] = ()

    @property
    def is_made(self) -> bool:
        """Every table has its trigger, and it is enabled."""
        return self.missing == 0 and self.off == 0

    @property
    def is_closed(self) -> bool:
        """Every table refuses writes. A database without tables has no fence."""
        return self.missing == 0 and self.closed == self.tables

    @property
    def is_open(self) -> bool:
        """No table refuses writes, and none is about to."""
        return self.closed == 0 and not self.shut and not self.switching


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
    """Ask the catalog and the flag how the fence stands."""
    has_flag = sql.SQL("SELECT to_regclass('bluegreen.fence') IS NOT NULL")
    flag = _FLAG if database.value(has_flag) else _FLAG_BEFORE_VERSION_4
    row = database.rows(
        sql.SQL(_READ).format(
            flag=sql.SQL(flag),
            tables=sql.SQL(FENCED_TABLES),
            triggers=sql.SQL(_TRIGGERS),
            switches=sql.SQL("SELECT {}").format(_SWITCHES),
        )
    )[0]
    return FenceFacts(*row)


_FLAG = """
    SELECT c.last_value > f.opened AS shut, f.closed_by
    FROM bluegreen.closed c, bluegreen.fence f
"""
_FLAG_BEFORE_VERSION_4 = """
    SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'bluegreen_fence'
                   AND tgenabled <> 'D') AS shut, NULL::xid8 AS closed_by
"""
# Enabling, disabling and making a trigger leave a new version of its row in pg_trigger.
_READ = """
    SELECT count(*) FILTER (WHERE NOT t.unlogged OR f.tgrelid IS NOT NULL),
        count(*) FILTER (WHERE NOT t.unlogged AND f.tgrelid IS NULL),
        count(*) FILTER (WHERE f.enabled AND g.shut),
        count(*) FILTER (WHERE NOT f.enabled),
        coalesce(bool_or(g.shut), false), EXISTS ({switches}),
        coalesce(array_agg(t.oid::regclass::text) FILTER (WHERE g.shut AND f.enabled
            AND age(f.changed_by) < age(g.closed_by::xid)), '{{}}')
    FROM ({flag}) g LEFT JOIN ({tables}) t ON true
        LEFT JOIN ({triggers}) f ON f.tgrelid = t.oid
"""


def create_fence(
    database: Database, *, closed: Literal["closed", "open"], clock: Clock
) -> int:
    """Give every table its trigger, enabled, one transaction a table.

    With `closed` the side refuses writes from the first trigger on; with `open` it
    stays as it is. Writers of a table queue behind us, so each try waits for its lock
    only briefly. Returns how many were made or enabled again.

    Raises:
        BudgetError: 5003; a table stayed locked, by whom.
    """
    before = read_fence(database)
    if closed == "closed" and not before.shut:
        close_fence(database)
    tables = database.rows(_UNFENCED)
    _on_each(database, tables, _make_trigger, "made", clock)
    if tables and closed == "closed" and not (before.off or before.touched):
        # What we made ourselves is no sign that others had opened it.
        close_fence(database)
    return len(tables)


_UNFENCED = sql.SQL(
    "SELECT n.nspname, c.relname, c.relkind = 'f', f.tgrelid IS NOT NULL"
    " FROM ({}) t JOIN pg_class c USING (oid)"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN ({}) f ON f.tgrelid = c.oid"
    " WHERE f.enabled IS NOT TRUE ORDER BY 1, 2"
).format(sql.SQL(FENCED_TABLES), sql.SQL(_TRIGGERS))

_Table = tuple[Any, ...]
"""Schema, name, whether it is a foreign table, whether it has a trigger."""


def _on_each(
    database: Database,
    tables: Sequence[_Table],
    do: Callable[[Connection, _Table], None],
    done: str,
    clock: Clock,
) -> None:
    """One transaction a table, which waits for its lock only briefly, but again."""
    settings = {
        "lock_timeout": MAKING_LOCK,
        # A trigger that a crash brings back, or takes away, is the next run's to see.
        "synchronous_commit": "off",
    }
    with database.connect(**settings) as own:
        with database.translated():
            wait_briefly_for_locks(own)
        for table in tables:
            tries = (_try(database, own, table, do, clock) for _ in range(MAKING_TRIES))
            if not any(tries):
                raise _stayed_locked(database, table[0], table[1], done)


def _try(
    database: Database,
    own: Connection,
    table: _Table,
    do: Callable[[Connection, _Table], None],
    clock: Clock,
) -> bool:
    try:
        with database.translated(), own.transaction():
            do(own, table)
    except SqlError as error:
        if error.sqlstate in GONE:
            return True
        if error.sqlstate not in LOCKED:
            raise
        clock.sleep(MAKING_PAUSE_S)
        return False
    return True


def _make_trigger(own: Connection, table: _Table) -> None:
    schema, name, foreign, there = table
    what = (
        "ALTER TABLE ONLY {} ENABLE TRIGGER bluegreen_fence"
        if there
        else "CREATE TRIGGER bluegreen_fence BEFORE INSERT OR UPDATE OR DELETE{} ON {}"
        " FOR EACH STATEMENT EXECUTE FUNCTION bluegreen.refuse_write()"
    )
    identifier = sql.Identifier(schema, name)
    if there:
        own.execute(sql.SQL(what).format(identifier))
        return
    old = own.info.server_version // 10_000 < _TRUNCATE_OF_FOREIGN_SINCE
    truncate = sql.SQL("" if foreign and old else " OR TRUNCATE")
    own.execute(sql.SQL(what).format(truncate, identifier))


def _stayed_locked(
    database: Database, schema: str, name: str, done: str
) -> BudgetError:
    return BudgetError(
        Code.FENCE_NOT_CLOSED,
        f"the fence trigger of {schema}.{name} on {database.side} could not be {done}",
        seen=_holders(database, [f"{schema}.{name}"]),
        wanted=f"a moment without a write transaction in {MAKING_TRIES} tries",
        hint="wait until that transaction has ended, or end it; then run again",
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


def drop_fence(database: Database, clock: Clock) -> None:
    """Take every trigger away, one transaction a table.

    Writers of a table queue behind us, so each try waits for its lock only briefly.

    Raises:
        BudgetError: 5003; a table stayed locked, by whom.
    """
    tables = database.rows(
        sql.SQL(
            "SELECT n.nspname, c.relname FROM ({}) f"
            " JOIN pg_class c ON c.oid = f.tgrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
        ).format(sql.SQL(_TRIGGERS))
    )
    _on_each(database, tables, _drop_trigger, "dropped", clock)


def _drop_trigger(own: Connection, table: _Table) -> None:
    drop = sql.SQL("DROP TRIGGER IF EXISTS bluegreen_fence ON {}")
    own.execute(drop.format(sql.Identifier(*table[:2])))


def close_fence(database: Database) -> None:
    """Refuse writes on every table, durably and without hurry.

    Inside a pause `FenceCloser` does it instead.
    """
    with _the_switch(database) as own:
        limit_locks(own, "0")
        own.execute(sql.SQL("CALL bluegreen.set_fence(true)"))


def open_fence(database: Database) -> None:
    """Let the side take writes again, durably. No lock on a table is needed.

    It waits for no standby, which may be what the pause was backed out for: a server
    that fails over without this record refuses writes, which the next run sees.
    """
    with _the_switch(database, synchronous_commit="local") as own:
        own.execute(sql.SQL("CALL bluegreen.set_fence(false)"))


@contextmanager
def _the_switch(
    database: Database, *, synchronous_commit: str = "on"
) -> Iterator[Connection]:
    with (
        database.connect(synchronous_commit=synchronous_commit) as own,
        database.translated(),
        own.transaction(),
    ):
        wait_briefly_for_locks(own)
        be_the_switch(own)
        yield own


def limit_locks(own: Connection, lock_timeout: str) -> None:
    """Wait for a lock no longer than that from now on."""
    own.execute(
        sql.SQL("SELECT set_config('lock_timeout', %s, false)"), (lock_timeout,)
    )


def be_the_switch(own: Connection) -> None:
    """Change the flag alone until the transaction ends: another who would is ended.

    Killing a client does not end its statement: one that waited for a writer would
    close the fence after the guard had opened it, and nothing would open it again. Only
    the owner of our schema can hold this lock, so no stranger's session is ended. Which
    of two is right is for the lease and the guard to see to.
    """
    own.execute(
        sql.SQL("SELECT count(pg_terminate_backend(l.pid)) {}").format(_SWITCHES)
    )
    limit_locks(own, SWITCH_WAIT)
    own.execute(sql.SQL("LOCK TABLE bluegreen.fence IN EXCLUSIVE MODE"))
