"""What renames mean to the stream, by a migration's text alone.

Owns following a table or column through the names that one set of statements gives it.
All other statements are for `meaning.py` and `alter.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from bluegreen.compat.rules.rule import RULES
from bluegreen.compat.text.words import (
    BOTH,
    FORWARD,
    REVERSE,
    Read,
    Renames,
    Said,
    dotted,
)
from bluegreen.compat.verdict import Answer, Direction, Verdict
from bluegreen.sql.ops import Op

_HARMLESS = frozenset(
    {
        *("attribute", "constraint", "index", "materialized view", "policy"),
        *("sequence", "trigger", "type", "view"),
    }
)


def rename(op: Op, read: Read) -> Said:
    """What a RENAME means by itself; of a column, only its name in the end counts."""
    if op.what == "table":
        yield from _rename_table(op, read)
    elif op.what not in _HARMLESS | {"column"}:
        yield BOTH, Answer.UNKNOWN, "cannot-tell", f"the {op.what} gets another name"


def _rename_table(op: Op, read: Read) -> Said:
    if op.table and read.made(op.table):
        why = f"{op.value} is another table than the subscription knows"
        yield (Direction.FORWARD,), Answer.SILENT, "table-replaced", why
        yield REVERSE, Answer.UNKNOWN, "cannot-tell", why
        return
    table = op.table.name if op.table else ""
    yield FORWARD, Answer.BREAK, "table-missing", f"green has no {table} any more"
    answer = Answer.UNKNOWN if read.reverse is False else Answer.BREAK
    yield REVERSE, answer, "table-missing", f"blue has no {op.value}"


def under_last_name(
    found: list[Verdict], op: Op, where: str, read: Read
) -> list[Verdict]:
    """What was said of a table of this set goes by the name that it gets in the end."""
    if op.what != "table" or op.table is None or not read.made(op.table):
        return found
    new = dotted(op.table._replace(name=op.value))
    return [replace(v, where=new) if v.where == where else v for v in found]


def follow_column(op: Op, where: str, number: int, read: Read) -> None:
    """Keep in mind under which name a column of blue stands by now."""
    of_table = op.what == "column" and "on table" in op.flags
    if not of_table or op.table is None or read.made(op.table):
        return
    table = op.table.name
    if (table, op.name) in read.columns:
        read.columns.add((table, op.value))
        return
    one = read.renames.pop((table, op.name), None) or Renames(op.name)
    one.where = where
    one.statements.append(number)
    read.renames[(table, op.value)] = one


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
