"""The statements about a rule: asking, trying, showing, correcting. Pure.

Expressions are pg_get_expr's own text, printed for an empty search_path.
"""

from __future__ import annotations

from psycopg import sql

from bluegreen.postgres.catalog.foreign_keys import orphans
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.rules.read import Kind, Rule

_NO_INDEX = (
    "SET enable_indexscan = off; SET enable_indexonlyscan = off; "
    "SET enable_bitmapscan = off; "
)

SAMPLE = 20
"""Rows by which a function is tried: what it cannot find, it cannot find for any."""


def labels(rule: Rule) -> tuple[str, ...]:
    """What the values of a row that `question` gives are called."""
    if rule.kind is Kind.UNIQUE:
        return rule.columns
    key = rule.key or ("ctid",)
    if rule.foreign is not None:
        return tuple(dict.fromkeys((*key, *rule.foreign.columns)))
    return key


def question(rule: Rule, most: int) -> sql.Composed:
    """Rows that break a rule, each as an array of texts; none for an expression.

    What only has to be computed is computed for all of them.
    """
    limit = sql.SQL(" LIMIT {}").format(sql.Literal(most))
    if rule.kind is Kind.UNIQUE:
        return _twice(rule) + limit
    if rule.kind in (Kind.GENERATED, Kind.EXPRESSION):
        counts = [sql.SQL("pg_catalog.count({})").format(e) for e in expressions(rule)]
        return sql.SQL("SELECT NULL FROM {} HAVING {} < 0").format(
            _table(rule), sql.SQL(" + ").join(counts)
        )
    row = sql.SQL("ARRAY[{}]").format(
        sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(name)) for name in labels(rule)
        )
    )
    if rule.foreign is not None:
        row = sql.SQL("ARRAY[{}]").format(
            sql.SQL(", ").join(
                sql.SQL("{}::text").format(sql.Identifier("c", name))
                for name in labels(rule)
            )
        )
        return sql.SQL("SELECT {} {}").format(row, orphans(rule.foreign)) + limit
    if rule.kind is Kind.DOMAIN:
        # The test speaks of VALUE, which an unquoted column of that name answers to.
        inner = sql.SQL("SELECT {}, {} AS value FROM {}").format(
            row, sql.Identifier(rule.column), _table(rule)
        )
        of = sql.SQL("SELECT x.{} FROM ({}) AS x ({}, value)")
        name = sql.Identifier("row that it is")
        return of.format(name, inner, name) + _broken_by(rule) + limit
    return (
        sql.SQL("SELECT {} FROM {}").format(row, _table(rule))
        + _broken_by(rule)
        + limit
    )


def sample(rule: Rule) -> sql.Composed:
    """The expressions of a rule over some rows."""
    if rule.kind is Kind.DOMAIN:
        return sql.SQL(
            "SELECT ({}) IS NULL FROM (SELECT {} AS value FROM {} LIMIT {}) x"
        ).format(_raw(rule.test), sql.Identifier(rule.column), _table(rule), SAMPLE)
    tests = sql.SQL(", ").join(
        sql.SQL("({}) IS NULL").format(one) for one in expressions(rule)
    )
    return sql.SQL("SELECT {} FROM {} LIMIT {}").format(tests, _table(rule), SAMPLE)


def expressions(rule: Rule) -> list[sql.SQL]:
    """What is computed for each row."""
    texts = (*rule.columns, rule.only) if not rule.test else (rule.test,)
    return [_raw(text) for text in texts if text]


def show(rule: Rule) -> str:
    """The statement that shows all rows that break it, for a person."""
    if rule.kind is Kind.UNIQUE:
        return f"{_NO_INDEX}{_twice(rule, counted=True).as_string()};"
    if rule.foreign is not None:
        return sql.SQL("SELECT c.* {};").format(orphans(rule.foreign)).as_string()
    table = sql.SQL(quote_name(*rule.table))
    if rule.kind is Kind.DOMAIN:
        values = sql.SQL("SELECT ctid, {} AS value FROM ONLY {}").format(
            sql.Identifier(rule.column), table
        )
        of = sql.SQL(
            "SELECT * FROM ONLY {} WHERE ctid IN (SELECT x.ctid FROM ({}) x{});"
        )
        return of.format(table, values, _broken_by(rule)).as_string()
    of = sql.SQL("SELECT * FROM ONLY {}{};")
    return of.format(table, _broken_by(rule)).as_string()


def corrections(rule: Rule) -> tuple[str, ...]:
    """Statements that let rows be as they are, or what else there is to do."""
    name, owner = quote_name(rule.name), quote_name(*rule.owner)
    if rule.kind in (Kind.CHECK, Kind.FOREIGN_KEY):
        again = f"ADD CONSTRAINT {name} {rule.definition} NOT VALID"
        return (f"ALTER TABLE {owner} DROP CONSTRAINT {name}, {again};",)
    if rule.kind is Kind.DOMAIN:
        again = f"ADD CONSTRAINT {name} {rule.definition} NOT VALID"
        drop = f"ALTER DOMAIN {owner} DROP CONSTRAINT {name};"
        return (f"{drop} ALTER DOMAIN {owner} {again};",)
    if rule.kind is Kind.NOT_NULL:
        table = quote_name(*rule.table)
        return tuple(
            f"ALTER TABLE {table} ALTER COLUMN {quote_name(one)} DROP NOT NULL;"
            for one in rule.columns
            if one not in rule.key
        )
    if rule.kind is Kind.UNIQUE:
        rows = "delete or change the rows that are too many; the index is corrupt:"
        return (f"{rows} REINDEX INDEX CONCURRENTLY {rule.name};",)
    return ()


def corrections_on_copy(rule: Rule) -> tuple[str, ...]:
    """What the side that has the schema already needs with `corrections`."""
    name, owner = quote_name(rule.name), quote_name(*rule.owner)
    if rule.kind is Kind.CHECK:
        return (f"ALTER TABLE {owner} DROP CONSTRAINT {name};",)
    if rule.kind is Kind.DOMAIN:
        return (f"ALTER DOMAIN {owner} DROP CONSTRAINT {name};",)
    return corrections(rule) if rule.kind is Kind.NOT_NULL else ()


def _twice(rule: Rule, *, counted: bool = False) -> sql.Composed:
    """Values that stand twice, as an array; counted for a person, with their rows."""
    values = [sql.SQL("({})").format(_raw(one)) for one in rule.columns]
    where = [sql.SQL("({})").format(_raw(rule.only))] if rule.only else []
    if not rule.nulls_equal:
        where += [sql.SQL("{} IS NOT NULL").format(one) for one in values]
    names = [sql.Identifier(f"v{number}") for number in range(1, len(values) + 1)]
    listed = sql.SQL(", ").join(names)
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(one) for one in names)
    wanted = sql.SQL("ARRAY[{}]").format(texts)
    if counted:
        wanted = sql.SQL("{}, count(*), array_agg(ctid)").format(listed)
    # A cast to text would move below a COLLATE, which then is another expression.
    return sql.SQL(
        "SELECT {} FROM (SELECT {}, ctid FROM {} WHERE {}) AS x ({}, ctid)"
        " GROUP BY {} HAVING pg_catalog.count(*) > 1"
    ).format(
        wanted,
        sql.SQL(", ").join(values),
        _table(rule),
        sql.SQL(" AND ").join(where) if where else sql.SQL("true"),
        listed,
        listed,
    )


def _table(rule: Rule) -> sql.Composed:
    # A whole row in an expression is printed by the table's bare name.
    return sql.SQL("ONLY {} AS {}").format(
        sql.SQL(quote_name(*rule.table)), sql.SQL(quote_name(rule.table[1]))
    )


def _broken_by(rule: Rule) -> sql.Composed:
    return sql.SQL(" WHERE NOT ({})").format(_raw(rule.test))


def _raw(text: str) -> sql.SQL:
    return sql.SQL(text)
