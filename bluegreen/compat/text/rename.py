"""What renames mean to the stream, by a migration's text alone.

Owns following a table or column through the names that one set of statements gives it.
All other statements are for `trees.py` and `alter.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from pglast.enums import ObjectType

from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.text.statements import table_of
from bluegreen.compat.text.words import BOTH, FORWARD, REVERSE, Read, Renames, Said
from bluegreen.compat.verdict import Answer, Direction, Verdict

_HARMLESS_RENAMES = {
    ObjectType.OBJECT_INDEX,
    ObjectType.OBJECT_TABCONSTRAINT,
    ObjectType.OBJECT_SEQUENCE,
    ObjectType.OBJECT_TYPE,
    ObjectType.OBJECT_ATTRIBUTE,
    ObjectType.OBJECT_TRIGGER,
    ObjectType.OBJECT_POLICY,
    ObjectType.OBJECT_VIEW,
    ObjectType.OBJECT_MATVIEW,
}


def rename(tree: Any, read: Read) -> Said:
    """What a RENAME means by itself; of a column, only its name in the end counts."""
    kind = ObjectType(tree.renameType)
    if kind is ObjectType.OBJECT_COLUMN:
        return
    if kind is ObjectType.OBJECT_TABLE:
        yield from _rename_table(tree.relation, tree.newname, read)
    elif kind not in _HARMLESS_RENAMES:
        yield BOTH, Answer.UNKNOWN, "cannot-tell", f"renames {kind.name}"


def _rename_table(relation: Any, new: str, read: Read) -> Said:
    table = relation.relname
    if read.made(table_of(relation)):
        why = f"{new} is another table than the subscription knows"
        yield (Direction.FORWARD,), Answer.SILENT, "table-replaced", why
        yield REVERSE, Answer.UNKNOWN, "cannot-tell", why
        return
    yield FORWARD, Answer.BREAK, "table-missing", f"green has no {table} any more"
    answer = Answer.UNKNOWN if read.reverse is False else Answer.BREAK
    yield REVERSE, answer, "table-missing", f"blue has no {new}"


def under_last_name(
    found: list[Verdict], tree: Any, where: str, read: Read
) -> list[Verdict]:
    """What was said of a table of this set goes by the name that it gets in the end."""
    if type(tree).__name__ != "RenameStmt" or tree.relation is None:
        return found
    kind, was = ObjectType(tree.renameType), table_of(tree.relation)
    if kind is not ObjectType.OBJECT_TABLE or not read.made(was):
        return found
    new = ".".join(filter(None, (was[0], tree.newname)))
    return [replace(v, where=new) if v.where == where else v for v in found]


def follow_column(tree: Any, where: str, number: int, read: Read) -> None:
    """Keep in mind under which name a column of blue stands by now."""
    if type(tree).__name__ != "RenameStmt" or tree.relation is None:
        return
    table = tree.relation.relname
    kinds = ObjectType(tree.renameType), ObjectType(tree.relationType)
    of_table = kinds == (ObjectType.OBJECT_COLUMN, ObjectType.OBJECT_TABLE)
    if not of_table or read.made(table_of(tree.relation)):
        return
    if (table, tree.subname) in read.columns:
        read.columns.add((table, tree.newname))
        return
    one = read.renames.pop((table, tree.subname), None) or Renames(tree.subname)
    one.where = where
    one.statements.append(number)
    read.renames[(table, tree.newname)] = one


def renamed_columns(read: Read) -> Iterator[Verdict]:
    """Columns that end under another name than blue's."""
    for (table, now), one in read.renames.items():
        if now == one.first:
            continue
        why = f"{one.first} of {table} is called {now} on green"
        for ways, rule in ((FORWARD, "column-renamed"), (REVERSE, "column-missing")):
            for way, number in product(ways, one.statements):
                fix = RULES[rule].fix
                yield Verdict(Answer.BREAK, way, rule, one.where, why, fix, number)
