"""Names that break whatever is put together by hand."""

from __future__ import annotations

import random
from collections.abc import Iterator

LONGEST = 63
"""Bytes of a name; the server cuts what is longer, at a character's end."""

PIECES = (
    *('"', "'", '""', "''", "\\", "\\\\", "\\'", ".", "..", ",", ";", "--", "/*", "*/"),
    *(
        "%",
        "%s",
        "%(x)s",
        "%I",
        "%L",
        "%%",
        "{}",
        "{0}",
        "{x}",
        "{{",
        "$1",
        "$$",
        "$a$",
    ),
    *("\n", "\r\n", "\t", " ", "  ", "\u00a0", "\u2028", "\u200b", "\u202e", "\ufeff"),
    *("🐍", "é", "e\u0301", "ß", "İ", "日本", "ا", "\U0010ffff", "\x01", "\x7f"),
    *("SELECT", "Select", "user", "table", "NULL", "public", "pg_catalog", "bluegreen"),
    *('"; DROP TABLE canary; --', "'; DROP TABLE canary; --", "); DROP TABLE canary;"),
    *("$$; DROP TABLE canary; $$", "\\gexec", ":x", "@", "#", "&", "|", "<", ">", "="),
    *("1", "0x", "A", "a", "_", "*", "(", ")", "[", "]", "!", "?", "`", "^", "~", "+"),
    *(
        "host=evil",
        "&&",
        "http://u:p@h/",
        "../..",
        "C:\\",
        "%00",
        "%41",
        "\\x41",
        "\\n",
    ),
)


def hostile_names(seed: int) -> Iterator[str]:
    """Names without end, no two alike, each at most 63 bytes."""
    chance = random.Random(seed)
    seen: set[str] = set()
    yield from (seen.add(piece) or piece for piece in PIECES)
    while True:
        name = "".join(chance.choices(PIECES, k=chance.randrange(2, 7)))
        if chance.random() < 0.15:
            name += chance.choice(("x", "é", "日", "🐍")) * LONGEST
        name = cut(name)
        if name not in seen:
            seen.add(name)
            yield name


def cut(name: str) -> str:
    """As the server cuts it."""
    return name.encode()[:LONGEST].decode(errors="ignore")


def quoted(*names: str) -> str:
    """In the one way that the server's own grammar knows."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    """A string constant, whatever standard_conforming_strings says."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
