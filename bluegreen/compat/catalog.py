"""What a database looks like to `compat`: one frozen picture of a catalog.

Owns the values only. What they are made of is in `postgres/catalog`, and reading the
picture from a server in `compat/probe/snapshot.py`; what a difference between two
pictures means is for the neighbouring files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bluegreen.postgres.catalog.relations import Relation
from bluegreen.postgres.catalog.scope import Name
from bluegreen.postgres.catalog.types import Type


def shown(name: Name) -> str:
    """Print a name as people say it: `public.orders`."""
    return ".".join(name)


@dataclass(frozen=True, slots=True)
class Published:
    """A relation as its publication sends it: `pg_publication_tables`.

    `row_filter` is the expression of its WHERE, names in full; empty without one.
    """

    name: Name
    columns: tuple[str, ...]
    row_filter: str = ""


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication and the relations that it comes to."""

    name: str
    all_tables: bool = False
    via_root: bool = False
    actions: frozenset[str] = frozenset({"insert", "update", "delete", "truncate"})
    relations: Mapping[Name, Published] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    """What matters of a role when rows are written in its name."""

    superuser: bool = False
    bypasses_rls: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """One database at one moment.

    Attributes:
        major: major version of the server.
        zone: TimeZone that a new session gets.
        subscribed: OIDs in pg_subscription_rel, the relation set of law 13.
    """

    major: int
    zone: str = "UTC"
    relations: Mapping[Name, Relation] = field(default_factory=dict)
    types: Mapping[str, Type] = field(default_factory=dict)
    publications: Mapping[str, Publication] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    subscribed: frozenset[int] = frozenset()

    def base_type(self, name: str) -> str:
        """The type below a domain, or the type itself."""
        while (found := self.types.get(name)) and found.kind == "d":
            name = found.base
        return name
