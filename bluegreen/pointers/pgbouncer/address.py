"""Where an entry of `[databases]` leads, as a comparable value. Pure.

Owns PgBouncer's defaults: no host is a Unix socket, no port is 5432, no dbname is the
entry's own name (`loader.c`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bluegreen.model.codes import Code
from bluegreen.model.errors import PlaybookRefused
from bluegreen.pointers.pgbouncer.ini import Pair, quote
from bluegreen.pointers.simple_query import Row

DEFAULT_PORT = 5432
KEYS = ("host", "port", "dbname")


@dataclass(frozen=True, slots=True)
class Address:
    """Host, port and database as a pooler reaches them.

    Attributes:
        host: lower case; empty for the pooler's default Unix socket.
    """

    host: str
    port: int
    dbname: str

    @classmethod
    def of_playbook(cls, where: str, given: Mapping[str, str], entry: str) -> Address:
        """Read the words of a playbook.

        Raises:
            PlaybookRefused: 2003, the port is none.
        """
        port = str(given.get("port") or DEFAULT_PORT)
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise PlaybookRefused(
                Code.PLAYBOOK_NOT_VALID,
                f"pointer {where} has an address whose port is none",
                seen=f"port: {port}",
                wanted="a number from 1 to 65535",
            )
        return cls(_host(given.get("host")), int(port), given.get("dbname") or entry)

    @classmethod
    def of_row(cls, row: Row) -> Address:
        """Read a row of SHOW DATABASES."""
        return cls(
            _host(row["host"]), int(row["port"] or DEFAULT_PORT), row["database"] or ""
        )

    @classmethod
    def of_pairs(cls, pairs: list[Pair], entry: str) -> Address:
        """Read an entry of the ini; a port that is no number is PgBouncer's to say."""
        said = {pair.key: pair.value for pair in pairs}
        port = said.get("port", "")
        return cls(
            _host(said.get("host")),
            int(port) if port.isascii() and port.isdigit() else DEFAULT_PORT,
            said.get("dbname", entry),
        )

    def changes_from(self, present: Address) -> dict[str, str | None]:
        """What must be written over `present`; None takes a key out."""
        return {
            key: str(getattr(self, key)) or None
            for key in KEYS
            if getattr(self, key) != getattr(present, key)
        }

    def as_pairs(self) -> str:
        """The words of a line of `[databases]`."""
        return " ".join(
            f"{key}={quote(str(value))}"
            for key in KEYS
            if (value := getattr(self, key))
        )

    def __str__(self) -> str:
        return f"{self.host or 'local socket'}:{self.port}/{self.dbname}"


def _host(given: str | None) -> str:
    """Names are without case; the path of a socket is not."""
    host = given or ""
    return host if host.startswith(("/", "@")) else host.lower()
