"""How an op changes the tables, domains and enums that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from bluegreen.lint import expressions
from bluegreen.lint.knowledge import Domain, Index, Key, Table
from bluegreen.lint.ops import Column, Constraint, Kind, Name, Op

if TYPE_CHECKING:
    from bluegreen.lint.track import State


def apply(state: State, op: Op) -> None:
    """Change `state.tables` and its neighbours as the server would."""
    if op.kind in _APPLIERS:
        _APPLIERS[op.kind](state, op)
    elif op.kind in _COLUMN_CHANGES and op.table:
        _change_column(state, op.table, op.name, op)


def _at(state: State, name: Name) -> Table:
    return state.tables.get(name.key) or Table(name)


def _put(state: State, table: Table) -> None:
    state.tables[table.name.key] = table


def _create_table(state: State, op: Op) -> None:
    assert op.table is not None
    if state.has_table(op):
        return
    made: list[Constraint] = []
    of_columns = [c for column in op.columns for c in column.constraints]
    for constraint in (*of_columns, *op.constraints):
        made.append(named(Table(op.table, constraints=tuple(made)), constraint))
    keys = {name for c in made if c.kind == "primary" for name in c.columns}
    columns = {
        column.name: column._replace(not_null=True)
        if column.name in keys and not column.not_null
        else column
        for column in op.columns
    }
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
        _put(state, _at(state, above)._replace(inherited=True))
        table = table._replace(columns={**_at(state, above).columns, **table.columns})
    if partition and op.other and (parent := state.table(op.other)):
        table = table._replace(columns={**parent.columns, **table.columns})
    _put(state, table)
    state.fresh.add(op.table.key)
    if op.other and partition and "default" in op.flags:
        _put(state, _at(state, op.other)._replace(default_partition=op.table))


def _create_table_as(state: State, op: Op) -> None:
    assert op.table is not None
    _put(state, Table(op.table, reads=op.reads, mentions=op.mentions))
    state.fresh.add(op.table.key)
    if op.reads:
        state.views.add(op.table.key)


_KEYS = frozenset({"primary", "unique"})
_SUFFIXES = {"primary": "pkey", "unique": "key", "check": "check", "foreign": "fkey"}


def default_name(table: Name, constraint: Constraint) -> str:
    """The name that PostgreSQL gives (`ChooseConstraintName`), clashes left out."""
    suffix = _SUFFIXES.get(constraint.kind, "excl")
    if constraint.kind == "notnull":
        suffix = "not_null"
    columns = () if constraint.kind == "primary" else constraint.columns
    if constraint.kind == "check" and not columns:
        mentioned = tuple(expressions.columns(constraint.expr))
        columns = mentioned if len(mentioned) == 1 else ()
    return "_".join((table.name, *columns, suffix))


def named(table: Table, constraint: Constraint) -> Constraint:
    """The constraint with a name, as PostgreSQL chooses it on this table."""
    if constraint.name:
        return constraint
    plain = default_name(table.name, constraint)
    taken = {known.name for known in table.constraints}
    taken |= {index.name for index in table.indexes}
    free = (f"{plain}{number or ''}" for number in count())
    return constraint._replace(name=next(name for name in free if name not in taken))


def _key_index(constraint: Constraint) -> Index:
    name = constraint.using or constraint.name
    return Index(name, constraint.columns, unique=True)


def _create_index(state: State, op: Op) -> None:
    assert op.table is not None
    table = _at(state, op.table)
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
    _put(state, table._replace(indexes=(*table.indexes, index)))


def _create_view(state: State, op: Op) -> None:
    assert op.table is not None
    if op.table.key not in state.tables:
        state.fresh.add(op.table.key)
    _put(state, Table(op.table, reads=op.reads, mentions=op.mentions))
    state.views.add(op.table.key)


def _create_function(state: State, op: Op) -> None:
    name = op.name.rpartition(".")[2]
    state.calm.discard(name)
    state.wild.discard(name)
    if op.value != "volatile":
        state.calm.add(name)
    elif op.what != "sql":
        # A volatile function in SQL may be inlined, and then nothing is known of it.
        state.wild.add(name)


def _set_logged(state: State, op: Op) -> None:
    assert op.table is not None
    logged = op.kind is Kind.SET_LOGGED
    _put(state, _at(state, op.table)._replace(logged=logged))


def _add_column(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.column is not None
    if state.has_column(op):
        return
    table = _at(state, op.table)
    made = tuple(named(table, c) for c in op.column.constraints)
    indexes = tuple(_key_index(c) for c in made if c.kind in _KEYS)
    table = table._replace(
        columns={**table.columns, op.column.name: op.column},
        constraints=(*table.constraints, *made),
        indexes=(*table.indexes, *indexes),
    )
    _put(state, table)


def _drop_column(state: State, op: Op) -> None:
    assert op.table is not None
    state.file.dropped_names.add((op.table.key, op.name))
    table = _at(state, op.table)
    columns = {name: c for name, c in table.columns.items() if name != op.name}
    kept = tuple(c for c in table.constraints if op.name not in c.columns)
    indexes = tuple(i for i in table.indexes if op.name not in i.names)
    _put(state, table._replace(columns=columns, constraints=kept, indexes=indexes))


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
    table = _at(state, name)
    column = table.columns.get(column_name)
    if column:
        changed = _COLUMN_CHANGES[op.kind](column, op)
        _put(state, table._replace(columns={**table.columns, column_name: changed}))


def _add_constraint(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.constraint is not None
    table = _at(state, op.table)
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
    _put(
        state,
        table._replace(columns=columns, constraints=constraints, indexes=indexes),
    )


def _validate(state: State, op: Op) -> None:
    assert op.table is not None
    table = _at(state, op.table)
    constraints = tuple(
        c._replace(valid=True) if c.name == op.name else c for c in table.constraints
    )
    _put(state, table._replace(constraints=constraints))
    found = state.constraint(op.table, op.name)
    if found and found.kind == "notnull":
        for name in found.columns:
            _change_column(state, op.table, name, op._replace(kind=Kind.SET_NOT_NULL))


def _drop_constraint(state: State, op: Op) -> None:
    assert op.table is not None
    table = _at(state, op.table)
    kept = tuple(c for c in table.constraints if c.name != op.name)
    indexes = tuple(i for i in table.indexes if i.name != op.name)
    _put(state, table._replace(constraints=kept, indexes=indexes))


def _drop(state: State, op: Op) -> None:
    assert op.table is not None
    if op.what in ("table", "materialized view", "view", "foreign table"):
        state.tables.pop(op.table.key, None)
        state.views.discard(op.table.key)
        state.dropped_ever.add(op.table.key)
        if state.filled(op.table):
            state.file.dropped_tables.add(op.table.key)
        state.fresh.discard(op.table.key)
    elif op.what == "index" and (owner := state.table_of_index(op.table)):
        table = _at(state, owner)
        kept = tuple(i for i in table.indexes if i.name != op.table.name)
        _put(state, table._replace(indexes=kept))
    elif op.what in ("domain", "type"):
        state.domains.pop(op.table.key, None)
        state.enums.discard(op.table.key)


def _rename(state: State, op: Op) -> None:
    if op.table is None:
        return
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
            _put(state, _with_column_renamed(below, op.name, op.value))
        _put(state, state.tables[table.name.key]._replace(columns=columns))
    elif op.what == "index":
        _rename_index(state, op.table.name, op.value)
    elif op.what == "constraint" and (table := state.table(op.table)):
        constraints = tuple(
            c._replace(name=op.value) if c.name == op.name else c
            for c in table.constraints
        )
        _put(state, table._replace(constraints=constraints))


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
    table = _at(state, owner)
    indexes = tuple(i._replace(name=new) if i.name == old else i for i in table.indexes)
    _put(state, table._replace(indexes=indexes))


def _move(state: State, table: Table, name: Name) -> None:
    if table.name.key in state.fresh:
        state.fresh.discard(table.name.key)
        state.fresh.add(name.key)
    _put(state, table._replace(name=name))
    for other in list(state.tables.values()):
        _put(state, _renamed(other, table.name.key, name))


def _renamed(table: Table, old: Key, new: Name) -> Table:
    """A table whose relative has another name now."""

    def now(name: Name | None) -> Name | None:
        return new if name and name.key == old else name

    return table._replace(
        parent=now(table.parent),
        default_partition=now(table.default_partition),
        inherits=tuple(now(name) or name for name in table.inherits),
        reads=tuple(now(name) or name for name in table.reads),
        constraints=tuple(
            c._replace(references=now(c.references)) for c in table.constraints
        ),
    )


def _set_schema(state: State, op: Op) -> None:
    if op.what == "table" and op.table:
        table = state.tables.pop(op.table.key, None)
        if table:
            _move(state, table, Name(op.value, op.table.name))


def _attach(state: State, op: Op) -> None:
    assert op.table is not None
    assert op.other is not None
    if op.what == "index":
        return
    _put(state, _at(state, op.other)._replace(parent=op.table))
    if "default" in op.flags:
        _put(state, _at(state, op.table)._replace(default_partition=op.other))


def _detach(state: State, op: Op) -> None:
    assert op.table is not None
    parent = _at(state, op.table)
    default = parent.default_partition
    if op.other and (child := state.table(op.other)):
        _put(state, child._replace(parent=None))
    if default and op.other and default.key == op.other.key:
        _put(state, parent._replace(default_partition=None))


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
    Kind.SET_LOGGED: _set_logged,
    Kind.SET_UNLOGGED: _set_logged,
    Kind.ADD_COLUMN: _add_column,
    Kind.DROP_COLUMN: _drop_column,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.VALIDATE_CONSTRAINT: _validate,
    Kind.DROP_CONSTRAINT: _drop_constraint,
    Kind.DROP: _drop,
    Kind.RENAME: _rename,
    Kind.SET_SCHEMA: _set_schema,
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
