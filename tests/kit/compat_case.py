"""A measured case as data, and the scratch databases that the judge looks at.

Owns reading `tests/cases/*.json` and loading one case into a server. Judging is for
`tests/compat_cases.py`; running the real thing is for `tests/kit/compat_world.py`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from pglast import ast, parse_sql
from pglast.parser import ParseError, scan
from psycopg import sql

from bluegreen.compat.verdict import Direction
from bluegreen.postgres.replication.publication import COLUMN_LISTS_SINCE

BASE_SCHEMA = (
    "create table t(id int primary key, a text, b int, status varchar(20), "
    "amt numeric(10,2), ts timestamp); create table _m(k int primary key);"
)
BASE_ROWS = (
    "insert into t values (1,'one',1,'new',1.50,'2024-01-01 00:00'),"
    "(2,'two',2,'new',2.50,'2024-01-02 00:00'),"
    "(3,'three',3,'done',3.50,'2024-01-03 00:00')"
)
ON_BLUE = (
    (
        "insert into t(id,a,b,status,amt,ts) "
        "values (10,'ten',10,'new',10.50,'2024-02-01 00:00')"
    ),
    "update t set a='one!' where id=1",
    "delete from t where id=3",
)
ON_GREEN = (
    (
        "insert into t(id,a,b,status,amt,ts) "
        "values (20,'twenty',20,'new',20.50,'2024-03-01 00:00')"
    ),
    "update t set a='two!' where id=2",
    "delete from t where id=1",
)
PUBLICATION = "create publication p for all tables"
MAJORS = range(13, 19)


@dataclass(frozen=True)
class Case:
    """One case, what is absent filled in."""

    id: str
    migration: tuple[str, ...]
    outcome: Mapping[str, Mapping[int, str]]
    schema: str = BASE_SCHEMA
    rows: str = BASE_ROWS
    blue_before: str = ""
    blue_setup: str = ""
    green_setup: str = ""
    blue_streaming: str = ""
    forward_publication: str = PUBLICATION
    reverse_publication: str = PUBLICATION
    options: str = ""
    on_blue: tuple[str, ...] = ON_BLUE
    on_green: tuple[str, ...] = ON_GREEN
    min_version: int = 13
    broken: str = ""

    def writes(self, direction: Direction) -> tuple[str, ...]:
        return self.on_green if direction is Direction.REVERSE else self.on_blue


class UnreadableError(Exception):
    """A case, or a whole file, that is not of the form in `tests/cases/README.md`."""


def read_cases(path: Path) -> list[Case]:
    """All cases of a file.

    Raises:
        UnreadableError: the file or one of its cases cannot be read.
    """
    cases, unreadable = read_what_can_be_read(path)
    if unreadable:
        raise UnreadableError("; ".join(f"{n}: {why}" for n, why in unreadable.items()))
    return cases


def read_what_can_be_read(path: Path) -> tuple[list[Case], dict[str, str]]:
    """The cases of a file, and why others of it cannot be read, by id.

    Raises:
        UnreadableError: the file is no JSON list.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: {error}") from error
    if not isinstance(found, list):
        raise UnreadableError(f"{path} holds no list of cases")
    cases: dict[str, Case] = {}
    unreadable: dict[str, str] = {}
    for number, raw in enumerate(found, 1):
        given = raw.get("id") if isinstance(raw, dict) else None
        name = str(given or f"case {number}")
        name = f"{name} (again, case {number})" if name in cases else name
        try:
            cases[name] = _case(name, raw)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            unreadable[name] = f"{type(error).__name__}: {error}"
    return list(cases.values()), unreadable


def _case(name: str, raw: Mapping[str, Any]) -> Case:
    given = {key: value for key, value in raw.items() if value is not None}
    outcome = {
        str(Direction(way)): _by_version(seen) for way, seen in given["outcome"].items()
    }
    if not any(outcome.values()):
        raise ValueError("it has no outcome")
    return Case(
        id=name,
        migration=_several(given.get("green_migration", ())),
        outcome=outcome,
        schema=_one(given.get("base_schema", BASE_SCHEMA)),
        rows=_one(given.get("base_rows", BASE_ROWS)),
        blue_before=_one(given.get("blue_change_before", "")),
        blue_setup=_one(given.get("blue_setup", "")),
        green_setup=_one(given.get("green_setup", "")),
        blue_streaming=_one(given.get("blue_change_while_streaming", "")),
        forward_publication=_one(given.get("forward_publication", PUBLICATION)),
        reverse_publication=_one(given.get("reverse_publication", PUBLICATION)),
        options=_one(given.get("subscription_options", "")),
        on_blue=_several(given.get("writes_on_blue", ON_BLUE)),
        on_green=_several(given.get("writes_on_green", ON_GREEN)),
        min_version=int(given.get("min_version", 13)),
        broken=_one(given.get("counts_broken", "")),
    )


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"not a text, nor a list of texts: {value!r}")
    return texts


def _one(value: str | Sequence[str]) -> str:
    return ";\n".join(_several(value))


def _by_version(seen: str | Mapping[str, Any]) -> dict[int, str]:
    if isinstance(seen, str):
        return dict.fromkeys(MAJORS, seen)
    if "by_version" in seen:
        return {int(v): str(status) for v, status in seen["by_version"].items()}
    return {int(v): str(seen["status"]) for v in seen.get("versions", MAJORS)}


_SWEEP = """
DO $$ DECLARE word text; BEGIN
  FOR word IN
    SELECT format('DROP EVENT TRIGGER %I', evtname) FROM pg_event_trigger
    UNION ALL SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication
    UNION ALL SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL SELECT 'CREATE SCHEMA public'
    UNION ALL SELECT 'GRANT ALL ON SCHEMA public TO PUBLIC'
    UNION ALL SELECT format('ALTER DATABASE %I RESET ALL', current_database())
    UNION ALL SELECT 'ALTER ROLE CURRENT_USER RESET ALL'
  LOOP EXECUTE word; END LOOP;
END $$"""

_UNMOVED = (
    "-c default_transaction_read_only=off -c session_replication_role=replica "
    "-c role=none -c search_path=pg_catalog"
)
"""Settings of a session that no ALTER DATABASE of the last case gets in the way of."""

_ROLES = """
SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user"""

_END_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE datname ~ '^j[cw]_' AND pid <> pg_backend_pid()"""


_LEAVES_TRACES = re.compile(
    r"\b(foreign\s+data|create\s+(server|cast|trusted|language)|alter\s+database"
    r"|subscription|lo_\w+)\b",
    re.IGNORECASE,
)
"""What a sweep of schemas leaves behind: the database is then made again."""

_ROLE_WORDS = {"role", "user", "group"}


def _without_known_roles(session: psycopg.Connection, text: str) -> str:
    """Leave out CREATE ROLE of what the other database's copy of a case has made.

    Both sides stand in one server here, and roles belong to the server.
    """
    known = {row[0] for row in session.execute(_ROLES).fetchall()}
    try:
        trees = parse_sql(text)
    except ParseError:
        return text
    kept = [
        text[t.stmt_location or 0 :][: t.stmt_len or None]
        for t in trees
        if not (isinstance(t.stmt, ast.CreateRoleStmt) and t.stmt.role in known)
    ]
    return text if len(kept) == len(trees) else "; ".join(kept)


@dataclass
class Scratch:
    """Two databases of one server, swept empty for each use.

    Sweeping takes milliseconds where making a database again takes a checkpoint.

    Attributes:
        limit_s: the longest that one statement of a case may take, 0 for no end.
        roles: whether a case may have made roles.
    """

    conninfo: str
    probes: bool = True
    made: set[str] = field(default_factory=set)
    limit_s: float = 0
    roles: bool = False

    def database(self, name: str) -> str:
        """Give an empty database; one that cannot be swept is made again."""
        if name in self.made:
            with suppress(psycopg.Error), self.connect(name, _UNMOVED) as session:
                session.execute("SET client_min_messages = error")
                session.execute(_SWEEP)
                return name
        with psycopg.connect(self.conninfo, autocommit=True) as session:
            for words in ("DROP DATABASE IF EXISTS {} (FORCE)", "CREATE DATABASE {}"):
                session.execute(sql.SQL(words).format(sql.Identifier(name)))
        self.made.add(name)
        return name

    def drop_roles(self) -> None:
        """Drop the roles that cases made; one that still owns something stays."""
        if not self.roles:
            return
        with self.connect("postgres") as session:
            for (name,) in session.execute(_ROLES).fetchall():
                with suppress(psycopg.Error):
                    session.execute(
                        sql.SQL("DROP ROLE {}").format(sql.Identifier(name))
                    )

    def connect(self, name: str, settings: str = "") -> psycopg.Connection:
        limit = f"-c statement_timeout={int(self.limit_s * 1000)} {settings}"
        return psycopg.connect(
            self.conninfo, dbname=name, autocommit=True, options=limit
        )

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[None]:
        """End every session of the scratch databases when the time is up.

        A case of many slow statements ends with an error then instead of never.
        """
        done = threading.Event()

        def guard() -> None:
            while not done.wait(seconds if time.monotonic() < end else 1):
                with (
                    suppress(psycopg.Error),
                    psycopg.connect(self.conninfo, autocommit=True) as session,
                ):
                    session.execute(_END_ALL)

        end = time.monotonic() + seconds
        thread = threading.Thread(target=guard, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def run(self, name: str, *texts: str) -> None:
        with self.connect(name) as session:
            for text in texts:
                ready = text.replace("{db}", name)
                if _LEAVES_TRACES.search(ready):
                    self.made.discard(name)
                if _ROLE_WORDS & set(ready.lower().split()):
                    self.roles = True
                    ready = _without_known_roles(session, ready)
                if ready.strip():
                    session.execute(sql.SQL(cast(LiteralString, ready)))

    def execute(self, name: str, query: sql.Composed) -> None:
        with self.connect(name) as session:
            session.execute(query)


_GENERATED_SINCE = 18


def first_major(text: str) -> int:
    """The oldest major of 13 to 18 that reads this CREATE PUBLICATION.

    pglast reads the newest grammar, so that age shows in the words, not in the tree.
    """
    try:
        tokens = [(t.name, text[t.start : t.end + 1].lower()) for t in scan(text)]
    except ParseError:
        return COLUMN_LISTS_SINCE
    words = [word for _, word in tokens]
    if "publish_generated_columns" in words:
        return _GENERATED_SINCE
    body = words[: words.index("with")] if "with" in words else words
    after_for = body[body.index("for") + 1 :] if "for" in body else []
    if "(" in after_for or "where" in after_for or "schema" in after_for:
        return COLUMN_LISTS_SINCE
    return COLUMN_LISTS_SINCE if after_for.count("table") > 1 else 13
