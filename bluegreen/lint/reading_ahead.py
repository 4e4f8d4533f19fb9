"""Reads the files of a large set in a process beside the one that judges them.

Owns when a second process pays, that process, and letting each file go once it was
judged. What is read of a file is for `sql/source.py` and `sql/reading/statements.py`;
the order in which statements count leaves judging to one process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, BinaryIO, NoReturn

from bluegreen.sql.ops import Column, Constraint, Name, Op, Type
from bluegreen.sql.reading.statements import ops
from bluegreen.sql.source import Source, Statement, read

PAYS_FROM_BYTES = 200_000
"""Below this a set is judged before the other process has begun."""

AHEAD_BYTES = 1 << 20
"""What the pipe holds: a large file takes all of a usual one, and each process would
wait for the other. More needs a privilege (`/proc/sys/fs/pipe-max-size`)."""

Files = Mapping[str, bytes]
Packed = tuple[str, str, list[Any], list[tuple[Any, ...]]]


def read_all(files: Files) -> Iterator[Source]:
    """Read files by name, in their order; each is good until the next is asked for."""
    sources = _beside(files) if _pays(files) else _here(files.items())
    for source in sources:
        yield source
        # File and statements point at each other, and the verb looks for no such
        # circles: every tree would stay in memory.
        source.statements.clear()


def _pays(files: Files) -> bool:
    if sys.platform != "linux":  # elsewhere a fork is slow, unsafe or not there
        return False
    large = sum(map(len, files.values())) >= PAYS_FROM_BYTES
    return large and len(files) > 1 and len(os.sched_getaffinity(0)) > 1


def _here(files: Iterable[tuple[str, bytes]]) -> Iterator[Source]:
    return (read(name, content) for name, content in files)


def _beside(files: Files) -> Iterator[Source]:
    """Files as the other process hands them over; it is at most a pipe's length ahead.

    A process that dies, as where memory is short, leaves the rest to this one.
    """
    ours, theirs = os.pipe()
    _widen(ours)
    try:
        child = os.fork()
    except OSError:  # no more processes for this user
        os.close(ours)
        os.close(theirs)
        yield from _here(files.items())
        return
    if child == 0:
        os.close(ours)
        _serve(files, theirs)
    os.close(theirs)
    taken = 0
    try:
        with os.fdopen(ours, "rb") as pipe:
            for source in _received(pipe):
                yield source
                taken += 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    yield from _here(islice(files.items(), taken, None))


def _widen(pipe: int) -> None:
    import fcntl  # not everywhere where the linter runs

    with suppress(OSError):  # a user with many pipes gets small ones
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, AHEAD_BYTES)


def _serve(files: Files, place: int) -> NoReturn:
    """Read all files and hand them over."""
    try:
        import copyreg
        import pickle

        for kind in (Op, Name, Type, Column, Constraint):
            copyreg.pickle(kind, _as_call)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with os.fdopen(place, "wb") as pipe:
            for source in _here(files.items()):
                pickle.dump(_packed(source), pipe, pickle.HIGHEST_PROTOCOL)
                pipe.flush()
                source.statements.clear()
    finally:
        # Not by the way out of the program, which is the other process's.
        os._exit(0)


def _as_call(value: tuple[Any, ...]) -> tuple[type, tuple[Any, ...]]:
    """How to make a named tuple again; pickle's own way takes twice as long."""
    return type(value), tuple(value)


def _packed(source: Source) -> Packed:
    """A file without its trees: once the ops are read they are not asked for."""
    told = [(s.kind, s.at, s.end, s.base, ops(s)) for s in source.statements]
    return source.name, source.text, source.problems, told


def _received(pipe: BinaryIO) -> Iterator[Source]:
    import pickle  # a call about one small file needs none of it

    while True:
        try:
            name, text, problems, told = pickle.load(pipe)  # noqa: S301 — our own child's
        except (EOFError, pickle.UnpicklingError):
            return
        source = Source(name, text)
        source.problems = problems
        source.statements = [
            Statement(source, index, kind, {}, at, end, base, done)
            for index, (kind, at, end, base, done) in enumerate(told)
        ]
        yield source
