"""What a database looks like to the judge: one frozen picture of a catalog.

Owns the values only. Reading them from a server is for `compat/probe/snapshot.py`;
what a difference between two pictures means is for the neighbouring files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Name = tuple[str, str]
"""A schema and a name in it."""


def shown(name: Name) -> str:
    """Print a name as people say it: `public.orders`."""
    return ".".join(name)


@dataclass(frozen=True, slots=True)
class Column:
    """A column that has not been dropped.

    Attributes:
        type: the type without its modifier, its schema in front unless pg_catalog.
        full_type: the same with the modifier, as `numeric(10,2)`, and a collation of
            the column's own.
        default: expression, empty when there is none.
        generated: empty, `s` stored, `v` virtual.
        identity: empty, `a` always, `d` by default.
        position: attnum, which a dropped column keeps for itself.
    """

    name: str
    type: str
    full_type: str
    not_null: bool = False
    default: str = ""
    generated: str = ""
    identity: str = ""
    position: int = 0

    @property
    def fills_itself(self) -> bool:
        """Whether an INSERT that does not name it still gives it a value."""
        return bool(self.default or self.generated or self.identity)


@dataclass(frozen=True, slots=True)
class Index:
    """An index; an expression stands as None among its columns."""

    name: str
    columns: tuple[str | None, ...]
    unique: bool = False
    primary: bool = False
    exclusion: bool = False
    valid: bool = True
    immediate: bool = True
    identity: bool = False
    partial: bool = False
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint, `kind` as in pg_constraint.contype."""

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...] = ()
    other: Name | None = None
    other_columns: tuple[str, ...] = ()
    enforced: bool = True
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user's trigger, `enabled` as in pg_trigger.tgenabled (O, D, R, A)."""

    name: str
    enabled: str
    row: bool
    on_insert: bool
    function: str
    body: str = ""
    on_update: bool = False
    on_delete: bool = False

    @property
    def fires_on_apply(self) -> bool:
        """ENABLE REPLICA and ENABLE ALWAYS: what an apply worker's session fires."""
        return self.enabled in {"R", "A"}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, partitioned table, view, materialized view or foreign table.

    Attributes:
        kind: pg_class.relkind.
        persistence: p, u (unlogged) or t.
        identity: pg_class.relreplident: d, n, f or i.
        leaf: whether it is a partition.
        parents: partitioned tables above it, nearest first.
    """

    oid: int
    name: Name
    kind: str = "r"
    persistence: str = "p"
    identity: str = "d"
    owner: str = ""
    rls: bool = False
    forced_rls: bool = False
    leaf: bool = False
    parents: tuple[Name, ...] = ()
    columns: tuple[Column, ...] = ()
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    triggers: tuple[Trigger, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def takes_rows(self) -> bool:
        """Whether apply may write into it: `CheckSubscriptionRelkind`."""
        return self.kind in {"r", "p"}

    @property
    def primary(self) -> Index | None:
        """The primary key's index."""
        return next((i for i in self.indexes if i.primary), None)


@dataclass(frozen=True, slots=True)
class Type:
    """A type that is no built-in: `kind` is pg_type.typtype (e, d, c, r …)."""

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    base: str = ""
    not_null: bool = False
    checks: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


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
