"""Statements that drop, rename, move, alter or rebuild something, to `Op`s.

`ALTER TABLE` is in `alter.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.sql.ops import Kind, Name, Op
from bluegreen.sql.parsing import Tree
from bluegreen.sql.reading.parts import (
    Reader,
    cascade,
    constraint,
    from_parts,
    named,
    object_name,
    only,
    options,
    relation,
    sort_of,
    type_of,
    words,
)
from bluegreen.sql.source import Statement

_ON_TABLE = frozenset({"on table"})
# Objects that live on a table: the last part of the dropped name is theirs.
_ON_A_TABLE = frozenset({"trigger", "policy", "rule"})


def drop(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`DROP`, an op for each object."""
    what = sort_of(tree["removeType"])
    flags = cascade(tree) | words(
        tree, concurrently="concurrent", if_exists="missing_ok"
    )
    for item in tree["objects"]:
        parts = object_name(item)
        on_table = what in _ON_A_TABLE
        table = from_parts(parts[:-1] if on_table else parts)
        name = parts[-1] if on_table else ""
        called = item.get("ObjectWithArgs", {})
        more = words(called, any_arguments="args_unspecified")
        yield Op(
            Kind.DROP,
            statement.at,
            table,
            name=name,
            what=what,
            names=tuple(
                str(type_of(one["TypeName"])) for one in called.get("objargs", ())
            ),
            flags=flags | more,
        )


def drop_whole(what: str, key: str = "") -> Reader:
    """`DROP` of what has no list of objects: a database, a role's things."""

    def reader(statement: Statement, tree: Tree) -> Iterator[Op]:
        flags = cascade(tree) | words(tree, if_exists="missing_ok")
        name = Name("", tree.get(key, ""))
        yield Op(Kind.DROP, statement.at, name, what=what, flags=flags)

    return reader


def rename(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`RENAME TO`, of whatever; `on table` where that is what a column is of."""
    table = None
    if "relation" in tree:
        table = relation(tree["relation"])
    elif "object" in tree:
        table = from_parts(object_name(tree["object"]))
    yield Op(
        Kind.RENAME,
        statement.at,
        table=table,
        name=tree.get("subname", ""),
        value=tree["newname"],
        what=sort_of(tree["renameType"]),
        flags=_ON_TABLE if tree["relationType"] == "OBJECT_TABLE" else frozenset(),
    )


def move(kind: Kind, key: str) -> Reader:
    """`SET SCHEMA` and `OWNER TO` for whatever they act on."""

    def reader(statement: Statement, tree: Tree) -> Iterator[Op]:
        table = None
        if "relation" in tree:
            table = relation(tree["relation"])
        elif "object" in tree:
            table = from_parts(object_name(tree["object"]))
        value = tree.get(key, "")
        value = value.get("rolename", "") if isinstance(value, dict) else value
        what = sort_of(tree["objectType"])
        yield Op(kind, statement.at, table, value=value, what=what)

    return reader


_DOMAIN_OPS = {"C": Kind.DOMAIN_ADD_CONSTRAINT, "V": Kind.DOMAIN_VALIDATE}
_DOMAIN_WHAT = {"N": "drop not null", "O": "set not null", "X": "drop constraint"}


def alter_domain(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`ALTER DOMAIN`."""
    kind = _DOMAIN_OPS.get(tree["subtype"], Kind.DOMAIN_OTHER)
    added = None
    if kind is Kind.DOMAIN_ADD_CONSTRAINT:
        added = constraint(statement, tree["def"]["Constraint"])
    yield Op(
        kind,
        statement.at,
        table=named(tree["typeName"]),
        name=tree.get("name", ""),
        what=_DOMAIN_WHAT.get(tree["subtype"], "default"),
        constraint=added,
        expr=tree.get("def") if tree["subtype"] == "T" else None,
    )


def alter_enum(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`ALTER TYPE … ADD VALUE` and `RENAME VALUE`."""
    renames = "oldVal" in tree
    flags = words(tree, placed="newValNeighbor", if_not_exists="skipIfNewValExists")
    yield Op(
        Kind.RENAME_ENUM_VALUE if renames else Kind.ADD_ENUM_VALUE,
        statement.at,
        table=named(tree["typeName"]),
        name=tree.get("oldVal") or tree["newVal"],
        value=tree["newVal"],
        flags=flags,
    )


def reindex(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`REINDEX`."""
    table = relation(tree["relation"]) if "relation" in tree else None
    what = tree["kind"].removeprefix("REINDEX_OBJECT_").lower()
    flags = options(tree, "params")
    yield Op(Kind.REINDEX, statement.at, table, what=what, flags=flags)


def cluster(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CLUSTER`."""
    table = relation(tree["relation"]) if "relation" in tree else None
    yield Op(Kind.CLUSTER, statement.at, table=table)


def vacuum(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`VACUUM` and `ANALYZE`, an op for each table."""
    kind = Kind.VACUUM if tree.get("is_vacuumcmd") else Kind.ANALYZE
    flags = options(tree)
    tables = [item["VacuumRelation"].get("relation") for item in tree.get("rels", ())]
    for table in tables or [None]:
        found = relation(table) if table else None
        yield Op(kind, statement.at, table=found, flags=flags)


def refresh(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`REFRESH MATERIALIZED VIEW`."""
    flags = words(tree, concurrently="concurrent", no_data="skipData")
    yield Op(Kind.REFRESH, statement.at, relation(tree["relation"]), flags=flags)


_COMMENTED = frozenset({"table", "view", "materialized view", "foreign table"})


def comment(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`COMMENT`; the table is set where one is locked."""
    what = sort_of(tree["objtype"])
    parts = object_name(tree["object"]) if "object" in tree else ()
    table = None
    if what in _COMMENTED:
        table = from_parts(parts)
    elif what == "column":
        table = from_parts(parts[:-1])
    yield Op(Kind.COMMENT, statement.at, table, what=what)


def truncate(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`TRUNCATE`, an op for each table."""
    for item in tree["relations"]:
        table = relation(item["RangeVar"])
        flags = cascade(tree) | only(item["RangeVar"])
        yield Op(Kind.TRUNCATE, statement.at, table=table, flags=flags)


def lock(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`LOCK TABLE`, an op for each table."""
    for item in tree["relations"]:
        table = relation(item["RangeVar"])
        mode, flags = str(tree["mode"]), only(item["RangeVar"])
        yield Op(Kind.LOCK_TABLE, statement.at, table=table, value=mode, flags=flags)
