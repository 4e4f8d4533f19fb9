"""How one change of a row reads in SQL, and what a refusal of it means.

Owns the small words of the imitation, without a connection; their order is for
`compat_apply`.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from bluegreen.compat.rules import apply as laws
from bluegreen.compat.seen import Change, Image
from bluegreen.postgres.catalog.relations import Relation

_TOASTED_BYTES = 2000
"""An unchanged value about this long is stored out of line and is not sent again."""


def added(image: sql.Identifier, columns: Sequence[str], row: Image) -> sql.Composed:
    """A row's texts into an image, which reads them as the types' input does."""
    return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        image,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Literal(row.get(name)) for name in columns),
    )


def insert_from(decided: laws.Writes, image: sql.Identifier) -> sql.Composed:
    """Rows of an image into the target, an identity ALWAYS included, as apply may."""
    columns = sql.SQL(", ").join(map(sql.Identifier, decided.columns))
    return sql.SQL(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}"
    ).format(sql.Identifier(*decided.target.qualified), columns, columns, image)


def only(target: Relation) -> sql.Composable:
    """Apply writes into the named table alone, unless it is partitioned."""
    name = sql.Identifier(*target.qualified)
    return name if target.kind == "partitioned" else sql.SQL("ONLY {}").format(name)


def whole_row(decided: laws.Writes, old: Image) -> list[sql.Composable]:
    """Tests that find a row by all that was sent, the target's own columns being NULL.

    Two records are compared as apply compares rows: by each type's default equality,
    and with an error for a type that has none, as json, box or circle; but for NULL,
    which apply looks at before it looks for an equality (measured on 15 and 17).
    """
    given = [c for c in decided.columns if old.get(c) is not None]
    empty = [
        c.name
        for c in decided.target.columns
        if c.name not in given and (c.name in decided.columns or not c.generated)
    ]
    tests: list[sql.Composable] = [_nulls(name, 1) for name in empty]
    if given:
        set_ = sql.SQL(" AND ").join(_nulls(name, 0) for name in given)
        one, two = (
            sql.SQL("(SELECT r FROM (SELECT {}) r)").format(
                sql.SQL(", ").join(sql.Identifier(side, name) for name in given)
            )
            for side in ("t", "i")
        )
        same = sql.SQL("CASE WHEN {} THEN {} = {} ELSE false END")
        tests.append(same.format(set_, one, two))
    return tests


def _nulls(column: str, number: int) -> sql.Composed:
    """Whether a value is NULL (1) or is not (0), a composite of NULLs being none."""
    return sql.SQL("pg_catalog.num_nulls({}) = {}").format(
        sql.Identifier("t", column), sql.Literal(number)
    )


def not_resent(change: Change, column: str) -> bool:
    """Whether an UPDATE leaves a large value where it is, and so does not send it."""
    assert change.old is not None
    assert change.new is not None
    value = change.new.get(column)
    same = value is not None and value == change.old.get(column)
    return same and len(value or "") > _TOASTED_BYTES


def kept_identity(decided: laws.Writes, change: Change, column: str) -> bool:
    """An identity ALWAYS that keeps its value: apply may set it, SQL may not."""
    assert change.old is not None
    assert change.new is not None
    found = decided.target.column(column)
    always = found is not None and found.identity == "a"
    return always and change.new.get(column) == change.old.get(column)


RULES = {
    "23": "constraint",
    "22": "does-not-fit",
    "22012": "expression-fails",
    "42501": "rights",
    "42883": "unqualified",
    "42P01": "unqualified",
    "P0": "trigger",
}
"""SQLSTATE, or its class, to the rule that explains it."""
