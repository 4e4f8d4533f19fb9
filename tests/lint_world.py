"""Holds the linter against a server, statement by statement, over a project's files.

`python -m tests.lint_world --major 16 FILES…` runs the files in the order given on a
throw-away server, in one session, each statement in a transaction of its own, and
compares the locks and rewrites that are seen with those that the linter tells. Prints
every difference; the last line is JSON: `statements` that were compared, `agree`,
`missed` (the server does more than was told), `alarms` (less), `failed` on the server.

The tables are empty, so scans are left out: the planner passes by what holds no row.
Weak locks are left out too, as nobody but DDL waits for them. A partition that a
function made is in no file: its parent stands for it. What runs outside of transactions
is run and not compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bluegreen.lab.server import Server
from bluegreen.lint.config import Config
from bluegreen.lint.effects.effect import Effect, Lock, Rewrite
from bluegreen.lint.engine import Explained, check
from bluegreen.sql.source import Source, read
from tests.kit.table_effects import measure_within

_PARTITIONS = """
    SELECT inhrelid::regclass::text, root::text
    FROM pg_catalog.pg_inherits, pg_catalog.pg_partition_ancestors(inhrelid) AS root
"""
_ALONE = ("vacuum", "reindex", "cluster", "alter system", "create database", "set ")
_OWN = ("begin", "commit", "rollback", "start transaction", "end", "savepoint")


@dataclass(frozen=True)
class Impact:
    """What other sessions feel: locks that stop them, and a table written again."""

    locks: Mapping[str, Lock]
    rewrite: bool

    def beyond(self, other: Impact) -> str:
        """What is here and not there, in words; empty where there is nothing."""
        more = [
            f"{lock} on {name}"
            for name, lock in sorted(self.locks.items())
            if lock > other.locks.get(name, Lock.ACCESS_SHARE)
        ]
        more += ["table rewrite"] if self.rewrite and not other.rewrite else []
        return ", ".join(more)


def told(effects: Iterable[Effect], tables: Iterable[str]) -> Impact:
    """What the linter says, of tables that are there."""
    there, found = set(tables), list(effects)
    locks: dict[str, Lock] = {}
    for name, lock in (pair for effect in found for pair in effect.locks):
        short = _short(str(name))
        if lock >= Lock.SHARE and short in there:
            locks[short] = max(lock, locks.get(short, lock))
    return Impact(locks, any(effect.rewrite is Rewrite.HEAP for effect in found))


def _short(name: str) -> str:
    return name.removeprefix("public.")


def compare(
    session: psycopg.Connection, statement: Explained
) -> tuple[str, str] | None:
    """Run it; what the server does beyond the linter's words, and they beyond it."""
    text = statement.text.strip().lower()
    if text.startswith(_OWN):
        return None
    if text.startswith(_ALONE) or "concurrently" in text:
        session.execute(statement.text.encode())
        return None
    with session.transaction():
        parents = session.execute(_PARTITIONS).fetchall()
        seen, tables = measure_within(session, statement.text)
    strong = {_short(n): k for n, k in seen.locks.items() if k >= Lock.SHARE}
    world = Impact(strong, seen.rewrite == Rewrite.HEAP)
    words = told(statement.effects, map(_short, tables))
    below = {
        part: words.locks[above] for part, above in parents if above in words.locks
    }
    reaching = Impact({**below, **words.locks}, words.rewrite)
    return world.beyond(reaching), words.beyond(world)


def run(sources: Sequence[Source], major: int, server: Server) -> Counter[str]:
    """Run the files on a server of that version, and print where the two differ."""
    config = Config(target_version=major, history=True, timezone="UTC")
    report = check(sources, config, explain=True)
    counts: Counter[str] = Counter()
    with server.connect() as session:
        session.execute("SET timezone = 'UTC'")
        for file in report.files:
            for statement in file.statements:
                where = f"{file.name}:{statement.line}"
                counts.update(_one(session, statement, where))
    return counts


def _one(session: psycopg.Connection, statement: Explained, where: str) -> list[str]:
    try:
        found = compare(session, statement)
    except psycopg.Error as error:
        print(f"{where}: failed: {error.diag.message_primary or error}")
        return ["failed"]
    if found is None:
        return []
    missed, alarm = found
    if missed:
        print(f"{where}: not told: {missed}")
    if alarm:
        print(f"{where}: told and not so: {alarm}")
    verdicts = (["missed"] if missed else []) + (["alarms"] if alarm else [])
    return ["statements", *(verdicts or ["agree"])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the differences and the line of JSON; 1 where something was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.lint_world")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--major", type=int, default=16)
    given = parser.parse_args(arguments)
    sources = [read(str(path), path.read_text("utf-8")) for path in given.files]
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        with Server.start(given.major, Path(root)) as server:
            counts = run(sources, given.major, server)
    names = ("statements", "agree", "missed", "alarms", "failed")
    print(json.dumps({name: counts[name] for name in names}))
    return int(counts["missed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
