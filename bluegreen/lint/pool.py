"""Reads files in several processes where that pays.

Only reading is shared out: judging a file needs all files before it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from bluegreen.lint.reading import ops
from bluegreen.lint.source import Problem, Source, Statement, read

# Less than this is read before another process has started.
_WORTH_BYTES = 1_000_000
_FILES_AT_ONCE = 8
# The judging process keeps no more readers than this busy.
_MOST_READERS = 3

_Row = tuple[str, int, int, list[Any]]
_Parcel = tuple[str, str, list[Problem], list[_Row]]


def read_all(files: Mapping[str, bytes]) -> Iterator[Source]:
    """Read files by name, in their order; each is good until the next is asked for."""
    readers = min(os.cpu_count() or 1, _MOST_READERS)
    size = sum(map(len, files.values()))
    if readers < 2 or size < _WORTH_BYTES or not hasattr(os, "fork"):
        for name, content in files.items():
            source = read(name, content)
            yield source
            _forget(source)
        return
    from multiprocessing import get_context

    with get_context("fork").Pool(readers) as pool:
        for parcel in pool.imap(pack, files.items(), chunksize=_FILES_AT_ONCE):
            source = unpack(parcel)
            yield source
            _forget(source)


def _forget(source: Source) -> None:
    """Break the circle of file and statements, which would keep every tree in memory.

    The verb has the search for such circles switched off.
    """
    source.statements.clear()


def pack(file: tuple[str, bytes]) -> _Parcel:
    """Read a file and leave the trees behind, which are larger than all the rest."""
    source = read(*file)
    rows = [(s.kind, s.at, s.end, ops(s)) for s in source.statements]
    _forget(source)
    return source.name, source.text, source.problems, rows


def unpack(parcel: _Parcel) -> Source:
    """The file as it was read elsewhere, its trees left out."""
    name, text, problems, rows = parcel
    source = Source(name, text)
    source.problems = problems
    source.statements = [
        Statement(source, index, kind, {}, at, end, ops=found)
        for index, (kind, at, end, found) in enumerate(rows)
    ]
    return source
