"""One way for rows to go: who sends, what, to whom, and under which settings.

Owns the settings that decide besides the two catalogs. What follows from them is for
`apply`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bluegreen.compat.cast import Cast
from bluegreen.compat.catalog import Catalog, Publication, Published
from bluegreen.compat.verdict import Direction
from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name


@dataclass(frozen=True, slots=True)
class Stream:
    """A publication on one side and a subscription to it on the other.

    Attributes:
        publication: None when the sender's server refused to make it.
        known: OIDs on the receiver that the subscription knows; None when it is made,
            or refreshed, after the migration and so knows every one.
        options: the subscription's, as `binary`, `run_as_owner`.
        owner: role that owns the subscription on the receiver.
        zones: the zone a column was read in when its type became, or ceased to be,
            timestamptz; by table and column.
        zone: the same for the columns not in `zones`.
        casts: what the migration's text says of columns that change their type.
        migrated: the side that carries the migration, for words only.
    """

    direction: Direction
    sender: Catalog
    receiver: Catalog
    publication: Publication | None
    sender_zone: str = "UTC"
    receiver_zone: str = "UTC"
    known: frozenset[int] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    owner: str = "postgres"
    zones: Mapping[tuple[Name, str], str] = field(default_factory=dict)
    zone: str = "UTC"
    casts: tuple[Cast, ...] = ()

    @property
    def binary(self) -> bool:
        """Whether values travel in their types' own binary form."""
        return self.options.get("binary", "false").lower() in {"true", "on", "1", ""}

    def zone_of(self, table: Name, column: str) -> str:
        """The zone that a timestamp without one is meant in."""
        return self.zones.get((table, column), self.zone)

    def published_as(self, relation: Relation) -> Published | None:
        """How changes of a table travel: under its name, or its topmost root's.

        With publish_via_partition_root the topmost published ancestor gives name and
        columns; `pg_publication_tables` then lists the root only.
        """
        if self.publication is None:
            return None
        names = [relation.qualified, *relation.parents]
        listed = self.publication.relations
        found = [listed[name] for name in names if name in listed]
        return (found[-1] if self.publication.via_root else found[0]) if found else None

    def writer_role(self, target: Relation) -> str:
        """In whose name rows are written: 16+ acts as the table's owner by default."""
        run_as_owner = self.options.get("run_as_owner", "false").lower()
        if self.receiver.major >= 16 and run_as_owner not in {"true", "on", "1"}:
            return target.owner
        return self.owner


def limited_writer(stream: Stream, target: Relation) -> str | None:
    """The role that rows are written as, None where nothing is forbidden to it."""
    name = stream.writer_role(target)
    role = stream.receiver.roles.get(name)
    return None if role is None or role.superuser else name


def sent_key(relation: Relation) -> frozenset[str] | None:
    """The columns that a sender marks as key; None means the whole row (FULL)."""
    whole = relation.replica_identity == "f"
    return None if whole else frozenset(relation.identity_columns)
