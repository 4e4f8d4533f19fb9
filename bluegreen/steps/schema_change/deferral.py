"""What `compat` lets wait until blue is released, statement by statement.

Owns asking `compat` once for each file and keeping to what it said: the journal knows
it from then on, so neither a release of ours nor a blue that is gone can part the two
halves of a file otherwise. The choice itself is in `compat/text/waits.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bluegreen.migrators.halves import Halves
from bluegreen.migrators.script import Script
from bluegreen.model.body import Body
from bluegreen.model.record import Kind, Record
from bluegreen.postgres.catalog.relations import Relation, read_relations
from bluegreen.postgres.replication.publication import (
    COLUMN_LISTS_SINCE,
    server_version,
)
from bluegreen.postgres.schema.applied import read_applied
from bluegreen.steps.world import World

Reasons = Mapping[str, Mapping[int, str]]
"""Why each statement waits, by file and number."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What decides, as the step `migrate` has it.

    Attributes:
        files: patterns.
        contract: patterns of what waits anyway.
        carried: columns that a mapping keeps in step.
        needed: columns that it reads or writes, and that therefore must stay.
        renamed: tables that keep their old name for the stream.
        ask: whether `compat` is asked at all.
    """

    files: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    carried: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    renamed: frozenset[str] = frozenset()
    ask: bool = False


@dataclass(frozen=True, slots=True)
class FileWaits:
    """What waits of a file.

    Attributes:
        sha256: of its first half as `compat` read it.
        statements: why, by number of the statement.
    """

    sha256: str
    statements: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class DeferredNote:
    """What `DeferContract` knows to wait.

    Attributes:
        files: patterns of the migrations.
        contract: patterns of what waits anyway.
        waiting: what `compat` lets wait, by file.
    """

    files: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    waiting: Mapping[str, FileWaits] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deferral(Body):
    """A note of it."""

    deferred: DeferredNote | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What `compat` lets wait.

    Attributes:
        reasons: why, by file and number of the statement.
        places: `file:line` and the reason, for people.
        digests: of each file's first half as `compat` read it.
        mixed: statements of which only a part could wait, for people.
    """

    reasons: Reasons = field(default_factory=dict)
    places: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    mixed: tuple[str, ...] = ()

    def told(self) -> dict[str, FileWaits]:
        """As the journal tells it."""
        return {
            name: FileWaits(digest, self.reasons.get(name, {}))
            for name, digest in self.digests.items()
        }


def waiting_in(world: World, asking: Asking) -> Waiting:
    """What waits; asks `compat` about files that the journal does not know."""
    if not asking.ask:
        return Waiting()
    halves = Halves(world.home, asking.files, asking.contract)
    scripts = [halves.read(name) for name in halves.first()]
    applied = {row.name for row in read_applied(world.green)}
    kept = _kept(scripts, remembered(world.journal.records()), applied)
    if all(script.name in kept for script in scripts):
        return _waiting(scripts, kept, ())
    fresh, mixed = _asked(scripts, _unlisted(world), asking)
    return _waiting(
        scripts,
        {**fresh, **kept},
        tuple(place for name, place in mixed if name not in kept),
    )


def last_deferral(records: Sequence[Record]) -> DeferredNote | None:
    """What the last note tells that waits; None where no step deferred. Pure."""
    notes = (
        Deferral.from_body(record.body).deferred
        for record in reversed(records)
        if record.kind is Kind.NOTE
    )
    return next((note for note in notes if note is not None), None)


def remembered(records: Sequence[Record]) -> Mapping[str, FileWaits]:
    """What waits by file, as the last note tells it. Pure."""
    note = last_deferral(records)
    return note.waiting if note else {}


def _kept(
    scripts: Iterable[Script],
    told: Mapping[str, FileWaits],
    applied: Collection[str],
) -> dict[str, Mapping[int, str]]:
    """What is decided already; a file that ran before anybody asked stays whole."""
    found: dict[str, Mapping[int, str]] = {}
    for script in scripts:
        waits = told.get(script.name)
        if waits is not None and waits.sha256 == script.digest:
            found[script.name] = waits.statements
        elif script.name in applied:
            found[script.name] = {}
    return found


def _waiting(
    scripts: Sequence[Script],
    decided: Mapping[str, Mapping[int, str]],
    mixed: tuple[str, ...],
) -> Waiting:
    reasons = {s.name: decided[s.name] for s in scripts if decided[s.name]}
    places = (
        f"{s.name}:{s.parts[number].line} waits: {why}"
        for s in scripts
        for number, why in sorted(decided[s.name].items())
    )
    digests = {script.name: script.digest for script in scripts}
    return Waiting(reasons, tuple(places), digests, mixed)


def _asked(
    scripts: Sequence[Script], unlisted: frozenset[str], asking: Asking
) -> tuple[dict[str, dict[int, str]], list[tuple[str, str]]]:
    """Reasons by file, and files with places that mix what waits with what must not."""
    # The parser is heavy, and a rollback never needs it.
    from bluegreen.compat.text.waits import Known, waits

    parts = [(s.name, n, part) for s in scripts for n, part in enumerate(s.parts)]
    known = Known(unlisted | asking.needed, asking.carried, asking.renamed)
    found = waits([part.text for _, _, part in parts], known)
    reasons: dict[str, dict[int, str]] = {script.name: {} for script in scripts}
    mixed = []
    for index, wait in found.items():
        name, number, part = parts[index]
        why = wait.why
        if wait.behind is not None:
            first, _, before = parts[wait.behind]
            why = f"it builds on {first}:{before.line}, which waits"
        reasons[name][number] = why
        if wait.mixed:
            mixed.append((name, f"{name}:{part.line}: {why}"))
    return reasons, mixed


def _unlisted(world: World) -> frozenset[str]:
    """Columns that blue cannot leave out of what it sends."""
    lists = server_version(world.blue) >= COLUMN_LISTS_SINCE
    return unlisted(read_relations(world.blue), lists=lists)


def unlisted(blue: Iterable[Relation], *, lists: bool) -> frozenset[str]:
    """Columns, `schema.table.column`, that no column list may leave out. Pure.

    A list must hold the replica identity, and REPLICA IDENTITY FULL allows none
    (CREATE PUBLICATION, 15).
    """
    return frozenset(
        f"{relation.full_name}.{column.name}"
        for relation in blue
        for column in relation.columns
        if not lists
        or relation.replica_identity == "f"
        or column.name in relation.identity_columns
    )
