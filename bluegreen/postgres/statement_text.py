"""A statement as an error shows it, and the cursor that remembers which one failed.

Owns hiding what stands in literals: a password may be one of them, so none is shown.
"""

from __future__ import annotations

import re
from typing import Any, Self

import psycopg
from psycopg import sql

SHOWN_CHARACTERS = 300
"""Enough to find a statement by; a view may be as long as a book."""

_UNSHOWN = re.compile(
    r"""
    (?P<name>"(?:[^"]|"")*")
    | (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<dollars>(?<![\w$])\$(?:[^\W\d]\w*)?\$).*?(?:(?P=dollars)|\Z)
    | (?<!\w)[Ee]'(?:[^'\\]|\\.|'')*(?:'|\Z)
    | '(?:[^']|'')*(?:'|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)

_KEPT_UNDER = "bluegreen_statement"


def shown(text: str) -> str:
    """A statement on one line, without its literals and comments, cut where long."""
    plain = " ".join(_UNSHOWN.sub(_without_value, text).split())
    if len(plain) <= SHOWN_CHARACTERS:
        return plain
    return f"{plain[:SHOWN_CHARACTERS].rstrip()} …"


def statement_of(error: psycopg.Error) -> str:
    """The statement that a server refused, as `shown`; empty where it is not known."""
    return str(vars(error).get(_KEPT_UNDER, ""))


class NamingCursor(psycopg.Cursor[Any]):
    """A cursor whose errors know their statement."""

    def execute(self, query: Any, params: Any = None, **words: Any) -> Self:
        """Run a statement; a refusal keeps it for the message."""
        try:
            return super().execute(query, params, **words)
        except psycopg.Error as error:
            vars(error)[_KEPT_UNDER] = shown(self._text(query))
            raise

    def _text(self, query: Any) -> str:
        if isinstance(query, bytes):
            return query.decode(errors="replace")
        is_composed = isinstance(query, sql.Composable)
        return query.as_string(self) if is_composed else str(query)


def _without_value(match: re.Match[str]) -> str:
    if match["name"]:
        return match["name"]
    return " " if match["comment"] else "'…'"
