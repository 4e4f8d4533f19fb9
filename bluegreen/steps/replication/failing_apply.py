"""An apply worker that dies of the same change again and again, and of which.

Owns when it is given up, and what is said of the change. Reading the change is for
`postgres/replication/first_change.py`; why green does not take it is asked of green's
own rows and functions, as its log may not be ours to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bluegreen.model.codes import Code
from bluegreen.model.lsn import Lsn
from bluegreen.model.side import Side
from bluegreen.model.verdict import Refused
from bluegreen.postgres.catalog.indexes import Index
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.quoting import quote_name
from bluegreen.postgres.replication.apply_health import (
    ApplyHealth,
    read_apply_health,
)
from bluegreen.postgres.replication.first_change import Change, read_first_changes
from bluegreen.postgres.replication.row_in_the_way import (
    deletes_row_in_the_way,
    has_row_in_the_way,
)
from bluegreen.postgres.replication.stream import ReplicationStream
from bluegreen.postgres.rules.breaches import Asker
from bluegreen.postgres.rules.read import rules_if_free
from bluegreen.steps.world import World

STEADY_S = 6.0
"""A worker that failed is started again after five seconds, so one that is older has
got past its change."""

GIVEN_UP_S = 20.0
"""How long no worker stays: four tries of a server. A restart of one takes less."""

GIVEN_UP_AFTER = 4
"""Errors that a server counted (15) of a worker that lives longer between them."""

_LOOKED_AT = 20
"""Changes of the transaction that are looked at; the first is nearly always it."""


@dataclass(frozen=True, slots=True)
class FailingApply:
    """What was found of the transaction that green does not get past.

    Attributes:
        seconds: for how long no worker has stayed.
        reasons: of what green does not take it, each with what corrects it.
    """

    seconds: float
    changes: tuple[Change, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class ApplyLooks:
    """What the looks of one wait have seen of the worker of a stream from blue."""

    _pid: int | None = None
    _pid_since: float = 0.0
    _bad_since: float | None = None
    _errors: int | None = None
    _found: FailingApply | None = field(default=None)

    def look(self, world: World) -> FailingApply | None:
        """What fails, once it is certain that waiting does not help."""
        name = ReplicationStream(world.name, Side.BLUE).name
        health = read_apply_health(world.green, name)
        if health is None or not health.enabled or health.unready:
            return None
        seconds = self._bad_for(health, world.clock.monotonic())
        errors = health.apply_errors or 0
        self._errors = errors if self._errors is None else self._errors
        if seconds < GIVEN_UP_S and errors - self._errors < GIVEN_UP_AFTER:
            return None
        if self._found is None:
            self._found = _explain(world, name, health, seconds)
        return self._found

    @property
    def is_steady(self) -> bool:
        """Whether the worker was there whenever it was looked for, or stays now."""
        return self._bad_since is None

    def _bad_for(self, health: ApplyHealth, now: float) -> float:
        if health.pid != self._pid:
            if self._bad_since is None and (self._pid or health.pid is None):
                self._bad_since = now
            self._pid, self._pid_since = health.pid, now
        elif health.pid is not None and now - self._pid_since > STEADY_S:
            self._bad_since, self._found = None, None
        elif health.pid is None and self._bad_since is None:
            self._bad_since = now
        return 0.0 if self._bad_since is None else now - self._bad_since


def _explain(
    world: World, name: str, health: ApplyHealth, seconds: float
) -> FailingApply:
    after = Lsn.parse(health.position) if health.position else Lsn(0)
    changes = read_first_changes(world.blue, name, world.clock, after)
    tables = {one.table for one in changes}
    relations = {
        one.qualified: one
        for one in (read_relations(world.green) if tables else ())
        if one.qualified in tables
    }
    reasons = [
        reason
        for one in changes[:_LOOKED_AT]
        for reason in _of_change(world, one, relations.get(one.table))
    ]
    reasons += [r for table in relations for r in _of_functions(world, table)]
    return FailingApply(seconds, changes, tuple(dict.fromkeys(reasons)))


def _of_change(
    world: World, change: Change, there: Relation | None
) -> Iterator[tuple[str, str]]:
    table = quote_name(*change.table)
    if there is None:
        yield f"{table} is not on green", f"make {table} on green"
        return
    lacks = [name for name in change.values if there.column(name) is None]
    if lacks:
        columns = ", ".join(map(quote_name, lacks))
        yield f"{table} on green lacks {columns}", f"add {columns} to {table} on green"
        return
    if change.what not in ("INSERT", "UPDATE"):
        return
    for index in there.indexes:
        if index.unique and index.valid and set(index.columns) <= change.values.keys():
            yield from _in_the_way(world, change, there, index)


def _in_the_way(
    world: World, change: Change, there: Relation, index: Index
) -> Iterator[tuple[str, str]]:
    """Another row of green that has the same key."""
    if not has_row_in_the_way(world.green, change, index.columns):
        return
    row = ", ".join(f"{name}={change.values[name]}" for name in index.columns)
    delete = deletes_row_in_the_way(change, index.columns)
    passing = "SET session_replication_role = replica;"
    name = quote_name(there.schema, index.name)
    yield (
        f"green has a row with {row} already, by index {name}",
        f"on green: {passing} {delete} RESET session_replication_role;",
    )


def _of_functions(world: World, table: tuple[str, str]) -> Iterator[tuple[str, str]]:
    rules = rules_if_free(world.green, table)
    for breach in Asker(world.green).try_functions(rules):
        yield breach.seen, "on green: " + " ".join(breach.fix)


def refusal_of_apply(failing: FailingApply) -> Refused:
    """The change, why green does not take it, and what corrects it. Pure."""
    first = failing.changes[:1]
    table = quote_name(*first[0].table) if first else ""
    what = f" at a change of {table}" if first else ""
    seen = [
        f"for {failing.seconds:.0f} s no apply worker on green has stayed",
        *(f"the change: {one.what} of {table}, row {one.row or '?'}" for one in first),
        *(reason for reason, _ in failing.reasons),
    ]
    log = (
        "the reason is the last ERROR of the logical replication worker in green's log"
    )
    fixes = [fix for _, fix in failing.reasons] or [log]
    return Refused(
        Code.STREAM_STOPPED,
        f"green does not get past a change of blue{what}",
        seen="\n".join(seen),
        wanted="an apply worker that goes on",
        hint="\n".join(
            [*fixes, "then run again; the worker tries the change again by itself"]
        ),
    )
