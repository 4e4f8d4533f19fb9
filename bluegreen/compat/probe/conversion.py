"""Asks a server what a migration's own cast makes of values.

Owns the temporary table in which the casts are carried out, and the way back by the
types themselves. Nothing is written into the user's tables. Whether what came out is
what a stream made is judged in `compat/rules/same.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.cast import Cast
from bluegreen.compat.probe.capture import as_sql, row_image
from bluegreen.compat.seen import Image
from bluegreen.compat.stream import Stream
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.columns import Column
from bluegreen.postgres.catalog.relations import Relation

MOST_ALONE = 200
"""Rows that are cast one by one where all at once are refused; the others are open."""

_NUMBER = "bluegreen_number"
_SETTINGS = (
    *("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits", "bytea_output"),
    *("lc_monetary", "xmloption"),
)


def changed_columns(stream: Stream, one: Relation, two: Relation) -> tuple[str, ...]:
    """Shared columns whose values go through another type, or through a USING."""
    told = {cast.column for cast in _casts_of(stream, one)}
    if stream.direction is not Direction.FORWARD:
        told = set()
    return tuple(
        column.name
        for column in one.columns
        if (other := two.column(column.name)) is not None
        and (column.type != other.type or column.name in told)
    )


def cast_rows(
    session: psycopg.Connection,
    stream: Stream,
    source: Relation,
    target: Relation,
    rows: Sequence[Image],
) -> list[Image]:
    """What the migration's casts make of rows of the sender, column by column.

    Args:
        session: on the side that has the new types, inside a transaction, with the
            settings that rows are read in.
        stream: who sends what, and the casts that the migration's text tells.
        source: the table as the sender has it.
        target: the same on the side that has been migrated.
        rows: all columns of the sender's rows, as texts.

    Returns:
        For each row the changed columns; one that no cast can be told of is missing.

    Raises:
        psycopg.Error: the connection broke.
    """
    names = changed_columns(stream, source, target)
    made: list[dict[str, str | None]] = [{} for _ in rows]
    if not names or not rows:
        return list(made)
    for several, commands, settings in _ways(stream, source, target, names):
        work = _Work(session, source, several, commands, settings)
        for image, texts in zip(made, work.cast(rows), strict=True):
            image.update(texts or {})
    return list(made)


def _ways(
    stream: Stream, source: Relation, target: Relation, names: Sequence[str]
) -> Iterator[tuple[Sequence[str], list[str], Sequence[str]]]:
    """Columns to be cast together, how, and in which settings.

    The initial copy fills a table that was migrated while it was empty: no USING has
    seen a row, and the types' own cast is all there is to compare with.
    """
    told = [c for c in _casts_of(stream, source) if c.column in names]
    if stream.direction is not Direction.FORWARD:
        told = []
    known = {cast.column for cast in told}
    if told:
        yield [n for n in names if n in known], *_in_order(told)
    for name in names:
        two = target.column(name)
        if name not in known and two is not None:
            yield [name], [_plain(two), _explicit(two)], ()


def _in_order(told: Sequence[Cast]) -> tuple[list[str], Sequence[str]]:
    return ["\n".join(cast.command for cast in told)], told[-1].settings


def _casts_of(stream: Stream, source: Relation) -> list[Cast]:
    return [
        cast
        for cast in stream.casts
        if cast.table[1] == source.name and cast.table[0] in {"", source.schema}
    ]


def _plain(column: Column) -> str:
    name = sql.Identifier(column.name).as_string()
    return f"ALTER COLUMN {name} TYPE {column.type}"


def _explicit(column: Column) -> str:
    name = sql.Identifier(column.name).as_string()
    return f"{_plain(column)} USING {name}::{column.type}"


class _Work:
    """Rows of one table in a temporary one of its name, cast in there."""

    def __init__(
        self,
        session: psycopg.Connection,
        source: Relation,
        names: Sequence[str],
        commands: Sequence[str],
        settings: Sequence[str],
    ) -> None:
        self._session = session
        self._source = source
        self._names = names
        self._commands = commands
        self._settings = settings
        self._table = sql.Identifier("pg_temp", source.name)

    def cast(self, rows: Sequence[Image]) -> Sequence[Mapping[str, str | None] | None]:
        """Each row's texts after the casts; None where they refuse the row."""
        for command in self._commands:
            together = self._try(rows, command)
            if together is not None:
                return together
        if len(rows) == 1:
            return [None]
        alone = [self.cast([row])[0] for row in rows[:MOST_ALONE]]
        return [*alone, *[None] * (len(rows) - len(alone))]

    def _try(
        self, rows: Sequence[Image], command: str
    ) -> list[Mapping[str, str | None]] | None:
        read_as = {name: _shown(self._session, name) for name in _SETTINGS}
        path = _shown(self._session, "search_path")
        self._session.execute("SAVEPOINT bluegreen_cast")
        try:
            self._fill(rows)
            self._settle(path)
            for one in command.split("\n"):
                self._session.execute(
                    sql.SQL("ALTER TABLE {} {}").format(self._table, as_sql(one))
                )
            _set(self._session, read_as)
            found = self._read()
        except psycopg.Error:
            if self._session.broken:
                raise
            found = None
        self._session.execute("ROLLBACK TO SAVEPOINT bluegreen_cast")
        self._session.execute("RELEASE SAVEPOINT bluegreen_cast")
        return found

    def _fill(self, rows: Sequence[Image]) -> None:
        """The sender's columns without constraints, and its rows by their texts."""
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(c.name), as_sql(c.full_type))
            for c in self._source.columns
        ]
        columns.append(sql.SQL("{} int").format(sql.Identifier(_NUMBER)))
        self._session.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(
                sql.Identifier(self._source.name), sql.SQL(", ").join(columns)
            )
        )
        names = [c.name for c in self._source.columns]
        for number, row in enumerate(rows):
            values = [sql.Literal(row.get(name)) for name in names]
            self._session.execute(
                sql.SQL("INSERT INTO {} VALUES ({})").format(
                    self._table, sql.SQL(", ").join([*values, sql.Literal(number)])
                )
            )

    def _settle(self, path: str) -> None:
        """Take on what a session of the migration has, and what its text sets."""
        for name in _SETTINGS:
            self._session.execute(
                sql.SQL("SET LOCAL {} TO DEFAULT").format(sql.Identifier(name))
            )
        for text in self._settings:
            self._session.execute(as_sql(text))
        mine = _shown(self._session, "search_path")
        wanted = f"pg_temp, {mine or path or 'pg_catalog'}"
        _set(self._session, {"search_path": wanted})

    def _read(self) -> list[Mapping[str, str | None]]:
        image = row_image(sql.SQL("bluegreen_row"), self._names)
        query = sql.SQL("SELECT {} FROM {} bluegreen_row ORDER BY {}").format(
            image, self._table, sql.Identifier(_NUMBER)
        )
        return [
            dict(zip(self._names, texts, strict=True))
            for (texts,) in self._session.execute(query).fetchall()
        ]


def _shown(session: psycopg.Connection, name: str) -> str:
    query = "SELECT pg_catalog.current_setting(%s)"
    row = session.execute(query, [name]).fetchone()
    return str(row[0]) if row else ""


def _set(session: psycopg.Connection, settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        session.execute("SELECT pg_catalog.set_config(%s, %s, true)", [name, value])


def reads_as(
    session: psycopg.Connection, text: str, kind: str, through: str = ""
) -> str | None:
    """A text read as a type and printed again, or cast to it from another type.

    Args:
        session: inside a transaction.
        text: as a type's output gives it.
        kind: the type to read it as, with its length and precision.
        through: the type that it is read as first, before a cast to `kind`.

    Returns:
        None where the type refuses it.

    Raises:
        psycopg.Error: the connection broke.
    """
    value = sql.SQL("{}::{}").format(sql.Literal(text), as_sql(through or kind))
    if through:
        value = sql.SQL("({})::{}").format(value, as_sql(kind))
    query = sql.SQL("SELECT pg_catalog.format('%s', {})").format(value)
    session.execute("SAVEPOINT bluegreen_reads")
    try:
        row = session.execute(query).fetchone()
    except psycopg.Error:
        if session.broken:
            raise
        row = None
        session.execute("ROLLBACK TO SAVEPOINT bluegreen_reads")
    session.execute("RELEASE SAVEPOINT bluegreen_reads")
    return str(row[0]) if row else None
