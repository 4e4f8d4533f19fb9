"""Looks at values that mean something on blue only: ids, WAL positions, OIDs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.server_bound import (
    AHEAD,
    Bound,
    BoundColumn,
    of_kind,
    renumbered,
    take_ids,
)
from bluegreen.postgres.catalog.server_facts import ServerFacts
from bluegreen.steps.preflight.intent import Intent, listed

KEPT_IDS = "transaction-ids-kept"
KEPT_POSITIONS = "wal-positions-kept"

_MOST_BY_SQL = 200_000_000
"""A server takes some 100,000 ids a second by the statement; more is half an hour."""

_PER_SEGMENT = 1_048_576
"""Ids of one file in pg_xact; a server that is set to the first of them starts."""

_EPOCH = 2**32
_WAL_AHEAD = 2**30


def check_server_bound(
    blue: ServerFacts, green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Columns with such values, and types that clients know by number."""
    columns = [one for one in blue.bound if one.table not in intent.exclude]
    if ids := of_kind(columns, Bound.TRANSACTION):
        yield from check_ids(ids, blue, green)
    if positions := of_kind(columns, Bound.WAL):
        yield from _check_positions(positions, blue, green)
    if numbers := of_kind(columns, Bound.OID):
        plain = [one for one in numbers if one.plain]
        yield checked(
            "oid-columns",
            Side.BLUE,
            listed(dict.fromkeys(one.name for one in numbers)),
            "the number of a table, role or function is another one on green; a "
            "reg… type travels by name",
            f"{renumbered(plain[0])} -- where they are numbers of tables, this gives "
            "the statement to run on green behind the cutover"
            if plain
            else "",
            severity=Severity.WARNING,
        )
    if types := of_kind(columns, Bound.TYPE):
        yield from _check_types(types, green, intent)


def check_ids(
    columns: tuple[BoundColumn, ...], here: ServerFacts, there: ServerFacts
) -> Iterator[Finding]:
    """The next id of the side that traffic goes to is below those that are kept."""
    ours, theirs = here.counters.next_id, there.counters.next_id
    if theirs >= ours:
        return
    yield checked(
        KEPT_IDS,
        there.side,
        f"{listed(dict.fromkeys(one.name for one in columns))} keep transaction ids; "
        f"{here.side}'s next one is {ours}, {there.side}'s {theirs}",
        "rows that are written after a switchover get lower ids than those before it: "
        "who reads in their order passes them by",
        _raise_ids(ours, theirs),
        blocks=True,
    )


def _raise_ids(ours: int, theirs: int) -> str:
    if ours - theirs <= _MOST_BY_SQL:
        return take_ids(ours)
    whole = -(-(ours + AHEAD) // _PER_SEGMENT) * _PER_SEGMENT
    epoch, xid = divmod(whole, _EPOCH)
    return (
        "while it holds no rows: VACUUM FREEZE each of its databases, stop the server, "
        f"pg_resetwal -e {epoch} -x {xid or _PER_SEGMENT} of its data directory, start "
        "it again"
    )


def _check_positions(
    columns: tuple[BoundColumn, ...], blue: ServerFacts, green: ServerFacts
) -> Iterator[Finding]:
    ours, theirs = blue.counters.wal, green.counters.wal
    if theirs >= ours:
        return
    size = int(blue.settings.number("wal_segment_size") or 2**24)
    log, segment = divmod((ours + _WAL_AHEAD) // size + 1, _EPOCH // size)
    yield checked(
        KEPT_POSITIONS,
        Side.GREEN,
        f"{listed(dict.fromkeys(one.name for one in columns))} keep WAL positions; "
        f"blue's WAL ends at {_as_lsn(ours)}, green's at {_as_lsn(theirs)}",
        "positions that are written after the cutover are lower than those before it",
        "while it holds no rows: stop the server, pg_resetwal -l "
        f"00000001{log:08X}{segment:08X} of its data directory, start it again",
        blocks=True,
    )


def _as_lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def _check_types(
    types: tuple[BoundColumn, ...], green: ServerFacts, intent: Intent
) -> Iterator[Finding]:
    """Until the copy every one gets a number of green's own."""
    there = {one.type: one.oid for one in of_kind(green.bound, Bound.TYPE)}
    names: dict[str, list[str]] = defaultdict(list)
    for one in types:
        if there.get(one.type) != one.oid and (one.type in there or not intent.copied):
            names[one.type].append(one.name)
    if not names:
        return
    yield checked(
        "type-oids-differ",
        Side.GREEN,
        f"{listed(names)} "
        + ("have other OIDs than on blue" if there else "will have other OIDs"),
        "drivers that ask for a type once and keep its number (register_… of psycopg, "
        "asyncpg, pgx, Npgsql, arrays in JDBC) fail, or give text, until they connect "
        "again",
        "after each switchover let clients that use them connect again",
    )
