"""The protocol of a pointer: whatever decides where clients go.

Owns the protocol only; each kind of pointer has its file. A pointer is told a wanted
side, never to swap.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, Self

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client
from bluegreen.postgres.session import holder

LONGEST_NAME = 63
"""PostgreSQL cuts application_name there."""

MOVE = "bluegreen move"
"""First words of the name under which a process of ours holds clients back."""


def move_name(mover: str = "") -> str:
    """The name by which a pointer knows this process as one that holds clients back.

    Args:
        mover: the name of the tool that this process is the guard of.
    """
    return f"{mover} {os.getpid()}"[:LONGEST_NAME] if mover else holder(MOVE)


def is_of(name: str, movers: Collection[str]) -> bool:
    """Whether it is the name of one of these tools, or of a guard of theirs."""
    return any(name == mover or name.startswith(f"{mover} ") for mover in movers)


@dataclass(frozen=True, slots=True)
class PointerFacts:
    """What a pointer says of itself.

    Attributes:
        names: the side it names, None when it names neither.
        paused: whether it holds clients back.
        seen: the address it names, for messages.
    """

    names: Side | None
    paused: bool
    seen: str


class Pointer(Protocol):
    """One PgBouncer pool or one DNS name.

    Every method raises BluegreenError when the pointer cannot be reached or refuses.
    """

    id: str
    client: Client | None

    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs, as JSON holds it, passwords in clear."""
        ...

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same pointer in another process: the guard."""
        ...

    @property
    def place(self) -> object:
        """What is written and who is told; pointers of one place act as one."""
        ...

    def observe(self) -> PointerFacts:
        """Read which side it names now. Changes nothing."""
        ...

    def observe_kept(self) -> PointerFacts:
        """Read which side it will name once it is restarted. Changes nothing.

        Where what it then reads is out of reach from here, the same as `observe`.
        """
        ...

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        """Look at all that a move will need of it. Changes no traffic.

        `others` are the other pointers of the playbook, of any kind.
        """
        ...

    def most_connections(self) -> int:
        """Server connections that it may open for those who use it; 0 for none."""
        ...

    def warm_up(self) -> None:
        """Open and try every connection that a move needs, before the pause."""
        ...

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
        """Try, before the pause, that what we write leads clients to `side`.

        Moves nothing. `others` are pointers of the same place.
        """
        ...

    def stage(self, side: Side, others: Sequence[Any] = ()) -> None:
        """Write beforehand what `move` will put in place. Changes no traffic.

        `others` are pointers of the same place, which are staged with it.
        """
        ...

    def require_unchanged(self) -> None:
        """Refuse where what was staged and proved is not so any more.

        Asked right before clients are held back; takes milliseconds.
        """
        ...

    def pause(self, budget: timedelta) -> None:
        """Hold clients back; on failure or after `budget` hold back none."""
        ...

    def move(self, side: Side) -> None:
        """Name `side`, and confirm that it is named. Naming it twice is fine."""
        ...

    def move_with(self, others: Sequence[Any], side: Side) -> dict[str, BluegreenError]:
        """`move` for this one and others of the same place; the errors by id."""
        ...

    def by_hand(self, side: Side) -> str:
        """What a person types to let it name `side`. Never raises."""
        ...

    def resume_by_hand(self) -> str:
        """What a person types to let clients go on. Never raises."""
        ...

    def resume(self) -> None:
        """Let clients go on. Resuming what is not paused is fine."""
        ...

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """Moves that came to it after `ours`, which are names as `move_name` gives.

        For a guard that no server answers. A pointer that cannot tell of them, as it
        holds no client back, gives none.
        """
        ...

    def leave_out_client(self) -> None:
        """Go on without the way in of a client; `probe` then says nothing."""
        ...

    def probe(self) -> str:
        """Go through it as a client; the identity of the side reached, or nothing."""
        ...

    def close(self) -> None:
        """Close what `warm_up` opened and remove what `stage` wrote and not used."""
        ...
