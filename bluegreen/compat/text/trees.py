"""The judge's first tier: the migration's text alone, for CI without a database.

Owns what each statement means by itself, and what earlier statements of the same set
change about it. It knows no existing column's type and no data, so much is OK_IF or
UNKNOWN here; catalogs and probes overrule it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ObjectType

from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.text.alter import alter_command
from bluegreen.compat.text.publication import leaves_behind
from bluegreen.compat.text.rename import (
    follow_column,
    rename,
    renamed_columns,
    under_last_name,
)
from bluegreen.compat.text.statements import columns_in, flattened, parsed, table_of
from bluegreen.compat.text.words import BOTH, FORWARD, REVERSE, Read, Said
from bluegreen.compat.verdict import Answer, Direction, Verdict


def judge_trees(
    texts: Sequence[str],
    *,
    forward: str = "",
    reverse: str = "",
    on_blue: Sequence[str] = (),
    lists: bool = False,
    carried: Collection[str] = (),
) -> list[Verdict]:
    """Judge each statement of a migration by its text.

    Args:
        texts: the migration, in order; statements of one text may be many.
        forward: blue's CREATE PUBLICATION, if it is known.
        reverse: green's.
        on_blue: statements that change blue's schema while it streams.
        lists: green's publication leaves out columns that blue lacks.
        carried: columns, `schema.table.column`, that triggers keep in step.
    """
    generated = "publish_generated_columns" in reverse.lower()
    read = Read(_all_tables(forward), _all_tables(reverse), generated, lists)
    parts = [name.split(".") for name in carried]
    read.carried = frozenset((one[-2], one[-1]) for one in parts if len(one) > 1)
    found: list[Verdict] = []
    if any(text.strip() for text in on_blue):
        why = "blue's schema changes while it streams"
        found.append(Verdict(Answer.UNKNOWN, Direction.FORWARD, "cannot-tell", "", why))
    for way in Direction:
        why = leaves_behind(reverse if way is Direction.REVERSE else forward)
        if why:
            found.append(Verdict(Answer.UNKNOWN, way, "not-sent", "", why))
    for number, text in enumerate(texts):
        trees = parsed(text)
        if trees is None:
            trees = [None]
        for tree in trees:
            where = subject_of(tree)
            for ways, answer, rule, why in _statement(tree, read):
                found += [
                    Verdict(answer, way, rule, where, why, RULES[rule].fix, number)
                    for way in ways
                ]
            found = under_last_name(found, tree, where, read)
            follow_column(tree, where, number, read)
    found += renamed_columns(read)
    return sorted(
        set(found),
        key=lambda v: (v.statement or 0, -v.answer.rank, v.rule, v.direction, v.why),
    )


def subject_of(tree: Any) -> str:
    """What a statement is about, as it names it; empty where that is nothing."""
    if isinstance(tree, ast.DropStmt):
        named = [o for o in tree.objects or () if isinstance(o, tuple)]
        return ", ".join(".".join(part.sval for part in one) for one in named)
    if isinstance(tree, ast.AlterEnumStmt):
        return ".".join(part.sval for part in tree.typeName or ())
    relation = getattr(tree, "relation", None)
    if relation is None:
        into = getattr(tree, "into", None)
        relation = getattr(into, "rel", None)
    if not isinstance(relation, ast.RangeVar):
        return ""
    schema, name = table_of(relation)
    return f"{schema}.{name}" if schema else str(name)


def _all_tables(text: str) -> bool | None:
    trees = parsed(text) if text else None
    found = [t for t in trees or () if isinstance(t, ast.CreatePublicationStmt)]
    return bool(found[0].for_all_tables) if found else None


def _statement(tree: Any, read: Read) -> Said:
    if isinstance(tree, ast.DoStmt):
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "a DO block may do anything"
        for inner in flattened([tree]):
            yield from _statement(inner, read)
        return
    kind = type(tree).__name__
    if kind in _HARMLESS:
        return
    handler = _HANDLERS.get(kind)
    if handler is None:
        yield (
            BOTH,
            Answer.UNKNOWN,
            "cannot-tell",
            f"{kind} is not read from text alone",
        )
    else:
        yield from handler(tree, read)


def _create_table(tree: Any, read: Read) -> Said:
    relation: Any = getattr(tree, "relation", None) or tree.into.rel
    read.tables.add(table_of(relation))
    if getattr(tree, "objtype", None) == ObjectType.OBJECT_MATVIEW:
        return
    if getattr(tree, "inhRelations", None):
        why = f"{relation.relname} becomes part of another table"
        yield BOTH, Answer.UNKNOWN, "cannot-tell", why
    elif read.reverse is False:
        why = f"{relation.relname} is not published"
        yield REVERSE, Answer.LOSSY, "table-left-out", why
    else:
        answer = Answer.BREAK if read.reverse else Answer.NEEDS
        yield REVERSE, answer, "table-missing", f"blue has no {relation.relname}"
    if any(isinstance(e, ast.Constraint) or _refers(e) for e in tree_elements(tree)):
        why = f"{relation.relname} may refer to a table that is truncated"
        yield FORWARD, Answer.OK_IF, "truncate", why


def tree_elements(tree: Any) -> tuple[Any, ...]:
    """Columns and constraints of a CREATE TABLE; nothing for CREATE TABLE AS."""
    return tuple(getattr(tree, "tableElts", None) or ())


def _refers(element: Any) -> bool:
    return any(
        c.contype.name == "CONSTR_FOREIGN"
        for c in getattr(element, "constraints", None) or ()
    )


def _move(tree: Any, read: Read) -> Said:
    if ObjectType(tree.objectType) is ObjectType.OBJECT_TABLE:
        yield (
            BOTH,
            Answer.BREAK,
            "table-missing",
            f"{tree.relation.relname} moves away",
        )


def _drop(tree: Any, read: Read) -> Said:
    kind = ObjectType(tree.removeType)
    names = {".".join(p.sval for p in o) for o in tree.objects if isinstance(o, tuple)}
    if kind is ObjectType.OBJECT_TABLE:
        old = sorted(n for n in names if not read.made(_parts(n)))
        for name in old:
            yield (
                FORWARD,
                Answer.BREAK,
                "table-missing",
                f"green has no {name} any more",
            )
            why = f"rows of {name} stay on blue, and keys into other tables with them"
            yield REVERSE, Answer.OK_IF, "foreign-key", why
    elif kind is ObjectType.OBJECT_INDEX:
        yield (
            BOTH,
            Answer.OK_IF,
            "no-key",
            "the index may be a table's replica identity",
        )


def _parts(name: str) -> tuple[str, str]:
    schema, _, table = name.rpartition(".")
    return schema, table


def _index(tree: Any, read: Read) -> Said:
    table = tree.relation.relname
    expressions = any(p.expr is not None for p in tree.indexParams)
    if read.made(table_of(tree.relation)):
        return
    if tree.unique:
        why = f"{table} may hold no two rows alike on green only"
        yield FORWARD, Answer.OK_IF, "constraint", why
    elif expressions or tree.whereClause is not None:
        why = f"the index of {table} computes an expression of each row"
        yield FORWARD, Answer.OK_IF, "expression-fails", why


def _trigger(tree: Any, read: Read) -> Said:
    why = f"trigger {tree.trigname} does not fire on apply"
    if not read.made(table_of(tree.relation)):
        yield FORWARD, Answer.OK_IF, "derived-stale", why


def _enum(tree: Any, read: Read) -> Said:
    if tree.oldVal:
        yield (
            BOTH,
            Answer.BREAK,
            "type-may-not-fit",
            f"{tree.oldVal} is no label any more",
        )
    else:
        why = f"blue does not know the label {tree.newVal}"
        yield REVERSE, Answer.OK_IF, "type-may-not-fit", why


def _domain(tree: Any, read: Read) -> Said:
    ways = FORWARD if tree.subtype in {"C", "O"} else REVERSE
    if tree.subtype not in {"T", "V"}:
        yield ways, Answer.OK_IF, "constraint", "the domain allows other values"


def _update(tree: Any, read: Read) -> Said:
    table = tree.relation.relname
    if read.made(table_of(tree.relation)):
        return
    fills = read.fills(table_of(tree.relation))
    for target in tree.targetList:
        if (table, target.name) in read.carried:
            continue
        where = f"{target.name} of {table}"
        if (table, target.name) not in read.columns:
            yield BOTH, Answer.SILENT, "rows-differ", f"{where} differs from blue's"
        elif columns_in(target.val):
            answer = Answer.UNKNOWN if fills else Answer.SILENT
            yield FORWARD, answer, "derived-stale", f"{where} is derived once only"
        else:
            why = f"{where} is filled for rows of today"
            yield FORWARD, Answer.OK_IF, "whole-row-lost", why


def _rows(tree: Any, read: Read) -> Said:
    relations = getattr(tree, "relations", None) or (tree.relation,)
    for relation in relations:
        if not read.made(table_of(relation)):
            why = f"rows of {relation.relname} differ from blue's"
            yield BOTH, Answer.SILENT, "rows-differ", why
        elif isinstance(tree, ast.InsertStmt) and _reads(tree):
            yield (
                FORWARD,
                Answer.UNKNOWN,
                "derived-stale",
                "rows are derived once only",
            )


def _reads(tree: Any) -> bool:
    return bool(getattr(tree.selectStmt, "fromClause", None))


def _database(tree: Any, read: Read) -> Said:
    if "timezone" in (getattr(tree.setstmt, "name", None) or "").lower():
        yield BOTH, Answer.UNKNOWN, "time-zone", "the database gets another TimeZone"


def _composite(tree: Any, read: Read) -> Said:
    for command in tree.cmds or ():
        why = "a row of the type has other parts on each side"
        if Alter(command.subtype) in {Alter.AT_AddColumn, Alter.AT_DropColumn}:
            yield BOTH, Answer.BREAK, "type-never-fits", why
        else:
            yield BOTH, Answer.UNKNOWN, "cannot-tell", "a part gets another type"


def _alter(tree: Any, read: Read) -> Said:
    kind = ObjectType(tree.objtype)
    if kind is ObjectType.OBJECT_TYPE:
        yield from _composite(tree, read)
    elif kind is ObjectType.OBJECT_TABLE and not read.made(table_of(tree.relation)):
        for command in tree.cmds or ():
            if Alter(command.subtype) in _FIRES:
                read.always.add(table_of(tree.relation))
            yield from alter_command(tree.relation.relname, command, read)
    elif any("Partition" in Alter(c.subtype).name for c in tree.cmds or ()):
        yield BOTH, Answer.UNKNOWN, "cannot-tell", "partitions are moved"


_FIRES = {Alter.AT_EnableAlwaysTrig, Alter.AT_EnableReplicaTrig}

_HANDLERS: dict[str, Callable[[Any, Read], Said]] = {
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
    "UpdateStmt": _update,
    "DeleteStmt": _rows,
    "InsertStmt": _rows,
    "TruncateStmt": _rows,
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
