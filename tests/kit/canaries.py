"""Secrets that can be found again wherever they leak, and the search for them."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bluegreen.lab.server import Server

_PIECE = 11
"""A text that was cut is a leak as well: half of a middle is enough."""


@dataclass
class Canaries:
    """A secret of its own for every place that can hold one.

    Each has characters that some quoting changes; the middle stays whole in all forms.
    """

    middles: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """A secret for this place, the same each time."""
        middle = self.middles.setdefault(place, f"canary{secrets.token_hex(8)}")
        return f"a '{middle}\\@/:%7B{{}}"

    def sung(self, where: str, text: str) -> list[str]:
        """`place in where` for each secret of which the text shows anything."""
        return [
            f"{place} in {where}"
            for place, middle in self.middles.items()
            if any(middle[at : at + _PIECE] in text for at in range(_PIECE))
        ]

    def in_files(self, roots: Iterable[Path], kept: Iterable[Path]) -> list[str]:
        """The same for all files below some folders, those apart that may hold them."""
        allowed = set(kept)
        return [
            found
            for root in roots
            for path in sorted(root.rglob("*"))
            if path.is_file() and path not in allowed
            for found in self.sung(
                str(path), path.read_bytes().decode(errors="replace")
            )
        ]

    @contextmanager
    def monitoring(self, *servers: Server) -> Iterator[set[str]]:
        """Look at every process's arguments and every server's statements meanwhile."""
        heard: set[str] = set()
        over = threading.Event()

        def look() -> None:
            sessions = [server.connect() for server in servers]
            while not over.wait(0.01):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    try:
                        words = path.read_bytes().decode(errors="replace")
                    except OSError:
                        continue
                    heard.update(self.sung(f"the arguments {words!r}", words))
                for session in sessions:
                    rows = session.execute(
                        "SELECT query FROM pg_stat_activity WHERE query IS NOT NULL"
                    )
                    for (query,) in rows:
                        heard.update(self.sung(f"pg_stat_activity: {query}", query))
            for session in sessions:
                session.close()

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield heard
        finally:
            over.set()
            thread.join()


def scram_verifier(session: psycopg.Connection, user: str, password: str) -> str:
    """What the server keeps of a password, so that it never hears the password."""
    made = session.pgconn.encrypt_password(
        password.encode(), user.encode(), b"scram-sha-256"
    )
    return made.decode()
