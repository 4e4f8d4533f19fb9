"""Holds some rows of each table against the other side's, on live servers.

Owns which rows are taken and what keeps a row in flight from counting as different. A
sample never proves that tables are alike (the step `validate` does); it shows at once
that a migration changed rows, or that a name means another column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from bluegreen.compat.catalog import shown
from bluegreen.compat.probe.capture import row_image
from bluegreen.compat.probe.compare import compared_columns
from bluegreen.compat.probe.values import not_one, pair_of
from bluegreen.compat.rules.same import Pair, same
from bluegreen.compat.seen import Difference, Image
from bluegreen.compat.stream import Stream
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name

EACH_END = 50
"""Rows from either end of a table by its key: old ones and new ones."""

_RUNNING = """
SELECT l.transactionid::text FROM pg_catalog.pg_locks l
 WHERE l.transactionid IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Version:
    """Which write a row comes from, and what became of it.

    An UPDATE makes a new tuple at a new place (System Columns: `xmin` and `ctid`);
    neither a lock nor a freeze changes the two.

    Attributes:
        write: another text after each write of the row.
        subscriber: the transaction that last locked, replaced or deleted it (`xmax`).
    """

    write: str
    subscriber: str = field(compare=False)


Key = tuple[str, ...]
Rows = dict[Key, Image]
Versions = dict[Key, Version]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Rows of one table on the side that sends.

    Attributes:
        table: as the sender's catalog has it.
        columns: those that must agree on both sides.
        key: the columns that find a row again; empty where there is no such key.
        rows: by the key's values, as texts.
        whole: no column was spared.
        versions: which write each row comes from.
    """

    table: Relation
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    rows: Rows = field(default_factory=dict)
    whole: bool = True
    versions: Versions = field(default_factory=dict)

    @property
    def name(self) -> Name:
        """The table's name, the same on both sides."""
        return self.table.qualified


def differing(stream: Stream) -> list[Name]:
    """Tables of both sides that are not made alike. Pure."""
    there = stream.receiver.relations
    return [
        name
        for name, relation in stream.sender.relations.items()
        if name in there and _made(relation) != _made(there[name])
    ]


def _made(relation: Relation) -> Relation:
    """All that decides how rows go in; 18 lists each NOT NULL as a constraint too."""
    kept = tuple(c for c in relation.constraints if c.kind != "n")
    plain = replace(
        relation, oid=0, root=0, owner="", owned=True, inherits=False, constraints=kept
    )
    return replace(plain, columns=tuple(replace(c, position=0) for c in plain.columns))


def take_sample(
    sender: psycopg.Connection,
    stream: Stream,
    names: Collection[Name],
    spared: Collection[str] = (),
) -> list[Sampled]:
    """Read some rows of these tables, the sessions' zone being UTC.

    Raises:
        psycopg.Error: a table could not be read in time.
    """
    taken = []
    for name in names:
        relation = stream.sender.relations[name]
        target = stream.receiver.relations.get(relation.qualified)
        sent = stream.published_as(relation)
        if sent is None or target is None or relation.kind != "table":
            continue
        if not target.takes_rows:
            continue
        shared = compared_columns(stream, relation, target)
        columns = tuple(c for c in shared if f"{shown(name)}.{c}" not in spared)
        key = _key(relation, target, columns)
        rows, versions = _ends(sender, relation, columns, key) if key else ({}, {})
        whole = columns == shared
        taken.append(Sampled(relation, columns, key, rows, whole, versions))
    return taken


def differences(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    sample: Sampled,
    catch_up: Callable[[], object] = lambda: None,
) -> list[Difference]:
    """What is not the same, after the receiver has all that was committed.

    A row that is apart at first is read once more around `catch_up`, which lets the
    receiver catch up; one that is written on the sender meanwhile says nothing and is
    left out, even if it has its old values again or does not show the write yet.
    """
    target = stream.receiver.relations[sample.name]
    there, _ = read_again(receiver, target, sample, sample.rows)
    apart = [
        k
        for k, row in sample.rows.items()
        if _of_row(stream, sample, row, there.get(k))
    ]
    if not apart:
        return []
    before, written = read_again(sender, sample.table, sample, apart)
    catch_up()
    there, _ = read_again(receiver, target, sample, apart)
    at_rest = rows_at_rest(sender, sample, apart)
    found: list[Difference] = []
    for key, row in before.items():
        if at_rest.get(key) == written[key]:
            found += _of_row(stream, sample, row, there.get(key))
    tables = (sample.table, target)
    return not_one(sender, receiver, stream, tables, _pairs(stream, sample), found)


def read_again(
    session: psycopg.Connection, table: Relation, sample: Sampled, keys: Iterable[Key]
) -> tuple[Rows, Versions]:
    """Rows of these keys on either side, found by the table's own index."""
    wanted = list(keys)
    if not wanted:
        return {}, {}
    query = sql.SQL("SELECT {} FROM {} bluegreen_row WHERE ({}) IN ({})").format(
        _image_and_version(sample.columns),
        _only(table),
        sql.SQL(", ").join(
            sql.SQL("bluegreen_row.{}").format(sql.Identifier(k)) for k in sample.key
        ),
        sql.SQL(", ").join(
            sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, values)))
            for values in wanted
        ),
    )
    return _by_key(session, query, sample.columns, sample.key)


def rows_at_rest(
    sender: psycopg.Connection, sample: Sampled, keys: Iterable[Key]
) -> Versions:
    """Rows of these keys that no session is writing; asked after the receiver was read.

    A walsender sends a commit once its WAL is flushed. Only then is it made visible at
    home, and not before a standby has answered where commits are synchronous
    (`RecordTransactionCommit`, `ProcArrayEndTransaction`): until then the receiver is
    ahead of what the sender shows. The writer holds the lock on its transaction id
    beyond that point, so a row whose writer is not running shows its last write.
    Where others hold the row as well, `xmax` is a multixact and the writer unseen.
    """
    running = {xid for (xid,) in sender.execute(_RUNNING).fetchall()}
    _, versions = read_again(sender, sample.table, sample, keys)
    return {k: v for k, v in versions.items() if v.subscriber not in running}


def _image_and_version(columns: Sequence[str]) -> sql.Composed:
    image = row_image(sql.SQL("bluegreen_row"), columns)
    write = "pg_catalog.concat(bluegreen_row.xmin, bluegreen_row.ctid)"
    return sql.SQL("{}, {}, bluegreen_row.xmax::text").format(image, sql.SQL(write))


def _ends(
    session: psycopg.Connection,
    table: Relation,
    columns: Sequence[str],
    key: Sequence[str],
) -> tuple[Rows, Versions]:
    query = sql.SQL("SELECT {} FROM {} bluegreen_row ORDER BY {} LIMIT {}")
    found: Rows = {}
    versions: Versions = {}
    for way in ("ASC", "DESC"):
        order = [
            sql.SQL("bluegreen_row.{} {}").format(sql.Identifier(k), sql.SQL(way))
            for k in key
        ]
        rows, written = _by_key(
            session,
            query.format(
                _image_and_version(columns),
                _only(table),
                sql.SQL(", ").join(order),
                EACH_END,
            ),
            columns,
            key,
        )
        found |= rows
        versions |= written
    return found, versions


def _by_key(
    session: psycopg.Connection,
    query: sql.Composed,
    columns: Sequence[str],
    key: Sequence[str],
) -> tuple[Rows, Versions]:
    found: Rows = {}
    versions: Versions = {}
    for texts, write, subscriber in session.execute(query).fetchall():
        row = dict(zip(columns, texts, strict=True))
        place = tuple(row[k] or "" for k in key)
        found[place], versions[place] = row, Version(write, subscriber)
    return found, versions


def _key(
    sender: Relation, receiver: Relation, columns: Sequence[str]
) -> tuple[str, ...]:
    """The sender's primary key, where the receiver has an index on it too."""
    primary = sender.primary
    if primary is None or None in primary.columns:
        return ()
    key = tuple(c for c in primary.columns if c)
    indexed = any(set(key) <= set(index.columns) for index in receiver.indexes)
    return key if indexed and set(key) <= set(columns) else ()


def _pairs(stream: Stream, sample: Sampled) -> Mapping[str, Pair]:
    target = stream.receiver.relations[sample.name]
    return {
        name: pair_of(stream, sample.table, target, name)
        for name in sample.columns
        if sample.table.column(name) and target.column(name)
    }


def _of_row(
    stream: Stream, sample: Sampled, row: Image, other: Image | None
) -> list[Difference]:
    label = ", ".join(f"{c}={row[c]}" for c in sample.key)
    if other is None:
        return [Difference(sample.name, "", label, "a row", None)]
    return [
        Difference(sample.name, name, label, row[name], other[name])
        for name, pair in _pairs(stream, sample).items()
        if not same(pair, row[name], other[name])
    ]


def _only(table: Relation) -> sql.Composable:
    name = sql.Identifier(*table.qualified)
    return name if table.kind == "partitioned" else sql.SQL("ONLY {}").format(name)
