"""Whether a value is still the same after it has travelled as text.

Owns what counts as the same between two types, by values: `1` and `1.00` are one
number, `5.75` and `6` are not. Text that only became canonical (a uuid's case, JSON's
spacing, leading zeros) is the same; text that the other type cannot give back is not.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

_NUMBERS = {
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "money",
    "oid",
}
_TEXTS = {"text", "character varying", "character", "name", "citext", "public.citext"}
JSON = {"json", "jsonb"}
_STAMPS = {"timestamp without time zone", "timestamp with time zone", "date"}
_NETWORK = {"inet", "cidr"}
_TIMES = {"time without time zone", "time with time zone"}
_RANGES = {"int4range", "int8range", "numrange"}
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_WORDS = {
    **dict.fromkeys(("t", "true", "y", "yes", "on", "1"), True),
    **dict.fromkeys(("f", "false", "n", "no", "off", "0"), False),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The two types of one column, domains already resolved to what lies below.

    `zone` is the one that a timestamp without a zone is meant in. `back` says that the
    receiver's type is the one the column always had, and the sender's is new.
    """

    sender: str
    receiver: str
    zone: str = "UTC"
    back: bool = False

    @property
    def differ(self) -> bool:
        """Whether the types are not the same, modifiers aside."""
        return self.sender != self.receiver


def family(name: str) -> str:
    """A coarse kind of type: number, text, json, stamp, ..., or the type itself."""
    for label, members in (
        ("number", _NUMBERS),
        ("text", _TEXTS),
        ("json", JSON),
        ("stamp", _STAMPS),
        ("network", _NETWORK),
        ("time", _TIMES),
        ("range", _RANGES),
    ):
        if name in members:
            return label
    return name


def same(pair: Pair, sent: str | None, stored: str | None) -> bool:
    """Whether the sender's value and the receiver's are one value.

    Both are texts of the types' output functions in a session whose TimeZone is UTC.
    """
    if sent is None or stored is None:
        return sent is stored
    if form_is_lost(pair, sent) or of_the_moment(pair, sent):
        return False
    if sent == stored:
        return True
    return equal(pair, sent, stored)


def of_the_moment(pair: Pair, sent: str) -> bool:
    """Words that a type of dates or times reads as another value each time."""
    if family(pair.sender.removesuffix("[]")) != "text" or not _MOMENT.search(sent):
        return False
    plain = pair.receiver.removesuffix("[]")
    return family(plain) in {"stamp", "time"} or plain in _RANGES_OF_TIME


_MOMENT = re.compile(r"\b(now|today|tomorrow|yesterday)\b", re.IGNORECASE)
_RANGES_OF_TIME = {
    f"{kind}{form}"
    for kind in ("ts", "tstz", "date")
    for form in ("range", "multirange")
}


def form_is_lost(pair: Pair, sent: str) -> bool:
    """Types whose text is not what the application wrote, sent to a text column.

    A column that was bytea or jsonb all along gives its own text; one that was text
    before has lost it.
    """
    if pair.receiver not in _TEXTS or not pair.differ:
        return False
    if pair.sender == "character":
        return sent.endswith(" ")
    if pair.sender == "bytea":
        return pair.back
    return pair.back and pair.sender == "jsonb" and sent[:1] in {"{", "[", '"'}


def equal(pair: Pair, sent: str, stored: str) -> bool:
    """Whether two texts that differ are one value, by what the types tell."""
    kinds = {family(pair.sender), family(pair.receiver)}
    if pair.sender.endswith("[]") and pair.receiver.endswith("[]"):
        return _arrays(pair, sent, stored)
    if (pair.sender, pair.receiver) == ("inet", "cidr") and not pair.back:
        return False  # it had no netmask, and prints one now
    form = _FORMS.get(min(kinds)) if len(kinds) == 1 else None
    if form is not None:
        return form(sent) == form(stored)
    if kinds == {"text"}:
        return _texts(pair, sent, stored)
    if "boolean" in kinds:
        return _truth(sent) is not None and _truth(sent) == _truth(stored)
    if "json" in kinds:
        return _json(sent, stored)
    if "number" in kinds and kinds <= {"number", "text"}:
        return _numbers(pair, sent, stored)
    if "stamp" in kinds and kinds <= {"stamp", "text"}:
        return _stamps(pair, sent, stored)
    if "uuid" in kinds:
        return _plain(sent) == _plain(stored)
    return "bytea" in kinds and pair.sender in _TEXTS


def _texts(pair: Pair, sent: str, stored: str) -> bool:
    if "character" in (pair.sender, pair.receiver):
        return sent.rstrip(" ") == stored.rstrip(" ")
    return "citext" in f"{pair.sender} {pair.receiver}" and sent == stored


def _arrays(pair: Pair, sent: str, stored: str) -> bool:
    """Element by element, where both have the same braces and quotes around them."""
    one = replace(pair, sender=pair.sender[:-2], receiver=pair.receiver[:-2])
    left, right = _ELEMENT.split(sent), _ELEMENT.split(stored)
    return len(left) == len(right) and all(
        a == b or (a != "NULL" != b and same(one, a, b))
        for a, b in zip(left, right, strict=True)
    )


_ELEMENT = re.compile(r"([{},])")
"""What stands between elements. A quoted element that holds one of these comes in
parts; then each part must be the same."""


def _plain_numbers(text: str) -> str:
    """A range with each number in its shortest form: `[1.50,2)` as `[1.5,2)`."""
    return _NUMBER.sub(lambda found: format(Decimal(found[0]).normalize(), "f"), text)


_FORMS: dict[str, Callable[[str], str]] = {
    "network": lambda text: text.removesuffix("/32").removesuffix("/128"),
    "range": _plain_numbers,
    "time": lambda text: text.removesuffix("+00"),
}
"""What makes two texts of one kind of type alike when they are one value."""


def _truth(text: str) -> bool | None:
    word = _WORDS.get(text.strip().lower())
    if word is None and text.lstrip("-").isdigit():
        return int(text) != 0
    return word


def _json(sent: str, stored: str) -> bool:
    left, right = _parsed(sent), _parsed(stored)
    return bool(left in (right, stored) or right == sent)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return text


def _numbers(pair: Pair, sent: str, stored: str) -> bool:
    left, right = _number(sent), _number(stored)
    if left is None or right is None:
        return False
    if left == right:
        return True
    if {pair.sender, pair.receiver} != {"real", "double precision"}:
        return False
    short, long = (left, right) if pair.sender == "real" else (right, left)
    return _single(float(short)) == float(long)


def _single(value: float) -> float | None:
    """The double that a cast makes of a real: 0.1 becomes 0.10000000149011612."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text.strip().replace("$", "").replace(",", ""))
    except InvalidOperation:
        return None


def _stamps(pair: Pair, sent: str, stored: str) -> bool:
    left = _instant(pair.sender, pair.receiver, sent, pair.zone)
    right = _instant(pair.receiver, pair.sender, stored, pair.zone)
    if "text" in (family(pair.sender), family(pair.receiver)):
        return left is None or right is None or left == right
    return left is not None and left == right


def _instant(kind: str, other: str, text: str, zone: str) -> datetime | None:
    """A point in time; one without a zone is read in `zone` if the other has one."""
    padded = text.strip()
    try:
        found = datetime.fromisoformat(_iso(padded))
    except ValueError:
        return None
    if found.tzinfo is None:
        zoned = other == "timestamp with time zone" and kind != other
        return _local(found, ZoneInfo(zone)) if zoned else found.replace(tzinfo=UTC)
    return found.astimezone(UTC)


def _local(found: datetime, zone: ZoneInfo) -> datetime | None:
    """As PostgreSQL reads a local time; None for an hour that the clocks skip.

    An hour that comes twice is the second one, in standard time. A skipped one is moved
    and never comes back as it was written.
    """
    second = found.replace(tzinfo=zone, fold=1).astimezone(UTC)
    first = found.replace(tzinfo=zone).astimezone(UTC)
    shown = first.astimezone(zone).replace(tzinfo=None, fold=0)
    return second if shown == found else None


def _iso(text: str) -> str:
    """PostgreSQL prints an offset as +00; 3.11 reads that, but not years past 9999."""
    return text if " " in text or "T" in text else f"{text} 00:00:00"


def _plain(text: str) -> str:
    return text.strip().strip("{}").replace("-", "").lower()
