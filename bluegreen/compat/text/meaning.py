"""What one statement means to the stream by itself, by its text alone.

Owns all but ALTER TABLE (`alter.py`) and what renames come to (`rename.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bluegreen.compat.text.alter import FIRES, alter_command
from bluegreen.compat.text.rename import rename
from bluegreen.compat.text.words import BOTH, FORWARD, REVERSE, Read, Said, dotted
from bluegreen.compat.verdict import Answer
from bluegreen.sql.ops import Kind, Name, Op
from bluegreen.sql.reading.data import assignments
from bluegreen.sql.reading.statements import inside, ops
from bluegreen.sql.source import Statement


class Piece(NamedTuple):
    """What is judged at a time.

    Attributes:
        number: index of the text that it comes from.
        statement: None for a text that does not parse.
        ops: what of the statement is meant.
    """

    number: int
    statement: Statement | None = None
    ops: Sequence[Op] = ()


def pieces_of(number: int, statement: Statement) -> list[Piece]:
    """The statement; of a data statement each table that it or its WITH writes to."""
    done = ops(statement)
    if statement.kind in DATA:
        return [Piece(number, statement, (op,)) for op in done]
    return [Piece(number, statement, done)]


def meaning(piece: Piece, read: Read) -> Said:
    """What a piece means to the stream by itself; keeps in mind what it makes."""
    statement = piece.statement
    if statement is None:
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "the text does not parse"
    elif statement.kind == "DoStmt":
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "a DO block may do anything"
        for inner in inside(statement):
            for one in pieces_of(piece.number, inner):
                yield from meaning(one, read)
    elif statement.kind == "UpdateStmt" and piece.ops[0] is ops(statement)[-1]:
        yield from _update(statement, piece.ops[0], read)
    elif handler := _HANDLERS.get(statement.kind):
        for op in piece.ops:
            yield from handler(op, read)
    elif statement.kind not in _HARMLESS:
        why = f"{statement.kind} is not read from text alone"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why


def _create_table(op: Op, read: Read) -> Said:
    table = _table(op)
    read.tables.add(table)
    if op.what == "materialized view":
        return
    if op.reads:
        why = f"{table.name} becomes part of another table"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why
    elif read.reverse is False:
        why = f"{table.name} is not published"
        yield REVERSE, Answer.LOSSY, "table-left-out", why
    else:
        answer = Answer.BREAK if read.reverse else Answer.NEEDS
        yield REVERSE, answer, "table-missing", f"blue has no {table.name}"
    in_columns = (c.kind for column in op.columns for c in column.constraints)
    if op.constraints or "foreign" in in_columns:
        why = f"{table.name} may refer to a table that is truncated"
        yield FORWARD, Answer.OK_IF, "truncate", why


def _table(op: Op) -> Name:
    """The table of an op that cannot be without one."""
    assert op.table is not None, op.kind
    return op.table


def _move(op: Op, read: Read) -> Said:
    if op.what == "table":
        why = f"{_table(op).name} moves away"
        yield BOTH, Answer.BREAK, "table-missing", why


def _drop(op: Op, read: Read) -> Said:
    if op.what == "table" and not read.made(_table(op)):
        name = dotted(op.table)
        yield FORWARD, Answer.BREAK, "table-missing", f"green has no {name} any more"
        why = f"rows of {name} stay on blue, and keys into other tables with them"
        yield REVERSE, Answer.OK_IF, "foreign-key", why
    elif op.what == "index":
        why = "the index may be a table's replica identity"
        yield BOTH, Answer.OK_IF, "no-key", why


def _index(op: Op, read: Read) -> Said:
    table = _table(op)
    if read.made(table):
        return
    if "unique" in op.flags:
        why = f"{table.name} may hold no two rows alike on green only"
        yield FORWARD, Answer.OK_IF, "constraint", why
    elif "" in op.names or "partial" in op.flags:
        why = f"the index of {table.name} computes an expression of each row"
        yield FORWARD, Answer.OK_IF, "expression-fails", why


def _trigger(op: Op, read: Read) -> Said:
    why = f"trigger {op.name} does not fire on apply"
    if not read.made(_table(op)):
        yield FORWARD, Answer.OK_IF, "derived-stale", why


def _enum(op: Op, read: Read) -> Said:
    if op.kind is Kind.RENAME_ENUM_VALUE:
        why = f"{op.name} is no label any more"
        yield BOTH, Answer.BREAK, "type-may-not-fit", why
    else:
        why = f"blue does not know the label {op.value}"
        yield REVERSE, Answer.OK_IF, "type-may-not-fit", why


def _domain(op: Op, read: Read) -> Said:
    why = "the domain allows other values"
    if op.kind is Kind.DOMAIN_ADD_CONSTRAINT or op.what == "set not null":
        yield FORWARD, Answer.OK_IF, "constraint", why
    elif op.kind is Kind.DOMAIN_OTHER and op.what != "default":
        yield REVERSE, Answer.OK_IF, "constraint", why


def _update(statement: Statement, op: Op, read: Read) -> Said:
    table = _table(op)
    if read.made(table):
        return
    fills = read.fills(table)
    for name, mentioned in assignments(statement):
        if (table.name, name) in read.carried:
            continue
        where = f"{name} of {table.name}"
        if (table.name, name) not in read.columns:
            yield BOTH, Answer.SILENT, "rows-differ", f"{where} differs from blue's"
        elif mentioned:
            answer = Answer.UNKNOWN if fills else Answer.SILENT
            yield FORWARD, answer, "derived-stale", f"{where} is derived once only"
        else:
            why = f"{where} is filled for rows of today"
            yield FORWARD, Answer.OK_IF, "whole-row-lost", why


def _rows(op: Op, read: Read) -> Said:
    table = _table(op)
    if not read.made(table):
        why = f"rows of {table.name} differ from blue's"
        yield BOTH, Answer.SILENT, "rows-differ", why
    elif op.kind is Kind.INSERT and "from" in op.flags:
        why = "rows are derived once only"
        yield FORWARD, Answer.UNKNOWN, "derived-stale", why


def _database(op: Op, read: Read) -> Said:
    if "timezone" in op.name:
        yield BOTH, Answer.UNKNOWN, "time-zone", "the database gets another TimeZone"


def _composite(op: Op) -> Said:
    if op.value in {"AddColumn", "DropColumn"}:
        why = "a row of the type has other parts on each side"
        yield BOTH, Answer.BREAK, "type-never-fits", why
    else:
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "a part gets another type"


def _alter(op: Op, read: Read) -> Said:
    table = _table(op)
    if op.kind is Kind.ALTER_COMPOSITE:
        yield from _composite(op)
    elif op.what == "table" and not read.made(table):
        if op.kind is Kind.TRIGGER_STATE and op.value in FIRES:
            read.always.add(table)
        yield from alter_command(table.name, op, read)
    elif op.kind in _PARTITIONS or "Partition" in op.value:
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "partitions are moved"


DATA = frozenset({"DeleteStmt", "InsertStmt", "UpdateStmt"})
_PARTITIONS = frozenset({Kind.ATTACH_PARTITION, Kind.DETACH_PARTITION})

_HANDLERS: dict[str, Callable[[Op, Read], Said]] = {
    "AlterTableStmt": _alter,
    "CreateStmt": _create_table,
    "CreateTableAsStmt": _create_table,
    "RenameStmt": rename,
    "AlterObjectSchemaStmt": _move,
    "DropStmt": _drop,
    "IndexStmt": _index,
    "CreateTrigStmt": _trigger,
    "AlterEnumStmt": _enum,
    "AlterDomainStmt": _domain,
    "DeleteStmt": _rows,
    "InsertStmt": _rows,
    "TruncateStmt": _rows,
    "UpdateStmt": _rows,
    "AlterDatabaseSetStmt": _database,
}

_HARMLESS = {
    "AlterSeqStmt",
    "ClusterStmt",
    "CommentStmt",
    "CreateDomainStmt",
    "CreateEnumStmt",
    "CreateExtensionStmt",
    "CreateFunctionStmt",
    "CreatePolicyStmt",
    "CreateRoleStmt",
    "CreateSchemaStmt",
    "CreateSeqStmt",
    "CreateStatsStmt",
    "CompositeTypeStmt",
    "GrantStmt",
    "RefreshMatViewStmt",
    "ReindexStmt",
    "RuleStmt",
    "TransactionStmt",
    "VacuumStmt",
    "VariableSetStmt",
    "ViewStmt",
}
