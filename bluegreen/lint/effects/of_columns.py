"""What changes of columns do: added, retyped, dropped, made NOT NULL."""

from __future__ import annotations

from bluegreen.lint.effects import type_changes
from bluegreen.lint.effects.effect import AX, SRX, Effect, Rewrite
from bluegreen.lint.effects.reach import everywhere, leaves, table_of
from bluegreen.lint.tracking.state import State
from bluegreen.sql.expressions import is_null, proves_not_null
from bluegreen.sql.ops import Column, Constraint, Kind, Name, Op


def add_column(op: Op, state: State) -> Effect:
    """`ADD COLUMN`."""
    column = op.column
    assert column is not None
    table = table_of(op)
    if state.has_column(op):
        return Effect(((table, AX),), why="the column is there already")
    rewrite, sure, why = _column_rewrite(column, state)
    found = Effect(((table, AX),), rewrite, (table,) if rewrite else (), sure, why)
    if column.generated == "v" and column.not_null:
        found = _reading(found, "its values are computed to see that none is NULL")
    for constraint in column.constraints:
        found = _with_constraint(found, column, constraint, state)
    return found._replace(scan=tuple(sorted({*found.scan})))


def _reading(found: Effect, why: str) -> Effect:
    """The effect with a scan of the table, whose lock goes first."""
    scan = (*found.scan, found.locks[0][0])
    return found._replace(scan=scan, why=found.why or why)


def _with_constraint(
    found: Effect, column: Column, constraint: Constraint, state: State
) -> Effect:
    if constraint.references:
        return _with_reference(found, column, constraint.references, state)
    if constraint.kind == "check" and constraint.enforced:
        return _reading(found, "an inline CHECK reads every row, NULL or not")
    if constraint.kind in ("unique", "primary"):
        return _reading(found, "its index is built while the table is locked")
    return found


def _with_reference(found: Effect, column: Column, other: Name, state: State) -> Effect:
    locks = ((name, SRX) for name in everywhere(other, state))
    found = found._replace(locks=(*found.locks, *locks))
    if column.default is None:
        return found
    if not is_null(column.default):
        found = found._replace(scan=(*found.scan, *leaves(other, state)))
    # Measured: even DEFAULT NULL makes PostgreSQL look through the rows.
    return _reading(found, "")


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
    default = column.default or (domain.default if domain else None)
    calls = state.volatility(default)
    if calls == "volatile":
        return heap, True, "the default is volatile, so each row gets its own value"
    if calls == "unknown":
        return heap, False, "the default calls a function that may be volatile"
    return Rewrite.NONE, True, ""


def drop_column(op: Op, state: State) -> Effect:
    """`DROP COLUMN`: its foreign keys go too, with CASCADE also those to it."""
    table = table_of(op)
    known = state.table(table)
    keys = known.constraints if known else ()
    partners = [k.references for k in keys if k.references and op.name in k.columns]
    if "cascade" in op.flags:
        partners += state.partners(table, op.name)
    reached = {name for partner in partners for name in everywhere(partner, state)}
    return Effect(((table, AX), *((name, AX) for name in sorted(reached - {table}))))


def alter_type(op: Op, state: State) -> Effect:
    """`ALTER COLUMN … TYPE`."""
    table = table_of(op)
    change = type_changes.decide(op, state)
    rewrite = Rewrite(change.rewrite)
    scan = [table] if rewrite or change.scan else []
    # Foreign keys on the column are dropped and made again, whatever changes.
    partners = [name for name in state.partners(table, op.name) if name != table]
    if rewrite is Rewrite.HEAP and change.renames:
        scan += partners
    locks = ((table, AX), *((name, AX) for name in partners))
    return Effect(locks, rewrite, tuple(scan), change.sure, change.why)


def set_not_null(op: Op, state: State) -> Effect:
    """`SET NOT NULL`."""
    table = table_of(op)
    known = state.table(table)
    lock = ((table, AX),)
    column = known.columns.get(op.name) if known else None
    if column and column.not_null:
        return Effect(lock, why="the column is NOT NULL already")
    dropped = {o.name for o in state.siblings if o.kind is Kind.DROP_CONSTRAINT}
    for constraint in known.constraints if known else ():
        if constraint.valid and op.name in proof(constraint):
            if constraint.name in dropped:
                why = "the CHECK that proves it is dropped in the same ALTER"
                return Effect(lock, scan=(table,), why=why)
            return Effect(lock, why=f"{constraint.name} proves it")
    return Effect(lock, scan=(table,))


def proof(constraint: Constraint) -> frozenset[str]:
    """Columns that a constraint shows to hold no NULL, once it is valid."""
    if constraint.kind == "check" and constraint.enforced:
        return proves_not_null(constraint.expr)
    if constraint.kind in ("notnull", "primary"):
        return frozenset(constraint.columns)
    return frozenset()
