"""How far a lock reaches: partitions and heirs of a table.

Which op takes which lock on its own table is for the other deciders.
"""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.lint.effects.effect import Effect, Lock, S
from bluegreen.lint.tracking.state import State
from bluegreen.sql.knowledge import Table
from bluegreen.sql.ops import Kind, Name, Op

# `ALTER TABLE`, `CREATE INDEX` and the like on a partitioned table reach its partitions
# with the same lock, unless they say ONLY.
_REACHING = frozenset(
    {
        *(Kind.ADD_COLUMN, Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.SET_DEFAULT),
        *(Kind.DROP_DEFAULT, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.TRUNCATE),
        *(Kind.ADD_CONSTRAINT, Kind.DROP_CONSTRAINT, Kind.VALIDATE_CONSTRAINT),
        *(Kind.CREATE_INDEX, Kind.ANALYZE, Kind.LOCK_TABLE, Kind.DROP),
        Kind.SET_STORAGE,
    }
)
_FIRST_THAT_RENAMES_TRIGGERS_BELOW = 15
# Measured: 18 locks partitions and heirs like their parent in a few more cases.
_FIRST_THAT_LOCKS_ALIKE = 18


def table_of(op: Op) -> Name:
    """The table of an op that has one."""
    assert op.table is not None
    return op.table


def everywhere(table: Name, state: State) -> tuple[Name, ...]:
    """A table with its partitions: what a foreign key to it locks."""
    known = state.table(table)
    if known is None or not known.partitioned:
        return (table,)
    return (table, *(part.name for part in state.partitions(table)))


def leaves(table: Name, state: State) -> tuple[Name, ...]:
    """Where the rows of a table are: itself, or its partitions.

    A partitioned table without a partition that we know of stands for them all, unless
    nothing can be hidden: functions and extensions make partitions that no file shows.
    """
    known = state.table(table)
    if known is None or not known.partitioned:
        return (table,)
    below = list(state.partitions(table))
    if not below and not state.knowledge.whole:
        return (table,)
    return tuple(part.name for part in below if not part.partitioned)


def reaching(op: Op, found: Effect, state: State) -> Effect:
    """The effect with what it does to partitions and heirs of its table."""
    known = state.table(op.table) if op.table else None
    if known is None or not (known.partitioned or known.inherited):
        return found
    lock = found.lock_on(known.name)
    if lock is None or not _reaches(op, found, state):
        return found
    if known.partitioned:
        return _to_partitions(op, found, lock, known, state)
    return _to_heirs(op, found, lock, known, state)


def _reaches(op: Op, found: Effect, state: State) -> bool:
    match op.kind:
        case Kind.CREATE_TRIGGER:
            return "row" in op.flags
        case Kind.RENAME if op.what == "trigger":
            return state.versions.high >= _FIRST_THAT_RENAMES_TRIGGERS_BELOW
        case Kind.RENAME:
            return op.what in ("column", "constraint")
        case Kind.TABLE_SETTING:
            return op.value == "statistics"
        case Kind.VALIDATE_CONSTRAINT if not found.scan:
            return False
    return op.kind in _REACHING and "only" not in op.flags


def _to_partitions(
    op: Op, found: Effect, lock: Lock, known: Table, state: State
) -> Effect:
    constraint = op.constraint
    if constraint and constraint.kind in ("unique", "primary"):
        alike = state.versions.high >= _FIRST_THAT_LOCKS_ALIKE
        # Before, as CREATE INDEX would.
        lock = lock if alike else S
    locks = [*found.locks]
    locks += ((part.name, lock) for part in state.partitions(known.name))
    scan = set(found.scan)
    if known.name in scan:
        scan = scan - {known.name} | set(leaves(known.name, state))
    return found._replace(locks=tuple(locks), scan=tuple(sorted(scan)))


def _to_heirs(op: Op, found: Effect, lock: Lock, known: Table, state: State) -> Effect:
    """Indexes, keys and row triggers are not inherited, columns and CHECKs are."""
    if op.kind in (Kind.CREATE_INDEX, Kind.CREATE_TRIGGER) or _drops_alone(op):
        return found
    constraint = op.constraint
    own = constraint is not None and constraint.kind not in ("check", "primary")
    alike = state.versions.high >= _FIRST_THAT_LOCKS_ALIKE
    if (own or op.kind is Kind.ANALYZE) and not alike:
        return found
    heirs = tuple(state.partitions(known.name))
    locks = (*found.locks, *((heir.name, lock) for heir in heirs))
    scan = set(found.scan)
    if known.name in scan and not own:
        scan |= {heir.name for heir in heirs}
    return found._replace(locks=locks, scan=tuple(sorted(scan)))


def _drops_alone(op: Op) -> bool:
    return op.kind is Kind.DROP and "cascade" not in op.flags


def referencing(table: Name, state: State) -> Iterator[Name]:
    """Tables with a foreign key to this one."""
    for other in state.tables.values():
        keys = (key.references for key in other.constraints)
        if any(name and name.key == table.key for name in keys):
            yield other.name
