"""PgBouncer's own words for a refusal: towards the client it often says nothing.

Owns finding them in its log. What a client asks is in `pointers/rehearsal.py`, and
what a person reads in `errors.py`.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

_KEPT_LINES = 3
_READ_BYTES = 262_144


def read_log(file: Path, entry: str) -> str:
    """The last lines that PgBouncer's log has of an entry; empty where it has none.

    Each is told from the entry on, without PgBouncer's own marks before it.
    """
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _READ_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    said = deque[str](maxlen=_KEPT_LINES)
    for line in text.splitlines():
        _, found, rest = line.partition(f"{entry}/")
        words = re.sub(r"^\S+ ", "", rest)
        if found and not words.startswith("login attempt"):
            said.append(words)
    return "\n".join(dict.fromkeys(said))
