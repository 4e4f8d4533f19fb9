"""What changes of constraints do: added, proved, altered, dropped."""

from __future__ import annotations

from bluegreen.lint.effects.effect import AX, RS, SRX, SUX, Effect, Lock
from bluegreen.lint.effects.of_columns import proof, set_not_null
from bluegreen.lint.effects.reach import everywhere, leaves, table_of
from bluegreen.lint.tracking.state import State
from bluegreen.sql.ops import Constraint, Kind, Name, Op


def add_constraint(op: Op, state: State) -> Effect:
    """`ADD CONSTRAINT`."""
    constraint = op.constraint
    assert constraint is not None
    table = table_of(op)
    checked = constraint.valid and constraint.enforced
    if constraint.references:
        return _add_foreign(table, constraint.references, state, checked=checked)
    if constraint.using:
        return _add_using(table, constraint, state)
    if constraint.kind == "notnull" and checked:
        column = constraint.columns[0] if constraint.columns else ""
        return set_not_null(Op(Kind.SET_NOT_NULL, op.at, table, name=column), state)
    known = state.table(table)
    parent_only = "only" in op.flags and known is not None and known.partitioned
    return Effect(((table, AX),), scan=(table,) if checked and not parent_only else ())


def _add_foreign(table: Name, other: Name, state: State, *, checked: bool) -> Effect:
    locks = ((name, SRX) for name in everywhere(other, state))
    read = (table, *leaves(other, state)) if checked else ()
    return Effect(((table, SRX), *locks), scan=read)


def _add_using(table: Name, constraint: Constraint, state: State) -> Effect:
    """A key over an index that is there: only its NULLs are left to look for."""
    keys = constraint.columns or state.index_columns(table, constraint.using)
    if constraint.kind != "primary" or _all_not_null(table, keys, state):
        return Effect(((table, AX),))
    why = "its columns must be shown to be NOT NULL"
    return Effect(((table, AX),), scan=(table,), sure=False, why=why)


def _all_not_null(table: Name, columns: tuple[str, ...], state: State) -> bool:
    known = state.table(table)
    if not known or not columns:
        return False
    proved = {name for c in known.constraints if c.valid for name in proof(c)}
    found = [known.columns.get(name) for name in columns]
    return all(c is not None and (c.not_null or c.name in proved) for c in found)


def validate(op: Op, state: State) -> Effect:
    """`VALIDATE CONSTRAINT`, under the lock of what else its ALTER does."""
    table = table_of(op)
    constraint = state.constraint(table, op.name)
    beside = _beside(op, state)
    locks, scan = [(table, beside)], [table]
    if constraint and constraint.valid:
        return Effect(tuple(locks), why=f"{op.name} is valid already")
    if constraint and constraint.references:
        locks.append((constraint.references, RS))
        scan.append(constraint.references)
    why = "" if beside is SUX else "the same ALTER TABLE locks the table"
    return Effect(tuple(locks), scan=tuple(scan), why=why)


_LIGHT = frozenset({Kind.VALIDATE_CONSTRAINT, Kind.TABLE_SETTING})


def _beside(op: Op, state: State) -> Lock:
    """The strongest lock of an ALTER TABLE: it takes one for all its parts."""
    lock = SUX
    for other in state.siblings:
        if other.table != op.table or other.kind in _LIGHT:
            continue
        foreign = other.constraint is not None and other.constraint.references
        if not foreign and other.kind is not Kind.TRIGGER_STATE:
            return AX
        lock = SRX
    return lock


def alter_constraint(op: Op, state: State) -> Effect:
    """`ALTER CONSTRAINT`; to enforce a foreign key (18) is to check it."""
    table = table_of(op)
    found = state.constraint(table, op.name)
    if not op.value or found is None or not found.references:
        return Effect(((table, AX),), sure=not op.value)
    other = found.references
    locks = tuple((name, AX) for name in everywhere(other, state))
    read = (table, *leaves(other, state)) if op.value == "enforced" else ()
    return Effect(((table, AX), *locks), scan=read)


def drop_constraint(op: Op, state: State) -> Effect:
    """`DROP CONSTRAINT`."""
    table = table_of(op)
    constraint = state.constraint(table, op.name)
    if constraint and constraint.references:
        others = everywhere(constraint.references, state)
        return Effect(((table, AX), *((name, AX) for name in others)))
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
