"""A PAUSE that came late: taken back, left to the newer move, or told that it holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bluegreen.model.errors import ServerRefused, TrafficUnknownError
from bluegreen.model.record import Kind
from bluegreen.model.side import Side
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.steps.switchover.newest import end_late_pause
from tests.kit.file_pointer import FilePointer
from tests.kit.small_steps import OneJournal, quiet_world

Pointers = Callable[..., list[FilePointer]]


class Away(FilePointer):
    """A pooler whose console does not answer."""

    def observe(self) -> PointerFacts:
        raise ServerRefused(3001, "the console cannot be reached")

    def resume(self) -> None:
        self.observe()


class Silent(OneJournal):
    """Neither side answers."""

    def records(self) -> Any:
        raise ServerRefused(3001, "no side answers")

    def told_by(self, side: Side) -> Any:
        return self.records()


def held(folder: Path, kind: type[FilePointer] = FilePointer) -> FilePointer:
    pointer = kind.make(kind.__name__.lower(), folder / kind.__name__, Side.BLUE)
    pointer._put(paused=True)
    return pointer


def test_it_is_taken_back_once_no_move_is_open(tmp_path: Path) -> None:
    pointer = held(tmp_path)
    assert end_late_pause(quiet_world(pointers=(pointer,)))
    assert pointer.observe().paused is False
    assert not end_late_pause(quiet_world(pointers=(pointer,)))


def test_an_open_move_ends_its_own_pause(tmp_path: Path) -> None:
    pointer, journal = held(tmp_path), OneJournal()
    journal.append(Kind.PAUSING, action="cutover/move", body={"to": "green"})
    assert not end_late_pause(quiet_world(pointers=(pointer,), journal=journal))
    assert pointer.observe().paused


def test_where_no_side_answers_clients_are_let_go(tmp_path: Path) -> None:
    pointer = held(tmp_path)
    assert end_late_pause(quiet_world(pointers=(pointer,), journal=Silent()))
    assert pointer.observe().paused is False


def test_one_that_cannot_be_told_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    there, away = held(tmp_path), held(tmp_path, Away)
    with pytest.raises(TrafficUnknownError) as caught:
        end_late_pause(quiet_world(pointers=(away, there)))
    assert str(caught.value.code) == "7001"
    assert "away" in caught.value.problem
    assert there.observe().paused is False
