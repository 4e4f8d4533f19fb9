"""The first tier's reading of ALTER TABLE, one subcommand at a time.

Owns tables that stood before the migration; what a migration makes itself nobody
publishes yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType

from bluegreen.compat.text.words import BOTH, FORWARD, REVERSE, Read, Said
from bluegreen.compat.verdict import Answer


def alter_command(table: str, command: Any, read: Read) -> Said:
    """Judge one subcommand on one table."""
    kind = Alter(command.subtype)
    if kind in _HARMLESS:
        return
    handler = _HANDLERS.get(kind)
    if handler is None:
        why = f"{kind.name} on {table} is not read from text alone"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why
    else:
        yield from handler(table, command, read)


def _kinds(column: Any) -> set[ConstrType]:
    return {ConstrType(c.contype) for c in column.constraints or ()}


def _serial(column: Any) -> bool:
    names = [n.sval for n in column.typeName.names]
    return names[-1] in {"serial", "bigserial", "smallserial"}


def _add_column(table: str, command: Any, read: Read) -> Said:
    column = command.def_
    kinds = _kinds(column)
    where = f"{column.colname} of {table}"
    if (table, column.colname) in read.dropped:
        why = f"{where} is another column than the one of that name on blue"
        yield BOTH, Answer.SILENT, "name-reused", why
    read.columns.add((table, column.colname))
    if ConstrType.CONSTR_GENERATED in kinds:
        yield FORWARD, Answer.OK_IF, "expression-fails", f"{where} is computed"
        if read.generated:
            yield REVERSE, Answer.NEEDS, "column-missing", f"blue has no {where}"
        return
    if (table, column.colname) in read.carried:
        return
    if read.lists:
        yield REVERSE, Answer.LOSSY, "column-left-out", f"{where} is not sent back"
    else:
        yield REVERSE, _missing(read), "column-missing", f"blue has no {where}"
    filled = {ConstrType.CONSTR_DEFAULT, ConstrType.CONSTR_IDENTITY} & kinds
    fills = bool(filled) or _serial(column)
    if ConstrType.CONSTR_NOTNULL in kinds and not fills:
        yield FORWARD, Answer.BREAK, "no-default", f"{where} gets no value on apply"
    if ConstrType.CONSTR_PRIMARY in kinds:
        yield FORWARD, Answer.BREAK, "key-not-sent", f"{where} is the new key"
    elif fills:
        why = f"{table} may be looked up by whole rows"
        yield FORWARD, Answer.OK_IF, "whole-row-lost", why


def _missing(read: Read) -> Answer:
    return Answer.BREAK if read.reverse else Answer.NEEDS


def _drop_column(table: str, command: Any, read: Read) -> Said:
    where = f"{command.name} of {table}"
    read.dropped.add((table, command.name))
    answer = Answer.BREAK if read.forward else Answer.NEEDS
    yield FORWARD, answer, "column-missing", f"green has no {where}"
    yield REVERSE, Answer.OK_IF, "no-default", f"blue may not fill {where}"


def _type(table: str, command: Any, read: Read) -> Said:
    why = f"the type that {command.name} of {table} had is not known"
    yield BOTH, Answer.UNKNOWN, "type-may-not-fit", why


def _set_not_null(table: str, command: Any, read: Read) -> Said:
    if (table, command.name) in read.columns:
        why = f"{command.name} of {table} gets no value on apply without a default"
        yield FORWARD, Answer.OK_IF, "no-default", why
    else:
        why = f"blue may send NULL for {command.name} of {table}"
        yield FORWARD, Answer.OK_IF, "constraint", why


def _drop_not_null(table: str, command: Any, read: Read) -> Said:
    why = f"green may send NULL for {command.name} of {table}"
    yield REVERSE, Answer.OK_IF, "constraint", why


def _default(table: str, command: Any, read: Read) -> Said:
    if command.def_ is None and (table, command.name) in read.columns:
        why = f"{command.name} of {table} may get no value on apply"
        yield FORWARD, Answer.OK_IF, "no-default", why


def _add_constraint(table: str, command: Any, read: Read) -> Said:
    kind = ConstrType(command.def_.contype)
    if kind is ConstrType.CONSTR_FOREIGN:
        why = f"apply does not look at the foreign key of {table}"
        yield FORWARD, Answer.OK_IF, "foreign-key", why
    elif kind is ConstrType.CONSTR_PRIMARY:
        why = f"{table} is looked up by another key"
        yield BOTH, Answer.OK_IF, "key-not-sent", why
    else:
        yield (
            FORWARD,
            Answer.OK_IF,
            "constraint",
            f"{table} allows fewer rows on green",
        )


def _drop_constraint(table: str, command: Any, read: Read) -> Said:
    why = f"{command.name} may be the key of {table}, or hold back rows on blue"
    yield BOTH, Answer.OK_IF, "no-key", why


def _identity(table: str, command: Any, read: Read) -> Said:
    if command.def_.identity_type == "n":
        why = f"UPDATE and DELETE of {table} fail once it is published"
        yield REVERSE, Answer.APP, "refused-write", why
    else:
        why = f"the replica identity of {table} changes"
        yield BOTH, Answer.UNKNOWN, "key-not-sent", why


def _drop_expression(table: str, command: Any, read: Read) -> Said:
    where = f"{command.name} of {table}"
    if (table, command.name) in read.carried:
        return
    yield FORWARD, Answer.SILENT, "derived-stale", f"nothing fills {where}"
    yield REVERSE, Answer.BREAK, "column-generated", f"blue computes {where}"


def _unlogged(table: str, command: Any, read: Read) -> Said:
    yield REVERSE, Answer.SILENT, "table-not-published", f"{table} is not published"


def _fires(table: str, command: Any, read: Read) -> Said:
    yield (
        BOTH,
        Answer.OK_IF,
        "trigger",
        f"trigger {command.name} of {table} fires on apply",
    )


def _rights(table: str, command: Any, read: Read) -> Said:
    yield BOTH, Answer.OK_IF, "rights", f"a superuser must write into {table}"


_HANDLERS: dict[Alter, Callable[[str, Any, Read], Said]] = {
    Alter.AT_AddColumn: _add_column,
    Alter.AT_DropColumn: _drop_column,
    Alter.AT_AlterColumnType: _type,
    Alter.AT_SetNotNull: _set_not_null,
    Alter.AT_DropNotNull: _drop_not_null,
    Alter.AT_ColumnDefault: _default,
    Alter.AT_AddConstraint: _add_constraint,
    Alter.AT_DropConstraint: _drop_constraint,
    Alter.AT_ReplicaIdentity: _identity,
    Alter.AT_DropExpression: _drop_expression,
    Alter.AT_SetUnLogged: _unlogged,
    Alter.AT_EnableAlwaysTrig: _fires,
    Alter.AT_EnableReplicaTrig: _fires,
    Alter.AT_ChangeOwner: _rights,
    Alter.AT_EnableRowSecurity: _rights,
    Alter.AT_ForceRowSecurity: _rights,
}

_HARMLESS = {
    Alter.AT_SetStatistics,
    Alter.AT_SetStorage,
    Alter.AT_SetCompression,
    Alter.AT_SetOptions,
    Alter.AT_ResetOptions,
    Alter.AT_SetRelOptions,
    Alter.AT_ResetRelOptions,
    Alter.AT_ClusterOn,
    Alter.AT_DropCluster,
    Alter.AT_SetLogged,
    Alter.AT_SetExpression,
    Alter.AT_ValidateConstraint,
    Alter.AT_EnableTrig,
    Alter.AT_DisableTrig,
    Alter.AT_DisableTrigAll,
    Alter.AT_DisableTrigUser,
    Alter.AT_DisableRowSecurity,
    Alter.AT_NoForceRowSecurity,
    Alter.AT_SetTableSpace,
}
