"""Connection strings as libpq reads them: key words, or a URL.

Owns asking libpq. Which key words may be used is for `playbook/`.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

_OPTIONS = {o.keyword.decode(): o.dispchar == b"*" for o in Conninfo.parse(b"")}

OPTIONS = frozenset(_OPTIONS)
"""The key words that this libpq takes."""

SECRETS = frozenset(key for key, starred in _OPTIONS.items() if starred)
"""Those that it marks as not to be shown."""


def taken_apart(text: str) -> dict[str, str] | None:
    """Key words and their values; None for what libpq does not take.

    Its own words are left out: they quote from the text, which may hold a password.
    """
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text).items()}
    except (psycopg.Error, UnicodeError):
        return None


def joined(words: Mapping[str, str]) -> str:
    """The same as one text, quoted where libpq needs it."""
    return make_conninfo("", **words)
