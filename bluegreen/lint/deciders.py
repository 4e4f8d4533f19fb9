"""The effects that hang on the details: what is known, what else is named, versions.

Each decider takes an op and the state before it. The plain rows are in `effects.py`,
changes of a type in `type_changes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bluegreen.lint import type_changes
from bluegreen.lint.effects import (
    AX,
    NO_EFFECT,
    ROWS,
    RS,
    SRX,
    SUX,
    Effect,
    Lock,
    Rewrite,
    S,
    X,
)
from bluegreen.lint.expressions import is_null, proves_not_null
from bluegreen.lint.ops import Column, Constraint, Kind, Name, Op

if TYPE_CHECKING:
    from bluegreen.lint.track import State


# `ALTER TABLE`, `CREATE INDEX` and the like on a partitioned table reach its partitions
# with the same lock, unless they say ONLY.
_REACHES_PARTITIONS = frozenset(
    {
        *(Kind.ADD_COLUMN, Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.SET_DEFAULT),
        *(Kind.DROP_DEFAULT, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.TRUNCATE),
        *(Kind.ADD_CONSTRAINT, Kind.DROP_CONSTRAINT, Kind.VALIDATE_CONSTRAINT),
        *(Kind.CREATE_INDEX, Kind.ANALYZE, Kind.LOCK_TABLE, Kind.DROP),
    }
)


def effect(op: Op, state: State) -> Effect:
    """What `op` does, given what is known before it runs."""
    found = _alone(op, state)
    known = state.table(op.table) if op.table else None
    if known is None or not known.partitioned or not _reaches(op):
        return found
    return _with_partitions(op, found, state)


def _reaches(op: Op) -> bool:
    if op.kind is Kind.CREATE_TRIGGER:
        return "row" in op.flags
    if op.kind is Kind.RENAME:
        return op.what == "column"
    if op.kind is Kind.TABLE_SETTING:
        return op.value == "statistics"
    return op.kind in _REACHES_PARTITIONS and "only" not in op.flags


def _with_partitions(op: Op, found: Effect, state: State) -> Effect:
    table = _table(op)
    lock = found.lock_on(table)
    if lock is None:
        return found
    constraint = op.constraint
    # Measured: 18 locks partitions like their parent, 13 to 17 as CREATE INDEX would.
    if constraint and constraint.kind in ("unique", "primary"):
        lock = lock if state.versions.high >= 18 else S
    below = list(state.partitions(table))
    locks = (*found.locks, *((part.name, lock) for part in below))
    scan = set(found.scan)
    if table in scan:
        scan = scan - {table} | {p.name for p in below if not p.partitioned}
    return found._replace(locks=locks, scan=tuple(sorted(scan)))


def _alone(op: Op, state: State) -> Effect:
    if decide := DECIDERS.get(op.kind):
        return decide(op, state)
    row = ROWS.get(op.kind)
    if row is None or op.table is None:
        return NO_EFFECT
    lock, rewrite, scanned = row
    return Effect(((op.table, lock),), rewrite, (op.table,) if scanned else ())


def _create_table(op: Op, state: State) -> Effect:
    locks: list[tuple[Name, Lock]] = []
    scan: tuple[Name, ...] = ()
    keys = [*op.constraints, *(c for col in op.columns for c in col.constraints)]
    locks += [(key.references, SRX) for key in keys if key.references]
    if op.other and "partition" in op.flags:
        locks.append((op.other, AX))
        if default := state.default_partition(op.other):
            locks.append((default, AX))
            scan = (default,)
    elif op.other:
        locks.append((op.other, SUX))
    return Effect(tuple(locks), scan=scan)


def _create_index(op: Op, state: State) -> Effect:
    table = _table(op)
    if "concurrently" in op.flags:
        return Effect(((table, SUX),), scan=(table,))
    known = state.table(table)
    # Nobody writes ONLY for a table that is not partitioned.
    only = "only" in op.flags and (known is None or known.partitioned)
    return Effect(((table, S),), scan=() if only else (table,))


def _drop(op: Op, state: State) -> Effect:
    if op.what == "index":
        table = state.table_of_index(_table(op))
        lock = SUX if "concurrently" in op.flags else AX
        return Effect(((table, lock),) if table else (), sure=table is not None)
    if op.what in ("table", "foreign table"):
        return Effect(tuple((name, AX) for name in _dropped_with(_table(op), state)))
    if op.what in ("type", "domain") and "cascade" in op.flags:
        return Effect(tuple((name, AX) for name in state.tables_using(_table(op))))
    if op.what in ("trigger", "policy", "rule", "view", "materialized view"):
        return Effect(((_table(op), AX),))
    return NO_EFFECT


def _dropped_with(table: Name, state: State) -> Iterator[Name]:
    """The table and what is locked as it goes: parents of its keys and partitions."""
    yield table
    known = state.table(table)
    if known is None:
        return
    yield from (key.references for key in known.constraints if key.references)
    if known.parent:
        yield known.parent
        if default := state.default_partition(known.parent):
            yield default


def _drop_column(op: Op, state: State) -> Effect:
    table = _table(op)
    known = state.table(table)
    keys = known.constraints if known else ()
    partners = [k.references for k in keys if k.references and op.name in k.columns]
    return Effect(((table, AX), *((name, AX) for name in partners)))


def _table_setting(op: Op, state: State) -> Effect:
    if op.what == "index":
        return NO_EFFECT
    # AlterTableGetRelOptionsLockLevel: the one option of tables that takes more.
    lock = AX if "user_catalog_table" in op.names else SUX
    return Effect(((_table(op), lock),))


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
    locked = {"table", "column", "constraint", "view", "materialized view", "trigger"}
    if op.table and op.what in locked:
        return Effect(((op.table, AX),))
    return NO_EFFECT


def _move(op: Op, state: State) -> Effect:
    if op.table and op.what in ("table", "view", "materialized view"):
        return Effect(((op.table, AX),))
    return NO_EFFECT


def _add_column(op: Op, state: State) -> Effect:
    column = op.column
    assert column is not None
    table = _table(op)
    locks = [(table, AX)]
    if state.has_column(op):
        return Effect(tuple(locks), why="the column is there already")
    rewrite, sure, why = _column_rewrite(column, state)
    scan = {table} if rewrite else set()
    for constraint in column.constraints:
        if constraint.references:
            locks.append((constraint.references, SRX))
            if column.default is not None:
                # Measured: even DEFAULT NULL makes PostgreSQL look through the rows.
                scan.add(table)
                scan |= set() if is_null(column.default) else {constraint.references}
        elif constraint.kind == "check" and constraint.enforced:
            scan.add(table)
            why = why or "an inline CHECK reads every row, NULL or not"
        elif constraint.kind in ("unique", "primary"):
            scan.add(table)
            why = why or "its index is built while the table is locked"
    return Effect(tuple(locks), rewrite, tuple(sorted(scan)), sure, why)


def _column_rewrite(column: Column, state: State) -> tuple[Rewrite, bool, str]:
    """Whether ADD COLUMN writes every row, whether that is sure, and why."""
    heap = Rewrite.HEAP
    if column.serial:
        return heap, True, f"{column.type} draws a value from a sequence for each row"
    if column.identity:
        return heap, True, "an identity draws a value for each row"
    if column.generated == "s":
        return heap, True, "a stored generated column is computed for each row"
    domain = state.domain(column.type)
    if domain and domain.constrained:
        return heap, True, f"{column.type} is a domain with constraints"
    calls = state.volatility(column.default)
    if calls == "volatile":
        return heap, True, "the default is volatile, so each row gets its own value"
    if calls == "unknown":
        return heap, False, "the default calls a function that may be volatile"
    return Rewrite.NONE, True, ""


def _alter_type(op: Op, state: State) -> Effect:
    table = _table(op)
    change = type_changes.decide(op, state)
    rewrite = Rewrite(change.rewrite)
    scan = [table] if rewrite or change.scan else []
    # Foreign keys on the column are dropped and made again, whatever changes.
    partners = [name for name in state.partners(table, op.name) if name != table]
    if rewrite is Rewrite.HEAP and change.renames:
        scan += partners
    locks = ((table, AX), *((name, AX) for name in partners))
    return Effect(locks, rewrite, tuple(scan), change.sure, change.why)


def _set_not_null(op: Op, state: State) -> Effect:
    table = _table(op)
    known = state.table(table)
    lock = ((table, AX),)
    column = known.columns.get(op.name) if known else None
    if column and column.not_null:
        return Effect(lock, why="the column is NOT NULL already")
    dropped = {o.name for o in state.siblings if o.kind is Kind.DROP_CONSTRAINT}
    for constraint in known.constraints if known else ():
        if constraint.valid and op.name in _proof(constraint):
            if constraint.name in dropped:
                why = "the CHECK that proves it is dropped in the same ALTER"
                return Effect(lock, scan=(table,), why=why)
            return Effect(lock, why=f"{constraint.name} proves it")
    return Effect(lock, scan=(table,))


def _proof(constraint: Constraint) -> frozenset[str]:
    if constraint.kind == "check" and constraint.enforced:
        return proves_not_null(constraint.expr)
    if constraint.kind in ("notnull", "primary"):
        return frozenset(constraint.columns)
    return frozenset()


def _add_constraint(op: Op, state: State) -> Effect:
    constraint = op.constraint
    assert constraint is not None
    table = _table(op)
    checked = constraint.valid and constraint.enforced
    if constraint.references:
        both = (table, constraint.references)
        read = both if checked else ()
        return Effect(tuple((name, SRX) for name in both), scan=read)
    if constraint.using:
        keys = constraint.columns or state.index_columns(table, constraint.using)
        nullable = constraint.kind == "primary" and not _all_not_null(
            table, keys, state
        )
        why = "its columns must be shown to be NOT NULL" if nullable else ""
        scan = (table,) if nullable else ()
        return Effect(((table, AX),), scan=scan, sure=not nullable, why=why)
    if constraint.kind == "notnull" and checked:
        column = constraint.columns[0] if constraint.columns else ""
        return _set_not_null(Op(Kind.SET_NOT_NULL, op.at, table, name=column), state)
    return Effect(((table, AX),), scan=(table,) if checked else ())


def _all_not_null(table: Name, columns: tuple[str, ...], state: State) -> bool:
    known = state.table(table)
    if not known or not columns:
        return False
    found = [known.columns.get(name) for name in columns]
    return all(column is not None and column.not_null for column in found)


def _validate(op: Op, state: State) -> Effect:
    table = _table(op)
    constraint = state.constraint(table, op.name)
    locks, scan = [(table, SUX)], [table]
    if constraint and constraint.valid:
        return Effect(tuple(locks), why=f"{op.name} is valid already")
    if constraint and constraint.references:
        locks.append((constraint.references, RS))
        scan.append(constraint.references)
    return Effect(tuple(locks), scan=tuple(scan))


def _drop_constraint(op: Op, state: State) -> Effect:
    table = _table(op)
    constraint = state.constraint(table, op.name)
    if constraint and constraint.references:
        return Effect(((table, AX), (constraint.references, AX)))
    if (
        constraint
        and "cascade" in op.flags
        and constraint.kind in ("primary", "unique")
    ):
        users = {
            name for key in constraint.columns for name in state.partners(table, key)
        }
        return Effect(((table, AX), *((name, AX) for name in sorted(users))))
    why = "" if constraint else "a foreign key would lock the referenced table too"
    return Effect(((table, AX),), sure=constraint is not None, why=why)


def _attach(op: Op, state: State) -> Effect:
    parent, child = _table(op), op.other
    assert child is not None
    locks = [(parent, SUX), (child, AX)]
    scan = [] if state.has_check(child) else [child]
    default = state.default_partition(parent)
    if default:
        locks.append((default, AX))
        if not state.has_check(default):
            scan.append(default)
    return Effect(tuple(locks), scan=tuple(scan), sure=not scan)


def _detach(op: Op, state: State) -> Effect:
    parent, child = _table(op), op.other
    assert child is not None
    if "concurrently" in op.flags:
        return Effect(((parent, SUX), (child, AX)))
    # 13 takes SHARE UPDATE EXCLUSIVE on the child, later versions ACCESS EXCLUSIVE.
    child_lock = AX if state.versions.high >= 14 else SUX
    locks = [(parent, AX), (child, child_lock)]
    if default := state.default_partition(parent):
        locks.append((default, AX))
    return Effect(tuple(locks))


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
    return Effect(((_table(op), Lock(int(op.value))),))


def _table(op: Op) -> Name:
    assert op.table is not None
    return op.table


def _truncate(op: Op, state: State) -> Effect:
    table = _table(op)
    more = state.emptied_with(table) if "cascade" in op.flags else []
    return Effect(tuple((name, AX) for name in (table, *more)), Rewrite.HEAP)


DECIDERS: dict[Kind, Callable[[Op, State], Effect]] = {
    Kind.DROP_COLUMN: _drop_column,
    Kind.TABLE_SETTING: _table_setting,
    Kind.SET_LOGGED: _set_logged,
    Kind.SET_UNLOGGED: _set_logged,
    Kind.CREATE_VIEW: _create_view,
    Kind.TRUNCATE: _truncate,
    Kind.DOMAIN_OTHER: _domain_other,
    Kind.CREATE_TABLE: _create_table,
    Kind.CREATE_INDEX: _create_index,
    Kind.DROP: _drop,
    Kind.RENAME: _rename,
    Kind.SET_SCHEMA: _move,
    Kind.OWNER: _move,
    Kind.ADD_COLUMN: _add_column,
    Kind.ALTER_TYPE: _alter_type,
    Kind.SET_NOT_NULL: _set_not_null,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.VALIDATE_CONSTRAINT: _validate,
    Kind.DROP_CONSTRAINT: _drop_constraint,
    Kind.ATTACH_PARTITION: _attach,
    Kind.DETACH_PARTITION: _detach,
    Kind.DOMAIN_ADD_CONSTRAINT: _domain_constraint,
    Kind.DOMAIN_VALIDATE: _domain_constraint,
    Kind.REINDEX: _reindex,
    Kind.VACUUM: _vacuum,
    Kind.REFRESH: _refresh,
    Kind.LOCK_TABLE: _lock,
}
