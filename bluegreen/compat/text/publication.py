"""What a CREATE PUBLICATION says: from which major, and what it leaves behind."""

from __future__ import annotations

from pglast import ast, parse_sql
from pglast.parser import ParseError, scan

LISTS = 15
"""Column lists, row filters, TABLES IN SCHEMA, and TABLE repeated after a comma."""

GENERATED = 18
"""The option publish_generated_columns."""


def first_major(text: str) -> int:
    """The oldest major of 13 to 18 that reads this CREATE PUBLICATION.

    pglast reads the newest grammar, so that age shows in the words, not in the tree.
    """
    try:
        tokens = [(t.name, text[t.start : t.end + 1].lower()) for t in scan(text)]
    except ParseError:
        return LISTS
    words = [word for _, word in tokens]
    if "publish_generated_columns" in words:
        return GENERATED
    body = words[: words.index("with")] if "with" in words else words
    after_for = body[body.index("for") + 1 :] if "for" in body else []
    if "(" in after_for or "where" in after_for or "schema" in after_for:
        return LISTS
    return LISTS if after_for.count("table") > 1 else 13


def leaves_behind(text: str) -> str:
    """Why not every change of a published table travels; empty where each one does."""
    try:
        trees = [raw.stmt for raw in parse_sql(text)]
    except ParseError:
        return ""
    for tree in trees:
        if not isinstance(tree, ast.CreatePublicationStmt):
            continue
        tables = [o.pubtable for o in tree.pubobjects or () if o.pubtable is not None]
        if any(table.whereClause is not None for table in tables):
            return "rows outside the publication's row filter do not travel"
        for option in tree.options or ():
            said = getattr(option.arg, "sval", "")
            if option.defname == "publish" and said and _ALL - _actions(said):
                return f"only {said} of a published table travels"
    return ""


_ALL = frozenset({"insert", "update", "delete", "truncate"})


def _actions(words: str) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in words.split(","))
