"""Rules about a name that stands twice where PostgreSQL allows it once."""

from __future__ import annotations

from collections.abc import Iterable

from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import DATA, Constraint, Kind, Op
from bluegreen.sql.reading.targets import again


def _column_twice(op: Op, state: State) -> str | None:
    if op.kind is Kind.CREATE_TABLE:
        name = again(column.name for column in op.columns)
        return f"{op.table} would have two columns called {name}" if name else None
    if op.kind is Kind.ADD_COLUMN:
        return _added_twice(op, state)
    if not op.twice:
        return None
    if op.kind in DATA:
        return f"{op.twice} is given two values in one statement"
    return f"{op.table} would have two columns called {op.twice}"


def _added_twice(op: Op, state: State) -> str | None:
    known = state.table(op.table) if op.table else None
    if known is None or op.name not in known.columns or _is_conditional(op, state):
        return None
    if "missing_ok" in op.flags or _dropped_beside(op, state, Kind.DROP_COLUMN):
        return None
    return f"{op.table} has a column {op.name} already"


def _is_conditional(op: Op, state: State) -> bool:
    """Whether the file may know more of the table by then than its text shows."""
    return op.inside or state.opaque


def _dropped_beside(op: Op, state: State, kind: Kind) -> bool:
    """One ALTER TABLE drops before it adds, in whatever order it is written."""
    return any(other.kind is kind and other.name == op.name for other in state.siblings)


def _constraint_twice(op: Op, state: State) -> str | None:
    if op.kind is Kind.CREATE_TABLE:
        name = again(constraint.name for constraint in _constraints(op))
        return f"{op.table} would have two constraints called {name}" if name else None
    if op.table is None or not op.name or _is_conditional(op, state):
        return None
    if state.constraint(op.table, op.name) is None:
        return None
    if _dropped_beside(op, state, Kind.DROP_CONSTRAINT):
        return None
    return f"{op.table} has a constraint {op.name} already"


def _constraints(op: Op) -> Iterable[Constraint]:
    """Those that can have a name twice: before 18 NOT NULL has none."""
    of_columns = (c for column in op.columns for c in column.constraints)
    return (c for c in (*of_columns, *op.constraints) if c.kind != "notnull")


RULES = (
    Rule(
        id="column-twice",
        name="A column stands twice",
        severity=Severity.CRITICAL,
        kinds=on(
            *(Kind.CREATE_TABLE, Kind.CREATE_TABLE_AS, Kind.CREATE_VIEW),
            *(Kind.ADD_COLUMN, Kind.INSERT, Kind.UPDATE, Kind.MERGE, Kind.OTHER),
        ),
        condition=_column_twice,
        effect="None: PostgreSQL refuses it with SQLSTATE 42701 or 42601.",
        why="The migration fails at this statement.",
        workaround="Take one of the two out, or give it another name.",
        bad="CREATE TABLE note (id bigint PRIMARY KEY, body text, body text);",
        good="CREATE TABLE note (id bigint PRIMARY KEY, body text, title text);",
    ),
    Rule(
        id="constraint-twice",
        name="A constraint's name stands twice",
        severity=Severity.CRITICAL,
        kinds=on(Kind.CREATE_TABLE, Kind.ADD_CONSTRAINT),
        condition=_constraint_twice,
        effect="None: PostgreSQL refuses it with SQLSTATE 42710.",
        why="The migration fails at this statement.",
        workaround="Another name, or DROP CONSTRAINT first.",
        known="CREATE TABLE note (id bigint PRIMARY KEY, body text,\n"
        "CONSTRAINT note_short CHECK (length(body) < 100));",
        bad="ALTER TABLE note ADD CONSTRAINT note_short CHECK (length(body) < 50) "
        "NOT VALID;",
        good="ALTER TABLE note ADD CONSTRAINT note_shorter CHECK (length(body) < 50) "
        "NOT VALID;",
    ),
)
