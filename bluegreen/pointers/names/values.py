"""Values of a record, in the one form in which they are compared.

Owns what an address or a name in a record is. Who holds it is for the kinds.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LONGEST = 253


class RecordType(StrEnum):
    """Types of a record that leads clients to a database."""

    A = "A"
    AAAA = "AAAA"
    CNAME = "CNAME"

    def one_form(self, text: str) -> str:
        """A value as it is compared: shortest address, or small letters and a dot.

        Raises:
            ValueError: it is no value of this type.
        """
        if self is RecordType.A:
            return str(ipaddress.IPv4Address(text.strip()))
        if self is RecordType.AAAA:
            return str(ipaddress.IPv6Address(text.strip()))
        return one_name(text)


def one_name(text: str) -> str:
    """A host name as it is compared: small letters, and a dot at its end.

    Raises:
        ValueError: it is none.
    """
    name = text.strip().lower().removesuffix(".")
    if len(name) > _LONGEST or not all(map(_LABEL.fullmatch, name.split("."))):
        raise ValueError(f"{text!r} is no host name")
    return f"{name}."


@dataclass(frozen=True, slots=True)
class Held:
    """A record as it stands.

    Attributes:
        values: in one form, sorted.
        ttl_s: how long a resolver may keep them, in seconds.
    """

    values: tuple[str, ...]
    ttl_s: int

    def __str__(self) -> str:
        return ", ".join(self.values) or "nothing"


def in_one_form(kind: RecordType, values: Iterable[str]) -> tuple[str, ...]:
    """All values of a record, sorted.

    Raises:
        ValueError: one is no value of this type.
    """
    return tuple(sorted({kind.one_form(value) for value in values}))
