"""All of a simulated server that a crash, or an older disk, may take back: values only.

Owns their form. Who changes them is `simulated_server.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TABLES = ("a", "b")
"""Those that travel; `NEW` is made later, and nothing carries its rows."""

NEW = "c"
PLAYBOOK = "sim"


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a table; `key` is its id, or what a stray was given for one."""

    table: str
    key: object


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat."""

    publisher: str
    epoch: int
    number: int
    position: int
    at: float
    id: int

    @property
    def name(self) -> tuple[str, int, int]:
        """What is unique."""
        return self.publisher, self.epoch, self.number


@dataclass(frozen=True, slots=True)
class Line:
    """A line of WAL; `sent` says whether the publication carried its table then."""

    what: Change | Beat
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a side takes: whether it runs, and how far it has come.

    Attributes:
        oid: its own.
        version: of its row, which each ALTER SUBSCRIPTION changes.
        errors: changes that could not be applied.
        unready: tables whose initial copy has not ended.
    """

    enabled: bool
    origin: int
    oid: int = 1
    version: int = 1
    errors: int = 0
    unready: frozenset[str] = frozenset()


Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Data:
    """All of a server that a crash may take back, as one value.

    Attributes:
        tables: those that are there.
        made: tables that have a fence trigger.
        off: those of them whose trigger somebody disabled.
        touched: those whose trigger somebody disabled, enabled or made since the
            closing.
        shut: the flag that each trigger asks.
        sequence: the value that the ids of all tables were last given.
        slots: by name, the position from which each sends.
        publications: by name, each table that is published with the OID of that entry.
        timeline: raised by a failover.
        oids: how many were given.
    """

    journal: tuple[tuple[Any, ...], ...] = ()
    wal: tuple[Line, ...] = ()
    rows: frozenset[Change] = frozenset()
    markers: frozenset[object] = frozenset()
    beats: tuple[Beat, ...] = ()
    tables: frozenset[str] = frozenset(TABLES)
    made: frozenset[str] = frozenset()
    off: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    shut: bool = False
    sequence: int = 0
    subscriptions: Pairs = ()
    slots: Pairs = ()
    publications: Pairs = ()
    timeline: int = 1
    oids: int = 100

    @property
    def fenced(self) -> frozenset[str]:
        """Tables whose trigger asks the flag."""
        return self.made - self.off

    @property
    def closed(self) -> frozenset[str]:
        """Tables that refuse writes."""
        return self.fenced if self.shut else frozenset()

    def subscription(self, name: str) -> Subscription | None:
        """The one of that name."""
        return dict(self.subscriptions).get(name)

    def published(self, name: str) -> dict[str, int] | None:
        """Tables of a publication, with the OID of each entry; None without one."""
        found = dict(self.publications).get(name)
        return None if found is None else dict(found)

    def sends(self, table: str) -> bool:
        """Whether what is written there now is sent; where nothing is published yet
        nobody has begun to read either."""
        return all(table in dict(tables) for _, tables in self.publications)


def put(pairs: Iterable[tuple[str, Any]], name: str, value: Any) -> Pairs:
    """The pairs with one more or another value; without it where `value` is None."""
    kept = tuple(pair for pair in pairs if pair[0] != name)
    return kept if value is None else (*kept, (name, value))


def stream_from(side: str) -> str:
    """The name of publication, slot and subscription."""
    return f"bluegreen_{PLAYBOOK}_from_{side}"
