"""Looks at blue's tables that cannot simply be published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bluegreen.model.finding import Finding, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.migration_tables import (
    is_bookkeeping,
    names_of_bookkeeping,
)
from bluegreen.postgres.catalog.relations import (
    Relation,
    is_named,
    tables_without_identity,
)
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent

_REFUSES_GENERATED_SINCE = 180_000
"""pub_contains_invalid_column() in PostgreSQL's publicationcmds.c."""

# Types without an equality operator: a whole row of them cannot be found again.
_NO_EQUALITY = {
    "json",
    "xml",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
}


def check_table_identities(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """A published table without a replica identity breaks the application's UPDATE."""
    named = [t.full_name for t in blue.relations if _index_of(t, intent)]
    spared = (*intent.exclude, *named, *names_of_bookkeeping(blue.relations))
    for table in tables_without_identity(
        blue.relations, exclude=spared, identity_full=intent.identity_full
    ):
        yield checked(
            "table-without-identity",
            Side.BLUE,
            f"{table.full_name} {_what_is_missing(table)}",
            "as soon as it is published, the application's own UPDATE and DELETE on "
            "it fail",
            _identity_for(table),
            blocks=True,
        )


def _index_of(table: Relation, intent: Intent) -> Index | None:
    """The index that the playbook makes the table's replica identity, where it can."""
    return next(
        (
            index
            for index in table.indexes
            if index.usable and f"{table.schema}.{index.name}" in intent.identity_index
        ),
        None,
    )


def _what_is_missing(table: Relation) -> str:
    if table.replica_identity == "n":
        return "has REPLICA IDENTITY NOTHING"
    if table.replica_identity == "i":
        return "has lost the index of its REPLICA IDENTITY"
    if table.primary_key:
        return "has a DEFERRABLE primary key, which cannot tell rows apart here"
    return "has no primary key"


def _identity_for(table: Relation) -> str:
    index = table.candidate
    if index is not None and index.primary:
        return f"ALTER TABLE {table.quoted} REPLICA IDENTITY DEFAULT;"
    if index is not None:
        name = index.quoted
        return f"ALTER TABLE {table.quoted} REPLICA IDENTITY USING INDEX {name};"
    if _without_equality(table):
        return f"ALTER TABLE {table.quoted} ADD PRIMARY KEY (…);"
    return (
        f"ALTER TABLE {table.quoted} REPLICA IDENTITY FULL; -- or add a primary key, "
        "or name the table in `identity_full` or `exclude` of the step replicate"
    )


def check_full_identities(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """With REPLICA IDENTITY FULL and no key, rows are found by comparing them whole."""
    for table in blue.relations:
        if not _is_compared_whole(table, intent):
            continue
        columns = _without_equality(table)
        if columns:
            yield checked(
                "full-identity-unusable",
                Side.BLUE,
                f"{table.full_name} is found by whole rows, and {', '.join(columns)} "
                "cannot be compared",
                "the first UPDATE or DELETE on it stops the stream",
                f"ALTER TABLE {table.quoted} ADD PRIMARY KEY (…);",
                blocks=True,
            )


def check_generated_identities(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """A generated column is not published, so it can be no part of what finds a row.

    From 18 on blue refuses the application's own UPDATE and DELETE (42P10, "Replica
    identity must not contain unpublished generated columns"); before, the stream ends
    at the first one.
    """
    refuses = blue.version >= _REFUSES_GENERATED_SINCE
    for table in blue.relations:
        full = table.replica_identity == "f" or is_named(table, intent.identity_full)
        if not table.holds_rows or is_named(table, intent.exclude):
            continue
        chosen = _index_of(table, intent)
        full = full and chosen is None
        wanted = (
            chosen.columns
            if chosen
            else [c.name for c in table.columns]
            if full
            else table.identity_columns
        )
        found = [c.name for c in table.columns if c.generated and c.name in wanted]
        if found and (refuses or not full):
            yield _identity_generated(table, found, full=full, refuses=refuses)


def _identity_generated(
    table: Relation, columns: Sequence[str], *, full: bool, refuses: bool
) -> Finding:
    how = "REPLICA IDENTITY FULL takes in" if full else "its replica identity holds"
    ways = "ALTER TABLE {0} ADD PRIMARY KEY (…); -- over columns that are not generated"
    plain = [i for i in table.indexes if i.usable and not {*i.columns} & {*columns}]
    if plain and not full:
        ways = f"ALTER TABLE {{0}} REPLICA IDENTITY USING INDEX {plain[0].quoted};"
    return checked(
        "identity-generated",
        Side.BLUE,
        f"{table.full_name}: {how} {', '.join(columns)}, which is generated",
        "as soon as it is published, the application's own UPDATE and DELETE on it fail"
        if refuses
        else "a generated column is not sent: the first UPDATE or DELETE stops the "
        "stream for good",
        f"{ways.format(table.quoted)} or name it in `exclude` of the step replicate",
        blocks=True,
    )


def _is_compared_whole(table: Relation, intent: Intent) -> bool:
    full = table.replica_identity == "f" or is_named(table, intent.identity_full)
    keyed = any(index.primary and index.usable for index in table.indexes)
    return (
        table.holds_rows and full and not keyed and not is_named(table, intent.exclude)
    )


def _without_equality(table: Relation) -> list[str]:
    return [
        f"{column.name} {column.type}"
        for column in table.columns
        if column.type.removesuffix("[]") in _NO_EQUALITY
    ]


def check_unlogged_tables(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Nothing of an unlogged table is in the WAL."""
    for table in blue.relations:
        if (
            table.persistence == "u"
            and table.kind in ("table", "partitioned")
            and not is_named(table, intent.exclude)
        ):
            yield checked(
                "unlogged-table",
                Side.BLUE,
                f"{table.full_name} is UNLOGGED",
                "its rows are not streamed: it would be empty on green",
                f"ALTER TABLE {table.quoted} SET LOGGED; -- rewrites the table; or "
                "name it in `exclude` of the step replicate",
                blocks=True,
            )


def check_migration_tables(
    blue: ServerFacts, _: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """What a migration tool notes on green must not travel back to blue."""
    for table in blue.relations:
        if is_bookkeeping(table) and not is_named(table, intent.exclude):
            yield checked(
                "migration-table",
                Side.BLUE,
                f"{table.full_name} is a migration tool's own table",
                "its rows come to green once and travel in no stream: they would tell "
                "one side that it is migrated because the other one is",
            )
