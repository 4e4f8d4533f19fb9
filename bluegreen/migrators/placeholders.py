"""Words that a migration tool puts in before it runs a file, and we do not.

Owns which tool's file it is, and where such a word stands in it. PostgreSQL takes one
inside a string or a function's body for text, so nothing else would notice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bluegreen.sql.source import Source

_WORD = re.compile(r"\$\{[A-Za-z_][\w.:-]*\}")
_FLYWAY = re.compile(r"(?:V\d+(?:[._]\d+)*|R)__.+\.sql")
_LIQUIBASE = re.compile(r"--\s*liquibase\s+formatted\s+sql", re.IGNORECASE)
_GOOSE = re.compile(r"--\s*\+goose\s+ENVSUB\s+(ON|OFF)", re.IGNORECASE)


def first_placeholder(name: str, source: Source) -> tuple[int, str] | None:
    """Where the first one begins, and what it is; comments do not count.

    Flyway knows its files by their name, Liquibase by the first comment, and goose puts
    words in between two comments of its own.
    """
    file = name.rsplit("/", 1)[-1]
    everywhere = bool(_FLYWAY.fullmatch(file)) or any(
        _LIQUIBASE.match(one.text) for one in source.comments[:1]
    )
    comments = [(one.at, one.end) for one in source.comments]
    for found in _WORD.finditer(source.text):
        commented = any(at <= found.start() < end for at, end in comments)
        if not commented and (everywhere or _is_on(source, found.start())):
            return found.start(), found[0]
    return None


def _is_on(source: Source, at: int) -> bool:
    switches = [
        (one.at, switch[1].upper() == "ON")
        for one in source.comments
        if (switch := _GOOSE.match(one.text))
    ]
    return next((on for where, on in reversed(switches) if where < at), False)
