"""What an op does to other sessions: the effects that hang on what is known.

Each decider takes an op and the state before it. The plain rows are in `effect.py`,
changes of a type in `type_changes.py`; columns, constraints and tables have modules of
their own, and how far a lock reaches is in `reach.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from bluegreen.lint.effects import of_columns as columns
from bluegreen.lint.effects import of_constraints as constraints
from bluegreen.lint.effects import of_tables as tables
from bluegreen.lint.effects.effect import (
    AX,
    NO_EFFECT,
    ROWS,
    SUX,
    Effect,
    Lock,
    Rewrite,
    S,
    X,
)
from bluegreen.lint.effects.reach import everywhere, reaching
from bluegreen.lint.effects.reach import table_of as _table
from bluegreen.lint.tracking.state import State
from bluegreen.sql.knowledge import Table
from bluegreen.sql.ops import Kind, Op


def effect(op: Op, state: State) -> Effect:
    """What `op` does, given what is known before it runs."""
    return reaching(op, _alone(op, state), state)


def _alone(op: Op, state: State) -> Effect:
    if decide := DECIDERS.get(op.kind):
        return decide(op, state)
    row = ROWS.get(op.kind)
    if row is None or op.table is None:
        return NO_EFFECT
    lock, rewrite, scanned = row
    return Effect(((op.table, lock),), rewrite, (op.table,) if scanned else ())


def _create_index(op: Op, state: State) -> Effect:
    table = _table(op)
    if "concurrently" in op.flags:
        return Effect(((table, SUX),), scan=(table,))
    known = state.table(table)
    # ONLY is not written for a table that is not partitioned.
    only = "only" in op.flags and (known is None or known.partitioned)
    there = "if_not_exists" in op.flags and known is not None and _has(known, op.name)
    return Effect(((table, S),), scan=() if only or there else (table,))


def _has(known: Table, index: str) -> bool:
    return any(found.name == index for found in known.indexes)


def _drop(op: Op, state: State) -> Effect:
    table = _table(op)
    match op.what:
        case "index":
            return _drop_index(op, state)
        case "table" | "foreign table":
            return tables.drop_table(op, state)
        case "schema":
            return tables.drop_schema(op, state)
        case "type" | "domain" if "cascade" in op.flags:
            return Effect(tuple((name, AX) for name in state.tables_using(table)))
        case "function" if "cascade" in op.flags:
            return tables.drop_function(op, state)
        case "view" | "materialized view" if "cascade" in op.flags:
            gone = dict.fromkeys((table, *tables.views_over(table, state)))
            return Effect(tuple((name, AX) for name in gone))
        case "trigger" | "policy" | "rule" | "view" | "materialized view":
            return Effect(((table, AX),))
    return NO_EFFECT


def _drop_index(op: Op, state: State) -> Effect:
    table = state.table_of_index(_table(op))
    if table is None:
        return Effect(sure=False)
    if "concurrently" in op.flags:
        return Effect(((table, SUX),))
    return Effect(tuple((name, AX) for name in everywhere(table, state)))


def _table_setting(op: Op, state: State) -> Effect:
    if op.what == "index":
        return NO_EFFECT
    # AlterTableGetRelOptionsLockLevel: the one option of tables that takes more.
    strong = "user_catalog_table" in op.names or op.what == "view"
    lock = AX if strong else SUX
    return Effect(((_table(op), lock),))


def _set_place(op: Op, state: State) -> Effect:
    if op.what == "index":
        why = "queries of the table plan with its indexes, and wait for this one"
        return Effect(rewrite=Rewrite.INDEXES, why=why)
    return Effect(((_table(op), AX),), Rewrite.HEAP, (_table(op),))


def _set_logged(op: Op, state: State) -> Effect:
    table = _table(op)
    known = state.table(table)
    if known and known.logged is (op.kind is Kind.SET_LOGGED):
        return Effect(((table, AX),), why=f"{table} is so already")
    return Effect(((table, AX),), Rewrite.HEAP, (table,))


def _create_view(op: Op, state: State) -> Effect:
    replaced = "replace" in op.flags and state.table(_table(op)) is not None
    return Effect(((_table(op), AX),)) if replaced else NO_EFFECT


def _domain_other(op: Op, state: State) -> Effect:
    if op.what != "set not null":
        return NO_EFFECT
    users = tuple(state.tables_using(_table(op)))
    return Effect(tuple((name, S) for name in users), scan=users)


def _rename(op: Op, state: State) -> Effect:
    locked = {"table", "column", "constraint", "view"}
    locked |= {"materialized view", "trigger", "rule"}
    if op.table and op.what in locked:
        return Effect(((op.table, AX),))
    return NO_EFFECT


def _move(op: Op, state: State) -> Effect:
    if op.table and op.what in ("table", "view", "materialized view"):
        return Effect(((op.table, AX),))
    return NO_EFFECT


def _domain_constraint(op: Op, state: State) -> Effect:
    checked = op.constraint is None or op.constraint.valid
    users = tuple(state.tables_using(_table(op))) if checked else ()
    return Effect(tuple((name, S) for name in users), scan=users)


def _reindex(op: Op, state: State) -> Effect:
    table = op.table
    if table and op.what == "index":
        table = state.table_of_index(table) or table
    if not table or op.what in ("schema", "database", "system"):
        return NO_EFFECT
    lock = SUX if "concurrently" in op.flags else S
    return Effect(((table, lock),), Rewrite.INDEXES, (table,))


def _vacuum(op: Op, state: State) -> Effect:
    if op.table is None:
        return NO_EFFECT
    if "full" in op.flags:
        return Effect(((op.table, AX),), Rewrite.HEAP, (op.table,))
    return Effect(((op.table, SUX),))


def _refresh(op: Op, state: State) -> Effect:
    view = _table(op)
    if "concurrently" in op.flags:
        return Effect(((view, X),))
    return Effect(((view, AX),), Rewrite.HEAP)


def _lock(op: Op, state: State) -> Effect:
    """A view is locked with what it is made of."""
    lock = Lock(int(op.value))
    known = state.table(_table(op))
    below = known.reads if known else ()
    return Effect(tuple((name, lock) for name in (_table(op), *below)))


DECIDERS: dict[Kind, Callable[[Op, State], Effect]] = {
    Kind.DROP_COLUMN: columns.drop_column,
    Kind.TABLE_SETTING: _table_setting,
    Kind.SET_LOGGED: _set_logged,
    Kind.SET_UNLOGGED: _set_logged,
    Kind.CREATE_VIEW: _create_view,
    Kind.TRUNCATE: tables.truncate,
    Kind.DOMAIN_OTHER: _domain_other,
    Kind.CREATE_TABLE: tables.create_table,
    Kind.CREATE_INDEX: _create_index,
    Kind.DROP: _drop,
    Kind.RENAME: _rename,
    Kind.SET_SCHEMA: _move,
    Kind.OWNER: _move,
    Kind.ADD_COLUMN: columns.add_column,
    Kind.ALTER_TYPE: columns.alter_type,
    Kind.SET_NOT_NULL: columns.set_not_null,
    Kind.ADD_CONSTRAINT: constraints.add_constraint,
    Kind.VALIDATE_CONSTRAINT: constraints.validate,
    Kind.DROP_CONSTRAINT: constraints.drop_constraint,
    Kind.ALTER_CONSTRAINT: constraints.alter_constraint,
    Kind.SET_TABLESPACE: _set_place,
    Kind.ATTACH_PARTITION: tables.attach,
    Kind.DETACH_PARTITION: tables.detach,
    Kind.DOMAIN_ADD_CONSTRAINT: _domain_constraint,
    Kind.DOMAIN_VALIDATE: _domain_constraint,
    Kind.REINDEX: _reindex,
    Kind.VACUUM: _vacuum,
    Kind.REFRESH: _refresh,
    Kind.LOCK_TABLE: _lock,
}
