"""What an UPDATE of other columns does to a value that no write changed.

All of a row's columns are sent again (law 7). Where the types differ, what the
migration or an earlier session stored may not be what the text reads as. Owns finding
that out, before the imitated UPDATE writes over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from bluegreen.compat.probe.capture import row_image
from bluegreen.compat.probe.change import only
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.rules.alike import alike
from bluegreen.compat.seen import Change, Difference
from bluegreen.compat.stream import Stream


def sent_again(
    session: psycopg.Connection,
    stream: Stream,
    decided: laws.Writes,
    change: Change,
    columns: Sequence[str],
    image: sql.Identifier,
    where: sql.Composable,
) -> Iterator[Difference]:
    """Values of the found row that its image, which holds what was sent, replaces.

    Raises:
        psycopg.Error: the row could not be read.
    """
    names = [name for name in columns if _only_sent(stream, decided, change, name)]
    if not names:
        return
    # A column may be called as a short alias is, which `(alias).column` would mean.
    query = sql.SQL(
        "SELECT {}, {} FROM (SELECT t.* FROM {} t {}) bluegreen_had, {} bluegreen_comes"
    ).format(
        row_image(sql.SQL("bluegreen_had"), names),
        row_image(sql.SQL("bluegreen_comes"), names),
        only(decided.target),
        where,
        image,
    )
    row = session.execute(query).fetchone()
    for name, had, comes in zip(names, *(row or ((), ())), strict=False):
        column = decided.target.column(name)
        kind = stream.receiver.base_type(column.plain_type) if column else ""
        if not alike(kind, had, comes):
            yield Difference(decided.target.qualified, name, "", comes, had)


def _only_sent(stream: Stream, decided: laws.Writes, change: Change, name: str) -> bool:
    """Whether an UPDATE leaves a value as it was and sends it to another type.

    Where both sides have one type, a value that differs was made by the migration's
    data statements, which are judged by rows.
    """
    source = stream.sender.relations.get(change.table)
    one, two = source and source.column(name), decided.target.column(name)
    if not one or not two or change.new is None or change.old is None:
        return False
    return one.type != two.type and change.new.get(name) == change.old.get(name)
