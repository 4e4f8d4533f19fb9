"""What making, attaching, detaching and dropping tables does to their relatives."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.lint.effects.effect import AX, NO_EFFECT, SRX, SUX, Effect, Lock, Rewrite
from bluegreen.lint.effects.of_columns import proof
from bluegreen.lint.effects.reach import everywhere, leaves, referencing, table_of
from bluegreen.lint.tracking.state import State
from bluegreen.sql import bounds
from bluegreen.sql.expressions import columns
from bluegreen.sql.knowledge import Index, Table
from bluegreen.sql.ops import Constraint, Name, Op

_FIRST_THAT_LOCKS_REFERENCING = 15


def create_table(op: Op, state: State) -> Effect:
    """`CREATE TABLE`, with what it references, inherits from or is a partition of."""
    if state.has_table(op):
        return NO_EFFECT
    locks: list[tuple[Name, Lock]] = []
    scan: tuple[Name, ...] = ()
    keys = [*op.constraints, *(c for col in op.columns for c in col.constraints)]
    for other in (key.references for key in keys):
        if other and other != op.table:
            locks += [(name, SRX) for name in everywhere(other, state)]
    if op.other and "partition" in op.flags:
        locks.append((op.other, AX))
        locks += [(name, lock) for name, lock in _keys_of(op.other, None, state)]
        if default := state.default_partition(op.other):
            locks.append((default, AX))
            scan = () if _outside(op, op.other, default, state) else (default,)
    elif op.other:
        locks.append((op.other, SUX))
    return Effect(tuple(locks), scan=scan)


def attach(op: Op, state: State) -> Effect:
    """`ATTACH PARTITION`: of a table, or of an index, which reads nothing."""
    parent, child = table_of(op), op.other
    assert child is not None
    if op.what == "index":
        return NO_EFFECT
    read, why = _read_as_attached(op, parent, child, state)
    locks = [(parent, SUX), *((name, AX) for name in everywhere(child, state))]
    locks += _keys_of(parent, child, state)
    default = state.default_partition(parent)
    if default and default != child:
        locks.append((default, AX))
        if not _outside(op, parent, default, state):
            read.append(default)
    scan = tuple(dict.fromkeys(read))
    return Effect(tuple(locks), scan=scan, sure=not scan, why=why)


def _read_as_attached(
    op: Op, parent: Name, child: Name, state: State
) -> tuple[list[Name], str]:
    """What is read besides the default partition: the new one, referenced tables."""
    known = state.table(child)
    if not state.filled(child):
        return [], ""
    above = state.table(parent)
    keys = above.constraints if above else ()
    unchecked = [key for key in keys if key.references and not _has_key(known, key)]
    if unchecked:
        others = [key.references for key in unchecked if key.references]
        read = [child, *(leaf for name in others for leaf in leaves(name, state))]
        return read, f"a foreign key of {parent} is checked on it"
    if missing := _missing_index(above, known):
        return [child], f"index {missing} of {parent} is built on it"
    if _within(op, above, known, state):
        return [], ""
    return list(leaves(child, state)), ""


def _keys_of(
    parent: Name, child: Name | None, state: State
) -> Iterator[tuple[Name, Lock]]:
    """What a new partition locks by its parent's foreign keys, and by those to it."""
    above = state.table(parent)
    known = state.table(child) if child else None
    for key in above.constraints if above else ():
        if key.references:
            lock = AX if _has_key(known, key) else SRX
            yield from ((name, lock) for name in everywhere(key.references, state))
    if state.versions.high >= _FIRST_THAT_LOCKS_REFERENCING:
        yield from ((name, SRX) for name in referencing(parent, state))


def _has_key(known: Table | None, wanted: Constraint) -> bool:
    keys = known.constraints if known else ()
    return any(
        key.references == wanted.references and key.columns == wanted.columns
        for key in keys
    )


def _missing_index(above: Table | None, known: Table | None) -> str:
    """An index of the parent that the new partition does not have."""

    def shape(index: Index) -> tuple[object, ...]:
        return index.names, index.unique, index.included, index.mentions

    have = {shape(index) for index in (known.indexes if known else ())}
    wanted = above.indexes if above else ()
    return next((index.name for index in wanted if shape(index) not in have), "")


def _within(op: Op, above: Table | None, known: Table | None, state: State) -> bool:
    """Whether valid CHECKs prove that the rows of the new partition are its own."""
    if "default" in op.flags:
        return (
            above is not None
            and above.complete
            and not list(state.partitions(above.name))
        )
    bound = bounds.bound_of(op.expr)
    if bound is None or known is None:
        return False
    if above is None or not above.partitioned:
        # The key is not known: whatever column keeps to the bound will be it.
        checks = _checks(known)
        keys = {name for check in checks for name in columns(check)}
        return any(bounds.kept(bound, key, checks, nulls=False) for key in keys)
    if len(above.partition_key) != 1:
        return False
    (key,) = above.partition_key
    column = known.columns.get(key)
    proved = {name for c in known.constraints if c.valid for name in proof(c)}
    nulls = not (column and column.not_null) and key not in proved
    return bounds.kept(bound, key, _checks(known), nulls=nulls)


def _outside(op: Op, parent: Name, default: Name, state: State) -> bool:
    """Whether CHECKs prove that the default partition has no row for the new one."""
    above, known = state.table(parent), state.table(default)
    if not state.filled(default):
        return True
    bound = bounds.bound_of(op.expr)
    if bound is None or known is None or above is None or len(above.partition_key) != 1:
        return False
    return bounds.missed(bound, above.partition_key[0], _checks(known))


def _checks(known: Table) -> list[dict[str, object] | None]:
    return [
        c.expr
        for c in known.constraints
        if c.kind == "check" and c.valid and c.enforced
    ]


def detach(op: Op, state: State) -> Effect:
    """`DETACH PARTITION`."""
    parent, child = table_of(op), op.other
    assert child is not None
    if "concurrently" in op.flags:
        return Effect(((parent, SUX), (child, AX)))
    # 13 takes SHARE UPDATE EXCLUSIVE on the child, later versions ACCESS EXCLUSIVE.
    child_lock = AX if state.versions.high >= 14 else SUX
    below = everywhere(child, state)[1:]
    locks = [(parent, AX), (child, child_lock), *((name, AX) for name in below)]
    if default := state.default_partition(parent):
        locks.append((default, AX))
    return Effect(tuple(locks))


def drop_table(op: Op, state: State) -> Effect:
    """`DROP TABLE`, with parents of its keys and partitions, and what CASCADE takes."""
    table = table_of(op)
    found = dict.fromkeys(_dropped_with(table, state))
    if "cascade" in op.flags:
        found |= dict.fromkeys(referencing(table, state))
        found |= dict.fromkeys(views_over(table, state))
    return Effect(tuple((name, AX) for name in found))


def _dropped_with(table: Name, state: State) -> Iterator[Name]:
    yield table
    known = state.table(table)
    if known is None:
        return
    for key in known.constraints:
        if key.references:
            yield from everywhere(key.references, state)
    if known.parent:
        yield known.parent
        if default := state.default_partition(known.parent):
            yield default


def views_over(table: Name, state: State) -> Iterator[Name]:
    """Views made of a table, and views made of those."""
    for view in state.views_on(table):
        yield view
        yield from views_over(view, state)


def drop_function(op: Op, state: State) -> Effect:
    """`DROP FUNCTION … CASCADE` takes the triggers that call it from their tables."""
    found = {}
    for trigger in state.triggers_calling(table_of(op)):
        owner = table_of(trigger)
        reached = everywhere(owner, state) if "row" in trigger.flags else (owner,)
        found.update(dict.fromkeys(reached, AX))
    return Effect(tuple(found.items()))


def drop_schema(op: Op, state: State) -> Effect:
    """`DROP SCHEMA … CASCADE`: every table in it that is known."""
    if "cascade" not in op.flags:
        return NO_EFFECT
    schema = table_of(op).name
    inside = [table.name for key, table in state.tables.items() if key[0] == schema]
    return Effect(tuple((name, AX) for name in sorted(inside)), sure=False)


def truncate(op: Op, state: State) -> Effect:
    """`TRUNCATE`."""
    table = table_of(op)
    more = state.emptied_with(table) if "cascade" in op.flags else []
    return Effect(tuple((name, AX) for name in (table, *more)), Rewrite.HEAP)
