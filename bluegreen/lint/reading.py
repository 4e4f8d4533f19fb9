"""Parse trees to `Op`s: which reader takes which statement.

The `reading_*` modules are the only ones that know the shape of statements' trees.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bluegreen.lint import reading_alter, reading_change, reading_create, reading_data
from bluegreen.lint.homes import qualified
from bluegreen.lint.ops import Kind, Op
from bluegreen.lint.parsing import Tree, parser
from bluegreen.lint.reading_parts import Reader, options, relation, words
from bluegreen.lint.source import Statement, read


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
    for op in reading_data.set_variable(statement, said) if said else ():
        yield op._replace(kind=Kind.ACCESS, what=what, flags=frozenset())


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
    try:
        body = json.loads(parser.parse_plpgsql_json(statement.text), strict=False)
    except (parser.ParseError, ValueError, RecursionError):
        yield Op(Kind.DYNAMIC_SQL, statement.at, what="unread")
        return
    after = statement.at
    for name, node in _in_order(body):
        if name in _STATIC:
            query = node[_STATIC[name]]["PLpgSQL_expr"]["query"]
            at = statement.source.text.find(query, after, statement.end)
            after = after if at < 0 else at + len(query)
            yield from _inside(statement, query, statement.at if at < 0 else at)
        elif name in _DYNAMIC or "dynquery" in node:
            yield Op(Kind.DYNAMIC_SQL, statement.at, what="execute", inside=True)


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
            yield reading_alter.moved(op, at + op.at)


_READERS: dict[str, Reader] = {
    "CreateStmt": reading_create.create_table,
    "CreateTableAsStmt": reading_create.create_table_as,
    "IndexStmt": reading_create.create_index,
    "CreateTrigStmt": reading_create.create_trigger,
    "CreateFunctionStmt": reading_create.create_function,
    "ViewStmt": reading_create.create_view,
    "RuleStmt": reading_create.create_rule,
    "CreatePolicyStmt": reading_create.policy,
    "AlterPolicyStmt": reading_create.policy,
    "CreateDomainStmt": reading_create.create_domain,
    "CreateEnumStmt": reading_create.create_enum,
    "CreateSeqStmt": _sequence(Kind.CREATE_SEQUENCE),
    "AlterSeqStmt": _sequence(Kind.ALTER_SEQUENCE),
    "CreateStatsStmt": reading_create.create_statistics,
    "CreatePublicationStmt": reading_create.publication,
    "AlterPublicationStmt": reading_create.publication,
    "DropStmt": reading_change.drop,
    "DropdbStmt": reading_change.drop_whole("database", "dbname"),
    "DropOwnedStmt": reading_change.drop_whole("owned"),
    "DropSubscriptionStmt": reading_change.drop_whole("subscription", "subname"),
    "DropRoleStmt": _plain(Kind.ACCESS),
    "RenameStmt": reading_change.rename,
    "AlterObjectSchemaStmt": reading_change.move(Kind.SET_SCHEMA, "newschema"),
    "AlterOwnerStmt": reading_change.move(Kind.OWNER, "newowner"),
    "CommentStmt": reading_change.comment,
    "AlterTableStmt": reading_alter.alter_table,
    "AlterDomainStmt": reading_change.alter_domain,
    "AlterEnumStmt": reading_change.alter_enum,
    "ReindexStmt": reading_change.reindex,
    "ClusterStmt": reading_change.cluster,
    "VacuumStmt": reading_change.vacuum,
    "RefreshMatViewStmt": reading_change.refresh,
    "TruncateStmt": reading_change.truncate,
    "LockStmt": reading_change.lock,
    "InsertStmt": reading_data.data(Kind.INSERT),
    "UpdateStmt": reading_data.data(Kind.UPDATE),
    "DeleteStmt": reading_data.data(Kind.DELETE),
    "MergeStmt": reading_data.data(Kind.MERGE),
    "SelectStmt": reading_data.select,
    "CopyStmt": reading_data.copy,
    "CallStmt": _plain(Kind.CALL),
    "DoStmt": _do,
    "ExplainStmt": _explain,
    "CreateSchemaStmt": _create_schema,
    "TransactionStmt": _transaction,
    "VariableSetStmt": reading_data.set_variable,
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
