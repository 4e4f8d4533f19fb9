"""Statements that make something, to `Op`s."""

from __future__ import annotations

from collections.abc import Iterator

from bluegreen.sql.expressions import columns, strings, walk
from bluegreen.sql.ops import Kind, Name, Op
from bluegreen.sql.parsing import Tree
from bluegreen.sql.reading.parts import (
    column,
    constraint,
    named,
    only,
    relation,
    sort_of,
    texts_of_options,
    type_of,
    words,
)
from bluegreen.sql.reading.targets import again, output_names
from bluegreen.sql.source import Statement
from bluegreen.sql.view_columns import columns_of_view

_EMPTY: Tree = {}


def create_table(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE TABLE`, partitions too."""
    cols, constraints = [], []
    for element in tree.get("tableElts", ()):
        if "ColumnDef" in element:
            cols.append(column(statement, element["ColumnDef"]))
        elif "Constraint" in element:
            constraints.append(constraint(statement, element["Constraint"]))
    bound = tree.get("partbound")
    parents = tree.get("inhRelations", ())
    flags = set(words(tree, if_not_exists="if_not_exists", partitioned="partspec"))
    if bound:
        flags |= {"partition", "default"} if bound.get("is_default") else {"partition"}
    if tree["relation"].get("relpersistence") == "t":
        flags.add("temporary")
    if tree["relation"].get("relpersistence") == "u":
        flags.add("unlogged")
    yield Op(
        Kind.CREATE_TABLE,
        statement.at,
        table=relation(tree["relation"]),
        other=relation(parents[0]["RangeVar"]) if parents else None,
        columns=tuple(cols),
        constraints=tuple(constraints),
        names=_partition_key(tree.get("partspec", _EMPTY)),
        reads=tuple(relation(item["RangeVar"]) for item in parents),
        expr=bound,
        flags=frozenset(flags),
    )


def _partition_key(tree: Tree) -> tuple[str, ...]:
    items = (item["PartitionElem"] for item in tree.get("partParams", ()))
    return tuple(item.get("name", "") for item in items)


def create_table_as(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE TABLE AS` and `CREATE MATERIALIZED VIEW`."""
    into = tree["into"]["rel"]
    flags = {"temporary"} if into.get("relpersistence") == "t" else set()
    flags |= words(tree, if_not_exists="if_not_exists")
    what = sort_of(tree["objtype"])
    yield Op(
        Kind.CREATE_TABLE_AS,
        statement.at,
        table=relation(into),
        what=what,
        uses=columns_of_view(tree["query"]) if what != "table" else frozenset(),
        reads=_tables(tree["query"]) if what != "table" else (),
        flags=frozenset(flags),
        twice=_twice(tree["query"], tree["into"].get("colNames", ())),
    )


def create_index(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE INDEX`."""
    elements = [
        item["IndexElem"]
        for key in ("indexParams", "indexIncludingParams")
        for item in tree.get(key, ())
    ]
    mentions = columns(tree.get("whereClause")).union(
        *(columns(element.get("expr")) for element in elements)
    )
    yield Op(
        Kind.CREATE_INDEX,
        statement.at,
        table=relation(tree["relation"]),
        name=tree.get("idxname", ""),
        names=tuple(element.get("name", "") for element in elements),
        mentions=mentions,
        expr=tree.get("whereClause"),
        value=str(len(tree.get("indexIncludingParams", ()))),
        flags=only(tree["relation"])
        | words(
            tree,
            concurrently="concurrent",
            unique="unique",
            if_not_exists="if_not_exists",
            nulls_not_distinct="nulls_not_distinct",
            partial="whereClause",
        ),
    )


def columns_of_keys(statement: Statement) -> frozenset[str]:
    """Columns that a `CREATE INDEX` orders by, alone or within an expression."""
    found = frozenset[str]()
    for item in statement.tree.get("indexParams", ()):
        element = item["IndexElem"]
        name = element.get("name")
        found |= {name} if name else columns(element.get("expr"))
    return found


def create_trigger(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE TRIGGER`."""
    flags = words(tree, row="row", replace="replace")
    yield Op(
        Kind.CREATE_TRIGGER,
        statement.at,
        table=relation(tree["relation"]),
        name=tree["trigname"],
        value=strings(tree["funcname"])[-1],
        flags=flags,
    )


def create_function(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE FUNCTION` and `PROCEDURE`."""
    name = ".".join(strings(tree["funcname"]))
    flags = words(tree, replace="replace")
    said = texts_of_options(tree)
    value = said.get("volatility", "volatile")
    language = said.get("language", "sql").lower()
    yield Op(
        Kind.CREATE_FUNCTION,
        statement.at,
        name=name,
        value=value,
        what=language,
        names=_signature(tree),
        flags=flags,
    )


_NOT_OF_A_SIGNATURE = frozenset({"FUNC_PARAM_OUT", "FUNC_PARAM_TABLE"})


def _signature(tree: Tree) -> tuple[str, ...]:
    """The types by which a function is told from others of its name."""
    given = (item["FunctionParameter"] for item in tree.get("parameters", ()))
    return tuple(
        str(type_of(one["argType"]))
        for one in given
        if one["mode"] not in _NOT_OF_A_SIGNATURE
    )


def create_composite(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE TYPE … AS (…)`."""
    name = relation(tree["typevar"])
    parts = (item["ColumnDef"]["colname"] for item in tree.get("coldeflist", ()))
    yield Op(Kind.OTHER, statement.at, name, what=statement.kind, twice=again(parts))


def create_statistics(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE STATISTICS`."""
    first = tree["relations"][0].get("RangeVar")
    table = relation(first) if first else None
    yield Op(Kind.CREATE_STATISTICS, statement.at, table)


def create_view(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE VIEW`."""
    flags = words(tree, replace="replace")
    view = relation(tree["view"])
    yield Op(
        Kind.CREATE_VIEW,
        statement.at,
        view,
        flags=flags,
        uses=columns_of_view(tree.get("query")),
        reads=_tables(tree.get("query")),
        twice=_twice(tree.get("query"), tree.get("aliases", ())),
    )


def _twice(query: Tree | None, aliases: list[Tree]) -> str:
    """A column that the query of a view or table gives a second time."""
    found = (query or _EMPTY).get("SelectStmt")
    return again(output_names(found, strings(aliases))) if found else ""


def _tables(query: Tree | None) -> tuple[Name, ...]:
    """The tables that a query is made of, without those of its WITH."""
    made = {
        node.get("ctename", "") for _, node in walk({"": query}) if "ctename" in node
    }
    found = (
        relation(node)
        for name, node in walk({"": query})
        if name == "RangeVar" and node.get("relname") not in made
    )
    return tuple(dict.fromkeys(found))


def create_rule(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE RULE`."""
    table = relation(tree["relation"])
    yield Op(Kind.CREATE_RULE, statement.at, table=table, name=tree["rulename"])


def policy(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE POLICY` and `ALTER POLICY`."""
    table = relation(tree["table"])
    yield Op(Kind.CREATE_POLICY, statement.at, table=table, name=tree["policy_name"])


def create_domain(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE DOMAIN`."""
    constraints = tuple(
        constraint(statement, item["Constraint"])
        for item in tree.get("constraints", ())
    )
    yield Op(
        Kind.CREATE_DOMAIN,
        statement.at,
        table=named(tree["domainname"]),
        type=type_of(tree["typeName"]),
        constraints=constraints,
        expr=next((c.expr for c in constraints if c.kind == "CONSTR_DEFAULT"), None),
    )


def create_enum(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE TYPE … AS ENUM`."""
    name = named(tree["typeName"])
    yield Op(Kind.CREATE_ENUM, statement.at, name, names=strings(tree.get("vals")))


def publication(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`CREATE` and `ALTER PUBLICATION`, an op for each table.

    `value` is what `publish` says; `filtered` stands for a table's row filter.
    """
    specs = [item["PublicationObjSpec"] for item in tree.get("pubobjects", ())]
    tables = [spec["pubtable"] for spec in specs if "pubtable" in spec]
    flags = words(tree, all_tables="for_all_tables")
    publish = texts_of_options(tree).get("publish", "")
    at, name = statement.at, tree["pubname"]
    for table in tables or [_EMPTY]:
        found = relation(table["relation"]) if table else None
        own = flags | words(table, filtered="whereClause")
        yield Op(Kind.PUBLICATION, at, found, name=name, value=publish, flags=own)
