"""How a rename or a move to another schema changes the tables that are known."""

from __future__ import annotations

from bluegreen.lint.tracking.state import State
from bluegreen.sql import expressions
from bluegreen.sql.knowledge import Key, Table
from bluegreen.sql.ops import Name, Op
from bluegreen.sql.view_columns import renamed


def rename(state: State, op: Op) -> None:
    """Let a table, column, index or constraint have another name."""
    if op.table is None:
        return
    if op.what in _RELATIONS:
        _leave(state, op.table, Name(op.table.schema, op.value))
    if op.what == "table" and (table := state.tables.pop(op.table.key, None)):
        _move(state, table, Name(op.table.schema, op.value))
    elif op.what == "column" and (table := state.table(op.table)):
        columns = {
            op.value if name == op.name else name: (
                column._replace(name=op.value) if name == op.name else column
            )
            for name, column in table.columns.items()
        }
        for below in (table, *state.partitions(table.name)):
            state.put(_with_column_renamed(below, op.name, op.value))
        state.put(state.tables[table.name.key]._replace(columns=columns))
        _follow_in_views(state, (table.name.name, op.name), op.value)
    elif op.what == "index":
        _rename_index(state, op.table.name, op.value)
    elif op.what == "constraint" and (table := state.table(op.table)):
        constraints = tuple(
            c._replace(name=op.value) if c.name == op.name else c
            for c in table.constraints
        )
        state.put(table._replace(constraints=constraints))


_RELATIONS = frozenset({"table", "view", "materialized view", "foreign table"})


def _leave(state: State, old: Name, new: Name) -> None:
    """Let nothing have the old name any more, whether or not its table is known."""
    state.dropped_ever.add(old.key)
    state.file.renamed[new.key] = state.file.renamed.pop(old.key, old)


def _follow_in_views(state: State, old: tuple[str, str], new: str) -> None:
    for view in (state.tables[key] for key in state.views):
        if old in view.uses:
            state.put(view._replace(uses=view.uses - {old} | {(old[0], new)}))


def _with_column_renamed(table: Table, old: str, new: str) -> Table:
    """Its indexes and constraints with the new name of a column in them."""

    def now(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    indexes = tuple(
        i._replace(
            names=now(i.names), mentions=frozenset(now(tuple(sorted(i.mentions))))
        )
        for i in table.indexes
    )
    constraints = tuple(
        c._replace(columns=now(c.columns), expr=expressions.renamed(c.expr, old, new))
        for c in table.constraints
    )
    key = now(table.partition_key)
    return table._replace(indexes=indexes, constraints=constraints, partition_key=key)


def _rename_index(state: State, old: str, new: str) -> None:
    owner = state.table_of_index(Name("", old))
    if owner is None:
        return
    table = state.at(owner)
    indexes = tuple(i._replace(name=new) if i.name == old else i for i in table.indexes)
    state.put(table._replace(indexes=indexes))


def _move(state: State, table: Table, name: Name) -> None:
    if table.name.key in state.fresh:
        state.fresh.discard(table.name.key)
        state.fresh.add(name.key)
    state.put(table._replace(name=name))
    for other in list(state.tables.values()):
        state.put(_renamed(other, table.name.key, name))


def _renamed(table: Table, old: Key, new: Name) -> Table:
    """A table whose relative has another name now."""

    def now(name: Name | None) -> Name | None:
        return new if name and name.key == old else name

    return table._replace(
        parent=now(table.parent),
        default_partition=now(table.default_partition),
        inherits=tuple(now(name) or name for name in table.inherits),
        reads=tuple(now(name) or name for name in table.reads),
        uses=renamed(table.uses, old[1], new.name),
        constraints=tuple(
            c._replace(references=now(c.references)) for c in table.constraints
        ),
    )


def set_schema(state: State, op: Op) -> None:
    """Let a table be in another schema."""
    if op.what in _RELATIONS and op.table:
        _leave(state, op.table, Name(op.value, op.table.name))
    if op.what == "table" and op.table:
        table = state.tables.pop(op.table.key, None)
        if table:
            _move(state, table, Name(op.value, op.table.name))
