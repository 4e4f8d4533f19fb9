"""Reads both sides of a pair into the streams of `compat`, as we replicate them.

Owns which publication, subscription and settings decide for a pair of databases of a
playbook: the ones that are there, or those that a run would make. What follows from
them is for `compat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from psycopg import sql

from bluegreen.compat.catalog import Catalog, Publication, Published
from bluegreen.compat.probe.snapshot import read_snapshot
from bluegreen.compat.stream import Stream as Way
from bluegreen.compat.verdict import Direction
from bluegreen.model.side import Side
from bluegreen.postgres.catalog.relations import read_relations
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.database import (
    DROPPED_MEANWHILE,
    DROPPED_TRIES,
    Database,
    SqlError,
)
from bluegreen.postgres.replication.publication import (
    COLUMN_LISTS_SINCE,
    PublishedTable,
    choose_tables,
    server_version,
)
from bluegreen.postgres.replication.stream import ReplicationStream


@dataclass(frozen=True, slots=True)
class Directions:
    """Both directions of a pair.

    Attributes:
        blue: its catalog.
        green: its catalog.
        forward: blue to green.
        reverse: green to blue.
        declared: tables that the playbook leaves out.
    """

    blue: Catalog
    green: Catalog
    forward: Way
    reverse: Way
    declared: frozenset[Name] = frozenset()

    def with_zones(self, zones: Mapping[tuple[Name, str], str]) -> Directions:
        """The same, knowing the zones that the migration reads columns in."""
        return replace(
            self,
            forward=replace(self.forward, zones=zones),
            reverse=replace(self.reverse, zones=zones),
        )


def read_directions(
    blue: Database,
    green: Database,
    name: str,
    *,
    exclude: Iterable[str] = (),
    planned: Iterable[PublishedTable] = (),
) -> Directions:
    """Read both catalogs and what flows between them. Changes nothing.

    Args:
        blue: one side.
        green: the other, with the same tables or with migrated ones.
        name: the playbook's, which our publications and subscriptions carry.
        exclude: tables that the playbook leaves out, `schema.table`.
        planned: what green is going to publish; chosen by the catalogs where empty.

    Raises:
        SqlError: a catalog could not be read.
        ServerGoneError: a connection broke.
    """
    here, there = _catalog(blue), _catalog(green)
    excluded = set(exclude)
    declared = frozenset(n for n in here.relations if ".".join(n) in excluded)
    to_green = _forward(blue, green, here, there, name, excluded)
    to_blue = _reverse(blue, green, here, there, name, tuple(planned))
    return Directions(here, there, to_green, to_blue, declared)


def _catalog(database: Database) -> Catalog:
    """The catalog; TimeZone as database and role have it, as a worker of ours gets."""
    with database.connect(leave=("TimeZone",)) as own:
        for _ in range(DROPPED_TRIES - 1):
            try:
                with database.translated():
                    return read_snapshot(own)
            except SqlError as error:
                if error.sqlstate != DROPPED_MEANWHILE:
                    raise
        with database.translated():
            return read_snapshot(own)


def zone_of(database: Database) -> str:
    """The TimeZone that database and role have set for a session of ours.

    Raises:
        ServerGoneError: the connection broke.
    """
    with database.connect(leave=("TimeZone",)) as own, database.translated():
        rows = own.execute(sql.SQL("SHOW TimeZone")).fetchall()
    return str(rows[0][0])


def _forward(
    blue: Database,
    green: Database,
    here: Catalog,
    there: Catalog,
    name: str,
    excluded: set[str],
) -> Way:
    ours = ReplicationStream(name, Side.BLUE).name
    publication = here.publications.get(ours)
    if publication is None:
        tables = choose_tables(
            read_relations(blue), read_relations(blue), exclude=excluded
        )
        publication = _planned(ours, here, tables)
    return _way(Direction.FORWARD, here, there, publication, green)


def _reverse(
    blue: Database,
    green: Database,
    here: Catalog,
    there: Catalog,
    name: str,
    planned: tuple[PublishedTable, ...],
) -> Way:
    ours = ReplicationStream(name, Side.GREEN).name
    publication = there.publications.get(ours)
    if publication is None:
        if not planned:
            planned = choose_tables(read_relations(green), read_relations(blue))
        publication = _planned(ours, there, planned)
    return _way(Direction.REVERSE, there, here, publication, blue)


def _way(
    direction: Direction,
    sender: Catalog,
    receiver: Catalog,
    publication: Publication,
    subscriber: Database,
) -> Way:
    subscribed = _subscription(subscriber, publication.name)
    migrated = receiver if direction is Direction.FORWARD else sender
    return Way(
        direction,
        sender,
        receiver,
        publication,
        sender_zone=sender.zone,
        receiver_zone=receiver.zone,
        known=receiver.subscribed if subscribed is not None else None,
        options=subscribed or {},
        owner=subscribed["owner"]
        if subscribed
        else str(subscriber.value(sql.SQL("SELECT current_user"))),
        zone=migrated.zone,
    )


def _planned(
    name: str, sender: Catalog, tables: Iterable[PublishedTable]
) -> Publication:
    """The publication that a run would make; before 15 it can leave no column out."""
    listed: dict[Name, Published] = {}
    tables = tuple(tables)
    for table in tables:
        relation = sender.relations.get((table.schema, table.name))
        if relation is None:
            continue
        stored = tuple(c.name for c in relation.columns if not c.generated)
        lists = sender.major >= COLUMN_LISTS_SINCE and table.columns is not None
        columns = table.columns if lists and table.columns else stored
        listed[relation.qualified] = Published(relation.qualified, columns)
    via_root = any(table.through_root for table in tables)
    return Publication(name, via_root=via_root, relations=listed)


def _subscription(database: Database, name: str) -> dict[str, str] | None:
    """Options and owner of a subscription, None where it is not there.

    Column by column: `subconninfo` may be read by superusers only.
    """
    major = server_version(database)
    options = [column for column, since in _OPTIONS.items() if major >= since]
    rows = database.rows(
        sql.SQL(
            "SELECT pg_get_userbyid(s.subowner), {} FROM pg_subscription s"
            " WHERE s.subname = %s AND s.subdbid ="
            " (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        ).format(sql.SQL(", ").join([sql.Literal(""), *map(sql.Identifier, options)])),
        (name,),
    )
    if not rows:
        return None
    owner, _, *values = rows[0]
    given = zip(options, values, strict=True)
    return {"owner": str(owner), **{_NAMES[o]: str(v).lower() for o, v in given}}


_OPTIONS = {"subbinary": 14, "subrunasowner": 16}
_NAMES = {"subbinary": "binary", "subrunasowner": "run_as_owner"}
