"""What is known before a statement: tables, transaction, session and file so far.

Owns the questions that rules and deciders ask of it. How a statement changes it is for
`track.py` and its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bluegreen.lint.effects.effect import Effect, Lock
from bluegreen.model.bookkeeping import BOOKKEEPING
from bluegreen.sql import expressions
from bluegreen.sql.constraint_names import named
from bluegreen.sql.expressions import proves_not_null
from bluegreen.sql.knowledge import NOTHING, Domain, Key, Knowledge, Table
from bluegreen.sql.ops import Constraint, Kind, Name, Op, Type
from bluegreen.sql.parsing import Tree
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.search_path import placed
from bluegreen.sql.source import Source, Statement
from bluegreen.sql.view_columns import holds

FIRST_VERSION, LAST_VERSION = 13, 18


class Versions(NamedTuple):
    """The major versions that the files must be safe on; the worst of them counts."""

    low: int = FIRST_VERSION
    high: int = LAST_VERSION

    @property
    def chosen(self) -> bool:
        """Whether a version was named."""
        return (self.low, self.high) != (FIRST_VERSION, LAST_VERSION)


@dataclass(slots=True, eq=False, repr=False)
class Transaction:
    """An open transaction.

    Attributes:
        explicit: false when the migration tool opened it around the file.
        locks: what it holds on tables that others use, with the op that took it.
        local: settings that end with it.
        values: enum values it added.
        unproved: constraints it added NOT VALID, as (table, name).
        told: rules that speak once a transaction and have spoken.
    """

    explicit: bool
    locks: dict[Key, tuple[Lock, Op]] = field(default_factory=dict)
    local: dict[str, str] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    unproved: set[tuple[Key, str]] = field(default_factory=set)
    fresh: set[Key] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    @property
    def strongest(self) -> Lock | None:
        """The strongest lock held on a table that others use."""
        return max((lock for lock, _ in self.locks.values()), default=None)


@dataclass(slots=True, eq=False, repr=False)
class FileSoFar:
    """What stands in the file above the present op.

    Attributes:
        renamed: names that this file gave, with those that clients know.
    """

    source: Source
    schema: Op | None = None
    data: Op | None = None
    kinds: set[Kind] = field(default_factory=set)
    changed: dict[Key, Op] = field(default_factory=dict)
    dropped_names: set[tuple[Key, str]] = field(default_factory=set)
    dropped_tables: set[Key] = field(default_factory=set)
    bulk: dict[Key, Op] = field(default_factory=dict)
    scanned: dict[Key, Op] = field(default_factory=dict)
    changed_keys: set[Key] = field(default_factory=set)
    other_schema: bool = False
    renamed: dict[Key, Name] = field(default_factory=dict)
    lost: str = ""
    told: set[str] = field(default_factory=set)


class State:
    """Everything that rules may ask of what came before.

    Attributes:
        tables: every table known, as it is by now.
        fresh: tables that no other session uses yet: the file itself made them, or the
            set where it is one release.
        history: whether clients used the tables between one file and the next.
        statement: the one that is being looked at.
        siblings: all its ops.
        effect: that of the op that is being looked at.
    """

    def __init__(
        self,
        knowledge: Knowledge = NOTHING,
        versions: Versions | None = None,
        settings: Mapping[str, str] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.knowledge = knowledge
        self.versions = versions or Versions()
        self.tables: dict[Key, Table] = dict(knowledge.tables)
        self.domains: dict[Key, Domain] = dict(knowledge.domains)
        self.enums: set[Key] = set(knowledge.enums)
        self.stable: set[str] = set(knowledge.stable)
        self.volatile: set[str] = set(knowledge.volatile)
        self.fresh: set[Key] = set()
        self.history = False
        self.session: dict[str, str] = dict(settings or {})
        self.transaction: Transaction | None = None
        self.statement: Statement | None = None
        self.siblings: list[Op] = []
        self.effect = Effect()
        self.file = FileSoFar(Source("", ""))
        self.touched: dict[Key, set[str]] = {}
        self.made_not_null: dict[Key, set[str]] = {}
        self.added_columns: dict[Key, set[str]] = {}
        self.kept_by_trigger: set[Key] = set()
        self.triggers: dict[tuple[Key, str], Op] = dict(knowledge.triggers)
        self.built_indexes: dict[Key, str] = {}
        self.check_texts: dict[tuple[Key, str], str] = {}
        self.changed_rows: set[Key] = set()
        self.opaque = False
        self.temporary = False
        self.dropped_ever: set[Key] = set()
        self.views = {key for key, table in self.tables.items() if table.reads}
        self.names = {sort: re.compile(text) for sort, text in (names or {}).items()}

    def table(self, name: Name) -> Table | None:
        """The table as far as it is known."""
        return self.tables.get(name.key)

    def at(self, name: Name) -> Table:
        """The table, or one of that name of which nothing is known."""
        return self.tables.get(name.key) or Table(name)

    def put(self, table: Table) -> None:
        """Let the table be known as it is now."""
        self.tables[table.name.key] = table

    def filled(self, name: Name | None) -> bool:
        """Whether others may use the table: it was not made just now."""
        if name is None or name.name in BOOKKEEPING:
            return False
        return name.key not in self.fresh

    def domain(self, of: Type) -> Domain | None:
        """The domain of that name, where one is known, with what it takes over."""
        found = None if of.array else self.domains.get(of.key)
        below = self.domain(found.type) if found else None
        if found is None or below is None:
            return found
        constrained = found.constrained or below.constrained
        return replace(
            found, constrained=constrained, default=found.default or below.default
        )

    def constraint(self, table: Name, name: str) -> Constraint | None:
        """A constraint by name, where it is known."""
        known = self.table(table)
        found = known.constraints if known else ()
        return next((c for c in found if c.name == name), None)

    def name_of(self, table: Name, constraint: Constraint) -> str:
        """A constraint's name, or the one that PostgreSQL will choose."""
        return named(self.at(table), constraint).name

    def primary_key(self, table: Name) -> tuple[str, ...]:
        """The columns of the primary key, where it is known."""
        known = self.table(table)
        found = known.constraints if known else ()
        return next((c.columns for c in found if c.kind == "primary"), ())

    def proved_not_null(self, table: Name, name: str) -> frozenset[str]:
        """Columns that this CHECK shows to hold no NULL."""
        found = self.constraint(table, name)
        return proves_not_null(found.expr) if found else frozenset()

    def not_null_columns(self, table: Table) -> frozenset[str]:
        """Columns of the table that are NOT NULL, as far as it is known."""
        found = {c.name for c in table.columns.values() if c.not_null}
        return frozenset(found | self.made_not_null.get(table.name.key, set()))

    def has_column(self, op: Op) -> bool:
        """Whether an ADD COLUMN IF NOT EXISTS has nothing to do."""
        if "missing_ok" not in op.flags or op.table is None:
            return False
        known = self.table(op.table)
        return known is not None and op.name in known.columns

    def has_table(self, op: Op) -> bool:
        """Whether a CREATE TABLE IF NOT EXISTS has nothing to do."""
        known = op.table is not None and op.table.key in self.tables
        return known and "if_not_exists" in op.flags

    def volatility(self, tree: Tree | None) -> str:
        """How an expression behaves, functions of the files included."""
        return expressions.volatility(tree, self.stable, self.volatile)

    def partitions(self, parent: Name) -> Iterator[Table]:
        """All partitions and heirs below, as far as they are known."""
        for table in list(self.tables.values()):
            above = (table.parent, *table.inherits)
            if any(name and name.key == parent.key for name in above):
                yield table
                if table.partitioned or table.inherited:
                    yield from self.partitions(table.name)

    def partners(self, table: Name, column: str) -> list[Name]:
        """Tables at the other ends of foreign keys that this column is part of."""
        known = self.table(table)
        keys = known.constraints if known else ()
        own = {c.references for c in keys if c.references and column in c.columns}
        primary = {n for c in keys if c.kind == "primary" for n in c.columns}
        for other in self.tables.values():
            for key in other.constraints:
                if key.references is None or key.references.key != table.key:
                    continue
                if column in key.ref_columns or (
                    not key.ref_columns and column in primary
                ):
                    own.add(other.name)
        return sorted(name for name in own if name)

    def views_on(self, table: Name, column: str = "") -> list[Name]:
        """Views made of a table, or of this column of it, as far as they are known."""
        return [
            view.name
            for view in (self.tables[key] for key in sorted(self.views))
            if any(name.key == table.key for name in view.reads)
            and (not column or holds(view.uses, table.name, column))
        ]

    def emptied_with(self, table: Name) -> list[Name]:
        """Tables that a TRUNCATE … CASCADE of this one empties too."""
        found = [table]
        for name in found:
            found += [
                other.name
                for other in self.tables.values()
                if other.name not in found
                and any(
                    k.references and k.references.key == name.key
                    for k in other.constraints
                )
            ]
        return found[1:]

    def default_partition(self, parent: Name) -> Name | None:
        """The default partition, where one is known."""
        known = self.table(parent)
        return known.default_partition if known else None

    def table_of_index(self, index: Name) -> Name | None:
        """The table that an index is on, where it is known."""
        for table in self.tables.values():
            if any(known.name == index.name for known in table.indexes):
                return table.name
        return None

    def index_columns(self, table: Name, index: str) -> tuple[str, ...]:
        """The columns that an index is ordered by, where it is known."""
        known = self.table(table)
        found = known.indexes if known else ()
        return next((i.keys for i in found if i.name == index), ())

    def triggers_calling(self, function: Name) -> list[Op]:
        """The triggers that call a function, as the files made them."""
        return [made for made in self.triggers.values() if made.value == function.name]

    def tables_using(self, domain: Name) -> Iterator[Name]:
        """Tables with a column of the domain."""
        for table in self.tables.values():
            if any(column.type.key == domain.key for column in table.columns.values()):
                yield table.name

    def setting(self, name: str) -> str:
        """A setting as this session has it by now; empty when it was not set."""
        local = self.transaction.local if self.transaction else {}
        return local.get(name, self.session.get(name, ""))

    def where_written(self, found: list[Op]) -> list[Op]:
        """The ops with their names where the search_path leads them by now."""
        for op in found:
            if "temporary" in op.flags:
                self.temporary = True
        written = self.setting("search_path")
        if not written and not self.temporary:
            return found
        parts = [part.strip().strip('"') for part in written.split(",")]
        path = [part for part in parts if part and part != "$user"] or ["public"]

        def known(key: Key) -> bool:
            return key in self.tables or key in self.domains or key in self.enums

        return [placed(op, path, known) for op in found]

    def later(self, op: Op) -> Iterator[Op]:
        """What the same file does after an op, the way down left out."""
        source = self.file.source
        for statement in source.statements:
            if op.at < statement.end and statement.at < source.way_down:
                yield from (one for one in ops(statement) if one.at > op.at)

    def filled_or_unknown(self, op: Op) -> bool:
        """Whether a data change may meet rows: its table was not made by this set."""
        return op.table is None or self.filled(op.table)

    @property
    def text(self) -> str:
        """The text of the statement that is being looked at."""
        return self.statement.text if self.statement else ""

    def blocking(self, at_least: Lock = Lock.SHARE) -> list[tuple[Name, Lock]]:
        """Locks of the present op that others would feel."""
        return [
            (name, lock)
            for name, lock in self.effect.locks
            if lock >= at_least and self.filled(name)
        ]
