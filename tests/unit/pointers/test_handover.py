"""Which kinds of pointer a guard process can take over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from bluegreen.model.errors import PlaybookRefused
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.playbook import resolve
from bluegreen.pointers.handover import of_spec, require_guardable, spec_of
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from bluegreen.pointers.pointer import Pointer
from tests.kit.file_pointer import FilePointer

BOUNCER = PgBouncer(
    id="main",
    console="host=127.0.0.1 port=6432 user=pgbouncer",
    console_password=Secret("swordfish"),
    config_file=Path("/etc/pgbouncer/pgbouncer.ini"),
    database="shop",
    addresses={
        Side.BLUE: {"host": "10.0.0.1", "port": "5432", "dbname": "shop"},
        Side.GREEN: {"host": "10.0.0.2", "port": "5432", "dbname": "shop"},
    },
)


@pytest.mark.parametrize("pointer", [BOUNCER, FilePointer("far", Path("/names"))])
def test_a_pointer_comes_out_of_the_pipe_as_it_went_in(pointer: Pointer) -> None:
    again = of_spec(json.loads(json.dumps(spec_of(pointer))))
    assert type(again) is type(pointer)
    assert again.spec() == pointer.spec()
    assert again.place == pointer.place
    assert require_guardable(pointer) is pointer


class Silent(FilePointer):
    """Says nothing of itself."""

    def spec(self) -> dict[str, Any]:
        return {}


class Unwritable(FilePointer):
    """Holds what a pipe cannot carry."""

    def spec(self) -> dict[str, Any]:
        return {"id": self.id, "file": object()}


class Another(FilePointer):
    """Becomes something else on the way."""

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        return FilePointer(spec["id"], Path(spec["file"]))  # type: ignore[return-value]


def of_a_function() -> FilePointer:
    class Local(FilePointer):
        """A class that no import finds."""

    return Local("far", Path("/names"))


@pytest.mark.parametrize(
    ("pointer", "seen"),
    [
        (Silent("far", Path("/names")), "KeyError: 'id'"),
        (
            Unwritable("far", Path("/names")),
            "TypeError: Object of type object is not JSON serializable",
        ),
        (Another("far", Path("/names")), "it becomes far, FilePointer"),
        (
            of_a_function(),
            (
                f"AttributeError: module '{__name__}' has no attribute "
                f"'{type(of_a_function()).__qualname__}'"
            ),
        ),
        (object(), "AttributeError: 'object' object has no attribute 'spec'"),
    ],
)
def test_a_kind_that_no_guard_can_take_over_is_refused(
    pointer: Any, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the reader of a playbook, before anything is connected."""
    if type(pointer) is object:
        pointer = type("Bare", (), {"id": "far"})()
        seen = seen.replace("'object' object", "'Bare' object")
    monkeypatch.setattr(resolve, "_pointer", lambda *_: pointer)
    loaded: Any = type(
        "L", (), {"playbook": type("P", (), {"pointers": (1,)}), "home": Path()}
    )
    with pytest.raises(PlaybookRefused) as caught:
        resolve.open_pointers(loaded)
    assert str(caught.value.code) == "2003"
    assert caught.value.seen == seen
    assert caught.value.problem == (
        "pointer far: no guard process can take over this kind of pointer"
    )
