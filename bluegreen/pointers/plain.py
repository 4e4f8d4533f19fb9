"""What pointers have in common that are told in one act, and by default hold no client.

Owns the parts of the protocol that such a pointer need not think of. Reading it and
moving it is for the kinds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, StepError
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client, ask_identity
from bluegreen.pointers.pointer import PointerFacts


class PlainPointer(ABC):
    """One that is read, moved, and nothing else.

    Attributes:
        id: name of the pointer.
        client: how an application comes in.
    """

    holds_clients = False

    def __init__(self, id: str, client: str | None, password: Secret | None) -> None:  # noqa: A002 (the protocol's own word)
        self.id = id
        self.client: Client | None = Client(client, password) if client else None
        self._staged: Side | None = None

    @abstractmethod
    def observe(self) -> PointerFacts:
        """Read which side it names now."""

    @abstractmethod
    def move(self, side: Side) -> None:
        """Name `side`, and confirm that it is named."""

    @property
    def place(self) -> object:
        """Each is moved by itself."""
        return type(self), self.id

    def observe_kept(self) -> PointerFacts:
        """What it reads when it starts is out of reach from here."""
        return self.observe()

    def most_connections(self) -> int:
        """It opens one for each client, and keeps none."""
        return 0

    def warm_up(self) -> None:
        """See that it answers."""
        self.observe()

    def stage(self, side: Side, others: Sequence[Any] = ()) -> None:
        """Note which side it names."""
        self._staged = self.observe().names

    def require_unchanged(self) -> None:
        """Refuse where it names another side by now.

        Raises:
            StepError: 4011.
        """
        facts = self.observe()
        if self._staged is not None and facts.names is not self._staged:
            raise StepError(
                Code.SWITCHOVER_BLOCKED,
                f"pointer {self.id} was moved since it was proved",
                seen=f"it names {facts.seen}",
                wanted=str(self._staged),
                hint="who else moves it? Stop that, then run again",
            )

    def pause(self, budget: timedelta) -> None:  # noqa: B027 (that is what it does)
        """It holds no client back; the fence refuses what comes meanwhile."""

    def resume(self) -> None:  # noqa: B027 (that is what it does)
        """No client was held back."""

    def resume_by_hand(self) -> str:
        """Nothing needs to be typed."""
        return "nothing: it holds no client back"

    def move_with(self, others: Sequence[Any], side: Side) -> dict[str, BluegreenError]:
        """`move`; no other pointer shares its place."""
        late: dict[str, BluegreenError] = {}
        for one in (self, *others):
            try:
                one.move(side)
            except BluegreenError as error:
                late[one.id] = error
        return late

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """It knows of none, and holds no client back for one."""
        return []

    def leave_out_client(self) -> None:
        """Go on without the client; `probe` then says nothing."""
        self.close()
        self.client = None

    def probe(self) -> str:
        """Come in as a new client; the identity of the side reached, or nothing.

        Raises:
            StepError: 4009, the client got an error or no answer.
        """
        if self.client is None:
            return ""
        # A session from before the move may still stand on the side that was left.
        self.client.close()
        return ask_identity(self.id, self.client)

    def close(self) -> None:
        """Close the client's session."""
        if self.client:
            self.client.close()
