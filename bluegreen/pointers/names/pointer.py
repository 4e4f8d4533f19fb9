"""What every pointer has in common that is a name which clients look up.

Owns compare-and-set: a record is overwritten only where it holds the other side's
value; and what such a pointer cannot do: it holds no client back. Reading and writing
a record is for the kinds.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

from bluegreen.model.codes import Code
from bluegreen.model.errors import BluegreenError, PlaybookRefused, ServerRefused
from bluegreen.model.finding import Finding
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.client_probe import Client, ask_identity
from bluegreen.pointers.names import errors
from bluegreen.pointers.names.values import Held, RecordType, in_one_form, one_name
from bluegreen.pointers.pointer import PointerFacts
from bluegreen.pointers.rehearsal import NotServedError, come_in


class NamePointer(ABC):
    """A record by which clients find the database.

    Attributes:
        id: name of the pointer.
        client: how an application comes in.
        max_ttl: a longer TTL is refused.
        lower_ttl: whether the cutover may lower it to that.
    """

    holds_clients = False

    def __init__(self, *, client_password: Secret | None, **given: Any) -> None:
        self._given = dict(given)
        self._client_password = client_password
        self.id: str = given["id"]
        self.type = RecordType(given["type"])
        try:
            self.name = one_name(given["name"])
            self.values = {
                side: in_one_form(self.type, given["values"][side]) for side in Side
            }
        except ValueError as error:
            raise PlaybookRefused(
                Code.PLAYBOOK_NOT_VALID,
                f"pointer {self.id}: a value of its record is none of type {self.type}",
                seen=str(error),
            ) from None
        self.max_ttl = timedelta(seconds=given["max_ttl_s"])
        self.lower_ttl: bool = given["lower_ttl"]
        dsn = given["client"]
        self.client: Client | None = (
            Client(dsn, client_password, self.look_up) if dsn else None
        )
        self._staged: Held | None = None

    def spec(self) -> dict[str, Any]:
        """What `from_spec` needs, passwords in clear."""
        password = self._client_password
        return {
            **self._given,
            "values": {str(s): list(v) for s, v in self._given["values"].items()},
            "client_password": password.reveal() if password else None,
            **self.secrets_in_clear(),
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> Self:
        """The same pointer in another process."""
        password = spec["client_password"]
        values = {Side(side): tuple(of) for side, of in spec["values"].items()}
        given = {**spec, **cls.secrets_of(spec), "values": values}
        return cls(
            **{**given, "client_password": Secret(password) if password else None}
        )

    def secrets_in_clear(self) -> dict[str, Any]:
        """Those of the kind, for a pipe to a process of ours."""
        return {}

    @classmethod
    def secrets_of(cls, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The same as they were given."""
        return {}

    @abstractmethod
    def read(self) -> Held:
        """Ask where the record is written.

        Raises:
            ServerRefused: 3001 when that cannot be reached, 3007 without the record.
        """

    @abstractmethod
    def replace(self, held: Held, wanted: Held) -> None:
        """Write the record, unless it holds something else than `held` by now.

        Raises:
            StepError: 4009, it does, or it was refused otherwise.
            ServerRefused: 3001 or 3008.
        """

    def try_right(self, held: Held) -> None:
        """Write the record as it stands, or so that no client can tell.

        Raises:
            StepError: 4009.
            ServerRefused: 3001 or 3008.
        """
        self.replace(held, held)

    @abstractmethod
    def confirm(self, side: Side) -> None:
        """See that each server that answers for the record gives the value of `side`.

        Raises:
            StepError: 4009, it was not so in time.
        """

    @abstractmethod
    def look_around(self, held: Held) -> list[Finding]:
        """What else answers for the record, and how. Changes nothing."""

    @abstractmethod
    def look_up(self, host: str) -> str:
        """The address that an application would find; empty where libpq finds it."""

    @abstractmethod
    def by_hand(self, side: Side) -> str:
        """What a person types to let it name `side`. Never raises."""

    @property
    def record(self) -> str:
        """As a person names it."""
        return f"{self.name} {self.type}"

    @property
    def place(self) -> object:
        """Each is written by itself."""
        return type(self), self.id

    def observe(self) -> PointerFacts:
        """Read which side the record names.

        Raises:
            ServerRefused: 3001 or 3007.
        """
        held = self.read()
        return PointerFacts(self._side_of(held), paused=False, seen=str(held))

    def observe_kept(self) -> PointerFacts:
        """The record is all there is."""
        return self.observe()

    def check(self, others: Sequence[Any] = ()) -> list[Finding]:
        """Look at record, TTL, right, servers and client."""
        try:
            held = self.read()
        except BluegreenError as error:
            return [errors.as_finding(self.id, error)]
        found = [errors.not_held_finding(self.id, self.record, held)]
        if self._side_of(held) is None:
            return [*found, errors.neither_finding(self.id, self.record, held)]
        if timedelta(seconds=held.ttl_s) > self.max_ttl and not self.lower_ttl:
            found.append(errors.ttl_finding(self.id, self.record, held, self.max_ttl))
        found += self.look_around(held)
        for look, name in ((self.try_right, ""), (self._try_client, errors.LOGIN)):
            try:
                look(held)
            except BluegreenError as error:
                found.append(errors.as_finding(self.id, error, name))
        return found

    def most_connections(self) -> int:
        """It opens none."""
        return 0

    def warm_up(self) -> None:
        """See that it can be read."""
        self.read()

    def prove(self, side: Side, others: Sequence[Any] = ()) -> None:
        """See that we may write the record, and that a client is served at `side`.

        The record is written as it stands.

        Raises:
            ServerRefused: 3001, 3007 or 3008.
            StepError: 4009.
        """
        self.try_right(self.read())
        self.rehearse(side)

    def rehearse(self, side: Side) -> None:
        """Come in as a client at the address of `side`.

        Raises:
            ServerRefused: 3007, it is not served, or may not write.
        """
        if self.client is None:
            return
        at = self.address_of(self.values[side][0])
        try:
            rehearsed = come_in(self.client, address=at)
        except NotServedError as error:
            raise errors.not_let_in(self.id, side, at, str(error)) from None
        if rehearsed.is_read_only:
            raise errors.read_only(self.id, side, at, rehearsed.source)

    def stage(self, side: Side, others: Sequence[Any] = ()) -> None:
        """Note what will be overwritten; there is nothing to write beforehand."""
        self._staged = self.read()

    def require_unchanged(self) -> None:
        """Refuse where the record is not what was noted.

        Raises:
            StepError: 4011.
        """
        held = self.read()
        if self._staged is not None and held != self._staged:
            raise errors.changed_since(self.id, self.record, held, self._staged)

    def pause(self, budget: timedelta) -> None:  # noqa: B027 (that is what it does)
        """A name holds no client back; the fence refuses what comes meanwhile."""

    def resume(self) -> None:  # noqa: B027 (that is what it does)
        """No client was held back."""

    def resume_by_hand(self) -> str:
        """Nothing needs to be typed."""
        return "nothing: a name holds no client back"

    def move(self, side: Side) -> None:
        """Write the record where it does not name `side`, and see that it is given.

        Raises:
            StepError: 4009, it holds what is of neither side, or not every server
                follows.
            ServerRefused: 3001, 3007 or 3008.
        """
        held = self.read()
        wanted = self.values[side]
        if held.values != wanted:
            expected = replace(held, values=self.values[side.other])
            if held != expected:
                raise errors.changed(self.id, self.record, str(held), str(expected))
            self.replace(held, replace(held, values=wanted))
        self.confirm(side)

    def move_with(self, others: Sequence[Any], side: Side) -> dict[str, BluegreenError]:
        """`move`; no other pointer shares a record."""
        late: dict[str, BluegreenError] = {}
        for one in (self, *others):
            try:
                one.move(side)
            except BluegreenError as error:
                late[one.id] = error
        return late

    def set_ttl(self, ttl: timedelta) -> Held:
        """Write another TTL with the values as they stand; gives what was before."""
        held = self.read()
        self.replace(held, replace(held, ttl_s=int(ttl.total_seconds())))
        return held

    def younger_moves(self, ours: Collection[str]) -> list[str]:
        """It knows of no session."""
        return []

    def leave_out_client(self) -> None:
        """Go on without the client; `probe` and `rehearse` then ask nothing."""
        if self.client is not None:
            self.client.close()
        self.client = None

    def probe(self) -> str:
        """Come in where the record leads now, whatever a resolver still keeps.

        Raises:
            StepError: 4009, the client got an error or no answer.
            ServerRefused: 3001 or 3007, the record could not be read.
        """
        if self.client is None:
            return ""
        at = self.address_of(self.read().values[0])
        direct = self.client.looking_up(lambda _: at)
        try:
            return ask_identity(self.id, direct)
        finally:
            direct.close()

    def close(self) -> None:
        """Close the client's session."""
        if self.client:
            self.client.close()
        self._staged = None

    def address_of(self, value: str) -> str:
        """The address behind a value: of a CNAME, what libpq would find.

        Raises:
            ServerRefused: 3001, no address is known for it.
        """
        if self.type is not RecordType.CNAME:
            return value
        try:
            found = socket.getaddrinfo(value.rstrip("."), None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                f"pointer {self.id}: no address is known for {value}",
                seen=str(error),
                hint="is the value right, and can this machine look it up?",
            ) from None
        return str(found[0][4][0])

    def _side_of(self, held: Held) -> Side | None:
        named = [side for side in Side if self.values[side] == held.values]
        return named[0] if named else None

    def _try_client(self, held: Held) -> None:
        if self.client is None:
            return
        names = self._side_of(held)
        self.client.warm_up()
        self.rehearse(names.other if names else Side.GREEN)
