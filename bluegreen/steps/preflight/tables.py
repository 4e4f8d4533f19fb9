"""Looks at kinds of tables and columns that are carried in a way of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation, is_named
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.postgres.quoting import quote_name
from bluegreen.steps.preflight.intent import Intent, listed


def check_row_security(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Policies that hold for our role hide rows from the copy and refuse the apply."""
    for facts in (blue, green):
        if facts.rights.bypass_rls:
            continue
        hidden = [
            table.full_name
            for table in facts.relations
            if table.row_security
            and (table.forced or not table.owned)
            and not is_named(table, intent.exclude)
        ]
        if hidden:
            role = quote_name(facts.rights.role)
            yield checked(
                "row-security",
                facts.side,
                f"row-level security holds for role {role} on {listed(hidden)}",
                "blue's copy would leave rows out without a word, green's apply stops",
                f"ALTER ROLE {role} BYPASSRLS;",
                blocks=True,
            )


def check_kinds_of_tables(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Good to know; nothing here blocks."""
    tables = [t for t in blue.relations if not is_named(t, intent.exclude)]

    def find(
        key: str, holds: Callable[[Relation], bool], why: str, fix: str = ""
    ) -> Iterator[Finding]:
        names = [table.full_name for table in tables if holds(table)]
        if names:
            yield checked(key, Side.BLUE, listed(names), why, fix)

    yield from find(
        "materialized-views",
        lambda t: t.kind == "matview",
        "materialized views are not streamed: green's show what they were made with",
        "REFRESH MATERIALIZED VIEW them on green before the cutover",
    )
    yield from find(
        "foreign-tables",
        lambda t: t.kind == "foreign",
        "rows stay where they are; green's server must reach that place as well",
        "try a SELECT from each on green before the cutover",
    )
    yield from find(
        "partitioned-tables",
        lambda t: t.kind == "partitioned",
        "a partition made on one side while the other follows travels nowhere",
        "make partitions ahead of time on both sides: bluegreen partitions",
    )
    yield from find(
        "inherited-tables",
        lambda t: t.inherits,
        "children by INHERITS are published one by one, as tables of their own",
    )
    yield from find(
        "extension-tables",
        lambda t: t.kind == "table" and bool(t.extension),
        "tables of an extension are made by CREATE EXTENSION and not streamed",
        "copy their rows by hand where the application put some there",
    )


def check_columns(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Columns whose values a server makes by itself."""
    tables = [
        table
        for table in blue.relations
        if table.holds_rows and not is_named(table, intent.exclude)
    ]

    def names(holds: Callable[[Column], str]) -> list[str]:
        return [
            f"{table.full_name}.{column.name}"
            for table in tables
            for column in table.columns
            if holds(column)
        ]

    generated = names(lambda column: column.generated)
    if generated:
        yield checked(
            "generated-columns",
            Side.BLUE,
            listed(generated),
            "green computes them itself, with its own functions and collations",
        )
    identities = names(lambda column: column.identity)
    if identities:
        yield checked(
            "identity-columns",
            Side.BLUE,
            listed(identities),
            "rows keep blue's numbers; the cutover sets the counters inside the pause",
        )
