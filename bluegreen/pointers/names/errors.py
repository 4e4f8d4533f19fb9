"""What a person reads when a name does not do what a move needs of it.

Owns the texts that all kinds of names share; when they are raised is for the kinds.
"""

from __future__ import annotations

from datetime import timedelta

from bluegreen.model.codes import Code
from bluegreen.model.duration import format_duration
from bluegreen.model.errors import BluegreenError, ServerRefused, StepError
from bluegreen.model.finding import Finding, Severity, checked
from bluegreen.model.side import Side
from bluegreen.pointers.names.values import Held

LOGIN = "name-login"
"""The finding about a client that would not be served."""


def no_record(where: str, record: str, seen: str) -> ServerRefused:
    """The name has no record of the type."""
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
        f"pointer {where}: there is no record {record}",
        seen=seen,
        wanted="the record that clients look up, with blue's value",
        hint="is `name` or `type` of the pointer misspelt? bluegreen changes a record "
        "that is there, and makes none",
    )


def changed(where: str, record: str, seen: str, expected: str) -> StepError:
    """Another writer has changed the record: compare-and-set has refused."""
    return StepError(
        Code.POOLER_FAILED,
        f"pointer {where}: record {record} holds another value than was read",
        seen=seen,
        wanted=f"{expected}, as neither side's value is overwritten unseen",
        hint="who else writes this record? Stop that, then run again",
    )


def changed_since(where: str, record: str, seen: Held, staged: Held) -> StepError:
    """It is not what was proved any more; nothing was paused."""
    return StepError(
        Code.SWITCHOVER_BLOCKED,
        f"pointer {where}: record {record} was changed since it was proved",
        seen=f"{seen}, TTL {seen.ttl_s} s",
        wanted=f"{staged}, TTL {staged.ttl_s} s",
        hint="who else writes this record? Stop that, then run again",
    )


def did_not_follow(where: str, record: str, seen: str, wanted: str) -> StepError:
    """The record was written, and not every server gives it."""
    return StepError(
        Code.POOLER_FAILED,
        f"pointer {where}: not every server gives the new value of {record}",
        seen=seen,
        wanted=wanted,
        hint="does each secondary get its NOTIFY and the transfer? Then run again; "
        "what is written already stays",
    )


def not_let_in(where: str, side: Side, at: str, seen: str) -> ServerRefused:
    """A client would not be served at the address of a side."""
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
        f"pointer {where}: a client is not served at {side}'s address",
        seen=f"{at}: {seen}",
        wanted="a session, opened as `client` of the pointer says",
        hint=f"is {side}'s value right, its port the same as the other side's, and "
        "may the role log in there from this address?",
    )


def read_only(where: str, side: Side, at: str, source: str) -> ServerRefused:
    """A client could not write at the address of a side."""
    return ServerRefused(
        Code.POINTER_ELSEWHERE,
        f"pointer {where}: a client could not write at {side}'s address",
        seen=f"{at}: default_transaction_read_only is on, set by {source}",
        wanted="sessions that may write",
        hint="turn it off there for the application's role and database",
    )


def ttl_finding(where: str, record: str, held: Held, limit: timedelta) -> Finding:
    """The TTL is above the limit; with `lower_ttl` the cutover lowers it."""
    most = format_duration(limit)
    return checked(
        id="ttl-too-long",
        where=where,
        seen=f"record {record} has a TTL of {held.ttl_s} s, above max_ttl of {most}",
        why="for as long clients may go on to come to the side that was left, whose "
        "fence refuses their writes",
        fix=f"set the record's TTL to {most} or less and wait {held.ttl_s} s; or give "
        "the pointer `lower_ttl: true`, and the cutover does both",
        blocks=True,
    )


def neither_finding(where: str, record: str, held: Held) -> Finding:
    """The record holds neither side's value."""
    return checked(
        id="record-names-neither",
        where=where,
        seen=f"record {record} holds {held}",
        why="what a move overwrites must be known",
        fix="correct `blue` and `green` of the pointer, or the record",
        blocks=True,
    )


def not_held_finding(where: str, record: str, held: Held) -> Finding:
    """What such a pointer cannot promise."""
    return checked(
        id="clients-not-held",
        where=where,
        seen=f"clients find their way by record {record}, TTL {held.ttl_s} s; nothing "
        "holds them back in a pause",
        why="they meet errors from the fence on until they look the name up again and "
        "reconnect; a pool or a runtime that keeps addresses takes longer than the TTL",
        fix="put a PgBouncer in front, where clients must feel nothing",
        severity=Severity.INFO,
    )


def stale_finding(where: str, server: str, seen: str, primary: Held) -> Finding:
    """An authoritative server gives another value than the one that is written."""
    return checked(
        id="name-servers-differ",
        where=where,
        seen=f"{server} gives {seen}, and the record holds {primary}",
        why="its clients would not follow a move",
        fix="make the transfer to it work, or name the servers that count as "
        "`authorities` of the pointer",
        blocks=True,
    )


def resolver_finding(where: str, server: str, seen: str, primary: Held) -> Finding:
    """A resolver says otherwise; its answer may be from before a change."""
    return checked(
        id="resolver-differs",
        where=where,
        seen=f"resolver {server} gives {seen}, and the record holds {primary}",
        why="clients that ask it would not follow a move",
        fix="wait for one TTL; where it stays, find out what it answers from",
        severity=Severity.WARNING,
    )


def as_finding(where: str, error: BluegreenError, name: str = "") -> Finding:
    """What a look could not see, as a finding."""
    return checked(
        id=name or f"name-{int(error.code)}",
        where=where,
        seen="\n".join(filter(None, (error.problem, error.seen))),
        why="what cannot be seen before a move would stop it in its middle",
        fix=error.hint,
        blocks=True,
    )
