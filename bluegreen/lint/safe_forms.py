"""Safe forms that can be written mechanically, for printing and for `--fix`.

Each takes the text of the statement as it is and adds to it, so that the author's
spelling stays. A statement with several subcommands is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bluegreen.lint.rule import Edit, SafeForm
from bluegreen.lint.tracking.state import State
from bluegreen.sql.ops import Kind, Op, quoted
from bluegreen.sql.source import Statement

_BETWEEN_WORDS = r"(?:\s|/\*.*?\*/|--[^\n]*\n)+"


def _alone(op: Op, state: State) -> Statement | None:
    if op.inside or len(state.siblings) != 1 or state.statement is None:
        return None
    # What is put behind a comment would be part of it.
    last_line = state.statement.text.rpartition("\n")[2]
    return None if "--" in last_line else state.statement


def _replacing(statement: Statement, sql: str, state: State, write: bool) -> SafeForm:
    """Parts that must not share a transaction are printed, not written, in one."""
    possible = write and state.transaction is None
    edits = (Edit(statement.at, statement.end, sql.rstrip(";\n")),) if possible else ()
    return SafeForm(sql, edits)


def with_word(pattern: str, word: str) -> Callable[[Op, State], SafeForm | None]:
    """Put a word after the first match of `pattern`, e.g. CONCURRENTLY after INDEX."""
    spaced = "(?is)" + pattern.replace(r"\s+", _BETWEEN_WORDS)

    def fix(op: Op, state: State) -> SafeForm | None:
        statement = _alone(op, state)
        match = re.match(spaced, statement.text) if statement else None
        if statement is None or match is None:
            return None
        text = statement.text
        sql = f"{text[: match.end()]} {word}{text[match.end() :]};"
        return _replacing(statement, sql, state, write=True)

    return fix


def at_end(word: str) -> Callable[[Op, State], SafeForm | None]:
    """Put a word at the end of the statement."""

    def fix(op: Op, state: State) -> SafeForm | None:
        statement = _alone(op, state)
        if statement is None:
            return None
        return _replacing(statement, f"{statement.text} {word};", state, write=True)

    return fix


def not_valid(op: Op, state: State) -> SafeForm | None:
    """ADD … NOT VALID, then VALIDATE."""
    statement = _alone(op, state)
    constraint = op.constraint
    if statement is None or constraint is None or op.table is None:
        return None
    text, name = statement.text, constraint.name
    if not name:
        name = state.name_of(op.table, constraint)
        start = constraint.at - statement.at
        text = f"{text[:start]}CONSTRAINT {quoted(name)} {text[start:]}"
    sql = (
        f"{text} NOT VALID;\nALTER TABLE {op.table} VALIDATE CONSTRAINT {quoted(name)};"
    )
    return _replacing(statement, sql, state, write=True)


def prove_not_null(op: Op, state: State) -> SafeForm | None:
    """CHECK NOT VALID, VALIDATE, SET NOT NULL, DROP: each a statement of its own."""
    statement = _alone(op, state)
    if statement is None or op.table is None or op.kind is not Kind.SET_NOT_NULL:
        return None
    name = quoted(f"{op.table.name}_{op.name}_proof")
    alter, column = f"ALTER TABLE {op.table}", quoted(op.name)
    sql = (
        f"{alter} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID;\n"
        f"{alter} VALIDATE CONSTRAINT {name};\n"
        f"{statement.text};\n"
        f"{alter} DROP CONSTRAINT {name};"
    )
    return _replacing(statement, sql, state, write=True)


# What CREATE UNIQUE INDEX would have to say too, each in its own place.
_MORE_THAN_COLUMNS = re.compile(r"\b(include|with|nulls|tablespace)\b", re.IGNORECASE)


def index_first(op: Op, state: State) -> SafeForm | None:
    """A unique index built CONCURRENTLY, then the constraint USING it."""
    statement = _alone(op, state)
    constraint = op.constraint
    if statement is None or constraint is None or op.table is None:
        return None
    known = state.table(op.table)
    said_more = _MORE_THAN_COLUMNS.search(statement.text)
    if constraint.deferrable or not constraint.columns or said_more:
        return None
    if known is not None and known.partitioned:
        return None
    name = quoted(state.name_of(op.table, constraint))
    columns = ", ".join(map(quoted, constraint.columns))
    word = "PRIMARY KEY" if constraint.kind == "primary" else "UNIQUE"
    sql = (
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {op.table} ({columns});\n"
        f"ALTER TABLE {op.table} ADD CONSTRAINT {name} {word} USING INDEX {name};"
    )
    return _replacing(statement, sql, state, write=True)


def default_after(op: Op, state: State) -> SafeForm | None:
    """Add the column empty, then its default; the rows must be filled in batches."""
    statement = _alone(op, state)
    column = op.column
    if statement is None or column is None or op.table is None:
        return None
    text = statement.text
    match = re.search(r"\s+default\s+(.+)$", text, re.IGNORECASE | re.DOTALL)
    if match is None or column.not_null or column.constraints:
        return None
    name = quoted(column.name)
    sql = (
        f"{text[: match.start()]};\n"
        f"ALTER TABLE {op.table} ALTER COLUMN {name} SET DEFAULT {match[1]};\n"
        f"-- then fill the old rows in batches, in a file of its own"
    )
    return _replacing(statement, sql, state, write=False)


def timeout_first(_op: Op, state: State) -> SafeForm | None:
    """Set lock_timeout before the statement."""
    statement = state.statement
    if statement is None:
        return None
    local = "LOCAL " if state.transaction else ""
    line = f"SET {local}lock_timeout = '2s';\n"
    edit = Edit(statement.at, statement.at, line)
    return SafeForm(f"{line}{statement.text};", (edit,))
