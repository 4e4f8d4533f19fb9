"""Whether one type prints a value twice alike, and what reading a text keeps of it.

Owns what a stream and a migration's own cast are held against each other by. What two
types have in common is in `same.py`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from bluegreen.compat.rules.same import JSON, Pair, equal, family, of_the_moment


def alike(kind: str, one: str | None, two: str | None) -> bool:
    """Whether two texts of one type's output are one value, and print alike.

    Trailing zeros of a number, the blanks that fill a char(n), and the layout of json
    may differ; a key that json holds twice may not.
    """
    if one is None or two is None or one == two:
        return one is two or one == two
    if kind in JSON:
        return bool(_strict(one) == _strict(two))
    return equal(Pair(kind, kind), one, two)


def kept_by_reading(pair: Pair, sent: str) -> bool:
    """Text that a type only reads another way, for types that `same` knows nothing of.

    What an address does not print of its netmask counts as lost.
    """
    plain = family(pair.receiver.removesuffix("[]"))
    known = {"number", "json", "stamp", "network", "text", "boolean", "uuid", "bytea"}
    reads = family(pair.sender.removesuffix("[]")) == "text"
    return reads and plain not in known and not of_the_moment(pair, sent)


def _strict(text: str) -> Any:
    """JSON as a value, an object that names a key twice as its pairs."""
    try:
        return json.loads(text, parse_float=Decimal, object_pairs_hook=_pairs)
    except ValueError:
        return text


def _pairs(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    return found if len(found) == len(pairs) else ("twice", *pairs)
