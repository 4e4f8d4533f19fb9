"""From which major a CREATE PUBLICATION can be read. Owns that table only."""

from __future__ import annotations

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
