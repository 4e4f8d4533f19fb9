"""What the files have done so far, statement by statement, over the whole set.

Owns the fold from ops to the state: the file, the transaction and the session's
settings; tables are for `tables.py`. It judges nothing: rules ask the state
before each op, then the op is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from bluegreen.lint.effects.effect import Effect
from bluegreen.lint.effects.of_operations import effect
from bluegreen.lint.tracking import tables
from bluegreen.lint.tracking.state import FileSoFar, State, Transaction
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.sql.knowledge import Key, Knowledge
from bluegreen.sql.ops import DATA, SCHEMA, Kind, Op
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.search_path import TEMPORARY, at_home, homed
from bluegreen.sql.source import Source


def open_file(state: State, source: Source, *, in_transaction: bool) -> None:
    """Begin a file, in a transaction of the tool's where it makes one."""
    state.file = FileSoFar(source)
    if in_transaction and state.transaction is None:
        state.transaction = Transaction(explicit=False)


def close_file(state: State) -> None:
    """End a file: the tool commits what the tool began."""
    if state.transaction and not state.transaction.explicit:
        state.transaction = None
    if state.history:
        state.fresh = {key for key in state.fresh if key[0] == TEMPORARY}


def look(state: State, op: Op, siblings: list[Op]) -> Effect:
    """Set the stage for the rules."""
    state.siblings = siblings
    state.effect = effect(op, state)
    return state.effect


def apply(state: State, op: Op) -> None:
    """Let the op have happened."""
    _remember(state, op)
    _hold(state, op)
    if op.kind in _SESSION:
        _apply_session(state, op)
    else:
        if op.kind is Kind.SET_NOT_NULL and op.table:
            state.made_not_null.setdefault(op.table.key, set()).add(op.name)
        tables.apply(state, op)


def _remember(state: State, op: Op) -> None:
    file = state.file
    file.kinds.add(op.kind)
    state.opaque |= op.kind is Kind.DYNAMIC_SQL
    if op.kind in _LOSES and not file.lost and state.filled_or_unknown(op):
        file.lost = _LOSES[op.kind]
    if op.kind in DATA and not (op.table and op.table.name in BOOKKEEPING):
        file.data = file.data or op
        if op.table:
            state.changed_rows.add(op.table.key)
    schema = op.kind in SCHEMA
    if schema:
        file.schema = file.schema or op
    if op.table is None:
        file.other_schema |= schema
        return
    key = op.table.key
    if state.effect.scan:
        file.scanned.setdefault(key, op)
    if schema:
        _remember_schema(state, op, key)


def _remember_schema(state: State, op: Op, key: Key) -> None:
    state.file.changed_keys.add(key)
    match op.kind:
        case Kind.ADD_COLUMN:
            state.added_columns.setdefault(key, set()).add(op.name)
        case Kind.CREATE_TRIGGER:
            state.kept_by_trigger.add(key)
        case Kind.CREATE_INDEX if "concurrently" in op.flags:
            state.built_indexes[key] = op.name
    if op.kind is Kind.CREATE_TABLE or not state.filled(op.table):
        return
    state.file.changed.setdefault(key, op)
    state.touched.setdefault(key, set()).add(state.file.source.name)


def _hold(state: State, op: Op) -> None:
    if state.transaction is None:
        return
    for name, lock in state.effect.locks:
        held = state.transaction.locks.get(name.key)
        if state.filled(name) and (held is None or held[0] < lock):
            state.transaction.locks[name.key] = (lock, op)


def _apply_session(state: State, op: Op) -> None:
    match op.kind:
        case Kind.BEGIN:
            state.transaction = replace(
                state.transaction or Transaction(explicit=True), explicit=True
            )
        case Kind.COMMIT | Kind.ROLLBACK:
            chained = "chain" in op.flags
            state.transaction = Transaction(explicit=True) if chained else None
        case Kind.SET if "reset" in op.flags:
            state.session.pop(op.name, None)
        case Kind.SET if "local" in op.flags:
            if state.transaction:
                state.transaction.local[op.name] = op.value
        case Kind.SET:
            state.session[op.name] = op.value


# What no file of the way down brings back.
_LOSES = {
    Kind.DROP_COLUMN: "the values of a dropped column",
    Kind.TRUNCATE: "truncated rows",
    Kind.DELETE: "deleted rows",
    Kind.UPDATE: "the values before an UPDATE",
    Kind.ADD_ENUM_VALUE: "an enum without its new value",
}
_SESSION = frozenset({Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SET})


def know(
    sources: Iterable[Source],
    *,
    rows: Mapping[Key, int] | None = None,
    writes: Mapping[Key, float] | None = None,
    timezone: str = "",
    whole: bool = False,
    schema: str = "public",
) -> Knowledge:
    """Learn a catalog from SQL: a schema dump, or the migrations already applied.

    Args:
        sources: files in the order in which they ran.
        rows: estimates by schema and table.
        writes: rows written a second, by schema and table.
        timezone: what migrations run with, where it is known.
        whole: whether the files hold every table there is.
        schema: where names without a schema go.
    """
    state = State()
    for source in sources:
        open_file(state, source, in_transaction=False)
        for statement in source.statements:
            found = state.where_written(ops(statement))
            state.siblings = [homed(op, schema) for op in found]
            for op in state.siblings:
                apply(state, op)
    counted = {
        key: table._replace(
            rows=(rows or {}).get(at_home(key, schema)),
            writes=(writes or {}).get(at_home(key, schema)),
        )
        for key, table in state.tables.items()
    }
    return Knowledge(
        counted,
        state.domains,
        frozenset(state.enums),
        frozenset(state.stable),
        frozenset(state.volatile),
        whole,
        timezone,
        schema,
        state.triggers,
    )
