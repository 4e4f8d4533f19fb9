"""What the records of a run and of a switchover hold, one class a kind.

Owns their fields, which are the keys in the journal: a field that is renamed here is
lost to every other version. What an action notes or results in for itself stands beside
the action.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bluegreen.model.body import Body
from bluegreen.model.lsn import Lsn
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.model.witness import Witness


@dataclass(frozen=True, slots=True)
class RunStarted(Body):
    """Of RUN_STARTED.

    Attributes:
        playbook: its name.
        digest: the beginning of its digest.
        file: where it stood.
        text: all of it; None where an earlier record has the same.
        blue: blue's identity.
        green: green's.
        verb: what was called; None for `run` in earlier versions.
        unverified_tls: connections that may reach another server than they mean.
    """

    playbook: str = ""
    digest: str = ""
    file: str = ""
    text: str | None = None
    blue: str = ""
    green: str = ""
    verb: str | None = None
    unverified_tls: str | None = None


@dataclass(frozen=True, slots=True)
class Intent(Body):
    """Of INTENT: why the act is needed."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Failed(Body):
    """Of FAILED: the error's code and problem."""

    code: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Approved(Body):
    """Of APPROVED: a person's yes to one step."""

    step: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Pausing(Body):
    """Of PAUSING: the side that traffic is to go to."""

    to: Side


@dataclass(frozen=True, slots=True)
class BackedOut(Body):
    """Of BACKED_OUT.

    Attributes:
        to: the side that traffic was to go to.
        quarantined: a side that could not be reached in the middle of the move; only
            earlier versions wrote it.
    """

    to: Side | None = None
    quarantined: Side | None = None


@dataclass(frozen=True)
class Committing(Body):
    """Of COMMITTED, as it is drafted before the pause.

    Attributes:
        to: the side that traffic goes to.
        identities: of both databases.
        witness: the side that will follow; None in earlier versions.
    """

    to: Side
    identities: Mapping[Side, str] = field(default_factory=dict)
    witness: Witness | None = None


@dataclass(frozen=True)
class Barrier(Body):
    """What the pause adds to it.

    Attributes:
        fence_position: the marker's, in the WAL of the side that was left.
        marker: the marker row that was seen on the other side behind the fence.
    """

    fence_position: Lsn = field(kw_only=True)
    marker: UUID = field(kw_only=True)


@dataclass(frozen=True)
class Committed(Committing, Barrier):
    """Of COMMITTED, as the server completed it.

    Attributes:
        origin_position: where the stream the other way starts.
    """

    origin_position: Lsn = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Pause(Body):
    """How long the pause took; also the result of the action.

    Attributes:
        pause_ms: all of it.
        parts_ms: its parts.
        sequences: how many were set; None where only the commit record is known.
        origin: where the stream the other way starts; None likewise.
        longest_gap_ms: as a client felt it; None without the probe.
        client_errors: SQLSTATEs that the client met; None likewise.
    """

    pause_ms: float | None = None
    parts_ms: Mapping[str, float] | None = None
    sequences: int | None = None
    origin: Lsn | None = None
    longest_gap_ms: float | None = None
    client_errors: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Moved(Pause):
    """Of MOVED.

    Attributes:
        to: the side that serves.
        pointers: through which it was seen to answer.
        sequence_values: schema, name, last value and whether it counts as given out.
        sequences_left: the same of those that stood elsewhere on the side that was
            left.
    """

    to: Side | None = None
    pointers: tuple[str, ...] = ()
    sequence_values: tuple[tuple[str, str, int, bool], ...] | None = None
    sequences_left: tuple[tuple[str, str, int, bool], ...] | None = None


@dataclass(frozen=True, slots=True)
class Witnessed(Body):
    """Of any record: what it knows of the subscriber, where it knows something."""

    witness: Witness | None = None


@dataclass(frozen=True, slots=True)
class WayBackOpen(Body):
    """Of WAY_BACK_OPEN.

    Attributes:
        marker_s: seconds that a marker row took to come back.
        witness: the subscriber then.
        origin: where the stream starts; None where it ran already.
    """

    marker_s: float
    witness: Witness | None = None
    origin: Lsn | None = None


@dataclass(frozen=True, slots=True)
class Certified(Body):
    """Of CERTIFIED: what is asked of the certificate, which is the whole body."""

    epoch: int = 0
    kind: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class WindowOpened(Body):
    """Of WINDOW_OPENED.

    Attributes:
        until: until when rollback is promised.
        by: who moved the end; None where the step `hold` opened the window.
    """

    until: datetime
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Abandoned(Body):
    """Of ABANDONED.

    Attributes:
        serving: the side that had the slot.
        kept_bytes: WAL that the slot kept.
        by: who dropped it.
    """

    serving: Side
    kept_bytes: int
    by: str


@dataclass(frozen=True, slots=True)
class Monitored(Body):
    """Of MONITORED: which monitor remembers it; each has its own facts beside it."""

    monitor: str = ""


@dataclass(frozen=True, slots=True)
class GuardEnded(Body):
    """A note: why the guard ended a move."""

    guard: str


@dataclass(frozen=True, slots=True)
class Notified(Body):
    """A note: what people were told, and in which words; empty once it is over."""

    notified: str
    about: str


@dataclass(frozen=True, slots=True)
class FindingTold:
    """A finding of a monitor: its id, the place and what was seen."""

    id: str
    where: str
    seen: str


@dataclass(frozen=True, slots=True)
class Found(Body):
    """A note: the findings that ended a run."""

    found: tuple[FindingTold, ...]


def remembered_by(monitor: str, records: Sequence[Record]) -> Iterator[Record]:
    """The records that this monitor remembers by, newest first. Pure."""
    for record in reversed(records):
        remembers = record.kind is Kind.MONITORED
        if remembers and Monitored.from_body(record.body).monitor == monitor:
            yield record
