"""The guard: a small process that sees the tool die and lets the clients go on.

Owns both ends: starting it before a pause, and what it does when the tool's pipe closes
or the pause runs over its budget. What it does is `recover.py`'s rule, nothing of its
own: commit record absent, it backs out; present, it finishes.

Everything it needs is opened before it says that it is ready. Passwords reach it
through its standard input, never by argument or environment.

It holds no lease: once another run has begun it steps back, for that run recovers
before all else. Whatever a server keeps it waiting for, clients are let go in time, by
`lifeline.py`; a side that must not be written to refuses them.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from io import FileIO
from typing import Any

from bluegreen.engine.journal import TwinJournal
from bluegreen.engine.lifeline import CONNECT_S, TRIES, TRY_EVERY_S, Lifeline
from bluegreen.engine.own_process import own_environment, own_module, own_scope
from bluegreen.model import bodies
from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.record import Kind
from bluegreen.pointers.handover import of_spec, spec_of
from bluegreen.pointers.pointer import move_name
from bluegreen.postgres.database import Database
from bluegreen.postgres.hang_up import hung_up_after
from bluegreen.steps.switchover.newest import read_state
from bluegreen.steps.switchover.recover import claim_back_out, recover
from bluegreen.steps.world import World

READY_WITHIN_S = 30.0
"""Starting Python and two sessions takes a second; a busy machine may need more."""

MONITORS_WITHIN_S = 2.0
"""An answer takes less than a millisecond; on a busy machine a process waits for its
turn. No client is held back meanwhile."""

TRY_LASTS = timedelta(seconds=1)
"""A healthy server is recovered in a tenth of it; one that is silent is asked again."""

RELEASE_AFTER_S = 0.25
"""After the budget and the guard's grace: clients are let go then, recovered or not."""

PARTING_S = 5.0
"""How long the tool waits for a guard that still recovers. It goes on without us."""


@contextmanager
def guarded(world: World, run: str, budget: timedelta) -> Iterator[Callable[[], None]]:
    """Have a guard stand by for the length of the block.

    What it gives is called when the pause begins, and again right before clients are
    held back: it returns once the guard has answered that it monitors. The budget runs
    from the first call.

    Raises:
        StepError: 4001, no guard could be had, or it has ended since; nothing was
            paused.
    """
    process = subprocess.Popen(
        [*own_scope(), *own_module("bluegreen.engine.guard")],
        env=own_environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A Ctrl-C in the terminal is for the tool; the guard must outlive it.
        start_new_session=True,
    )
    try:
        _tell(process, guard_spec(world, run, budget))
        _require_ready(process)
        yield partial(_require_monitored, process)
        _tell(process, "done")
    except BluegreenError:
        # The tool has backed out by itself; a second look does no harm.
        _tell(process, "failed")
        raise
    finally:
        _part(process)


def _part(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes; without a word before, that is what makes the guard act."""
    assert process.stdin is not None
    assert process.stdout is not None
    # A guard that ended before our last word left it in the buffer.
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    try:
        process.wait(PARTING_S)
    except subprocess.TimeoutExpired:
        # It goes on without us; that it is never waited for is meant.
        process.returncode = 0


def guard_spec(world: World, run: str, budget: timedelta) -> dict[str, Any]:
    """What a guard process needs to know, passwords in clear; for a pipe alone."""
    return {
        "name": world.name,
        "run": run,
        "mover": move_name(),
        "budget_s": budget.total_seconds(),
        "blue": world.blue.spec(),
        "green": world.green.spec(),
        "pointers": [spec_of(pointer) for pointer in world.pointers],
    }


def _tell(process: subprocess.Popen[bytes], what: object) -> None:
    """Say a word; a guard that has ended needs none."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(what).encode() + b"\n")
        process.stdin.flush()


def _require_ready(process: subprocess.Popen[bytes]) -> None:
    if not _says(process, b"ready\n", READY_WITHIN_S):
        process.kill()
        raise StepError(
            Code.GOAL_NOT_REACHED,
            "the guard process did not get ready",
            seen=f"no word of it within {READY_WITHIN_S:.0f} s, or it ended",
            wanted="a guard, before any client is held back",
            hint="is the machine out of memory or processes? Run again",
        )


def _require_monitored(process: subprocess.Popen[bytes]) -> None:
    """Hold no client back unless the guard is there to let them go."""
    _tell(process, "go")
    if not _says(process, b"watching\n", MONITORS_WITHIN_S):
        raise StepError(
            Code.GOAL_NOT_REACHED,
            "the guard process does not monitor any more",
            seen=f"no word of it within {MONITORS_WITHIN_S:.0f} s, or it ended",
            wanted="a guard that answers, before any client is held back",
            hint="was it killed, or is the machine out of memory? Run again",
        )


def _says(process: subprocess.Popen[bytes], word: bytes, within_s: float) -> bool:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], within_s)
    return bool(readable) and process.stdout.readline() == word


def main() -> None:
    """The process: read what to guard, get ready, wait, and act if need be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Unbuffered, so that `select` sees every line that was not read yet.
    pipe = FileIO(0, closefd=False)
    spec = json.loads(pipe.readline())
    world, lifeline = guard_world(spec), Lifeline(spec)
    _warm_up(world)
    lifeline.warm_up()
    _say("ready")
    if _read(pipe) != "go":
        return
    _say("watching")
    release_at = time.monotonic() + spec["budget_s"] + RELEASE_AFTER_S
    reason = _wait(pipe, spec["budget_s"])
    if reason:
        try_once = partial(hung_up_after, TRY_LASTS, world.blue, world.green)
        with lifeline.pulled_at(release_at) as over:
            if end_pause(world, reason, spec["run"], try_once):
                over.set()


def guard_world(spec: dict[str, Any]) -> World:
    """Handles of its own, which give up soon on a server that does not answer."""
    blue, green = (
        Database.of_spec(spec[side], connect_timeout_s=CONNECT_S)
        for side in ("blue", "green")
    )
    return World(
        name=spec["name"],
        blue=blue,
        green=green,
        pointers=tuple(of_spec(p) for p in spec["pointers"]),
        journal=TwinJournal(blue, green, spec["run"], f"guard {os.getpid()}"),
    )


def _warm_up(world: World) -> None:
    read_state(world)
    for pointer in world.pointers:
        pointer.warm_up()


def _say(word: str) -> None:
    """A tool that has died hears nothing; its pipe tells us so."""
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()


def _read(pipe: FileIO) -> str:
    """The tool's next word; empty when the pipe closed without one."""
    line = pipe.readline()
    return str(json.loads(line)) if line else ""


def _wait(pipe: FileIO, budget_s: float) -> str:
    """Wait for "done"; why it did not come, empty when it did."""
    until, word = time.monotonic() + budget_s, "go"
    while word == "go":
        left = max(0.0, until - time.monotonic())
        readable, _, _ = select.select([pipe], [], [], left)
        if not readable:
            return f"the pause went on for more than {budget_s:.2f} s"
        if (word := _read(pipe)) == "go":
            _say("watching")
    return {"done": "", "": "the tool died"}.get(word, "the tool backed out")


def end_pause(
    world: World,
    reason: str,
    run: str = "",
    try_once: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> bool:
    """Recover, again and again while something is away. False when it did not.

    Args:
        world: the handles.
        reason: why, for the journal.
        run: the run that is guarded; once another has begun, that one recovers.
        try_once: what limits one try.
    """
    for _ in range(TRIES):
        try:
            with try_once():
                if run and read_state(world).runs[-1:] != (run,):
                    return False
                claim_back_out(world)
                recover(world)
                world.journal.append(
                    Kind.NOTE, body=bodies.GuardEnded(reason).as_body()
                )
        except BluegreenError:
            time.sleep(TRY_EVERY_S)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
