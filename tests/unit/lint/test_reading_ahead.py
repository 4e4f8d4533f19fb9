"""A large set is read beside its judging: the same answer, and nothing left behind."""

from __future__ import annotations

import errno
import os
import signal
from itertools import islice
from pathlib import Path

import pytest

from bluegreen.lint.engine import check
from bluegreen.lint.reading_ahead import read_all
from bluegreen.sql.source import read
from tests.kit.cli import call

FILES = {
    f"{n:03}.sql": (
        f"CREATE TABLE été{n} (id int PRIMARY KEY);\n"
        f"ALTER TABLE old ADD COLUMN c{n} int NOT NULL;\n"
        f"\\echo {n}\n" + f"CREATE INDEX i{n} ON old (c{n}); -- why\n" * 90
    ).encode()
    for n in range(60)
}
"""More than a process for itself is begun for."""


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two cores, and the processes that were begun."""
    begun: list[int] = []
    fork = os.fork

    def noted() -> int:
        child = fork()
        if child:
            begun.append(child)
        return child

    monkeypatch.setattr(os, "fork", noted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    return begun


def require_gone(child: int) -> None:
    """It has ended, and was waited for."""
    with pytest.raises(ChildProcessError):
        os.waitpid(child, os.WNOHANG)


def test_the_report_is_that_of_one_process(readers: list[int]) -> None:
    beside = check(read_all(FILES))
    (reader,) = readers
    assert beside == check(read(name, text) for name, text in FILES.items())
    assert len(beside.findings) > len(FILES)
    require_gone(reader)


def test_a_small_set_starts_no_process(readers: list[int]) -> None:
    few = dict(islice(FILES.items(), 3))
    assert [source.name for source in read_all(few)] == list(few)
    assert not readers


def test_one_core_starts_no_process(
    readers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert [source.name for source in read_all(FILES)] == list(FILES)
    assert not readers


def test_where_no_process_may_be_begun_this_one_reads(
    readers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    assert [source.name for source in read_all(FILES)] == list(FILES)
    assert not readers


def test_a_reader_that_is_killed_leaves_the_rest_to_us(readers: list[int]) -> None:
    names = []
    for source in read_all(FILES):
        names.append(source.name)
        assert source.statements
        if len(names) == 2:
            os.kill(readers[0], signal.SIGKILL)
    assert names == list(FILES)
    require_gone(readers[0])


def test_a_reader_of_whom_no_more_is_asked_is_ended(readers: list[int]) -> None:
    sources = read_all(FILES)
    next(sources)
    sources.close()
    require_gone(readers[0])


def test_each_file_is_let_go_when_the_next_is_asked_for(readers: list[int]) -> None:
    judged = []
    for source in read_all(FILES):
        assert source.statements
        judged.append(source)
    assert readers
    assert not any(source.statements for source in judged)


def test_the_verb_says_the_same_with_one_core_and_with_all(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text)
    words = ("lint", "--format", "json", tmp_path)
    wide, all_cores = call(*words), os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(all_cores)})
    try:
        narrow = call(*words)
    finally:
        os.sched_setaffinity(0, all_cores)
    assert wide == narrow
    assert wide.status == 1
