"""Whether a value of an ini and one that the console prints are the same. Pure.

Owns what PgBouncer's readers make of a text (`cfparser.c` of its library, 1.18 to
1.25) and how the console prints it again: numbers of `[pgbouncer]` are read by strtol
with base 0 or strtod and printed by `%d` or `%g`, those of an entry are read by atoi,
words of a list are without case, all else is the text as it stands. No setting takes
`yes` or `on` for 1: PgBouncer stops reading there, so these differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

_WITHOUT_CASE = frozenset(
    {
        "auth_type",
        "pool_mode",
        "server_tls_sslmode",
        "client_tls_sslmode",
        "load_balance_hosts",
    }
)
_OCTAL = re.compile(r"[+-]?0[0-7]+")
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_HEX_REAL = re.compile(r"[+-]?0[xX][0-9a-fA-F.]+(?:[pP][+-]?[0-9]+)?")
_ATOI = re.compile(r"\s*([+-]?[0-9]+)")


def is_same(key: str, written: str, running: str) -> bool:
    """Whether a setting of `[pgbouncer]` has the value that the console prints."""
    if written.strip() == running.strip():
        return True
    if key in _WITHOUT_CASE:
        return written.strip().lower() == running.strip().lower()
    return any(
        f"{number:g}" == running or _is_number(running, number)
        for number in _readings(written.strip())
    )


def is_same_number(written: str, running: str) -> bool:
    """Whether a number of an entry is the one that the console prints, perhaps padded.

    A text without digits is 0, as it is for atoi.
    """
    return _atoi(written) == _atoi(running)


def _readings(text: str) -> Iterator[float]:
    """What the two readers of numbers take a text for."""
    if _OCTAL.fullmatch(text):
        yield float(int(text, 8))
    elif _INTEGER.fullmatch(text):
        yield float(int(text, 0 if "x" in text.lower() else 10))
    if _REAL.fullmatch(text):
        yield float(text)
    elif _HEX_REAL.fullmatch(text):
        with suppress(ValueError, OverflowError):
            yield float.fromhex(text)


def _is_number(running: str, number: float) -> bool:
    with suppress(ValueError):
        return float(running) == number
    return False


def _atoi(text: str) -> int:
    match = _ATOI.match(text)
    return int(match[1]) if match else 0
