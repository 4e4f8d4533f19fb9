"""Rows of blue that break what holds, and functions that rows of green cannot call.

Owns what each means before a copy. Asking is for `postgres/rules/`: functions are
tried on some rows, all else is asked of every row and so only where that is wanted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.database import LOCK_NOT_FREE, Database, SqlError
from bluegreen.postgres.rules.breaches import Asker, Breach, Unasked
from bluegreen.postgres.rules.read import Kind, Rule, read_rules
from bluegreen.steps.preflight.intent import listed

TRIED_FOR = timedelta(seconds=2)
"""One function on some rows; one that takes longer is left to `--deep`."""


def look_at_rules(
    blue: Database, exclude: Collection[Name], *, deep: bool
) -> list[Finding]:
    """Try the functions behind rules, or ask every rule of every row.

    Args:
        blue: the side whose rows are copied.
        exclude: tables whose rows stay behind.
        deep: ask everything.

    What a lock keeps from being read is told, and holds nothing up.
    """
    try:
        rules = read_rules(blue, exclude=exclude)
    except SqlError as error:
        if error.sqlstate not in LOCK_NOT_FREE:
            raise
        return [_not_read(error)]
    if not deep:
        return list(check_breaches(Asker(blue, TRIED_FOR).try_functions(rules)))
    return list(check_breaches(Asker(blue).ask(_at_once(rules))))


def _not_read(error: SqlError) -> Finding:
    return checked(
        "rule-not-asked",
        Side.BLUE,
        f"no rule was read, as a table is locked: {error.seen}",
        "a row that breaks one would stop the copy or what is built behind it",
        "call `bluegreen check` again when the lock is gone",
    )


def _at_once(rules: Iterable[Rule]) -> list[Rule]:
    """By table, so that what one question has read is still in memory for the next."""
    by_table: dict[Name, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_table[rule.table].append(rule)
    return [rule for found in by_table.values() for rule in found]


def check_breaches(found: Iterable[Breach | Unasked]) -> Iterator[Finding]:
    """One finding a rule; one for all that a function keeps from working. Pure."""
    functions: dict[tuple[str, ...], list[Breach]] = defaultdict(list)
    for one in found:
        if isinstance(one, Unasked):
            yield checked(
                "rule-not-asked",
                Side.BLUE,
                f"{one.rule.thing} of table {'.'.join(one.rule.table)} could not be "
                f"asked of every row: {one.said}",
                "a row that breaks it would stop the copy or what is built behind it",
            )
        elif one.needs_path:
            functions[one.fix].append(one)
        else:
            yield _of_rows(one)
    for fix, breaches in functions.items():
        others = [breach.rule.thing for breach in breaches[1:]]
        also = f"; the same stops {listed(others)}" if others else ""
        yield checked(
            "function-unqualified",
            Side.BLUE,
            f"{breaches[0].seen}{also}",
            "the workers of logical replication have an empty search_path, so no row "
            "of the table could be copied or applied on green",
            "\n".join(fix),
            blocks=True,
        )


_WHAT = {
    Kind.UNIQUE: (
        "rows-twice",
        "green builds the index from the rows, and refuses it; blue's is corrupt",
    ),
    Kind.FOREIGN_KEY: (
        "rows-without-parent",
        "green checks the foreign key behind the copy, and refuses it",
    ),
}
_BROKEN = (
    "rows-break-rule",
    "blue does not look at a row again, green looks at every row that it copies",
)


def _of_rows(one: Breach) -> Finding:
    id_, why = _WHAT.get(one.rule.kind, _BROKEN)
    show = f"; all of them: {one.show}" if one.show else ""
    return checked(
        id_,
        Side.BLUE,
        f"{one.seen}{show}",
        why,
        "\n".join(one.fix),
        blocks=True,
        object=one.rule.thing if one.rule.kind is Kind.FOREIGN_KEY else "",
    )
