"""Names and values as a person would paste them into psql.

Owns text for messages, and names as keys. Statements that we run ourselves are built
with `psycopg.sql`.
"""

from __future__ import annotations

import re

from psycopg import sql

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")

# Reserved in PostgreSQL 13 to 18 (pg_get_keywords(), catcode R or T).
_RESERVED_WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case
cast check collate collation column concurrently constraint create cross
current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except
false fetch for foreign freeze from full grant group having ilike in initially inner
intersect into is isnull join lateral leading left like limit localtime
localtimestamp natural not notnull null offset on only or order outer overlaps
placing primary references returning right select session_user similar some
symmetric system_user table tablesample then to trailing true union unique user
using variadic verbose when where window with
"""
_RESERVED = frozenset(_RESERVED_WORDS.split())


def quote_name(*parts: str) -> str:
    """`public.orders`, or `public."Orders"` where quotes are needed."""
    return ".".join(_quote_part(part) for part in parts)


def quote_value(text: str) -> str:
    """A string literal with its quotes."""
    return sql.Literal(text).as_string(None)


QUOTE_ALL = sql.SQL("SET LOCAL quote_all_identifiers = on")
"""Have the server quote every name that it prints.

By itself it quotes what is a key word of its version: two versions write one name
differently, and what one writes bare means something else to the other.
"""

_LITERAL_OR_NAME = re.compile(r"'(?:[^']|'')*'|\"((?:[^\"]|\"\")*)\"")


def fewer_quotes(text: str) -> str:
    """What a server printed with every name quoted, as `quote_name` quotes."""
    return _LITERAL_OR_NAME.sub(_lighter, text)


def _lighter(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name is None else _quote_part(name.replace('""', '"'))


def _quote_part(part: str) -> str:
    # As a type "char" is another one than char.
    if _PLAIN.fullmatch(part) and part not in _RESERVED and part != "char":
        return part
    return sql.Identifier(part).as_string(None)
