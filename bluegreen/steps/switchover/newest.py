"""Whose the newest move of traffic is, and acting only while it is one's own.

Owns reading the journal for that, by one side alone where the other is away, and the
refusal of a run that others have overtaken. What is done with poolers, fences and
streams is for `recover.py`, `traffic.py` and `reverse_stream.py`.

A process can be stopped at any instruction, for as long as two later moves take. What a
server does for us it does in one transaction with the question (`journal_table`); of a
pooler, which cannot be asked so, see `while_newest`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bluegreen.model.codes import Code
from bluegreen.model.errors import (
    BluegreenError,
    LeaseRefused,
    ServerRefused,
    StepError,
)
from bluegreen.model.history import State, fold
from bluegreen.model.record import Kind, Record
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import by_place, name_side, resume_all
from bluegreen.pointers.pointer import Pointer, move_name
from bluegreen.postgres.database import ServerGoneError
from bluegreen.postgres.journal.table import newest_pause
from bluegreen.steps.world import World

Answer = TypeVar("Answer")

FAILS_WITHIN_S = 0.2
"""A session that was ended fails at once. A server that is silent takes longer, and is
not asked again while clients wait."""

STOOD_STILL_S = 15.0
"""No question waits so long for a silent server: the process was stopped meanwhile."""

PUT_RIGHT_TRIES = 5
"""Each is for one more move that was committed meanwhile."""


def read_state(world: World) -> State:
    """What the journal tells, by one side alone when the other does not answer.

    Raises:
        BluegreenError: neither side answers.
    """
    return fold(read_journal(world))


def read_journal(world: World) -> Sequence[Record]:
    """The records that `read_state` folds.

    Raises:
        BluegreenError: neither side answers.
    """
    try:
        return world.journal.records()
    except (ServerGoneError, ServerRefused) as error:
        told = [_records_of(world, side) for side in Side]
        answered = [records for records in told if records is not None]
        if not answered:
            raise error from None
        return max(answered, key=len)


def _records_of(world: World, side: Side) -> Sequence[Record] | None:
    try:
        return _again_if_ended(world, partial(world.journal.told_by, side))
    except (ServerGoneError, ServerRefused):
        return None


def last_pause(records: Sequence[Record]) -> Record | None:
    """The last record that announced a pause. Pure."""
    return next((r for r in reversed(records) if r.kind is Kind.PAUSING), None)


def require_newest(world: World, pause: int) -> None:
    """Refuse to end a move that another run has ended, or begun again, meanwhile.

    Raises:
        LeaseRefused: 8001.
    """
    refuse_older(world, last_pause(read_journal(world)), pause)


def while_newest(
    world: World, pause: int, act: Callable[[], None], witnesses: Sequence[Side]
) -> None:
    """Do something to the poolers, unless another run has begun to move traffic.

    No pooler can be asked to compare a number before it obeys. So the journal is asked
    right before, and again right after: a tool that was stopped in between, for as long
    as a later move takes, lets the pointers name the side that serves by then.

    Args:
        world: the handles.
        pause: number of the record that announced the caller's pause.
        act: what is done.
        witnesses: whose journal is asked; the first that answers counts. Where none
            does, the poolers are asked who else has come to hold clients back.

    Raises:
        LeaseRefused: 8001.
    """
    newest = _witnessed(world, witnesses)
    if newest is _SILENT:
        _refuse_younger(world)
        act()
        return
    refuse_older(world, newest, pause)
    try:
        act()
    finally:
        _put_right_unless(world, _witnessed(world, witnesses), pause)


def _refuse_younger(world: World) -> None:
    """Stop where a pooler tells of a move that came to it after ours.

    That the servers are silent to us does not mean that they are to another host.

    Raises:
        LeaseRefused: 8001.
    """
    for pointer in world.pointers:
        with suppress(ServerRefused, StepError):
            if names := pointer.younger_moves({move_name()}):
                raise LeaseRefused(
                    Code.LEASE_HELD,
                    "another run has begun to move traffic meanwhile",
                    seen=f"{names[0]} came to pointer {pointer.id} after this run; "
                    "neither server answers",
                    wanted="one operator at a time",
                    hint="wait until that run has ended, then look at "
                    "`bluegreen status`",
                )


class _Silent:
    """No server answered."""


_SILENT = _Silent()


def _witnessed(world: World, witnesses: Sequence[Side]) -> Record | _Silent | None:
    """The newest pause as the first of them that answers tells it."""
    for side in witnesses:
        with suppress(ServerGoneError, ServerRefused):
            return _again_if_ended(world, partial(newest_pause, world.on(side)))
    return _SILENT


def _again_if_ended(world: World, ask: Callable[[], Answer]) -> Answer:
    """Ask once more where the first question met a session that was ended.

    Servers end the sessions of a process that stood still for long. Its first question
    to each then fails though both answer, and they know of every move since.

    Raises:
        ServerGoneError: the server is silent, or went away a second time.
        ServerRefused: it cannot be reached.
    """
    started = world.clock.monotonic()
    try:
        return ask()
    except ServerGoneError:
        if was_silent(world, started):
            raise
        return ask()


def was_silent(world: World, since: float) -> bool:
    """Whether what failed now had waited for a server since then, by our clock.

    Not where a session had been ended, before or while this process stood still.
    """
    return FAILS_WITHIN_S < world.clock.monotonic() - since < STOOD_STILL_S


def _put_right_unless(
    world: World, newest: Record | _Silent | None, pause: int
) -> None:
    """Refuse after an act that came too late, with the pointers where they belong."""
    try:
        refuse_older(world, newest, pause)
    except LeaseRefused as refused:
        side = _put_right(world)
        refused.seen += f"\nthis process stood still in between; pointers name {side}"
        raise


def end_late_pause(world: World) -> bool:
    """Take back a PAUSE of ours that may have come after a later move's RESUME.

    While that move is open its own RESUME, or its guard's, is still to come; clients
    who were let go now would meet its fence. Where no side tells of it they are let go:
    a fence refuses, and a pause hangs.

    Returns:
        Whether clients were held back.

    Raises:
        TrafficUnknownError: 7001, a pointer could not be told.
    """
    held = [pointer for pointer in world.pointers if _may_hold(pointer)]
    if not held:
        return False
    # In this order: a move announces itself before it pauses.
    with suppress(BluegreenError):
        if read_state(world).open_move is not None:
            return False
    # Who comes to a side that does not serve is refused; the next run names it right.
    with suppress(BluegreenError):
        _put_right(world)
    resume_all(held)
    return True


def _may_hold(pointer: Pointer) -> bool:
    """One that cannot be asked may well hold clients back."""
    try:
        return pointer.observe().paused
    except BluegreenError:
        return True


def _put_right(world: World) -> Side:
    """Let every pointer name the side that serves, whichever that is in the end."""
    serving = read_state(world).serving
    for _ in range(PUT_RIGHT_TRIES):
        for ours in by_place(world.pointers):
            name_side(ours, serving)
        before, serving = serving, read_state(world).serving
        if before is serving:
            break
    return serving


def refuse_older(world: World, begun: Record | _Silent | None, pause: int) -> None:
    """Stop where that record announced a pause newer than the caller's.

    Raises:
        LeaseRefused: 8001.
    """
    if isinstance(begun, Record) and begun.seq > pause:
        raise LeaseRefused(
            Code.LEASE_HELD,
            "another run has begun to move traffic meanwhile",
            seen=f"run {begun.run} of {begun.writer}, at "
            f"{begun.at:%Y-%m-%d %H:%M:%S} UTC",
            wanted="one operator at a time",
            traffic=_serves_now(world),
            hint="wait until that run has ended, then look at `bluegreen status`",
        )


def _serves_now(world: World) -> str:
    nothing = "this run has touched nothing since"
    try:
        state = read_state(world)
    except BluegreenError:
        return f"not confirmed: neither side answers; {nothing}"
    if state.open_move is not None:
        to_side = state.open_move.to_side
        return f"{state.serving}, while that run moves it to {to_side}; {nothing}"
    return f"{state.serving}, by the newest commit record; {nothing}"
