"""How an op changes the tables, domains and enums that are known; renames apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bluegreen.lint.tracking import renames
from bluegreen.lint.tracking.state import State
from bluegreen.sql.constraint_names import named
from bluegreen.sql.knowledge import Domain, Index, Table
from bluegreen.sql.ops import Column, Constraint, Kind, Name, Op


def apply(state: State, op: Op) -> None:
    """Change `state.tables` and its neighbours as the server would."""
    if op.kind in _APPLIERS:
        _APPLIERS[op.kind](state, op)
    elif op.kind in _COLUMN_CHANGES and op.table:
        _change_column(state, op.table, op.name, op)


def _create_table(state: State, op: Op) -> None:
    assert op.table is not None
    if state.has_table(op):
        return
    made: list[Constraint] = []
    of_columns = [c for column in op.columns for c in column.constraints]
    for constraint in (*of_columns, *op.constraints):
        made.append(named(Table(op.table, constraints=tuple(made)), constraint))
    columns = {column.name: column for column in op.columns}
    for name in {name for c in made if c.kind == "primary" for name in c.columns}:
        if name in columns and not columns[name].not_null:
            columns[name] = columns[name]._replace(not_null=True)
    indexes = tuple(_key_index(c) for c in made if c.kind in _KEYS)
    partition = "partition" in op.flags
    table = Table(
        op.table,
        columns,
        tuple(made),
        indexes,
        complete=not op.other,
        parent=op.other if partition else None,
        partitioned="partitioned" in op.flags,
        logged="unlogged" not in op.flags,
        partition_key=op.names,
        inherits=() if partition else op.reads,
    )
    for above in table.inherits:
        state.put(state.at(above)._replace(inherited=True))
        table = table._replace(columns={**state.at(above).columns, **table.columns})
    if partition and op.other and (parent := state.table(op.other)):
        table = table._replace(columns={**parent.columns, **table.columns})
    state.put(table)
    state.fresh.add(op.table.key)
    if op.other and partition and "default" in op.flags:
        state.put(state.at(op.other)._replace(default_partition=op.table))


def _create_table_as(state: State, op: Op) -> None:
    assert op.table is not None
    state.put(Table(op.table, reads=op.reads, uses=op.uses))
    state.fresh.add(op.table.key)
    if op.reads:
        state.views.add(op.table.key)


_KEYS = frozenset({"primary", "unique"})


def _key_index(constraint: Constraint) -> Index:
    name = constraint.using or constraint.name
    return Index(name, constraint.columns, unique=True)


def _create_index(state: State, op: Op) -> None:
    assert op.table is not None
    table = state.at(op.table)
    name = op.name or "_".join((op.table.name, *op.names, "idx"))
    unique = "unique" in op.flags
    index = Index(
        name,
        op.names,
        op.mentions,
        unique=unique,
        included=int(op.value or 0),
        computed="partial" in op.flags or "" in op.names,
    )
    state.put(table._replace(indexes=(*table.indexes, index)))


def _create_view(state: State, op: Op) -> None:
    assert op.table is not None
    if op.table.key not in state.tables:
        state.fresh.add(op.table.key)
    state.put(Table(op.table, reads=op.reads, uses=op.uses))
    state.views.add(op.table.key)


def _create_function(state: State, op: Op) -> None:
    name = op.name.rpartition(".")[2]
    state.stable.discard(name)
    state.volatile.discard(name)
    if op.value != "volatile":
        state.stable.add(name)
    elif op.what != "sql":
        # A volatile function in SQL may be inlined, and then nothing is known of it.
        state.volatile.add(name)


def _create_trigger(state: State, op: Op) -> None:
    assert op.table is not None
    state.triggers[op.table.key, op.name] = op


def _set_logged(state: State, op: Op) -> None:
    assert op.table is not None
    logged = op.kind is Kind.SET_LOGGED
    state.put(state.at(op.table)._replace(logged=logged))


def _add_column(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.column is not None
    if state.has_column(op):
        return
    table = state.at(op.table)
    made = tuple(named(table, c) for c in op.column.constraints)
    indexes = tuple(_key_index(c) for c in made if c.kind in _KEYS)
    table = table._replace(
        columns={**table.columns, op.column.name: op.column},
        constraints=(*table.constraints, *made),
        indexes=(*table.indexes, *indexes),
    )
    state.put(table)


def _drop_column(state: State, op: Op) -> None:
    assert op.table is not None
    state.file.dropped_names.add((op.table.key, op.name))
    table = state.at(op.table)
    columns = {name: c for name, c in table.columns.items() if name != op.name}
    kept = tuple(c for c in table.constraints if op.name not in c.columns)
    indexes = tuple(i for i in table.indexes if op.name not in i.names)
    state.put(table._replace(columns=columns, constraints=kept, indexes=indexes))


_COLUMN_CHANGES: dict[Kind, Callable[[Column, Op], Column]] = {
    Kind.ALTER_TYPE: lambda column, op: column._replace(
        type=op.type or column.type, collation=op.value
    ),
    Kind.SET_NOT_NULL: lambda column, _: column._replace(not_null=True),
    Kind.DROP_NOT_NULL: lambda column, _: column._replace(not_null=False),
    Kind.SET_DEFAULT: lambda column, op: column._replace(default=op.expr),
    Kind.DROP_DEFAULT: lambda column, _: column._replace(default=None),
    Kind.ADD_IDENTITY: lambda column, _: column._replace(identity=True),
    Kind.DROP_EXPRESSION: lambda column, _: column._replace(generated="", expr=None),
    Kind.SET_EXPRESSION: lambda column, op: column._replace(expr=op.expr),
}


def _change_column(state: State, name: Name, column_name: str, op: Op) -> None:
    table = state.at(name)
    column = table.columns.get(column_name)
    if column:
        changed = _COLUMN_CHANGES[op.kind](column, op)
        state.put(table._replace(columns={**table.columns, column_name: changed}))


def _add_constraint(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.constraint is not None
    table = state.at(op.table)
    made = named(table, op.constraint)
    if made.using and not made.columns:
        built = next((i for i in table.indexes if i.name == made.using), None)
        made = made._replace(columns=built.names if built else ())
    if state.transaction and not made.valid:
        state.transaction.unproved.add((op.table.key, made.name))
    columns = dict(table.columns)
    if made.kind == "primary" or (made.kind == "notnull" and made.valid):
        for name in made.columns:
            if name in columns:
                columns[name] = columns[name]._replace(not_null=True)
    indexes = table.indexes
    if made.kind in _KEYS and not made.using:
        indexes = (*indexes, _key_index(made))
    constraints = (*table.constraints, made)
    state.put(
        table._replace(columns=columns, constraints=constraints, indexes=indexes),
    )


def _validate(state: State, op: Op) -> None:
    assert op.table is not None
    table = state.at(op.table)
    constraints = tuple(
        c._replace(valid=True) if c.name == op.name else c for c in table.constraints
    )
    state.put(table._replace(constraints=constraints))
    found = state.constraint(op.table, op.name)
    if found and found.kind == "notnull":
        for name in found.columns:
            _change_column(state, op.table, name, op._replace(kind=Kind.SET_NOT_NULL))


def _drop_constraint(state: State, op: Op) -> None:
    assert op.table is not None
    table = state.at(op.table)
    kept = tuple(c for c in table.constraints if c.name != op.name)
    indexes = tuple(i for i in table.indexes if i.name != op.name)
    state.put(table._replace(constraints=kept, indexes=indexes))


def _drop(state: State, op: Op) -> None:
    assert op.table is not None
    if op.what in ("table", "materialized view", "view", "foreign table"):
        state.tables.pop(op.table.key, None)
        state.views.discard(op.table.key)
        state.dropped_ever.add(op.table.key)
        if op.what == "table" and state.filled(op.table):
            state.file.dropped_tables.add(op.table.key)
        state.fresh.discard(op.table.key)
    elif op.what == "index" and (owner := state.table_of_index(op.table)):
        table = state.at(owner)
        kept = tuple(i for i in table.indexes if i.name != op.table.name)
        state.put(table._replace(indexes=kept))
    elif op.what == "trigger":
        state.triggers.pop((op.table.key, op.name), None)
    elif op.what in ("domain", "type"):
        state.domains.pop(op.table.key, None)
        state.enums.discard(op.table.key)


def _attach(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.other is not None
    if op.what == "index":
        return
    state.put(state.at(op.other)._replace(parent=op.table))
    if "default" in op.flags:
        state.put(state.at(op.table)._replace(default_partition=op.other))


def _detach(state: State, op: Op) -> None:
    assert op.table is not None
    parent = state.at(op.table)
    default = parent.default_partition
    if op.other and (child := state.table(op.other)):
        state.put(child._replace(parent=None))
    if default and op.other and default.key == op.other.key:
        state.put(parent._replace(default_partition=None))


def _create_domain(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.type is not None
    kinds = {constraint.kind for constraint in op.constraints}
    constrained = bool(kinds & {"check", "notnull"})
    state.domains[op.table.key] = Domain(op.type, constrained, op.expr)


def _constrain_domain(state: State, op: Op) -> None:
    assert op.table is not None
    if known := state.domains.get(op.table.key):
        state.domains[op.table.key] = replace(known, constrained=True)


def _change_domain(state: State, op: Op) -> None:
    assert op.table is not None
    if op.what == "set not null":
        _constrain_domain(state, op)
    elif op.what == "default" and (known := state.domains.get(op.table.key)):
        state.domains[op.table.key] = replace(known, default=op.expr)


def _create_enum(state: State, op: Op) -> None:
    assert op.table is not None
    state.enums.add(op.table.key)
    state.fresh.add(op.table.key)


def _add_enum_value(state: State, op: Op) -> None:
    assert op.table is not None
    if state.transaction and op.table.key not in state.fresh:
        state.transaction.values.add(op.value)


def _bulk(state: State, op: Op) -> None:
    if op.table and op.kind is not Kind.DELETE:
        state.file.bulk.setdefault(op.table.key, op)


def _analyze(state: State, op: Op) -> None:
    if op.table:
        state.file.bulk.pop(op.table.key, None)
    else:
        state.file.bulk.clear()


_APPLIERS: dict[Kind, Callable[[State, Op], None]] = {
    Kind.CREATE_TABLE: _create_table,
    Kind.CREATE_TABLE_AS: _create_table_as,
    Kind.CREATE_INDEX: _create_index,
    Kind.CREATE_VIEW: _create_view,
    Kind.CREATE_FUNCTION: _create_function,
    Kind.CREATE_TRIGGER: _create_trigger,
    Kind.SET_LOGGED: _set_logged,
    Kind.SET_UNLOGGED: _set_logged,
    Kind.ADD_COLUMN: _add_column,
    Kind.DROP_COLUMN: _drop_column,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.VALIDATE_CONSTRAINT: _validate,
    Kind.DROP_CONSTRAINT: _drop_constraint,
    Kind.DROP: _drop,
    Kind.RENAME: renames.rename,
    Kind.SET_SCHEMA: renames.set_schema,
    Kind.ATTACH_PARTITION: _attach,
    Kind.DETACH_PARTITION: _detach,
    Kind.CREATE_DOMAIN: _create_domain,
    Kind.DOMAIN_ADD_CONSTRAINT: _constrain_domain,
    Kind.DOMAIN_OTHER: _change_domain,
    Kind.CREATE_ENUM: _create_enum,
    Kind.ADD_ENUM_VALUE: _add_enum_value,
    Kind.UPDATE: _bulk,
    Kind.INSERT: _bulk,
    Kind.COPY_IN: _bulk,
    Kind.ANALYZE: _analyze,
    Kind.VACUUM: _analyze,
}
