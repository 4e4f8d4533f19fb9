"""Looks at rows for the linter: how many are in the way of a migration.

Owns the queries. Each runs in a transaction of its own that can only read, waits for no
lock and ends in time; what could not be seen is said so, and is never a no. The
questions, and what follows from the answers, are in `lint/`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
from psycopg import sql
from psycopg.errors import LockNotAvailable, QueryCanceled

from bluegreen.lint.questions import Answer, Question
from bluegreen.lint.server.catalog import reading
from bluegreen.model.clock import Clock, SystemClock
from bluegreen.postgres.database import Row
from bluegreen.sql.ops import Name

MOST_COUNTED = 1000
"""More than this many rows in the way are not counted: the migration fails at one."""

ALL_TOGETHER = timedelta(seconds=120)
"""A person waits for the linter; what is not asked by then stays unknown."""


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks one server.

    Attributes:
        session: one that cannot write, from `lint_catalog.looking`.
        schema: where names without a schema go.
        each: how long one question may take.
    """

    session: psycopg.Connection[Row]
    schema: str
    each: timedelta
    clock: Clock = field(default_factory=SystemClock)

    def answers(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """Ask everything that there is time for."""
        end = self.clock.monotonic() + ALL_TOGETHER.total_seconds()
        return {
            question: self._answer(question)
            if self.clock.monotonic() < end
            else Answer(None, why="there was no time left to ask")
            for question in questions
        }

    def _answer(self, question: Question) -> Answer:
        try:
            with reading(self.session, self.each):
                counted = self._counting(question)
                if counted is None:
                    return Answer(None, why="its condition cannot be asked alone")
                found = self.session.execute(counted).fetchall()[0][0]
        except QueryCanceled:
            why = f"the look took longer than {self.each.total_seconds():g} s"
            return Answer(None, why=why)
        except LockNotAvailable:
            return Answer(None, why="another session holds a lock on it")
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise
            said = error.diag.message_primary or "the server refused"
            return Answer(None, why=f"{said} ({error.sqlstate})")
        return Answer(min(found, MOST_COUNTED), more=found > MOST_COUNTED)

    def _counting(self, question: Question) -> sql.Composed | None:
        rows = self._in_the_way(question)
        if rows is None:
            return None
        limit = sql.Literal(1 if question.kind == "rows" else MOST_COUNTED + 1)
        return sql.SQL(
            "SELECT pg_catalog.count(*) FROM (SELECT {rows} LIMIT {limit}) AS found"
        ).format(rows=rows, limit=limit)

    def _in_the_way(self, question: Question) -> sql.Composed | None:
        match question.kind:
            case "duplicates":
                return self._duplicates(question)
            case "orphans":
                return self._orphans(question)
            case "check":
                condition = self._check(question)
                return self._rows(question, condition) if condition else None
            case kind:
                return self._rows(question, _CONDITIONS[kind](question))

    def _rows(self, question: Question, condition: sql.Composable) -> sql.Composed:
        return sql.SQL("FROM {table} AS t WHERE {condition}").format(
            table=self._table(question.table), condition=condition
        )

    def _duplicates(self, question: Question) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, question.columns))
        conditions: list[sql.Composable] = []
        if question.text:
            conditions.append(sql.SQL("({})").format(_as_written(question.text)))
        if question.distinct:
            conditions += [_is_set(name) for name in question.columns]
        where = sql.SQL(" AND ").join(conditions or [sql.SQL("true")])
        return sql.SQL(
            "FROM {table} WHERE {where} GROUP BY {columns}"
            " HAVING pg_catalog.count(*) > 1"
        ).format(table=self._table(question.table), where=where, columns=columns)

    def _orphans(self, question: Question) -> sql.Composed | None:
        if question.references is None:
            return None
        if len(question.columns) != len(question.ref_columns):
            return None
        pairs = zip(question.ref_columns, question.columns, strict=True)
        equal = [
            sql.SQL("p.{} = t.{}").format(sql.Identifier(there), sql.Identifier(here))
            for there, here in pairs
        ]
        return sql.SQL(
            "FROM {table} AS t WHERE {filled} AND NOT EXISTS"
            " (SELECT FROM {parent} AS p WHERE {equal})"
        ).format(
            table=self._table(question.table),
            parent=self._table(question.references),
            filled=sql.SQL(" AND ").join(map(_is_set, question.columns)),
            equal=sql.SQL(" AND ").join(equal),
        )

    def _check(self, question: Question) -> sql.Composed | None:
        text = question.text or self._known_check(question)
        if not text:
            return None
        return sql.SQL("NOT ({})").format(_as_written(text))

    def _known_check(self, question: Question) -> str:
        """The expression of a constraint that the server has, NOT VALID as yet."""
        found = self.session.execute(
            "SELECT pg_catalog.pg_get_expr(k.conbin, k.conrelid)"
            " FROM pg_catalog.pg_constraint k"
            " JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE (n.nspname, c.relname, k.conname) = (%s, %s, %s)",
            [*self._home(question.table), *question.ref_columns],
        ).fetchall()
        return str(found[0][0]) if found else ""

    def _table(self, name: Name) -> sql.Identifier:
        return sql.Identifier(*self._home(name))

    def _home(self, name: Name) -> tuple[str, str]:
        return name.schema or self.schema, name.name


def _column(question: Question) -> sql.Identifier:
    return sql.Identifier(question.columns[0])


def _is_set(name: str) -> sql.Composed:
    return sql.SQL("{} IS NOT NULL").format(sql.Identifier(name))


def _as_written(text: str) -> sql.SQL:
    """The user's own expression; the session that runs it cannot write."""
    return sql.SQL(text.replace("{", "{{").replace("}", "}}"))


def _any(_question: Question) -> sql.Composable:
    return sql.SQL("true")


def _nulls(question: Question) -> sql.Composable:
    return sql.SQL("{} IS NULL").format(_column(question))


def _long(question: Question) -> sql.Composable:
    # A longer value goes in when what is cut off is blanks only.
    return sql.SQL("pg_catalog.length(pg_catalog.rtrim({}::text)) > {}").format(
        _column(question), sql.Literal(question.most)
    )


def _outside(question: Question) -> sql.Composable:
    return sql.SQL("{} NOT BETWEEN {} AND {}").format(
        _column(question), sql.Literal(-question.most), sql.Literal(question.most - 1)
    )


def _labels(question: Question) -> sql.Composable:
    return sql.SQL(
        "{}::text NOT IN (SELECT enumlabel::text FROM pg_catalog.pg_enum"
        " WHERE enumtypid = {}::regtype)"
    ).format(_column(question), sql.Literal(question.text))


_CONDITIONS = {
    "rows": _any,
    "nulls": _nulls,
    "long": _long,
    "outside": _outside,
    "labels": _labels,
}
