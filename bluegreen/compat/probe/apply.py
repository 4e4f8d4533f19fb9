"""Writes one side's changes into the other as an apply worker would, by plain SQL.

Owns the imitation: values go through the type's input with its modifier, triggers and
rules fire as in `session_replication_role = replica`, names resolve on an empty
search_path, rows are looked up as `compat` says. No publication, slot or subscription
is used. The caller's transaction is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.catalog import Published
from bluegreen.compat.probe.change import (
    RULES,
    added,
    insert_from,
    kept_identity,
    not_resent,
    only,
    whole_row,
)
from bluegreen.compat.probe.commit import as_if_committed
from bluegreen.compat.probe.resent import sent_again
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.types import unreadable
from bluegreen.compat.seen import Change, Difference, Image, Stopped
from bluegreen.compat.stream import Stream, limited_writer, sent_key
from bluegreen.postgres.catalog.relations import Relation

_BINARY_COPY = 16
"""From this major the initial copy uses binary form too, where it is asked for."""


class Applier:
    """The receiving side of one channel, inside a transaction.

    With `as_writer` rows go in under the role that a worker takes on (16+, the table's
    owner), which needs a session that may take on any role.

    Attributes:
        missed: changes that found no row.
        changed: values that no write changed and that sending again made different.
        stopped: the first error, after which nothing more is applied.
    """

    def __init__(
        self, session: psycopg.Connection, stream: Stream, *, as_writer: bool = False
    ) -> None:
        self._session = session
        self._stream = stream
        self._as_writer = as_writer
        self._images: dict[tuple[int, tuple[str, ...]], sql.Identifier] = {}
        self.missed: list[Change] = []
        self.changed: list[Difference] = []
        self.stopped: Stopped | None = None

    def copy(self, sent: Published, rows: Sequence[Image]) -> None:
        """Copy a table's rows as a sync worker: statement triggers fire here."""
        decided = laws.fate(self._stream, sent)
        if isinstance(decided, laws.Stops):
            self.stopped = Stopped(decided.rule, sent.name, decided.why)
        elif isinstance(decided, laws.Writes):
            self._guarded(sent, lambda: self._copy(decided, rows))

    def stream(self, changes: Sequence[Change]) -> None:
        """Apply the changes of one transaction, and look at it as a commit would."""
        last: Published | None = None
        for change in changes:
            if self.stopped is None:
                last = self._stream_one(change) or last
        if last is not None and self.stopped is None:
            self._guarded(last, self._commit)

    def _commit(self) -> None:
        """Run what waits for the end of the transaction."""
        as_if_committed(self._session)

    def _stream_one(self, change: Change) -> Published | None:
        publication = self._stream.publication
        if publication is None or change.kind not in publication.actions:
            return None
        if change.kind == "truncate":
            return self._truncate(change)
        source = self._stream.sender.relations.get(change.table)
        sent = self._stream.published_as(source) if source else None
        if sent is None:
            return None
        decided = laws.fate(self._stream, sent)
        if isinstance(decided, laws.Stops):
            self.stopped = Stopped(decided.rule, sent.name, decided.why)
        elif isinstance(decided, laws.Writes):
            self._guarded(sent, lambda: self._write(decided, change))
        return sent

    def _truncate(self, change: Change) -> Published | None:
        """All tables of the message at once, RESTRICT (law 11)."""
        targets: dict[int, Relation] = {}
        sent: Published | None = None
        for name in change.tables:
            source = self._stream.sender.relations.get(name)
            listed = self._stream.published_as(source) if source else None
            if listed is None:
                continue
            sent = sent or listed
            decided = laws.fate(self._stream, listed)
            if isinstance(decided, laws.Stops):
                self.stopped = Stopped(decided.rule, listed.name, decided.why)
                return sent
            if isinstance(decided, laws.Writes):
                targets[decided.target.oid] = decided.target
        if sent is not None and targets:
            names = [sql.Identifier(*target.qualified) for target in targets.values()]
            query = sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names))
            self._guarded(sent, lambda: self._session.execute(query), "truncate")
        return sent

    def _guarded(
        self, sent: Published, act: Callable[[], object], rule: str = "does-not-fit"
    ) -> None:
        """Do one thing; an error of the server is what the worker would stop with.

        Savepoints are let go: thousands of them, one inside the other, take minutes.
        """
        self._session.execute("SAVEPOINT bluegreen_change")
        try:
            act()
        except psycopg.Error as error:
            if self._session.broken:
                raise
            self._session.execute("ROLLBACK TO SAVEPOINT bluegreen_change")
            self._stop(sent, error, rule)
        self._session.execute("RELEASE SAVEPOINT bluegreen_change")

    def _stop(self, sent: Published, error: psycopg.Error, rule: str) -> None:
        state = error.sqlstate or ""
        rule = (
            RULES.get(state, RULES.get(state[:2], rule)) if rule != "truncate" else rule
        )
        message = error.diag.message_primary or ""
        self.stopped = Stopped(rule, sent.name, message, state)

    def _copy(self, decided: laws.Writes, rows: Sequence[Image]) -> None:
        image = self._image(decided)
        for row in rows:
            if self._stream.receiver.major >= _BINARY_COPY:
                self._check_wire(decided, row)
            self._session.execute(added(image, decided.columns, row))
        self._put_in(decided.target, insert_from(decided, image))

    def _put_in(self, target: Relation, query: sql.Composed) -> None:
        """Write as the role that the worker writes as (law 15)."""
        role = limited_writer(self._stream, target) if self._as_writer else None
        if role is None:
            self._session.execute(query)
            return
        self._session.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        self._session.execute(query)
        self._session.execute("RESET ROLE")

    def _check_wire(self, decided: laws.Writes, row: Image) -> None:
        """With binary = true a value stops the worker where the types' forms differ."""
        source = self._stream.sender.relations.get(decided.target.qualified)
        if not self._stream.binary or source is None or self.stopped:
            return
        for name in decided.columns:
            one, two = source.column(name), decided.target.column(name)
            if (
                one
                and two
                and row.get(name) is not None
                and unreadable(self._stream.sender, self._stream.receiver, one, two)
            ):
                why = f"{name} cannot be read in binary form"
                self.stopped = Stopped("binary-type", decided.target.qualified, why)

    def _write(self, decided: laws.Writes, change: Change) -> None:
        self._check_wire(decided, change.new or self._sent_old(change))
        if change.kind == "insert" and change.new is not None:
            image = self._image(decided)
            self._put(image, decided.columns, change.new)
            self._put_in(decided.target, insert_from(decided, image))
            return
        finding = decided.finding
        if isinstance(finding, laws.Stops):
            self.stopped = Stopped(finding.rule, decided.target.qualified, finding.why)
        elif isinstance(finding, laws.Skips):
            self.missed.append(change)
        else:
            self._change(decided, finding, change)

    def _change(
        self, decided: laws.Writes, finding: laws.ByKey | laws.WholeRow, change: Change
    ) -> None:
        found = self._find(decided, finding, self._sent_old(change))
        if found is None:
            self.missed.append(change)
            return
        where = sql.SQL("WHERE t.tableoid = {} AND t.ctid = {}::tid").format(
            sql.Literal(found[0]), sql.Literal(found[1])
        )
        table = only(decided.target)
        if change.kind == "delete":
            query = sql.SQL("DELETE FROM {} t {}").format(table, where)
            self._put_in(decided.target, query)
        else:
            self._update(decided, change, table, where)

    def _update(
        self,
        decided: laws.Writes,
        change: Change,
        table: sql.Composable,
        where: sql.Composable,
    ) -> None:
        assert change.new is not None
        assert change.old is not None
        names = [
            c
            for c in decided.columns
            if not not_resent(change, c) and not kept_identity(decided, change, c)
        ]
        image = self._image(decided)
        self._put(image, names, change.new)
        sets = [
            sql.SQL("{name} = i.{name}").format(name=sql.Identifier(name))
            for name in names
        ]
        if sets:
            self.changed += sent_again(
                self._session, self._stream, decided, change, names, image, where
            )
            query = sql.SQL("UPDATE {} t SET {} FROM {} i {}").format(
                table, sql.SQL(", ").join(sets), image, where
            )
            self._put_in(decided.target, query)

    def _sent_old(self, change: Change) -> Image:
        """What travels of an old row: its key, or with REPLICA IDENTITY FULL all."""
        source = self._stream.sender.relations.get(change.table)
        key = sent_key(source) if source else None
        old = change.old or {}
        return old if key is None else {c: old[c] for c in old if c in key}

    def _find(
        self, decided: laws.Writes, finding: laws.ByKey | laws.WholeRow, old: Image
    ) -> tuple[int, str] | None:
        columns = tuple(c for c in decided.columns if c in old)
        image = self._image(decided, columns)
        self._put(image, columns, old)
        if isinstance(finding, laws.ByKey):
            # No column of a key is NULL, and a plain = is what an index can answer.
            tests: list[sql.Composable] = [
                sql.SQL("t.{name} = i.{name}").format(name=sql.Identifier(name))
                for name in finding.columns
            ]
        else:
            tests = whole_row(decided, old)
        query = sql.SQL(
            "SELECT t.tableoid::bigint, t.ctid::text FROM {} t, {} i WHERE {} LIMIT 1"
        ).format(only(decided.target), image, sql.SQL(" AND ").join(tests))
        return self._with_operators(query)

    def _with_operators(self, query: sql.Composed) -> tuple[int, str] | None:
        """Run a comparison; apply knows a type's equality without any search_path."""
        schemas = sorted({name[0] for name in self._stream.receiver.relations})
        self._session.execute(
            sql.SQL("SET LOCAL search_path = pg_catalog, {}").format(
                sql.SQL(", ").join(map(sql.Identifier, schemas))
            )
        )
        row: tuple[int, str] | None = self._session.execute(query).fetchone()
        self._session.execute("SET LOCAL search_path = ''")
        return row

    def _image(
        self, decided: laws.Writes, columns: Sequence[str] = ()
    ) -> sql.Identifier:
        """A temporary table with the sent columns, or some, as the target types them.

        CREATE TABLE AS keeps types, modifiers and domains but no constraint, so that
        putting text into it does what the worker's type input does and no more.
        """
        kept = tuple(columns or decided.columns)
        place = (decided.target.oid, kept)
        if place not in self._images:
            name = sql.Identifier("pg_temp", f"bluegreen_image_{len(self._images)}")
            self._session.execute(
                sql.SQL(
                    "CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA"
                ).format(
                    name,
                    sql.SQL(", ").join(map(sql.Identifier, kept)),
                    sql.Identifier(*decided.target.qualified),
                )
            )
            self._session.execute(sql.SQL("GRANT SELECT ON {} TO PUBLIC").format(name))
            self._images[place] = name
        return self._images[place]

    def _put(self, image: sql.Identifier, columns: Sequence[str], row: Image) -> None:
        """Let an image hold this row alone."""
        self._session.execute(
            sql.SQL("DELETE FROM {}; {}").format(image, added(image, columns, row))
        )
