"""Rules about what rewrites or rebuilds a table for its own sake."""

from __future__ import annotations

from bluegreen.lint.rule import Rule, SafeForm, on
from bluegreen.lint.safe_forms import with_word
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op


def _logged(op: Op, state: State) -> str | None:
    if not state.filled(op.table) or not state.effect.rewrite:
        return None
    word = "LOGGED" if op.kind is Kind.SET_LOGGED else "UNLOGGED"
    return f"SET {word} rewrites {op.table}"


def _moved(op: Op, state: State) -> str | None:
    table = op.table
    if op.what == "index" and op.table:
        table = state.table_of_index(op.table) or op.table
    if not state.filled(table):
        return None
    word = "ACCESS METHOD" if op.kind is Kind.SET_ACCESS_METHOD else "TABLESPACE"
    return f"SET {word} writes all of {op.table} again"


def _full(op: Op, state: State) -> str | None:
    if op.kind is Kind.VACUUM and "full" not in op.flags:
        return None
    if op.table and not state.filled(op.table):
        return None
    word = "CLUSTER" if op.kind is Kind.CLUSTER else "VACUUM FULL"
    return (
        f"{word} rewrites {op.table or 'every table'} under a lock that blocks all "
        "access to it"
    )


def _refresh(op: Op, state: State) -> str | None:
    if "concurrently" in op.flags or not state.filled(op.table):
        return None
    return f"REFRESH locks {op.table} against reads until it is filled again"


def _refreshed_concurrently(op: Op, state: State) -> SafeForm | None:
    """Written only where a unique index is known: it is refused without one."""
    if "no_data" in op.flags:
        return None
    form = with_word(r"refresh\s+materialized\s+view", "CONCURRENTLY")(op, state)
    known = state.table(op.table) if op.table else None
    keyed = known is not None and any(
        index.unique and not index.computed for index in known.indexes
    )
    return form if keyed or form is None else form._replace(edits=())


def _vacuum_in_transaction(op: Op, state: State) -> str | None:
    if state.transaction is None:
        return None
    return "VACUUM cannot run in a transaction"


RULES = (
    Rule(
        id="set-logged",
        name="SET LOGGED or UNLOGGED",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET_LOGGED, Kind.SET_UNLOGGED),
        condition=_logged,
        effect="ACCESS EXCLUSIVE; the table and its indexes are rewritten.",
        why="Reads and writes wait; an unlogged table is not replicated and is empty "
        "after a crash.",
        workaround="A new table of the wanted sort, filled beside the old one.",
        bad="ALTER TABLE note SET UNLOGGED;",
        good="CREATE UNLOGGED TABLE note_cache (id bigint);",
        sized=True,
    ),
    Rule(
        id="set-storage-place",
        name="SET ACCESS METHOD or TABLESPACE",
        severity=Severity.CRITICAL,
        kinds=on(Kind.SET_ACCESS_METHOD, Kind.SET_TABLESPACE),
        condition=_moved,
        effect="ACCESS EXCLUSIVE and a full copy (access method: 15 and later).",
        why="Reads and writes wait for the copy.",
        workaround="An online tool such as pg_repack, or a new table.",
        bad="ALTER TABLE note SET TABLESPACE fast;",
        good="CREATE TABLE note_next (id bigint) TABLESPACE fast;",
        sized=True,
    ),
    Rule(
        id="vacuum-full",
        name="VACUUM FULL or CLUSTER",
        severity=Severity.CRITICAL,
        kinds=on(Kind.VACUUM, Kind.CLUSTER),
        condition=_full,
        effect="ACCESS EXCLUSIVE; the table and its indexes are rewritten.",
        why="Reads and writes wait for the whole rewrite.",
        workaround="Plain VACUUM, or an online tool such as pg_repack or pg_squeeze.",
        bad="VACUUM FULL note;",
        good="VACUUM note;",
        sized=True,
    ),
    Rule(
        id="vacuum-in-transaction",
        name="VACUUM in a transaction",
        severity=Severity.CRITICAL,
        kinds=on(Kind.VACUUM),
        condition=_vacuum_in_transaction,
        effect="None: PostgreSQL refuses it with SQLSTATE 25001.",
        why="The migration fails at this statement.",
        workaround="Run it outside of migrations, or with the tool's "
        "no-transaction mark.",
        bad="BEGIN;\nVACUUM note;\nCOMMIT;",
        good="VACUUM note;",
    ),
    Rule(
        id="refresh-not-concurrent",
        name="REFRESH MATERIALIZED VIEW without CONCURRENTLY",
        severity=Severity.WARNING,
        kinds=on(Kind.REFRESH),
        condition=_refresh,
        effect="ACCESS EXCLUSIVE on the view (EXCLUSIVE with CONCURRENTLY).",
        why="Readers of the view wait until its query is done.",
        workaround="REFRESH MATERIALIZED VIEW CONCURRENTLY; it needs a unique index.",
        bad="REFRESH MATERIALIZED VIEW note_count;",
        good="REFRESH MATERIALIZED VIEW CONCURRENTLY note_count;",
        fix=_refreshed_concurrently,
    ),
)
