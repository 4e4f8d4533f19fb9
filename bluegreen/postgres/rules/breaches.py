"""Rows that do not fit a rule which holds, found by asking all of them.

Owns asking, and how a person sees and corrects what was found. Each question runs with
the empty search_path that the workers of logical replication have, and reads no index,
as one may be what is broken. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.database import Database, Row, SqlError
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.rules.read import Kind, Rule
from bluegreen.postgres.rules.statements import (
    corrections,
    labels,
    question,
    sample,
    show,
)
from bluegreen.postgres.schema.search_paths import NOT_FOUND, SearchPaths

_NO_RIGHT = "42501"
_NO_ANSWER = frozenset({"25", "40", "53", "54", "55", "57", "58"})
"""Classes of SQLSTATE that tell of the session, a lock or the server, not of a row."""

SHOWN = 3
"""Rows of one rule that are named; the statement shows the others."""

_SESSION = {
    "search_path": "",
    # A planner that believes a rule reads no row.
    "constraint_exclusion": "off",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "default_transaction_read_only": "on",
    "lock_timeout": "2s",
}


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that rows do not fit.

    Attributes:
        seen: what was found, naming rule and rows.
        show: the statement that shows all such rows; empty where a function fails.
        fix: statements and what they do, each on a line of its own.
        needs_path: a function finds a name under a search_path only.
    """

    rule: Rule
    seen: str
    show: str
    fix: tuple[str, ...]
    needs_path: bool = False


@dataclass(frozen=True, slots=True)
class Unasked:
    """A rule that could not be asked of every row, and the server's words."""

    rule: Rule
    said: str


class Asker:
    """Asks rules of a database's rows.

    Args:
        database: the side that has the rows.
        most: what one question may take; None for as long as it takes.
    """

    def __init__(self, database: Database, most: timedelta | None = None) -> None:
        self._database = database
        self._most = most
        self._paths = SearchPaths(database)

    def ask(self, rules: Iterable[Rule]) -> Iterator[Breach | Unasked]:
        """Every one of the rules that is broken, or that could not be asked."""
        with self._session() as own:
            for rule in rules:
                if found := self._ask(own, rule):
                    yield found

    def try_functions(self, rules: Iterable[Rule]) -> Iterator[Breach]:
        """Rules whose functions find a name under a search_path only; some rows do.

        Of a table that is locked, or reads slowly, nothing more is asked.
        """
        passed_by: set[Name] = set()
        with self._session() as own:
            for rule in rules:
                if not rule.functions or rule.table in passed_by:
                    continue
                try:
                    said = self._misses(own, rule)
                except SqlError:
                    passed_by.add(rule.table)
                    continue
                if said:
                    yield self._by_path(own, rule, said)

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection[Row]]:
        most = self._most or timedelta(0)
        words = {**_SESSION, "statement_timeout": f"{int(most.total_seconds())}s"}
        with self._database.connect(**words) as own, self._database.translated():
            yield own

    def _ask(self, own: psycopg.Connection[Row], rule: Rule) -> Breach | Unasked | None:
        try:
            rows = self._rows(own, question(rule, SHOWN))
        except SqlError as error:
            if error.sqlstate in NOT_FOUND and rule.functions:
                return self._by_path(own, rule, _words(error))
            if _is_no_answer(error) or not rule.functions:
                return Unasked(rule, _words(error))
            return _failing(rule, _words(error))
        return _broken(rule, rows) if rows else None

    def _misses(self, own: psycopg.Connection[Row], rule: Rule) -> str:
        """What its functions do not find. Raises where no answer came in time."""
        try:
            self._rows(own, sample(rule))
        except SqlError as error:
            if _is_no_answer(error):
                raise
            if error.sqlstate in NOT_FOUND:
                return _words(error)
        return ""

    def _by_path(self, own: psycopg.Connection[Row], rule: Rule, said: str) -> Breach:
        path = self._path_for(own, rule)
        given = f"{path}, pg_temp" if path else "…, pg_temp"
        return Breach(
            rule,
            f"{rule.thing} calls {_named(rule.functions)}, which has no search_path of "
            f"its own: {said}",
            "",
            tuple(
                f"ALTER FUNCTION {one} SET search_path = {given};"
                for one in rule.functions
            ),
            needs_path=True,
        )

    def _path_for(self, own: psycopg.Connection[Row], rule: Rule) -> str:
        """The narrowest path under which the functions find what they name."""
        for schemas in self._paths.schemas_around(rule.table[0]):
            path = ", ".join(map(quote_name, schemas))
            with suppress(SqlError), own.transaction():
                own.execute(
                    sql.SQL("SELECT pg_catalog.set_config('search_path', %s, true)"),
                    (path,),
                )
                if not self._misses(own, rule):
                    return path
        return ""

    def _rows(self, own: psycopg.Connection[Row], query: sql.Composed) -> list[Row]:
        with self._database.translated(), own.transaction():
            return own.execute(query, prepare=False).fetchall()


def _is_no_answer(error: SqlError) -> bool:
    return error.sqlstate == _NO_RIGHT or error.sqlstate[:2] in _NO_ANSWER


def _broken(rule: Rule, rows: list[Row]) -> Breach:
    names = labels(rule)
    told = [
        ", ".join(f"{n}={v}" for n, v in zip(names, row, strict=True))
        for (row,) in rows
    ]
    what = "stands twice" if rule.kind is Kind.UNIQUE else "breaks it"
    rest = " and more" if len(told) == SHOWN else ""
    seen = f"{rule.thing}: {what}: {'; '.join(told)}{rest}"
    return Breach(rule, seen, show(rule), corrections(rule))


def _failing(rule: Rule, said: str) -> Breach:
    called = _named(rule.functions)
    seen = f"{rule.thing} calls {called}, which fails for a row: {said}"
    fix = f"correct {called}, or the row that it cannot take"
    return Breach(rule, seen, "", (fix,))


def _named(functions: tuple[str, ...]) -> str:
    return ", ".join(functions)


def _words(error: SqlError) -> str:
    return error.refusal.diag.message_primary or error.problem
