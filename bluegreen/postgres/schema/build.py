"""Running the SQL of a dump's entries on green.

Owns the sessions it runs in, and that a refusal names the object and the statement.
Reading the dump is for `dump.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby, islice
from threading import RLock
from typing import Any

import psycopg
from psycopg import sql

from bluegreen.postgres.database import Database, Row, SqlError
from bluegreen.postgres.quoting import fewer_quotes
from bluegreen.postgres.retry import outlast_deadlocks
from bluegreen.postgres.schema.dump import Part
from bluegreen.postgres.schema.object_names import names_of
from bluegreen.postgres.schema.references import (
    Referred,
    address_of,
    referred,
    referred_by_name,
)
from bluegreen.postgres.schema.search_paths import (
    NOT_FOUND,
    SearchPaths,
    looks_up_operators,
)
from bluegreen.sql.source import read

Session = psycopg.Connection[tuple[Any, ...]]

AT_ONCE = 200
"""Objects in one message: few enough that one which is refused costs little."""

_SETTINGS = {
    "search_path": "",
    "check_function_bodies": "off",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "on",
}
"""What pg_dump's SQL is written for."""


_SETS_COMPRESSION = re.compile(
    r"""\s*ALTER TABLE (?:[^;"']|"[^"]*")* SET COMPRESSION (?P<method>\w+)\s*;?\s*\Z"""
)
_METHODS = sql.SQL(
    "SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
)


class Builder:
    """What makes parts of blue's schema on green.

    Args:
        publisher: the side whose schema it is.
        subscriber: the side on which it is made.
    """

    def __init__(self, publisher: Database, subscriber: Database) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._paths = SearchPaths(publisher)
        # Threads make parts at once, each in its own session; questions have but one.
        self._asking = RLock()

    def together(self, parts: Iterable[Part]) -> None:
        """Make everything in one transaction: all of it is there, or nothing.

        Raises:
            SqlError: with the first object that failed.
        """
        with (
            self._subscriber.connect(**_SETTINGS) as own,
            self._subscriber.translated(),
            own.transaction(),
        ):
            self.build_all(own, parts, lambda part: self.build(own, part))

    def build_all(
        self, own: Session, parts: Iterable[Part], alone: Callable[[Part], None]
    ) -> int:
        """Make many, in order; returns how many were made by one message with others.

        A message of many objects takes a tenth of the time that they take one by one.
        Where one of them is refused the message's objects are made `alone`, which then
        names it.
        """
        made = 0
        for plain, group in groupby(parts, self._is_plain):
            for batch in batches(group, AT_ONCE if plain else 1):
                if len(batch) > 1 and self._run_at_once(own, batch):
                    made += len(batch)
                    continue
                for part in batch:
                    alone(part)
        return made

    def _is_plain(self, part: Part) -> bool:
        """Whether its SQL can mean one thing only and is run as it stands."""
        return " SET COMPRESSION " not in part.text and not self._may_mean_else(part)

    def _run_at_once(self, own: Session, parts: Sequence[Part]) -> bool:
        script = "".join(part.text for part in parts)
        try:
            with own.transaction(), self._subscriber.translated():
                own.execute(script.encode(), prepare=False)
        except SqlError:
            return False
        return True

    def each(
        self,
        parts: Iterable[Part],
        refused: Callable[[Part, SqlError], None] | None = None,
    ) -> None:
        """Make one after another, each in its own transaction.

        Args:
            parts: what is made.
            refused: takes what green refuses, and the others are made all the same.

        Raises:
            SqlError: of the first refusal, where nothing takes it.
        """
        with self.session(self._subscriber) as own:
            for part in parts:
                try:
                    self._outlast(own, part)
                except SqlError as error:
                    if refused is None:
                        raise
                    refused(part, error)

    def alone(self, part: Part) -> None:
        """Make one in a session of its own, for several threads."""
        with self.session(self._subscriber) as own:
            self._outlast(own, part)

    def build(self, own: Session, part: Part) -> None:
        """Make one object, all of it or nothing.

        What is not found, or would mean something else than on blue, is tried under
        other search paths.

        Raises:
            SqlError: naming the object and the statement of it that failed.
        """
        try:
            made = self._run(own, part, checked=self._may_mean_else(part))
        except SqlError as error:
            if error.sqlstate in NOT_FOUND and self._found_on_a_path(own, part):
                return
            raise
        if not made and not self._found_on_a_path(own, part):
            self._run(own, part, checked=False)

    def name_of(self, part: Part) -> str:
        """What messages call it; a grant or a comment has no name of its own."""
        place = (part.entry.catalog, part.entry.oid)
        with self._asking:
            return names_of(self._publisher, [place]).get(place, part.thing)

    def asks_for_missing_method(self, statement: str) -> bool:
        """Whether it sets a compression that green's build lacks.

        Values read the same without it, so it is left out.
        """
        found = _SETS_COMPRESSION.match(statement)
        with self._asking:
            return found is not None and found["method"] not in self._methods

    @cached_property
    def _methods(self) -> list[str]:
        rows = self._subscriber.rows(_METHODS)
        return list(rows[0][0]) if rows else []

    def _may_mean_else(self, part: Part) -> bool:
        """Whether a bare operator may be taken for that of another type in silence."""
        return looks_up_operators(part.text) and bool(self._meant(part))

    def _meant(self, part: Part) -> Referred:
        entry = part.entry
        with self._asking:
            return referred(self._publisher.quoted_rows, entry.catalog, entry.oid)

    def _found_on_a_path(self, own: Session, part: Part) -> bool:
        with self._asking:
            paths = list(self._paths.around(part.schema))
        for path in paths:
            try:
                if self._run(own, part, path=path, checked=True):
                    return True
            except SqlError:
                continue
        return False

    def _run(self, own: Session, part: Part, *, path: str = "", checked: bool) -> bool:
        """Run the statements under a path.

        Returns False, and keeps nothing, where `checked` finds that the object means
        something else than on blue.
        """
        means_it = True
        with own.transaction():
            if path:
                _set_path(own, path)
            for statement in statements_in(part.text):
                if self.asks_for_missing_method(statement):
                    continue
                try:
                    with self._subscriber.translated():
                        own.execute(statement.encode(), prepare=False)
                except SqlError as error:
                    raise error.about(
                        self.name_of(part), fewer_quotes(statement)
                    ) from error.refusal
            if checked and not self._means_the_same(own, part):
                means_it = False
                raise psycopg.Rollback
            if path:
                # One that was set in a savepoint outlives it.
                _set_path(own, "")
        return means_it

    def _means_the_same(self, own: Session, part: Part) -> bool:
        def here(query: sql.SQL, given: Sequence[Any]) -> list[Row]:
            return own.execute(query, given).fetchall()

        entry = part.entry
        with self._asking:
            address = address_of(self._publisher.quoted_rows, entry.catalog, entry.oid)
        if address is None:
            return True
        with self._subscriber.translated():
            return referred_by_name(here, address) == self._meant(part)

    def _outlast(self, own: Session, part: Part) -> None:
        """A foreign key locks two tables while the apply worker writes to both."""
        outlast_deadlocks(lambda: self.build(own, part))

    @staticmethod
    @contextmanager
    def session(subscriber: Database) -> Iterator[Session]:
        """A session that reads SQL as pg_dump writes it."""
        # What a crash takes away again is found missing, and made, by the next run.
        with subscriber.connect(**_SETTINGS, synchronous_commit="off") as own:
            yield own


def batches(parts: Iterable[Part], most: int) -> Iterator[list[Part]]:
    """The parts in order, some at a time."""
    left = iter(parts)
    while batch := list(islice(left, most)):
        yield batch


def statements_in(text: str) -> list[str]:
    """The statements of an entry; all of it where it cannot be parsed here."""
    if text.count(";") <= 1:
        return [text]
    source = read("", text)
    if source.problems or not source.statements:
        return [text]
    return [text[one.at : one.end] for one in source.statements]


def _set_path(own: Session, path: str) -> None:
    own.execute(
        sql.SQL("SELECT pg_catalog.set_config('search_path', %s, true)"), (path,)
    )
