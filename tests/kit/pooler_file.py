"""A pooler whose file is what a test is about: no server stands behind it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bluegreen.lab.pooler import Pooler
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.pointer import PgBouncer

NAMES = ("shop", "shop_1", "shop_2")
PORTS = {Side.BLUE: 5, Side.GREEN: 6}
"""Nobody listens there."""


def line(side: Side, name: str = "shop") -> str:
    """What an entry says that leads to a side."""
    return f"host=127.0.0.1 port={PORTS[side]} dbname={name}"


@dataclass
class Front:
    """A pooler, its file, and our pointers to its entries."""

    pooler: Pooler
    stack: ExitStack

    @property
    def file(self) -> Path:
        """The ini."""
        return self.pooler.config_file

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.file.read_text()

    def point(self, name: str = "shop", **words: Any) -> PgBouncer:
        """The pointer of an entry, closed at the end."""
        given: dict[str, Any] = {
            "id": name,
            "console": self.pooler.console_conninfo(),
            "config_file": self.file,
            "database": name,
            "addresses": {
                side: {"host": "127.0.0.1", "port": str(port), "dbname": name}
                for side, port in PORTS.items()
            },
        }
        pointer = PgBouncer(**{**given, **words})
        self.stack.callback(pointer.close)
        return pointer

    def say(self, words: str) -> list[dict[str, Any]]:
        """Say something on the console."""
        with psycopg.connect(
            self.pooler.console_conninfo(), autocommit=True, prepare_threshold=None
        ) as session:
            cursor = session.execute(words.encode())
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if names else []
            return [dict(zip(names, row, strict=True)) for row in rows]

    def edit(self, before: str, after: str) -> None:
        """Replace a part of the file that is there; do not load it."""
        text = self.text
        assert before in text, before
        self.file.write_text(text.replace(before, after, 1))

    def number(self, words: str) -> int:
        """The line on which words stand."""
        at = self.text.index(words)
        return self.text.count("\n", 0, at) + 1

    def names(self) -> list[str]:
        """The entries of the running pooler."""
        return [str(row["name"]) for row in self.say("SHOW DATABASES")]

    def drafts(self) -> list[str]:
        """Drafts of ours beside the file."""
        return sorted(one.name for one in self.file.parent.glob(".*bluegreen*"))


@contextmanager
def fronted(
    root: Path, entries: Mapping[str, str] | None = None, **words: Any
) -> Iterator[Front]:
    """One pooler with three entries that lead to blue, or those that are given."""
    folder = Path(tempfile.mkdtemp(dir=root))
    folder.chmod(0o755)
    told = entries or {name: line(Side.BLUE, name) for name in NAMES}
    with Pooler.start(folder, told, **words) as pooler, ExitStack() as stack:
        yield Front(pooler, stack)


def blocking(
    pointer: PgBouncer, others: Sequence[PgBouncer] = ()
) -> list[tuple[str, str]]:
    """Ids and sights of what blocks."""
    return [(f.id, f.seen) for f in pointer.check(others) if f.is_blocking]


def child_point(console: str, file: str, name: str = "shop") -> PgBouncer:
    """The same pointer in a process of its own."""
    addresses = {
        side: {"host": "127.0.0.1", "port": str(port), "dbname": name}
        for side, port in PORTS.items()
    }
    return PgBouncer(
        id=name,
        console=console,
        config_file=Path(file),
        database=name,
        addresses=addresses,
    )
