"""One DNS server: what it answers, and what it lets us write.

Owns the wire, by dnspython: questions with a deadline, updates that are signed, and
what its refusals mean. Which record is asked for, and why, is for `pointer.py`.
"""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused, ServerRefused, StepError
from bluegreen.model.secret import Secret

ANSWER_S = 2.0
"""A server on the network answers in milliseconds; some lose a packet and are asked
again by TCP."""

PORT = 53
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
_STALE = {dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN}
_NO_RIGHT = {dns.rcode.REFUSED, dns.rcode.NOTAUTH}


class StaleError(Exception):
    """The record does not hold what the update demands."""


@dataclass(frozen=True, slots=True)
class Key:
    """A TSIG key."""

    name: str
    algorithm: str
    secret: Secret

    def opened(self) -> dns.tsig.Key:
        """As dnspython takes it.

        Raises:
            PlaybookRefused: 2003, the secret is not base64.
        """
        try:
            secret = base64.b64decode(self.secret.reveal(), validate=True)
        except binascii.Error:
            raise PlaybookRefused(
                Code.PLAYBOOK_NOT_VALID,
                f"the secret of TSIG key {self.name} is not base64",
                wanted="the secret as `keymgr -t` or `tsig-keygen` prints it",
            ) from None
        return dns.tsig.Key(dns.name.from_text(self.name), secret, self.algorithm)


class Nameserver:
    """One server, `address` or `address@port`.

    Args:
        at: where it is.
        key: what questions and updates are signed with, where there is one.
    """

    def __init__(self, at: str, key: Key | None = None) -> None:
        self.at = at
        self._key = key
        host, _, port = at.partition("@")
        self._host, self._port = host, int(port or PORT)

    def ask(self, name: str, kind: str, *, recurse: bool = False) -> Any:
        """The whole answer to one question.

        Raises:
            ServerRefused: 3001, no answer came, or none that is one.
        """
        question = dns.message.make_query(name, kind, use_edns=True)
        if not recurse:
            question.flags &= ~dns.flags.RD
        answer = self._send(question)
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            raise self._gave(answer)
        if not recurse and not answer.flags & dns.flags.AA:
            raise ServerRefused(
                Code.POINTER_ELSEWHERE,
                f"DNS server {self.at} does not answer for {name} itself",
                seen="an answer that is not authoritative",
                wanted="a server that holds the zone",
                hint="name the zone's primary as `server` of the pointer",
            )
        return answer

    def update(self, message: dns.update.UpdateMessage) -> None:
        """Send an update; all of it is done, or nothing.

        Raises:
            StaleError: what it demands is not so.
            ServerRefused: 3001, no answer came, it may be done; 3008, we may not.
            StepError: 4009, refused otherwise.
        """
        if self._key is not None:
            message.use_tsig(self._key.opened())
        rcode = self._send(message).rcode()
        if rcode in _STALE:
            raise StaleError(dns.rcode.to_text(rcode))
        if rcode in _NO_RIGHT:
            raise self._no_right(dns.rcode.to_text(rcode))
        if rcode != dns.rcode.NOERROR:
            raise StepError(
                Code.POOLER_FAILED,
                f"DNS server {self.at} refused an update",
                seen=dns.rcode.to_text(rcode),
                hint="its log says why",
            )

    def _send(self, message: dns.message.Message) -> dns.message.Message:
        try:
            where = self._address()
            if isinstance(message, dns.update.UpdateMessage):
                return dns.query.tcp(message, where, ANSWER_S, self._port)
            answer, _ = dns.query.udp_with_fallback(
                message, where, ANSWER_S, self._port
            )
        except (dns.tsig.PeerError, dns.tsig.BadSignature) as error:
            raise self._no_right(str(error)) from None
        except (dns.exception.DNSException, OSError, EOFError) as error:
            raise ServerRefused(
                Code.SERVER_UNREACHABLE,
                f"DNS server {self.at} cannot be reached",
                seen=str(error) or type(error).__name__,
                wanted=f"an answer within {ANSWER_S:.0f} s",
                hint="is it up, and does it answer this machine by UDP and TCP?",
            ) from None
        return answer

    def _address(self) -> str:
        found = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        return str(found[0][4][0])

    def _gave(self, answer: dns.message.Message) -> ServerRefused:
        return ServerRefused(
            Code.SERVER_UNREACHABLE,
            f"DNS server {self.at} gives no answer",
            seen=dns.rcode.to_text(answer.rcode()),
            wanted="NOERROR",
            hint="does it hold the zone, or resolve for this machine?",
        )

    def _no_right(self, seen: str) -> ServerRefused:
        return ServerRefused(
            Code.RIGHT_MISSING,
            f"DNS server {self.at} does not let us write the record",
            seen=seen,
            wanted="a TSIG key that may update this name",
            hint="are `key`, `key_algorithm` and `key_secret` right, the clocks of "
            "both machines alike, and does its update policy or ACL name the key?",
        )


def address_by(resolver: Nameserver, host: str, kinds: Sequence[str]) -> str:
    """The first address of a host, through names that lead to it; empty without one.

    Raises:
        ServerRefused: 3001, the resolver does not answer.
    """
    for kind in kinds:
        for one in resolver.ask(host, kind, recurse=True).answer:
            if dns.rdatatype.to_text(one.rdtype) == kind:
                return str(one[0].to_text())
    return ""
