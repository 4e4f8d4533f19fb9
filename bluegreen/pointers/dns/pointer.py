"""A DNS record as a pointer: read at the primary, changed there by RFC 2136.

Owns which servers are asked for what. The change itself carries its condition: the
server refuses it where the record does not hold what we read (a prerequisite on the
whole record). What names cannot do is in `names/pointer.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import dns.name
import dns.rdatatype
import dns.rrset
import dns.update

from bluegreen.model.errors import BluegreenError
from bluegreen.model.finding import Finding
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.pointers.dns.nameserver import Key, Nameserver, StaleError, address_by
from bluegreen.pointers.names import errors
from bluegreen.pointers.names.pointer import NamePointer
from bluegreen.pointers.names.values import Held, RecordType, in_one_form, one_name

CONFIRM_S = 10.0
"""A secondary follows a NOTIFY within a second; one that is busy, within some."""

_POLL_S = 0.1
_ADDRESSES = ("A", "AAAA")


class DnsPointer(NamePointer):
    """One record of a zone that takes updates."""

    def __init__(
        self,
        *,
        server: str,
        key: str | None,
        key_algorithm: str,
        key_secret: Secret | None,
        authorities: Sequence[str] = (),
        resolvers: Sequence[str] = (),
        **given: Any,
    ) -> None:
        """Describe it; nothing is asked yet.

        Args:
            server: the zone's primary, `address` or `address@port`.
            key: name of the TSIG key.
            key_algorithm: how it signs.
            key_secret: in base64.
            authorities: servers that must give the new value; the zone's NS where
                none is named.
            resolvers: who is asked as an application asks.
            given: as `NamePointer` takes it.
        """
        self._key = Key(key, key_algorithm, key_secret) if key and key_secret else None
        self.primary = Nameserver(server, self._key)
        self._authorities = [Nameserver(at) for at in authorities]
        self._resolvers = [Nameserver(at) for at in resolvers]
        own = {
            "server": server,
            "key": key,
            "key_algorithm": key_algorithm,
            "authorities": list(authorities),
            "resolvers": list(resolvers),
        }
        super().__init__(**given)
        self._given |= own

    def secrets_in_clear(self) -> dict[str, Any]:
        """The key's."""
        return {"key_secret": self._key.secret.reveal() if self._key else None}

    @classmethod
    def secrets_of(cls, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The key's."""
        given = spec["key_secret"]
        return {"key_secret": Secret(given) if given else None}

    def read(self) -> Held:
        """Ask the primary.

        Raises:
            ServerRefused: 3001 when it cannot be reached, 3007 without the record.
        """
        return self._held_by(self.primary)

    def replace(self, held: Held, wanted: Held) -> None:
        """One update at the primary, which compares before it sets.

        Raises:
            StepError: 4009, it holds something else, or the update was refused.
            ServerRefused: 3001 or 3008.
        """
        update = dns.update.UpdateMessage(self._zone)
        name = dns.name.from_text(self.name)
        update.present(name, str(self.type), *held.values)
        update.replace(name, wanted.ttl_s, str(self.type), *wanted.values)
        try:
            self.primary.update(update)
        except StaleError as error:
            seen = f"{self.read()} ({error})"
            raise errors.changed(self.id, self.record, seen, str(held)) from None

    def try_right(self, held: Held) -> None:
        """Change the TTL by a second and back.

        A server that has no room for its journal takes what changes nothing. A kill in
        between leaves a TTL that is a second off.

        Raises:
            StepError: 4009.
            ServerRefused: 3001 or 3008.
        """
        near = held.ttl_s - 1 if held.ttl_s > 1 else held.ttl_s + 1
        other = replace(held, ttl_s=near)
        self.replace(held, other)
        self.replace(other, held)

    def confirm(self, side: Side) -> None:
        """Ask every authoritative server until it gives the value, or time is over.

        Raises:
            ServerRefused: 3001 or 3007, the primary does not tell who they are.
            StepError: 4009.
        """
        until, wanted = time.monotonic() + CONFIRM_S, self.values[side]
        late = self._servers()
        while late:
            told = [(one, self._told_by(one)) for one in late]
            late = [one for one, held in told if held != ", ".join(wanted)]
            if late and time.monotonic() > until:
                seen = "\n".join(f"{one.at} gives {held}" for one, held in told)
                raise errors.did_not_follow(
                    self.id, self.record, seen, ", ".join(wanted)
                )
            if late:
                time.sleep(_POLL_S)

    def look_around(self, held: Held) -> list[Finding]:
        """The authoritative servers, and the resolvers that are named."""
        try:
            servers = self._servers()
        except BluegreenError as error:
            return [errors.as_finding(self.id, error)]
        told = [(one.at, self._told_by(one)) for one in servers]
        late = [
            errors.stale_finding(self.id, at, seen, held)
            for at, seen in told
            if seen != str(held)
        ]
        told = [(one.at, self._told_by(one, recurse=True)) for one in self._resolvers]
        differ = [
            errors.resolver_finding(self.id, at, seen, held)
            for at, seen in told
            if seen != str(held)
        ]
        return [*late, *differ]

    def look_up(self, host: str) -> str:
        """Ask the first resolver that is named; libpq where there is none.

        Raises:
            ServerRefused: 3001 or 3007.
        """
        if not self._resolvers or one_name(host) != self.name:
            return ""
        return self._address_at(self._resolvers[0], host)

    def address_of(self, value: str) -> str:
        """Of a CNAME, as the first resolver tells it where one is named."""
        if self.type is RecordType.CNAME and self._resolvers:
            return self._address_at(self._resolvers[0], value)
        return super().address_of(value)

    def by_hand(self, side: Side) -> str:
        """The lines for nsupdate; its key stands in a file."""
        host, _, port = self.primary.at.partition("@")
        name, ttl = self.name, int(self.max_ttl.total_seconds())
        adds = (
            f"update add {name} {ttl} {self.type} {value}"
            for value in self.values[side]
        )
        lines = (
            f"server {host} {port}".rstrip(),
            f"update delete {name} {self.type}",
            *adds,
            "send",
        )
        return "nsupdate -k KEYFILE, and there: " + "; ".join(lines)

    @cached_property
    def _zone(self) -> str:
        """The zone that holds the record, as the primary tells."""
        name = dns.name.from_text(self.name)
        while name != dns.name.root:
            answer = self.primary.ask(str(name), "SOA")
            if any(
                one.name == name and one.rdtype == dns.rdatatype.SOA
                for one in answer.answer
            ):
                return str(name)
            name = name.parent()
        raise errors.no_record(
            self.id, self.record, f"{self.primary.at} holds no zone for it"
        )

    def _servers(self) -> list[Nameserver]:
        return self._authorities or list(self._of_zone())

    def _of_zone(self) -> Iterator[Nameserver]:
        answer = self.primary.ask(self._zone, "NS")
        for target in _texts(answer, self._zone, "NS"):
            found = [
                address
                for kind in _ADDRESSES
                for address in self._address_in_zone(target, kind)
            ]
            yield from map(Nameserver, found or [target.rstrip(".")])

    def _address_in_zone(self, target: str, kind: str) -> list[str]:
        """What the primary itself knows of a server; nothing where it is elsewhere."""
        try:
            return _texts(self.primary.ask(target, kind), target, kind)
        except BluegreenError:
            return []

    def _held_by(self, server: Nameserver, *, recurse: bool = False) -> Held:
        answer = server.ask(self.name, str(self.type), recurse=recurse)
        found = _rrset(answer, self.name, str(self.type))
        if found is None:
            others = ", ".join(
                f"{dns.rdatatype.to_text(one.rdtype)} {_joined(one)}"
                for one in answer.answer
            )
            seen = f"{server.at} gives {others or 'nothing'}"
            raise errors.no_record(self.id, self.record, seen)
        values = in_one_form(self.type, (one.to_text() for one in found))
        return Held(values, found.ttl)

    def _told_by(self, server: Nameserver, *, recurse: bool = False) -> str:
        """Its values in words, or why it gives none."""
        try:
            return str(self._held_by(server, recurse=recurse))
        except BluegreenError as error:
            return f"nothing ({error.seen or error.problem})"

    def _address_at(self, resolver: Nameserver, host: str) -> str:
        kinds = ("AAAA",) if self.type is RecordType.AAAA else _ADDRESSES
        if found := address_by(resolver, host, kinds):
            return found
        raise errors.no_record(
            self.id, self.record, f"resolver {resolver.at} knows no address of {host}"
        )


def _rrset(answer: Any, name: str, kind: str) -> dns.rrset.RRset | None:
    wanted = dns.name.from_text(name)
    for one in answer.answer:
        if one.name == wanted and dns.rdatatype.to_text(one.rdtype) == kind:
            found: dns.rrset.RRset = one
            return found
    return None


def _texts(answer: Any, name: str, kind: str) -> list[str]:
    found = _rrset(answer, name, kind)
    return [] if found is None else [str(one.to_text()) for one in found]


def _joined(found: dns.rrset.RRset) -> str:
    return " ".join(str(one.to_text()) for one in found)
