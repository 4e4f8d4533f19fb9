"""Search paths under which a statement of blue's schema means what it meant there.

Owns which paths are tried. pg_dump writes for an empty path, but some clauses of SQL
look an operator up by its bare name, and the bodies of functions have names of their
own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.database import Database

NOT_FOUND = frozenset({"42883", "42704", "42P01"})
"""No such function or operator, object (a type, a collation), relation."""

# IN is written for = ANY of a subquery, and only where the operator is called "=".
_LOOKS_UP = re.compile(
    r"\b(?:distinct\s+from|nullif|case\s+(?!when\b)|natural|using\s*\(|in\s*\()",
    re.IGNORECASE,
)

_SCHEMAS = sql.SQL(
    "SELECT n.nspname, e.oid IS NOT NULL FROM pg_namespace n"
    " LEFT JOIN pg_extension e ON e.extnamespace = n.oid WHERE NOT {} ORDER BY 1"
).format(OURS_OR_SYSTEM)


def looks_up_operators(text: str) -> bool:
    """Whether a definition may have a clause that names no schema for its operator.

    Where the path lacks an operator such a clause may take that of another type in
    silence: that of text for citext.
    """
    return _LOOKS_UP.search(text) is not None


class SearchPaths:
    """The paths of one database, the narrowest first.

    Args:
        publisher: the database whose schema is copied.
    """

    def __init__(self, publisher: Database) -> None:
        self._publisher = publisher

    def around(self, schema: str) -> Iterator[str]:
        """The paths of `schemas_around`, written for SQL."""
        for path in self.schemas_around(schema):
            yield sql.SQL(", ").join(map(sql.Identifier, path)).as_string()

    def schemas_around(self, schema: str) -> Iterator[tuple[str, ...]]:
        """Paths for an object of a schema.

        Its own and those of extensions, the path of a session on blue, every schema.
        """
        named = [schema] if schema else []
        every = [name for name, _ in self._schemas]
        extensions = [name for name, has_one in self._schemas if has_one]
        for path in dict.fromkeys(
            tuple(dict.fromkeys(names))
            for names in (
                [*named, *extensions],
                [*self._session, *extensions],
                [*named, *extensions, *self._session, *every],
            )
        ):
            if path:
                yield path

    @cached_property
    def _schemas(self) -> list[tuple[str, bool]]:
        return [(str(n), bool(e)) for n, e in self._publisher.rows(_SCHEMAS)]

    @cached_property
    def _session(self) -> list[str]:
        with (
            self._publisher.connect(leave=("search_path",)) as own,
            self._publisher.translated(),
        ):
            row = own.execute(
                sql.SQL("SELECT pg_catalog.current_schemas(false)")
            ).fetchone()
        names = row[0] if row else []
        return [name for name in names if name not in ("pg_catalog", "bluegreen")]
