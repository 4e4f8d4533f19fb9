"""Copying a schema from one side to the other with the newest pg_dump.

Owns choosing entries of the dump and running their SQL on the subscriber: tables before
the rows come, the keys that apply needs with them, all other indexes, constraints and
triggers after the rows. Rows themselves come through the subscription.

The SQL runs through our own session and not through pg_restore's: a pg_restore of 17
or newer sets a parameter that an older server does not know, and one transaction over
the whole of it leaves nothing half made.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.database import Database
from bluegreen.postgres.replication.publication import server_version
from bluegreen.postgres.retry import outlast_deadlocks
from bluegreen.postgres.tools import Ended, Tool, environment_for, find_tool, read_tool

# pg_dump orders and prints each entry as `dump-id; catalog oid TYPE schema name owner`.
_ENTRY = re.compile(r"^(?P<id>\d+); (?P<catalog>\d+) (?P<oid>\d+) (?P<rest>.*)$")

# pg_dump writes this in front of each entry's statements.
_HEADER = re.compile(r"(?m)^--\n-- Name: .*; Type: .*; Schema: .*; Owner: .*\n--\n")

# psql's guard against injected meta-commands, the first and last line of a script.
_RESTRICT = re.compile(r"(?m)^\\(?:un)?restrict \w+$")

_REPEATABLE = ("INDEX ATTACH ", "COMMENT ", "ROW SECURITY ", "VIEW ")

# What pg_dump puts after the rows, by the catalog entry that it prints.
_AFTER_ROWS = """
    SELECT 'pg_class'::regclass::oid::bigint AS catalog, c.oid::bigint AS oid
    FROM pg_class c WHERE c.relkind IN ('i', 'I', 'm') AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conindid = c.oid
        AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT 'pg_constraint'::regclass::oid::bigint, k.oid::bigint FROM pg_constraint k
    WHERE k.contype IN ('p', 'u', 'x') OR (k.contype = 'f' AND k.conparentid = 0)
       OR (k.contype IN ('c', 'n') AND NOT k.convalidated)
    UNION ALL
    SELECT 'pg_trigger'::regclass::oid::bigint, t.oid::bigint FROM pg_trigger t
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname <> 'bluegreen_fence'
    UNION ALL
    SELECT 'pg_rewrite'::regclass::oid::bigint, r.oid::bigint FROM pg_rewrite r
    WHERE r.rulename <> '_RETURN'
    UNION ALL
    SELECT 'pg_policy'::regclass::oid::bigint, p.oid::bigint FROM pg_policy p
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass::oid::bigint, s.oid::bigint
    FROM pg_statistic_ext s
    UNION ALL
    SELECT 'pg_event_trigger'::regclass::oid::bigint, e.oid::bigint
    FROM pg_event_trigger e
"""

_IDENTITY_KEYS = """
    SELECT CASE WHEN k.oid IS NULL THEN 'pg_class'::regclass::oid::bigint
           ELSE 'pg_constraint'::regclass::oid::bigint END,
        coalesce(k.oid, i.indexrelid)::bigint
    FROM pg_index i LEFT JOIN pg_constraint k
        ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE i.indisprimary OR i.indisreplident
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a dump's table of contents, and the object it makes."""

    line: str
    catalog: int
    oid: int
    what: str

    @property
    def is_index(self) -> bool:
        """Whether it builds an index and touches no other table."""
        return self.what.startswith(("INDEX ", "CONSTRAINT ")) and not (
            self.what.startswith("INDEX ATTACH ")
        )

    @property
    def is_repeatable(self) -> bool:
        """Whether running it again changes nothing."""
        return self.what.startswith(_REPEATABLE) or " _RETURN " in f"{self.what} "


def copy_tables(publisher: Database, subscriber: Database) -> None:
    """Make everything that comes before the rows, in one transaction.

    Raises:
        StepError: 4003, with the first statement that failed.
    """
    with _schema_dump(publisher, "pre-data") as dump:
        # What stands before the first entry are settings that older servers may lack.
        script = "".join(_HEADER.split(_RESTRICT.sub("", dump.script()))[1:])
    with subscriber.transaction() as session:
        session.execute(sql.SQL("SET LOCAL search_path = ''"))
        session.execute(sql.SQL("SET LOCAL check_function_bodies = off"))
        session.execute(sql.SQL("SET LOCAL standard_conforming_strings = on"))
        session.execute(script.encode(), prepare=False)


def copy_keys(publisher: Database, subscriber: Database) -> int:
    """Make primary keys and replica identities that are missing; how many.

    Without them apply cannot find the rows of an UPDATE, while the copy still runs.
    """
    missing = missing_after_rows(publisher, subscriber)
    keys = {(int(c), int(o)) for c, o in publisher.rows(sql.SQL(_IDENTITY_KEYS))}
    with _schema_dump(publisher, "post-data") as dump:
        chosen = [e for e in dump.entries() if (e.catalog, e.oid) in keys & missing]
        _run_all(subscriber, dump.statements(chosen))
    return len(chosen)


def copy_rest(
    publisher: Database,
    subscriber: Database,
    *,
    workers: int,
    done: Callable[[int, int], None],
) -> int:
    """Build all that comes after the rows and is missing; returns how many.

    Indexes are built by several workers; what touches two tables, or depends on
    indexes, comes after them, one by one.

    Args:
        publisher: the side that has everything.
        subscriber: the side that lacks it.
        workers: how many indexes are built at once.
        done: called with how many entries are done, and of how many.
    """
    missing = missing_after_rows(publisher, subscriber)
    with _schema_dump(publisher, "post-data") as dump:
        wanted = [e for e in dump.entries() if _is_wanted(e, missing)]
        indexes = [entry for entry in wanted if entry.is_index]
        others = [entry for entry in wanted if not entry.is_index]
        total = len(indexes) + len(others)
        statements = dump.statements(indexes)
        with ThreadPoolExecutor(workers) as pool:
            for number, _ in enumerate(pool.map(_runner(subscriber), statements), 1):
                done(number, total)
        _run_all(subscriber, dump.statements(others))
    done(total, total)
    return total


def missing_after_rows(
    publisher: Database, subscriber: Database
) -> set[tuple[int, int]]:
    """What only the publisher has, as its (catalog, oid).

    Objects are matched by pg_identify_object, whose names do not depend on versions.
    """
    there = {(catalog, name) for catalog, _, name in _identified(subscriber)}
    return {
        (catalog, oid)
        for catalog, oid, name in _identified(publisher)
        if (catalog, name) not in there
    }


def _identified(database: Database) -> Iterator[tuple[int, int, str]]:
    rows = database.rows(
        sql.SQL(
            "SELECT a.catalog, a.oid, i.identity FROM ({}) a,"
            " pg_identify_object(a.catalog::oid, a.oid::oid, 0) i"
            " WHERE i.identity !~"
            " '^(pg_catalog|pg_toast|information_schema|bluegreen)[.]'"
            " AND i.identity !~ ' on (pg_catalog|information_schema|bluegreen)[.]'"
        ).format(sql.SQL(_AFTER_ROWS))
    )
    return ((catalog, oid, name) for catalog, oid, name in rows)


def _is_wanted(entry: Entry, missing: set[tuple[int, int]]) -> bool:
    return (entry.catalog, entry.oid) in missing or entry.is_repeatable


@dataclass(frozen=True, slots=True)
class _Dump:
    """An archive of one section of a schema."""

    restore: Tool
    archive: Path
    section: str

    def entries(self) -> list[Entry]:
        found = []
        # Not splitlines(): a name may hold what it takes for a line's end.
        for line in self._read("--list").split("\n"):
            match = _ENTRY.match(line)
            if match:
                catalog, oid = int(match["catalog"]), int(match["oid"])
                found.append(Entry(line, catalog, oid, match["rest"]))
        return found

    def script(self) -> str:
        return self._read("--file=-")

    def statements(self, entries: Sequence[Entry]) -> list[str]:
        """The SQL of each entry, in order."""
        if not entries:
            return []
        listed = self.archive.with_suffix(".list")
        listed.write_text("\n".join(entry.line for entry in entries) + "\n")
        script = self._read("--file=-", f"--use-list={listed}")
        parts = _HEADER.split(_RESTRICT.sub("", script))[1:]
        if len(parts) == len(entries):
            return parts
        # An object's own text looks like pg_dump's header; ask for each by itself.
        return [_RESTRICT.sub("", self._one(entry)) for entry in entries]

    def _one(self, entry: Entry) -> str:
        listed = self.archive.with_suffix(".one")
        listed.write_text(entry.line + "\n")
        script = self._read("--file=-", f"--use-list={listed}")
        return _HEADER.split(script, maxsplit=1)[-1]

    def _read(self, *words: str) -> str:
        ended, text = read_tool(
            self.restore, [*words, f"--section={self.section}", str(self.archive)]
        )
        _require_success(self.restore, ended)
        return text


@contextmanager
def _schema_dump(database: Database, section: str) -> Iterator[_Dump]:
    """Dump one section of the schema into a folder that is gone afterwards."""
    version = server_version(database)
    dump, restore = (
        find_tool(name, at_least=version) for name in ("pg_dump", "pg_restore")
    )
    with tempfile.TemporaryDirectory(prefix="bluegreen-") as folder:
        archive = Path(folder) / "schema.dump"
        ended, _ = read_tool(
            dump,
            [
                "--schema-only",
                "--format=custom",
                "--encoding=UTF8",
                "--exclude-schema=bluegreen",
                "--no-publications",
                "--no-subscriptions",
                "--no-tablespaces",
                f"--file={archive}",
            ],
            environment=_plainly(environment_for(database)),
        )
        _require_success(dump, ended)
        yield _Dump(restore, archive, section)


def _plainly(environment: Mapping[str, str]) -> dict[str, str]:
    """Have pg_dump write strings in the one way in which our sessions read them.

    It writes them as its session has standard_conforming_strings, says so at its
    beginning, and that is what we leave out.
    """
    given = environment.get("PGOPTIONS", "")
    options = f"{given} -c standard_conforming_strings=on".strip()
    return {**environment, "PGOPTIONS": options}


def _require_success(tool: Tool, ended: Ended) -> None:
    if ended.status != 0:
        raise StepError(
            Code.STREAM_STOPPED,
            f"{tool.path.name} could not read the schema",
            seen=ended.said or f"it ended with status {ended.status}",
            wanted="the schema of blue",
            traffic="blue (nothing has moved)",
            hint="fix what it names, then run again",
        )


def _runner(subscriber: Database) -> Callable[[str], None]:
    def run(statement: str) -> None:
        with _builder(subscriber) as own:
            _run(subscriber, own, statement)

    return run


def _run_all(subscriber: Database, statements: Iterable[str]) -> None:
    with _builder(subscriber) as own:
        for statement in statements:
            _run(subscriber, own, statement)


def _run(
    subscriber: Database, own: psycopg.Connection[tuple[Any, ...]], statement: str
) -> None:
    """Run what stands in one message, and so in one transaction.

    A foreign key locks two tables while the apply worker writes to both.
    """

    def once() -> None:
        with subscriber.translated():
            own.execute(statement.encode(), prepare=False)

    outlast_deadlocks(once)


@contextmanager
def _builder(subscriber: Database) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    # What a crash takes away again is found missing, and made, by the next run.
    settings = {
        "check_function_bodies": "off",
        "standard_conforming_strings": "on",
        "synchronous_commit": "off",
    }
    with subscriber.connect(search_path="", **settings) as own:
        yield own
