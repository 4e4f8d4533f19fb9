"""Whom a database was set up for: by which playbook, and by which bluegreen.

Owns reading it and the two refusals. Names of slots, publications and subscriptions
carry the playbook's name, so one under another name would look for things that are not
there and call them lost. A schema of a newer version is not ours to act on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    PlaybookRefused,
    ServerRefused,
)
from bluegreen.model.side import Side
from bluegreen.postgres.database import Database, ServerGoneError
from bluegreen.postgres.journal import own_schema
from bluegreen.postgres.journal.table import has_moved
from bluegreen.postgres.session import PoolerRefused

_STREAM = re.compile(r"bluegreen_([a-z][a-z0-9_]*)_from_(?:blue|green)")


@dataclass(frozen=True, slots=True)
class Belonging:
    """What a side tells of its set-up.

    Attributes:
        playbook: the name it was set up with; empty where our schema is missing.
        version: of our schema; 0 where it is missing.
        streams: slots, publications and subscriptions here that are named like ours.
        moved: it knows of a move of traffic.
    """

    side: Side
    address: str
    playbook: str = ""
    version: int = 0
    streams: tuple[str, ...] = ()
    moved: bool = False


def read_belonging(database: Database, *, whole: bool = True) -> Belonging:
    """Ask one side, for name and version alone where it is not `whole`."""
    side, address = database.side, database.address
    streams = read_stream_names(database) if whole else ()
    version = own_schema.version_of_schema(database)
    if not 0 < version <= own_schema.VERSION:
        return Belonging(side, address, version=version, streams=streams)
    found = database.rows(
        sql.SQL("SELECT side, id::text, playbook FROM bluegreen.identity")
    )
    playbook = found[0][2] if found else ""
    moved = whole and has_moved(database)
    return Belonging(side, address, playbook, version, streams, moved)


def read_stream_names(database: Database) -> tuple[str, ...]:
    """Slots, publications and subscriptions of this database named like ours."""
    names = (name for (name,) in database.rows(_STREAMS))
    return tuple(name for name in names if _STREAM.fullmatch(name))


def refusal_of(seen: Sequence[Belonging], name: str) -> BluegreenError | None:
    """Why a playbook of this name may not act on these sides; None when it may. Pure.

    A playbook may take another name as long as nothing carries the former one.
    """
    for one in seen:
        if one.version > own_schema.VERSION:
            return own_schema.newer(one.side, one.address, one.version)
    others = [one for one in seen if one.playbook not in {"", name}]
    if others and (any(one.moved for one in seen) or _named(seen, others)):
        return _renamed(others[0], name, _named(seen, others))
    return None


def require_ours(databases: Sequence[Database], name: str) -> list[Belonging]:
    """Refuse before anything is done under a wrong name, or over a newer schema.

    A side that cannot be reached is passed over: what needs it says so itself.

    Raises:
        LeaseRefused: 8004.
        PlaybookRefused: 2009.
    """
    seen = _read_all(databases, whole=False)
    if any(one.playbook not in {"", name} for one in seen):
        seen = _read_all(databases, whole=True)
    if (no := refusal_of(seen, name)) is not None:
        raise no
    return seen


def why_foreign(database: Database, name: str) -> BluegreenError | None:
    """The same of one side, for who only says it."""
    seen = read_belonging(database, whole=False)
    if seen.playbook not in {"", name}:
        seen = read_belonging(database)
    return refusal_of([seen], name)


def refuse_newer(databases: Iterable[Database]) -> None:
    """The same of the version alone, where the name is not known yet.

    Raises:
        LeaseRefused: 8004.
    """
    for one in _read_all(databases, whole=False):
        if one.version > own_schema.VERSION:
            raise own_schema.newer(one.side, one.address, one.version)


def _read_all(databases: Iterable[Database], *, whole: bool) -> list[Belonging]:
    seen = []
    for database in databases:
        try:
            seen.append(read_belonging(database, whole=whole))
        except PoolerRefused:
            raise
        except (ServerGoneError, ServerRefused):
            continue
    return seen


def _named(seen: Sequence[Belonging], others: Sequence[Belonging]) -> list[str]:
    former = {one.playbook for one in others}
    return [
        f"{stream} on {one.side}"
        for one in seen
        for stream in one.streams
        if (found := _STREAM.fullmatch(stream)) and found[1] in former
    ]


def _renamed(one: Belonging, name: str, named: Sequence[str]) -> PlaybookRefused:
    seen = f"{one.side} was set up as {one.playbook}, the playbook says {name}"
    return PlaybookRefused(
        Code.STEP_DOES_NOT_FIT,
        "the playbook has another name than the databases were set up with",
        seen="\n".join([seen, *named]),
        wanted="the same name; slots, publications and subscriptions carry it. "
        "Nothing was touched",
        hint=f"put `name: {one.playbook}` back into the playbook. Is this another "
        f"playbook for the same databases? Then end {one.playbook} first, by "
        "`bluegreen decommission` with its own playbook",
    )


_STREAMS = sql.SQL(
    """
    SELECT slot_name::text FROM pg_catalog.pg_replication_slots
    WHERE database = pg_catalog.current_database()
    UNION SELECT pubname::text FROM pg_catalog.pg_publication
    UNION SELECT s.subname::text FROM pg_catalog.pg_subscription s
    JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
    WHERE d.datname = pg_catalog.current_database()
    ORDER BY 1
    """
)
