"""A schema change as a test tells it: both shapes, the writes in each, what must stay.

In the SQL `§` stands for a schema of the change's own, so that many changes share one
pair of databases and one move of traffic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

TABLE = "CREATE TABLE §.t (id int PRIMARY KEY, a text)"
ROWS = "INSERT INTO §.t VALUES (1, 'one'), (2, 'two'), (3, 'three')"
OLD_WRITES = (
    "INSERT INTO §.t VALUES (10, 'ten')",
    "UPDATE §.t SET a = 'zwei' WHERE id = 2",
    "DELETE FROM §.t WHERE id = 3",
)
NEW_WRITES = (
    "INSERT INTO §.t (id, a) VALUES (20, 'twenty')",
    "UPDATE §.t SET a = 'ONE' WHERE id = 1",
    "DELETE FROM §.t WHERE id = 10",
)
LEFT = [(1, "ONE"), (2, "zwei"), (20, "twenty")]
ROWS_OF_T = "SELECT id, a FROM §.t ORDER BY id"


@dataclass(frozen=True)
class Change:
    """One row of the table of schema changes, with what makes it compatible.

    Attributes:
        row: number of the row, and a word.
        migration: what runs on green.
        blue: makes the old shape.
        before: writes in the old shape, on blue that streams to a migrated green.
        after: writes in the new shape, on green.
        query: what is read on blue after the rollback.
        left: what it must give.
        again: a write in the old shape, on blue after the rollback.
        green: a query on green, read when that write has arrived.
        arrived: what it must give.
        words: parameters of the step `migrate`; lists and tables are put together.
        replicate: parameters of the step `replicate`.
        judge: parameters of the step `compat`.
        loses: what the playbook has to accept, as losses on the way back.
        bare: the change as it is written without anything that makes it compatible;
            the migration, and what contracts behind it, where nothing is given.
        contract: runs at decommission.
        contracted: a query on green after it, which must give true.
        majors: versions of blue that it is for.
    """

    row: str
    migration: str = ""
    blue: Sequence[str] = (TABLE, ROWS)
    before: Sequence[str] = OLD_WRITES
    after: Sequence[str] = NEW_WRITES
    query: str = ROWS_OF_T
    left: Sequence[tuple[Any, ...]] = field(default_factory=lambda: LEFT)
    again: Sequence[str] = ("INSERT INTO §.t VALUES (30, 'thirty')",)
    green: str = "SELECT a FROM §.t WHERE id = 30"
    arrived: Sequence[tuple[Any, ...]] = (("thirty",),)
    words: Mapping[str, Any] = field(default_factory=dict)
    replicate: Mapping[str, Any] = field(default_factory=dict)
    judge: Mapping[str, Any] = field(default_factory=dict)
    loses: Sequence[str] = ()
    bare: str = ""
    contract: str = ""
    contracted: str = ""
    majors: tuple[int, ...] = (14, 16)

    @property
    def schema(self) -> str:
        """A schema of its own."""
        return "r" + self.row.replace("-", "_")

    @property
    def without(self) -> str:
        """What runs on green where nothing makes the change compatible."""
        return self.bare or ";\n".join(filter(None, (self.migration, self.contract)))

    def sql(self, text: str) -> str:
        """The text with the schema's name in it."""
        return text.replace("§", self.schema)


def put_together(
    changes: Sequence[Change], words: str
) -> dict[str, list[str] | dict[str, Any]]:
    """The parameters of all changes as one step's."""
    made: dict[str, Any] = {}
    for change in changes:
        for key, value in getattr(change, words).items():
            if isinstance(value, Mapping):
                made.setdefault(key, {}).update(_filled(change, value))
            else:
                made.setdefault(key, []).extend(map(change.sql, value))
    return made


def _filled(change: Change, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {change.sql(k): _filled(change, v) for k, v in value.items()}
    return change.sql(value)
