"""A kind of pointer that bluegreen knows nothing of: its state is a small file.

Other processes see what it holds, so a test can kill the one that has paused it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client
from bluegreen.pointers.pointer import PointerFacts


class FilePointer:
    """Names the side that its file names."""

    holds_clients = True

    def __init__(self, id: str, file: Path) -> None:  # noqa: A002 (the protocol's)
        self.id = id
        self.client: Client | None = None
        self._file = file

    @classmethod
    def make(cls, name: str, file: Path, side: Side) -> Self:
        """A new file that names a side."""
        file.write_text(json.dumps({"names": side, "paused": False}))
        return cls(name, file)

    def spec(self) -> dict[str, Any]:
        return {"id": self.id, "file": str(self._file)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        return cls(spec["id"], Path(spec["file"]))

    @property
    def place(self) -> object:
        return self._file

    def observe(self) -> PointerFacts:
        state = json.loads(self._file.read_text())
        return PointerFacts(Side(state["names"]), state["paused"], state["names"])

    def observe_kept(self) -> PointerFacts:
        return self.observe()

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        return []

    def warm_up(self) -> None:
        self.observe()

    def most_connections(self) -> int:
        return 0

    def leave_out_client(self) -> None:
        pass

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
        self.observe()

    def stage(self, side: Side, others: Sequence[Any] = ()) -> None:
        self.observe()

    def require_unchanged(self) -> None:
        self.observe()

    def pause(self, budget: timedelta) -> None:
        self._put(paused=True)

    def resume(self) -> None:
        self._put(paused=False)

    def move(self, side: Side) -> None:
        self._put(names=side)

    def move_with(self, others: Sequence[Any], side: Side) -> dict[str, BluegreenError]:
        for one in (self, *others):
            one.move(side)
        return {}

    def by_hand(self, side: Side) -> str:
        return f"write {side} into {self._file}"

    def resume_by_hand(self) -> str:
        return f"write false into {self._file}"

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        return []

    def probe(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing is held."""

    def _put(self, **words: object) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps({**json.loads(self._file.read_text()), **words}))
        draft.replace(self._file)
