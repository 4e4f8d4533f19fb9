"""Parse trees to `Op`s: which reader takes which statement.

The modules of this folder alone know the shape of statements' trees; `promises.py`
knows that of pglast's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.parsing import Tree, parser
from bluegreen.sql.reading import alter, change, create, data
from bluegreen.sql.reading.parts import Reader, options, relation, words
from bluegreen.sql.search_path import qualified
from bluegreen.sql.source import Statement, read, statements_of


def ops(statement: Statement) -> list[Op]:
    """Everything that a statement does, in the order in which it is written."""
    if statement.ops is None:
        statement.ops = list(_read(statement))
    return statement.ops


def _read(statement: Statement) -> Iterable[Op]:
    reader = _READERS.get(statement.kind)
    if reader is None:
        return [Op(Kind.OTHER, statement.at, what=statement.kind)]
    return reader(statement, statement.tree)


def _sequence(kind: Kind) -> Reader:
    def reader(statement: Statement, tree: Tree) -> Iterator[Op]:
        yield Op(kind, statement.at, table=relation(tree["sequence"]))

    return reader


def _plain(kind: Kind, key: str = "") -> Reader:
    """A statement of which only the kind, and at most a name, matters."""

    def reader(statement: Statement, tree: Tree) -> Iterator[Op]:
        name = tree.get(key, "")
        what = statement.kind.removesuffix("Stmt")
        yield Op(kind, statement.at, name=name, what=what)

    return reader


def _lasting(statement: Statement, tree: Tree) -> Iterator[Op]:
    """A setting that a role, a database or the server keeps."""
    said = tree.get("setstmt", {}).get("VariableSetStmt", tree.get("setstmt", {}))
    what = statement.kind.removesuffix("Stmt")
    for op in data.set_variable(statement, said) if said else ():
        yield op._replace(kind=Kind.ACCESS, what=what, flags=frozenset())


def _subscription(statement: Statement, tree: Tree) -> Iterator[Op]:
    """`ALTER SUBSCRIPTION`; `refresh` where its tables are looked up again."""
    name = "refresh" if "REFRESH" in tree["kind"] else ""
    yield Op(Kind.OTHER, statement.at, name=name, what=statement.kind)


_TRANSACTION = {
    "TRANS_STMT_BEGIN": Kind.BEGIN,
    "TRANS_STMT_START": Kind.BEGIN,
    "TRANS_STMT_COMMIT": Kind.COMMIT,
    "TRANS_STMT_PREPARE": Kind.COMMIT,
    "TRANS_STMT_ROLLBACK": Kind.ROLLBACK,
}


def _transaction(statement: Statement, tree: Tree) -> Iterator[Op]:
    kind = _TRANSACTION.get(tree["kind"], Kind.SAVEPOINT)
    if tree["kind"].endswith("_PREPARED"):
        kind = Kind.OTHER
    yield Op(kind, statement.at, flags=words(tree, chain="chain"))


def _explain(statement: Statement, tree: Tree) -> Iterator[Op]:
    ((kind, node),) = tree["query"].items()
    reader = _READERS.get(kind)
    if "analyze" in options(tree) and reader:
        yield from reader(statement, node)
    else:
        yield Op(Kind.SELECT, statement.at)


def _create_schema(statement: Statement, tree: Tree) -> Iterator[Op]:
    name = tree.get("schemaname", "")
    yield Op(Kind.OTHER, statement.at, name=name, what="CreateSchema")
    for element in tree.get("schemaElts", ()):
        ((kind, node),) = element.items()
        if kind in _READERS:
            for op in _READERS[kind](statement, node):
                yield qualified(op, name)


# Statements in PL/pgSQL, by the field that holds their text.
_STATIC = {"PLpgSQL_stmt_execsql": "sqlstmt", "PLpgSQL_stmt_perform": "expr"}
_DYNAMIC = frozenset({"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"})


def _do(statement: Statement, tree: Tree) -> Iterator[Op]:
    """The static statements of a DO block, and a note of each dynamic one."""
    body = _body(statement)
    if body is None:
        yield Op(Kind.DYNAMIC_SQL, statement.at, what="unread")
        return
    after = statement.at
    for name, node in _in_order(body):
        if name in _STATIC:
            query = node[_STATIC[name]]["PLpgSQL_expr"]["query"]
            at = statement.source.text.find(query, after, statement.end)
            after = after if at < 0 else at + len(query)
            yield from _inside(statement, query, statement.at if at < 0 else at)
        elif (constant := _constant(name, node)) is not None:
            at = statement.source.text.find(constant, after, statement.end)
            after = after if at < 0 else at + len(constant)
            yield from _inside(statement, constant, statement.at if at < 0 else at)
        elif name in _DYNAMIC or "dynquery" in node:
            yield Op(Kind.DYNAMIC_SQL, statement.at, what="execute", inside=True)


def _constant(name: str, node: Tree) -> str | None:
    """The SQL of an EXECUTE of a constant, which is as good as written plainly."""
    if name != "PLpgSQL_stmt_dynexecute":
        return None
    query = node["query"]["PLpgSQL_expr"]["query"]
    found = statements_of(f"SELECT {query}") or []
    if len(found) != 1 or set(found[0].tree) - _OF_A_CONSTANT:
        return None
    first, *more = found[0].tree.get("targetList") or [{"ResTarget": {}}]
    value = {} if more else first["ResTarget"].get("val", {}).get("A_Const", {})
    text = value.get("sval", {}).get("sval")
    return text if text and statements_of(text) else None


_OF_A_CONSTANT = {"targetList", "limitOption", "op"}


def inside(statement: Statement) -> Iterator[Statement]:
    """The statements written plainly in a DO block, without PERFORM.

    An EXECUTE counts where its text is a constant.
    """
    for name, node in _in_order(_body(statement)):
        if (constant := _constant(name, node)) is not None:
            yield from statements_of(constant) or ()
        if name == "PLpgSQL_stmt_execsql":
            query = node["sqlstmt"]["PLpgSQL_expr"]["query"]
            yield from statements_of(query) or ()


def _body(statement: Statement) -> object:
    """The PL/pgSQL tree of a DO block; None where it cannot be read."""
    try:
        return json.loads(parser.parse_plpgsql_json(statement.text), strict=False)
    except (parser.ParseError, ValueError, RecursionError):
        return None


def _in_order(body: object) -> Iterator[tuple[str, Tree]]:
    """Every node of a PL/pgSQL tree, as (name, fields), as they stand in the text."""
    stack: list[tuple[str, object]] = [("", body)]
    while stack:
        name, here = stack.pop()
        if isinstance(here, list):
            stack.extend(("", item) for item in reversed(here))
        elif isinstance(here, dict):
            yield name, here
            stack.extend(reversed(here.items()))


def _inside(statement: Statement, query: str, at: int) -> Iterator[Op]:
    """Ops of a statement in a DO block, whose text stands at `at`."""
    for inner in read(statement.source.name, query).statements:
        for op in ops(inner):
            yield alter.moved(op, at + op.at)


_READERS: dict[str, Reader] = {
    "CreateStmt": create.create_table,
    "CreateTableAsStmt": create.create_table_as,
    "IndexStmt": create.create_index,
    "CreateTrigStmt": create.create_trigger,
    "CreateFunctionStmt": create.create_function,
    "ViewStmt": create.create_view,
    "RuleStmt": create.create_rule,
    "CreatePolicyStmt": create.policy,
    "AlterPolicyStmt": create.policy,
    "CreateDomainStmt": create.create_domain,
    "CreateEnumStmt": create.create_enum,
    "CompositeTypeStmt": create.create_composite,
    "CreateSeqStmt": _sequence(Kind.CREATE_SEQUENCE),
    "AlterSeqStmt": _sequence(Kind.ALTER_SEQUENCE),
    "CreateStatsStmt": create.create_statistics,
    "CreatePublicationStmt": create.publication,
    "AlterPublicationStmt": create.publication,
    "AlterSubscriptionStmt": _subscription,
    "DropStmt": change.drop,
    "DropdbStmt": change.drop_whole("database", "dbname"),
    "DropOwnedStmt": change.drop_whole("owned"),
    "DropSubscriptionStmt": change.drop_whole("subscription", "subname"),
    "DropRoleStmt": _plain(Kind.ACCESS),
    "RenameStmt": change.rename,
    "AlterObjectSchemaStmt": change.move(Kind.SET_SCHEMA, "newschema"),
    "AlterOwnerStmt": change.move(Kind.OWNER, "newowner"),
    "CommentStmt": change.comment,
    "AlterTableStmt": alter.alter_table,
    "AlterDomainStmt": change.alter_domain,
    "AlterEnumStmt": change.alter_enum,
    "ReindexStmt": change.reindex,
    "ClusterStmt": change.cluster,
    "VacuumStmt": change.vacuum,
    "RefreshMatViewStmt": change.refresh,
    "TruncateStmt": change.truncate,
    "LockStmt": change.lock,
    "InsertStmt": data.data(Kind.INSERT),
    "UpdateStmt": data.data(Kind.UPDATE),
    "DeleteStmt": data.data(Kind.DELETE),
    "MergeStmt": data.data(Kind.MERGE),
    "SelectStmt": data.select,
    "CopyStmt": data.copy,
    "CallStmt": _plain(Kind.CALL),
    "DoStmt": _do,
    "ExplainStmt": _explain,
    "CreateSchemaStmt": _create_schema,
    "TransactionStmt": _transaction,
    "VariableSetStmt": data.set_variable,
    "ReassignOwnedStmt": _plain(Kind.ACCESS),
    "GrantStmt": _plain(Kind.ACCESS),
    "GrantRoleStmt": _plain(Kind.ACCESS),
    "AlterDefaultPrivilegesStmt": _plain(Kind.ACCESS),
    "CreateRoleStmt": _plain(Kind.ACCESS),
    "AlterRoleStmt": _plain(Kind.ACCESS),
    "AlterRoleSetStmt": _lasting,
    "AlterDatabaseStmt": _plain(Kind.ACCESS),
    "AlterDatabaseSetStmt": _lasting,
    "AlterSystemStmt": _lasting,
}
