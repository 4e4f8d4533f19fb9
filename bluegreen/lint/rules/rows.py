"""Rules that the present rows decide. They speak only where a server was asked."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.lint.questions import Answer, Question, questions
from bluegreen.lint.rule import Rule, on
from bluegreen.lint.tracking.state import State
from bluegreen.model.finding import Severity
from bluegreen.sql.ops import Kind, Op


def _answers(op: Op, state: State) -> Iterator[tuple[Question, Answer]]:
    known = state.knowledge.answers
    for question in questions(op, state) if known else ():
        if answer := known.get(question):
            yield question, answer


def _in_the_way(op: Op, state: State) -> str:
    found = _answers(op, state)
    return "; ".join(_said(*one) for one in found if one[1].rows)


def _refuses(op: Op, state: State) -> str | None:
    said = _in_the_way(op, state)
    if not said or _changed_above(op, state):
        return None
    return f"it fails on the rows that are there: {said}"


def _may_refuse(op: Op, state: State) -> str | None:
    said = _in_the_way(op, state)
    if not said or not _changed_above(op, state):
        return None
    return f"it fails unless what stands above fixes the rows: {said}"


def _changed_above(op: Op, state: State) -> bool:
    return op.table is not None and op.table.key in state.changed_rows


def _unseen(op: Op, state: State) -> str | None:
    found = [(q, a) for q, a in _answers(op, state) if a.rows is None]
    if not found:
        return None
    question, answer = found[0]
    return f"whether rows of {question.table} are in the way is not known: {answer.why}"


def _said(question: Question, answer: Answer) -> str:
    several = answer.rows != 1 or answer.more
    count = f"{'at least ' if answer.more else ''}{answer.rows:,}"
    rows = f"{count} row{'s' if several else ''} of {question.table}"
    have = "have" if several else "has"
    names = ", ".join(question.columns)
    match question.kind:
        case "rows":
            return f"{question.table} has rows, and they would have no value"
        case "nulls":
            return f"{rows} {have} NULL in {names}"
        case "duplicates":
            values = "values" if several else "value"
            return f"{count} {values} of {names} more than once in {question.table}"
        case "orphans":
            return f"{rows} {have} {names} without a row in {question.references}"
        case "check":
            return f"{rows} break{'' if several else 's'} the CHECK"
        case "long":
            return f"{rows} {have} {names} longer than {question.most}"
        case "outside":
            return f"{rows} {have} {names} that the new type cannot hold"
        case _:
            return f"{rows} {have} {names} that is no label of {question.text}"


_ASKED = on(
    *(Kind.SET_NOT_NULL, Kind.ADD_COLUMN, Kind.ADD_CONSTRAINT, Kind.CREATE_INDEX),
    *(Kind.VALIDATE_CONSTRAINT, Kind.ALTER_TYPE),
)
_ADD = "ALTER TABLE note ADD CONSTRAINT there CHECK (body IS NOT NULL) NOT VALID;"
_VALIDATE = "-- file: 3.sql\nALTER TABLE note VALIDATE CONSTRAINT there;"
_FIX = "UPDATE note SET body = '' WHERE id < 1000;\n-- file: 2.sql\n"
_NOTE = "CREATE TABLE note (id bigint, body text);"
_NAMED = _ASKED | on(
    *(Kind.DROP_COLUMN, Kind.SET_DEFAULT, Kind.DROP_DEFAULT, Kind.DROP_NOT_NULL),
    *(Kind.CREATE_TRIGGER, Kind.TRUNCATE, Kind.INSERT, Kind.UPDATE, Kind.DELETE),
)
_OF_COLUMNS = on(
    *(Kind.DROP_COLUMN, Kind.SET_DEFAULT, Kind.DROP_DEFAULT, Kind.DROP_NOT_NULL),
    *(Kind.SET_NOT_NULL, Kind.ALTER_TYPE),
)


def _missing(op: Op, state: State) -> str | None:
    """Whether a table or column is named that no database and no file has."""
    if not state.knowledge.whole or op.table is None or state.opaque:
        return None
    if state.setting("search_path") or {"if_exists", "missing_ok"} & op.flags:
        return None
    known = state.table(op.table)
    if known is None:
        return f"there is no table {op.table}"
    if op.kind in _OF_COLUMNS and known.columns and op.name not in known.columns:
        return f"{op.table} has no column {op.name}"
    return None


RULES = (
    Rule(
        id="nothing-of-that-name",
        name="A table or column is named that is not there",
        severity=Severity.CRITICAL,
        kinds=_NAMED,
        condition=_missing,
        effect="None: PostgreSQL refuses it with SQLSTATE 42P01 or 42703.",
        why="Neither the database of `--dsn` nor the files before have it.",
        workaround="Is the name spelt as there? Is a file missing in the set?",
        known=_NOTE,
        bad="ALTER TABLE notes ADD COLUMN title text;",
        good="ALTER TABLE note ADD COLUMN title text;",
        rows=0,
    ),
    Rule(
        id="rows-refuse",
        name="The rows that are there refuse the statement",
        severity=Severity.CRITICAL,
        kinds=_ASKED,
        condition=_refuses,
        effect="The statement fails after it has read the rows under its lock.",
        why="With `--dsn` the rows were looked at, and some are in the way now.",
        workaround="Fix the rows first, in batches, in a file of their own.",
        known=_NOTE,
        bad=f"{_ADD}\n-- file: 2.sql\nALTER TABLE note VALIDATE CONSTRAINT there;",
        good=_ADD,
        rows=3,
    ),
    Rule(
        id="rows-may-refuse",
        name="The rows that are there refuse the statement, unless they are fixed",
        severity=Severity.WARNING,
        kinds=_ASKED,
        condition=_may_refuse,
        effect="The statement fails after it has read the rows under its lock.",
        why="With `--dsn` the rows were looked at. A change above may fix them.",
        workaround="See that the change above reaches every row that was counted.",
        known=_NOTE,
        bad=f"{_FIX}{_ADD}\n{_VALIDATE}",
        good=_FIX + _ADD,
        rows=3,
    ),
    Rule(
        id="rows-not-seen",
        name="Whether rows are in the way could not be seen",
        severity=Severity.INFO,
        kinds=_ASKED,
        condition=_unseen,
        effect="The statement may fail after it has read the rows under its lock.",
        why="The look at the rows took too long, or was not allowed.",
        workaround="Ask a copy of the database, or allow more time: probe-seconds.",
        known=_NOTE,
        bad=f"{_ADD}\n-- file: 2.sql\nALTER TABLE note VALIDATE CONSTRAINT there;",
        good=_ADD,
        rows=-1,
    ),
)
