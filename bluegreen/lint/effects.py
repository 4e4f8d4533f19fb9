"""What a statement locks, rewrites and scans, as data.

Every row was measured on PostgreSQL 13 to 18 (`docs/reference/locks.md` has the same
table in prose). `ROWS` holds the statements with one answer; `DECIDERS` those whose
answer hangs on the details. Judging an effect is for the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from bluegreen.lint import type_changes
from bluegreen.lint.expressions import is_null, proves_not_null, volatility
from bluegreen.lint.ops import Column, Constraint, Kind, Name, Op

if TYPE_CHECKING:
    from bluegreen.lint.track import State


class Lock(IntEnum):
    """Table locks, weakest first, with the numbers of PostgreSQL's `lockdefs.h`."""

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    def __str__(self) -> str:
        return self.name.replace("_", " ")

    @property
    def blocks(self) -> str:
        """What other sessions cannot do meanwhile: reads, writes, or neither."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self >= Lock.SHARE else ""


class Rewrite(IntEnum):
    """What is written anew."""

    NONE = 0
    INDEXES = 1
    HEAP = 2

    def __str__(self) -> str:
        return ("no rewrite", "index rebuild", "table rewrite")[self]


class Effect(NamedTuple):
    """What one op does to other sessions and to the disk.

    Attributes:
        locks: tables and the strongest lock that each gets, to the end of the
            transaction.
        scan: tables read from end to end under those locks.
        sure: false where it hangs on something unknown, and the worst was taken.
        why: what decided, in words; empty where the statement alone does.
    """

    locks: tuple[tuple[Name, Lock], ...] = ()
    rewrite: Rewrite = Rewrite.NONE
    scan: tuple[Name, ...] = ()
    sure: bool = True
    why: str = ""

    def lock_on(self, name: Name) -> Lock | None:
        """The lock that a table gets."""
        return next((lock for table, lock in self.locks if table.key == name.key), None)

    def __str__(self) -> str:
        parts = [f"{lock} on {table}" for table, lock in self.locks]
        if self.rewrite:
            parts.append(str(self.rewrite))
        if self.scan:
            parts.append("scan of " + ", ".join(map(str, self.scan)))
        text = "; ".join(parts) or "no lock on a table"
        return text if self.sure else f"{text} (at worst)"


NO_EFFECT = Effect()
AX = Lock.ACCESS_EXCLUSIVE
SRX = Lock.SHARE_ROW_EXCLUSIVE
S = Lock.SHARE
SUX = Lock.SHARE_UPDATE_EXCLUSIVE
X = Lock.EXCLUSIVE
RS = Lock.ROW_SHARE
RX = Lock.ROW_EXCLUSIVE

# kind: (lock on the table, rewrite, whether it is scanned)
ROWS: dict[Kind, tuple[Lock, Rewrite, bool]] = {
    Kind.DROP_COLUMN: (AX, Rewrite.NONE, False),
    Kind.SET_DEFAULT: (AX, Rewrite.NONE, False),
    Kind.DROP_DEFAULT: (AX, Rewrite.NONE, False),
    Kind.DROP_NOT_NULL: (AX, Rewrite.NONE, False),
    Kind.SET_EXPRESSION: (AX, Rewrite.HEAP, True),
    Kind.DROP_EXPRESSION: (AX, Rewrite.NONE, False),
    Kind.ADD_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.ALTER_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.ALTER_CONSTRAINT: (AX, Rewrite.NONE, False),
    Kind.REPLICA_IDENTITY: (AX, Rewrite.NONE, False),
    Kind.SET_LOGGED: (AX, Rewrite.HEAP, True),
    Kind.SET_UNLOGGED: (AX, Rewrite.HEAP, True),
    Kind.SET_ACCESS_METHOD: (AX, Rewrite.HEAP, True),
    Kind.SET_TABLESPACE: (AX, Rewrite.HEAP, True),
    Kind.SET_STORAGE: (AX, Rewrite.NONE, False),
    Kind.TRIGGER_STATE: (SRX, Rewrite.NONE, False),
    Kind.ROW_SECURITY: (AX, Rewrite.NONE, False),
    Kind.TABLE_SETTING: (SUX, Rewrite.NONE, False),
    Kind.ALTER_TABLE_OTHER: (AX, Rewrite.NONE, False),
    Kind.CREATE_TRIGGER: (SRX, Rewrite.NONE, False),
    Kind.CREATE_RULE: (AX, Rewrite.NONE, False),
    Kind.CREATE_POLICY: (AX, Rewrite.NONE, False),
    Kind.CLUSTER: (AX, Rewrite.HEAP, True),
    Kind.TRUNCATE: (AX, Rewrite.HEAP, False),
    Kind.ANALYZE: (SUX, Rewrite.NONE, False),
    Kind.PUBLICATION: (SUX, Rewrite.NONE, False),
    Kind.INSERT: (RX, Rewrite.NONE, False),
    Kind.UPDATE: (RX, Rewrite.NONE, False),
    Kind.DELETE: (RX, Rewrite.NONE, False),
    Kind.MERGE: (RX, Rewrite.NONE, False),
    Kind.COPY_IN: (RX, Rewrite.NONE, False),
}


def effect(op: Op, state: State) -> Effect:
    """What `op` does, given what is known before it runs."""
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
    return Effect(((table, S),), scan=(table,))


def _drop(op: Op, state: State) -> Effect:
    if op.what == "index":
        table = state.table_of_index(_table(op))
        lock = SUX if "concurrently" in op.flags else AX
        return Effect(((table, lock),) if table else (), sure=table is not None)
    if op.what in ("table", "foreign table"):
        known = state.table(_table(op))
        keys = known.constraints if known else ()
        parents = [key.references for key in keys if key.references]
        return Effect(tuple((name, AX) for name in (_table(op), *parents)))
    if op.what in ("trigger", "policy", "rule", "view", "materialized view"):
        return Effect(((_table(op), AX),))
    return NO_EFFECT


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
    rewrite, sure, why = _column_rewrite(column, state)
    scan = {table} if rewrite else set()
    filled = column.default is not None and not is_null(column.default)
    for constraint in column.constraints:
        if constraint.references:
            locks.append((constraint.references, SRX))
            if filled:
                scan |= {table, constraint.references}
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
    calls = volatility(column.default)
    if calls == "volatile":
        return heap, True, "the default is volatile, so each row gets its own value"
    if calls == "unknown":
        return heap, False, "the default calls a function that may be volatile"
    return Rewrite.NONE, True, ""


def _alter_type(op: Op, state: State) -> Effect:
    table = _table(op)
    change = type_changes.decide(op, state)
    rewrite = Rewrite(change.rewrite)
    scan = (table,) if rewrite or change.scan else ()
    return Effect(((table, AX),), rewrite, scan, change.sure, change.why)


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
        nullable = constraint.kind == "primary" and not _all_not_null(
            table, constraint.columns, state
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
    locks = [(table, SUX)]
    if constraint and constraint.references:
        locks.append((constraint.references, RS))
    return Effect(tuple(locks), scan=(table,))


def _drop_constraint(op: Op, state: State) -> Effect:
    table = _table(op)
    constraint = state.constraint(table, op.name)
    if constraint and constraint.references:
        return Effect(((table, AX), (constraint.references, AX)))
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


DECIDERS: dict[Kind, Callable[[Op, State], Effect]] = {
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
