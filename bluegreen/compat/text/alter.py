"""The first tier's reading of ALTER TABLE, one subcommand at a time.

Owns tables that stood before the migration; what a migration makes itself is not
published yet.
"""

from __future__ import annotations

from collections.abc import Callable

from bluegreen.compat.text.words import BOTH, FORWARD, REVERSE, Read, Said
from bluegreen.compat.verdict import Answer
from bluegreen.sql.ops import Kind, Op

FIRES = frozenset({"enable always", "enable replica"})
"""States of a trigger that fires on apply."""


def alter_command(table: str, op: Op, read: Read) -> Said:
    """Judge one subcommand on one table."""
    if op.kind in _HARMLESS:
        return
    handler = _HANDLERS.get(op.kind)
    if handler is None:
        words = op.value or op.kind.replace("_", " ").upper()
        why = f"{words} on {table} is not read from text alone"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why
    else:
        yield from handler(table, op, read)


def _add_column(table: str, op: Op, read: Read) -> Said:
    column = op.column
    assert column is not None
    kinds = {constraint.kind for constraint in column.constraints}
    where = f"{column.name} of {table}"
    if (table, column.name) in read.dropped:
        why = f"{where} is another column than the one of that name on blue"
        yield BOTH, Answer.SILENT, "name-reused", why
    read.columns.add((table, column.name))
    if column.generated:
        yield FORWARD, Answer.OK_IF, "expression-fails", f"{where} is computed"
        if read.generated:
            yield REVERSE, Answer.NEEDS, "column-missing", f"blue has no {where}"
        return
    if (table, column.name) in read.carried:
        return
    if read.lists:
        yield REVERSE, Answer.LOSSY, "column-left-out", f"{where} is not sent back"
    else:
        yield REVERSE, _missing(read), "column-missing", f"blue has no {where}"
    fills = column.default is not None or column.identity or column.serial
    if column.not_null and not fills:
        yield FORWARD, Answer.BREAK, "no-default", f"{where} gets no value on apply"
    if "primary" in kinds:
        yield FORWARD, Answer.BREAK, "key-not-sent", f"{where} is the new key"
    elif fills:
        why = f"{table} may be looked up by whole rows"
        yield FORWARD, Answer.OK_IF, "whole-row-lost", why


def _missing(read: Read) -> Answer:
    return Answer.BREAK if read.reverse else Answer.NEEDS


def _drop_column(table: str, op: Op, read: Read) -> Said:
    where = f"{op.name} of {table}"
    read.dropped.add((table, op.name))
    answer = Answer.BREAK if read.forward else Answer.NEEDS
    yield FORWARD, answer, "column-missing", f"green has no {where}"
    yield REVERSE, Answer.OK_IF, "no-default", f"blue may not fill {where}"


def _type(table: str, op: Op, read: Read) -> Said:
    why = f"the type that {op.name} of {table} had is not known"
    yield BOTH, Answer.UNKNOWN, "type-may-not-fit", why


def _set_not_null(table: str, op: Op, read: Read) -> Said:
    if (table, op.name) in read.columns:
        why = f"{op.name} of {table} gets no value on apply without a default"
        yield FORWARD, Answer.OK_IF, "no-default", why
    else:
        why = f"blue may send NULL for {op.name} of {table}"
        yield FORWARD, Answer.OK_IF, "constraint", why


def _drop_not_null(table: str, op: Op, read: Read) -> Said:
    why = f"green may send NULL for {op.name} of {table}"
    yield REVERSE, Answer.OK_IF, "constraint", why


def _drop_default(table: str, op: Op, read: Read) -> Said:
    if (table, op.name) in read.columns:
        why = f"{op.name} of {table} may get no value on apply"
        yield FORWARD, Answer.OK_IF, "no-default", why


def _add_constraint(table: str, op: Op, read: Read) -> Said:
    kind = op.constraint.kind if op.constraint else ""
    if kind == "foreign":
        why = f"apply does not look at the foreign key of {table}"
        yield FORWARD, Answer.OK_IF, "foreign-key", why
    elif kind == "primary":
        why = f"{table} is looked up by another key"
        yield BOTH, Answer.OK_IF, "key-not-sent", why
    else:
        yield (
            FORWARD,
            Answer.OK_IF,
            "constraint",
            f"{table} allows fewer rows on green",
        )


def _drop_constraint(table: str, op: Op, read: Read) -> Said:
    why = f"{op.name} may be the key of {table}, or hold back rows on blue"
    yield BOTH, Answer.OK_IF, "no-key", why


def _identity(table: str, op: Op, read: Read) -> Said:
    if op.value == "n":
        why = f"UPDATE and DELETE of {table} fail once it is published"
        yield REVERSE, Answer.APP, "refused-write", why
    else:
        why = f"the replica identity of {table} changes"
        yield BOTH, Answer.UNKNOWN, "key-not-sent", why


def _drop_expression(table: str, op: Op, read: Read) -> Said:
    where = f"{op.name} of {table}"
    if (table, op.name) in read.carried:
        return
    yield FORWARD, Answer.SILENT, "derived-stale", f"nothing fills {where}"
    yield REVERSE, Answer.BREAK, "column-generated", f"blue computes {where}"


def _unlogged(table: str, op: Op, read: Read) -> Said:
    yield REVERSE, Answer.SILENT, "table-not-published", f"{table} is not published"


def _trigger(table: str, op: Op, read: Read) -> Said:
    if op.value in FIRES:
        why = f"trigger {op.name} of {table} fires on apply"
        yield BOTH, Answer.OK_IF, "trigger", why
    elif op.value == "enable" and op.name in {"all", "user"}:
        why = f"ENABLE TRIGGER on {table} is not read from text alone"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why


def _rights(table: str, op: Op, read: Read) -> Said:
    if op.kind is Kind.OWNER or op.value in {"enable", "force"}:
        yield BOTH, Answer.OK_IF, "rights", f"a superuser must write into {table}"


_HANDLERS: dict[Kind, Callable[[str, Op, Read], Said]] = {
    Kind.ADD_COLUMN: _add_column,
    Kind.DROP_COLUMN: _drop_column,
    Kind.ALTER_TYPE: _type,
    Kind.SET_NOT_NULL: _set_not_null,
    Kind.DROP_NOT_NULL: _drop_not_null,
    Kind.DROP_DEFAULT: _drop_default,
    Kind.ADD_CONSTRAINT: _add_constraint,
    Kind.DROP_CONSTRAINT: _drop_constraint,
    Kind.REPLICA_IDENTITY: _identity,
    Kind.DROP_EXPRESSION: _drop_expression,
    Kind.SET_UNLOGGED: _unlogged,
    Kind.TRIGGER_STATE: _trigger,
    Kind.OWNER: _rights,
    Kind.ROW_SECURITY: _rights,
}

_HARMLESS = frozenset(
    {
        *(Kind.SET_DEFAULT, Kind.SET_EXPRESSION, Kind.SET_LOGGED, Kind.SET_STORAGE),
        *(Kind.SET_TABLESPACE, Kind.TABLE_SETTING, Kind.VALIDATE_CONSTRAINT),
    }
)
