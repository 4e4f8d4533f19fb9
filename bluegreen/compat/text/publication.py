"""What a CREATE PUBLICATION leaves behind."""

from __future__ import annotations

from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import statements_of

_ALL = frozenset({"insert", "update", "delete", "truncate"})


def leaves_behind(text: str) -> str:
    """Why not every change of a published table travels; empty where each one does."""
    for statement in statements_of(text) or ():
        if statement.kind != "CreatePublicationStmt":
            continue
        done = ops(statement)
        if any("filtered" in op.flags for op in done):
            return "rows outside the publication's row filter do not travel"
        said = done[0].value
        if said and _ALL - _actions(said):
            return f"only {said} of a published table travels"
    return ""


def _actions(words: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in words.split(","))
