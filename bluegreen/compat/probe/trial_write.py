"""Writes rows of one side into the other as an apply worker would, and rolls back.

Owns the trial write of each table: rows that stand on both sides go through update,
delete and insert on the receiver inside one transaction that never commits, so that
triggers, checks, keys, types and partitions give evidence and no row changes. It takes
row locks for milliseconds; tables whose triggers may reach beyond the transaction are
left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from bluegreen.compat.probe.apply import Applier
from bluegreen.compat.probe.sample import Sampled, differences, rows_at_rest
from bluegreen.compat.rules import apply as laws
from bluegreen.compat.seen import Change, Difference, Stopped
from bluegreen.compat.stream import Stream
from bluegreen.postgres.catalog.scope import Name

ROWS = 3
"""Rows of each table that are tried: enough to meet a trigger's usual way."""

_REACHES_OUT = re.compile(
    r"\b(dblink\w*|http_\w+|pg_notify|notify|pg_advisory\w*|lo_\w+|nextval|setval"
    r"|program|postgres_fdw\w*|pg_sleep)\b",
    re.IGNORECASE,
)
"""What a trigger does that no rollback takes back."""


@dataclass(frozen=True, slots=True)
class Flown:
    """What came of the trial writes.

    Attributes:
        rows: how many rows of a table went in and out.
        stopped: the first refusal of a table.
        missed: tables where a change found no row.
        changed: what the receiver made of a row on the way in.
        untried: tables that were left out, and why.
    """

    rows: Mapping[Name, int] = field(default_factory=dict)
    stopped: tuple[Stopped, ...] = ()
    missed: tuple[Change, ...] = ()
    changed: tuple[Difference, ...] = ()
    untried: Mapping[Name, str] = field(default_factory=dict)


def fly(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    samples: Mapping[Name, Sampled],
) -> Flown:
    """Try the rows of each sample, one rolled-back transaction a table.

    Args:
        sender: only read.
        receiver: autocommit; its timeouts limit how long a lock is waited for.
        stream: who sends what to whom.
        samples: rows that stand on both sides, alike.

    Raises:
        psycopg.Error: a connection broke.
    """
    rows: dict[Name, int] = {}
    untried: dict[Name, str] = {}
    stopped: list[Stopped] = []
    missed: list[Change] = []
    changed: list[Difference] = []
    for name, sample in samples.items():
        why = hindrance(stream, sample)
        if why:
            untried[name] = why
            continue
        try:
            found = _one(sender, receiver, stream, sample)
        except psycopg.Error as error:
            if receiver.broken or sender.broken:
                raise
            untried[name] = error.diag.message_primary or "it could not be tried"
            continue
        if found is None:
            untried[name] = "the rows that were taken are changing just now"
            continue
        applier, apart = found
        missed += applier.missed
        changed += apart
        if applier.stopped is not None:
            stopped.append(applier.stopped)
        elif not applier.missed and not apart:
            rows[name] = min(ROWS, len(sample.rows))
    return Flown(rows, tuple(stopped), tuple(missed), tuple(changed), untried)


def hindrance(stream: Stream, sample: Sampled) -> str:
    """Why a table has no trial write; empty where it may have one. Pure."""
    target = stream.receiver.relations[sample.name]
    if not sample.key:
        return "it has no key to find a row again"
    if not sample.rows:
        return "it holds no row yet"
    reaching = [t.name for t in target.triggers if _reaches_out(t.enabled, t.body)]
    if reaching:
        return f"trigger {reaching[0]} may reach beyond the transaction"
    return ""


def _reaches_out(enabled: str, body: str) -> bool:
    """A body without a word of code is C or a built-in one: it may do anything."""
    if enabled not in {"R", "A"}:
        return False
    plain = "begin" in body.lower() or "select" in body.lower()
    return not plain or bool(_REACHES_OUT.search(body))


def _one(
    sender: psycopg.Connection,
    receiver: psycopg.Connection,
    stream: Stream,
    sample: Sampled,
) -> tuple[Applier, list[Difference]] | None:
    """None where the rows are in flight, and nothing can be said of them."""
    chosen = dict(list(sample.rows.items())[:ROWS])
    with receiver.transaction(force_rollback=True):
        _enter(receiver, stream)
        applier = Applier(receiver, stream)
        for row in chosen.values():
            full = {c.name: row.get(c.name) for c in sample.table.columns}
            applier.stream([Change("update", (sample.name,), old=full, new=full)])
            applier.stream([Change("delete", (sample.name,), old=full)])
            applier.stream([Change("insert", (sample.name,), new=full)])
        receiver.execute("SET LOCAL session_replication_role = origin")
        receiver.execute("SET LOCAL TimeZone = 'UTC'")
        at_rest = rows_at_rest(sender, sample, chosen)
        if any(at_rest.get(k) != sample.versions[k] for k in chosen):
            return None
        if applier.stopped or applier.missed:
            return applier, []
        tried = replace(sample, rows=chosen)
        return applier, differences(sender, receiver, stream, tried)


def _enter(receiver: psycopg.Connection, stream: Stream) -> None:
    """Settings of an apply worker; nothing here locks a table."""
    receiver.execute("SET LOCAL session_replication_role = replica")
    receiver.execute("SET LOCAL search_path = ''")
    receiver.execute(
        sql.SQL("SELECT pg_catalog.set_config('TimeZone', {}, true)").format(
            sql.Literal(stream.receiver_zone)
        )
    )


def writes_at_all(stream: Stream, name: Name) -> bool:
    """Whether an apply worker gets as far as a row of this table. Pure."""
    relation = stream.sender.relations.get(name)
    sent = stream.published_as(relation) if relation else None
    return sent is not None and isinstance(laws.fate(stream, sent), laws.Writes)
