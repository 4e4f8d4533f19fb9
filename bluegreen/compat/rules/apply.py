"""What an apply worker does with a change of one table, decided from catalogs.

Owns the order of the worker's own checks (`logicalrep_rel_open`, then the
subscription's relation set, then the key), which decides whether a difference stops
the worker or is silent. Values are for `types` and for probes.
"""

from __future__ import annotations

from dataclasses import dataclass

from bluegreen.compat.catalog import Published, shown
from bluegreen.compat.stream import Stream, limited_writer, sent_key
from bluegreen.postgres.catalog.relations import Relation

_DEFERRABLE_KEY_SILENT = 18
"""From this major a DEFERRABLE primary key passes the check and then finds no row."""

_RLS_CHECKED = 15
"""From this major apply refuses a table whose row security binds its role."""


@dataclass(frozen=True, slots=True)
class Stops:
    """The worker ends with an error on the first change."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Skips:
    """The worker drops the change and says nothing."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class ByKey:
    """UPDATE and DELETE look the row up by these columns."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WholeRow:
    """UPDATE and DELETE compare whole rows, the receiver's own columns as NULL."""


Finding = ByKey | WholeRow | Stops | Skips


@dataclass(frozen=True, slots=True)
class Writes:
    """The worker writes.

    Attributes:
        columns: those that are sent, all of which the target has.
        finding: how UPDATE and DELETE find their row, or why they cannot.
    """

    target: Relation
    columns: tuple[str, ...]
    finding: Finding


Fate = Stops | Skips | Writes


def fate(stream: Stream, sent: Published) -> Fate:
    """Decide what becomes of the changes of one published table."""
    target = stream.receiver.relations.get(sent.name)
    stop = _names(sent, target)
    if stop or target is None:
        return stop or Stops("table-missing", "")
    if stream.known is not None and target.oid not in stream.known:
        return Skips(
            "table-replaced",
            f"the subscription does not know the table that is now {shown(sent.name)}",
        )
    bound = _rights(stream, target)
    if bound:
        return bound
    return Writes(target, sent.columns, _finding(stream, sent, target))


def _names(sent: Published, target: Relation | None) -> Stops | None:
    where = shown(sent.name)
    if target is None:
        return Stops("table-missing", f"there is no {where} on the receiving side")
    if not target.takes_rows:
        return Stops("table-is-a-view", f"{where} is no table on the receiving side")
    missing = [c for c in sent.columns if target.column(c) is None]
    if missing:
        return Stops(
            "column-missing",
            f"{where} has no {', '.join(missing)} on the receiving side",
        )
    computed = [
        c.name for c in target.columns if c.generated and c.name in sent.columns
    ]
    if computed:
        return Stops(
            "column-generated",
            f"{', '.join(computed)} of {where} is generated on the receiving side",
        )
    return None


def _rights(stream: Stream, target: Relation) -> Stops | None:
    """Law 15: since 15 row security that binds the writing role is an error."""
    name = limited_writer(stream, target)
    if name is None or stream.receiver.major < _RLS_CHECKED:
        return None
    bound = target.row_security and not stream.receiver.roles[name].bypasses_rls
    if bound and (target.forced or name != target.owner):
        return Stops("rights", f"row security binds {name} on {target.full_name}")
    return None


def _finding(stream: Stream, sent: Published, target: Relation) -> Finding:
    source = stream.sender.relations.get(sent.name)
    key = sent_key(source) if source else frozenset()
    if key is not None:
        key &= frozenset(sent.columns)
    wanted = target.found_by
    if not wanted:
        return _keyless(stream, target, full=key is None)
    sent_columns = frozenset(sent.columns) if key is None else key
    if not set(wanted) <= sent_columns:
        return Stops(
            "key-not-sent",
            f"{shown(sent.name)} is looked up by {', '.join(wanted)}, which the other "
            "side does not send as its key",
        )
    return ByKey(wanted)


def _keyless(stream: Stream, target: Relation, *, full: bool) -> Finding:
    where = target.full_name
    if full:
        return WholeRow()
    deferrable = target.primary is not None
    if deferrable and stream.receiver.major >= _DEFERRABLE_KEY_SILENT:
        return Skips(
            "deferrable-key", f"no row of {where} is found by a deferrable key"
        )
    return Stops(
        "no-key",
        f"{where} has no usable key on the receiving side, and the other side does "
        "not send whole rows",
    )
