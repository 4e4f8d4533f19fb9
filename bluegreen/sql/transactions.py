"""What statements mean to the transaction that they stand in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from bluegreen.sql.ops import Kind, Op
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import Statement, statements_of

Mark = Literal["", "begin", "commit", "rollback"]

# PreventInTransactionBlock() in PostgreSQL's utility.c and the commands it calls.
_ALONE = frozenset(
    {
        "AlterSubscriptionStmt",
        "AlterSystemStmt",
        "CreateSubscriptionStmt",
        "CreateTableSpaceStmt",
        "CreatedbStmt",
        "DropSubscriptionStmt",
        "DropTableSpaceStmt",
        "DropdbStmt",
    }
)
_OF_MANY = frozenset({"schema", "database", "system"})
_MARKS: dict[Kind, Mark] = {
    Kind.BEGIN: "begin",
    Kind.COMMIT: "commit",
    Kind.ROLLBACK: "rollback",
}


def runs_alone(statement: Statement) -> bool:
    """Whether PostgreSQL refuses the statement inside a transaction (25001)."""
    return statement.kind in _ALONE or any(map(_is_alone, ops(statement)))


def _is_alone(op: Op) -> bool:
    match op.kind:
        case Kind.CREATE_INDEX | Kind.DROP | Kind.DETACH_PARTITION:
            return "concurrently" in op.flags
        case Kind.REINDEX:
            return "concurrently" in op.flags or op.what in _OF_MANY
        case Kind.CLUSTER:
            return op.table is None
        case _:
            return op.kind is Kind.VACUUM


def mark_of(statement: Statement) -> Mark:
    """Which end of a transaction a BEGIN, COMMIT or ROLLBACK is; empty for neither."""
    if statement.kind != "TransactionStmt":
        return ""
    return _MARKS.get(ops(statement)[0].kind, "")


def sets_session(statement: Statement) -> bool:
    """Whether it is a SET that holds for the rest of the session."""
    if statement.kind != "VariableSetStmt":
        return False
    (op,) = ops(statement)
    return "local" not in op.flags and op.name != "transaction"


def uses_new_label(statements: Sequence[Statement]) -> bool:
    """Whether a label added to an enum is named again later in the file.

    Such a use fails in the same transaction (55P04).
    """
    labels: list[str] = []
    for statement in statements:
        if any(f"'{label}'" in statement.text for label in labels):
            return True
        if statement.kind == "AlterEnumStmt":
            made = (op for op in ops(statement) if op.kind is Kind.ADD_ENUM_VALUE)
            labels += [op.value.replace("'", "''") for op in made]
    return False


def one_transaction(text: str) -> str:
    """The same work without BEGIN and COMMIT, empty when it ends in a ROLLBACK.

    Savepoints stay: what is rolled back to one is the text's own affair. For running
    it inside a transaction of another session. A text that does not parse is given back
    as it is.
    """
    statements = statements_of(text) or []
    marks = [ops(s)[0].kind for s in statements if s.kind == "TransactionStmt"]
    if Kind.ROLLBACK in marks:
        return ""
    if not marks:
        return text
    left = (
        s
        for s in statements
        if s.kind != "TransactionStmt" or ops(s)[0].kind is Kind.SAVEPOINT
    )
    # A comment may end what stands before it.
    return ";\n".join(statement.text for statement in left)
