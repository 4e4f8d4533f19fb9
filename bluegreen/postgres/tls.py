"""How far a connection must prove whom it reaches.

Owns the defaults that we give libpq, whose own (`sslmode=prefer`) proves nothing: what
leaves this machine is held to `verify-full`, and a password under TLS to SCRAM's
channel binding. Pure but for libpq's own defaults. Who may ask for less is for
`playbook/rules.py`; connecting is for `database.py` and `pointers/`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from psycopg.pq import Conninfo

VERIFIED = "verify-full"
"""The one sslmode that proves the server's name; verify-ca takes any of the CA's."""

_ENCRYPTED = frozenset({"require", "verify-ca", VERIFIED})


def travels(words: Mapping[str, Any]) -> bool:
    """Whether a connection by these libpq key words may leave the machine.

    The name counts, not what it resolves to. What a service file says is not known
    before libpq reads it, so a service counts as elsewhere.
    """
    named = words.get("host") or words.get("hostaddr")
    if not named and words.get("service"):
        return True
    hosts = str(named or _default("host") or _default("hostaddr")).split(",")
    return not all(map(_is_here, hosts))


def pinned(
    words: Mapping[str, Any], *, password: bool = False, pooled: bool = False
) -> dict[str, Any]:
    """The key words with our defaults in place of libpq's; what is named stays.

    Args:
        words: libpq's key words.
        password: one is sent: then SCRAM must bind itself to the TLS channel.
        pooled: it leads to PgBouncer, which knows no channel binding.
    """
    if not travels(words):
        return dict(words)
    found = {"sslmode": VERIFIED, **words}
    if password and not pooled and found["sslmode"] in _ENCRYPTED:
        found = {"channel_binding": "require", **found}
    return found


def weakness(words: Mapping[str, Any]) -> str:
    """`sslmode=require`, where the words ask for less than our default; else empty."""
    mode = words.get("sslmode") or VERIFIED
    return f"sslmode={mode}" if mode != VERIFIED and travels(words) else ""


def advice(words: Mapping[str, Any]) -> str:
    """What to add to the hint of a refused connection; empty where TLS is not asked."""
    if not travels(words) or words.get("sslmode") not in _ENCRYPTED:
        return ""
    said = (
        "\nit is held to TLS: the host must be a name in the server's certificate,\n"
        "and its CA be given by sslrootcert=FILE in the dsn, or sslrootcert=system"
    )
    if words.get("channel_binding") == "require":
        said += (
            ";\na role whose password is not kept by SCRAM needs channel_binding=prefer"
        )
    return said


def _is_here(host: str) -> bool:
    if not host or host.startswith(("/", "@")):
        return True
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _default(word: str) -> str:
    """What libpq takes from the environment, PGHOST or PGSERVICE, for a key word."""
    for option in Conninfo.get_defaults():
        if option.keyword == word.encode():
            return (option.val or b"").decode(errors="surrogateescape")
    return ""
