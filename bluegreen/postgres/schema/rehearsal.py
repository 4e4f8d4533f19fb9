"""Making blue's schema in a throw-away database, to see beforehand what is refused.

Owns going on after a refusal, and not telling a refusal again for all that depends on
the object. The SQL and the sessions are those of the copy, in `build.py`.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import groupby

from psycopg import sql

from bluegreen.model.codes import Code
from bluegreen.model.errors import StepError
from bluegreen.postgres.catalog.materialized_views import fill_each
from bluegreen.postgres.database import Database, SqlError
from bluegreen.postgres.schema.build import Builder, Session, statements_in
from bluegreen.postgres.schema.dump import SECTIONS, Dump, Part, schema_dump
from bluegreen.postgres.schema.left_out import LeftOut, left_out_of
from bluegreen.postgres.schema.search_paths import NOT_FOUND
from bluegreen.postgres.schema.throw_away import throw_away_database

_OWNER = re.compile(r"ALTER [^;]* OWNER TO ")

_NAMES_ROLES = frozenset({"ACL", "DEFAULT ACL", "POLICY", "USER MAPPING"})
_NO_SUCH_OBJECT = "42704"

_ROLES = sql.SQL("SELECT rolname FROM pg_roles")


LOCKED_FOR = timedelta(seconds=2)
"""A look holds nothing up, and waits for no lock any longer than this."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that green refused.

    Attributes:
        kind: as pg_dump calls it.
        thing: as messages and `exclude` call it.
        sqlstate: five letters.
        said: the server's words, with the statement that we ran.
        untried: how many others depend on it and were left out.
    """

    kind: str
    thing: str
    sqlstate: str
    said: str
    untried: int = 0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of it.

    Attributes:
        refused: in the order of the dump.
        made: how many objects green took.
        unfilled: materialized views that find no relation, function or type, whatever
            rows there are, with the server's words.
        uncompressed: tables with a column whose compression green's build lacks.
        seconds: how long the statements took.
    """

    refused: tuple[Refusal, ...] = ()
    made: int = 0
    seconds: float = 0.0
    uncompressed: tuple[str, ...] = ()
    unfilled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a rehearsal needs to know of blue. Make it with `prepare`.

    Attributes:
        digest: another one where blue's schema, or what green is, has changed.
        left_out: what is not made.
    """

    blue: Database
    green: Database
    parts: tuple[Part, ...]
    needs: Mapping[int, set[int]]
    absent: frozenset[str]
    digest: str
    left_out: LeftOut = field(default_factory=LeftOut)


def prepare(blue: Database, green: Database, exclude: Sequence[str] = ()) -> Prepared:
    """Read blue's schema, but for what is left out.

    Raises:
        StepError: it could not be read.
    """
    _require_unlocked(blue)
    with schema_dump(blue, "pre-data", lock_wait=LOCKED_FOR) as dump:
        left = left_out_of(blue, dump, exclude)
        parts = [
            part
            for section in SECTIONS
            for part in _last_default_acls(_parts(replace(dump, section=section), left))
        ]
        needs = dump.needs()
    absent = {name for (name,) in blue.rows(_ROLES)}
    absent -= {name for (name,) in green.rows(_ROLES)}
    digest = _digest(green, parts, absent)
    return Prepared(blue, green, tuple(parts), needs, frozenset(absent), digest, left)


def _require_unlocked(blue: Database) -> None:
    """Of an extension's table pg_dump asks without a limit of its own.

    Raises:
        StepError: 4003, another session has locked a table.
    """
    until = time.monotonic() + LOCKED_FOR.total_seconds()
    while rows := blue.rows(_LOCKED):
        if time.monotonic() > until:
            raise StepError(
                Code.STREAM_STOPPED,
                "a table of blue is locked",
                seen=f"{rows[0][0]}, by pid {rows[0][1]}",
                wanted="a look at the schema that waits for nothing",
                hint="end that session, or wait for it",
            )
        time.sleep(0.1)


_LOCKED = sql.SQL(
    "SELECT l.relation::regclass::text, l.pid FROM pg_locks l"
    " JOIN pg_class c ON c.oid = l.relation AND c.relpersistence <> 't'"
    " WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()"
    " AND l.mode = 'AccessExclusiveLock' AND l.database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())"
    " ORDER BY 1 LIMIT 1"
)


@contextmanager
def rehearsed(on: Prepared) -> Iterator[tuple[Database, Rehearsal]]:
    """Make blue's schema, without rows, beside green; it is dropped at the end.

    Roles that green lacks are left out: they are told by themselves.

    Raises:
        NotPermitted: green's server makes no database for us.
    """
    with throw_away_database(on.green) as database:
        started = time.monotonic()
        attempt = _Attempt(Builder(on.blue, database), on.needs, on.absent)
        with Builder.session(database) as own:
            attempt.make_all(own, on.parts)
        seconds = time.monotonic() - started
        refused = tuple(attempt.refused.values())
        plain = tuple(p.thing for p in on.parts if attempt.is_left_uncompressed(p))
        unfilled = {} if _may_reach_out(on.blue) else _unfilled(database)
        yield database, Rehearsal(refused, attempt.made, seconds, plain, unfilled)


def _unfilled(database: Database) -> dict[str, str]:
    """What stays empty for a name that is not found; rows play no part in it."""
    with database.limited(_FILLED_WITHIN):
        _, refused = fill_each(database)
    return {n: e.seen for n, e in refused.items() if e.sqlstate in NOT_FOUND}


def _may_reach_out(blue: Database) -> bool:
    """Whether what a view calls may do more than read: then none is filled."""
    return bool(blue.value(_REACHES_OUT, (list(_HARMLESS),)))


_FILLED_WITHIN = timedelta(seconds=5)
"""Tables are empty; a view that takes longer makes its rows itself."""

_HARMLESS = (
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_stat_statements",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "seg",
    "tablefunc",
    "unaccent",
    "uuid-ossp",
    "vector",
)

_REACHES_OUT = sql.SQL(
    "SELECT EXISTS (SELECT FROM pg_foreign_server)"
    " OR EXISTS (SELECT FROM pg_extension WHERE extname <> ALL (%s))"
    " OR EXISTS (SELECT FROM pg_language WHERE NOT lanpltrusted"
    " AND lanname NOT IN ('internal', 'c'))"
)


def _parts(dump: Dump, left: LeftOut) -> list[Part]:
    return dump.parts(left.keep(dump.entries()))


def _digest(green: Database, parts: list[Part], absent: set[str]) -> str:
    is_now = f"{green.address} {green.value(_GREEN)} {sorted(absent)}"
    whole = hashlib.sha256(is_now.encode())
    for part in parts:
        whole.update(f"{part.thing}\0{part.text}\0".encode())
    return whole.hexdigest()


_GREEN = sql.SQL(
    "SELECT jsonb_build_array(version(),"
    " extract(epoch FROM pg_postmaster_start_time()),"
    " (SELECT string_agg(s::text, ',' ORDER BY s::text) FROM pg_db_role_setting s),"
    " (SELECT string_agg(m::text, ',' ORDER BY m::text) FROM pg_auth_members m),"
    " (SELECT string_agg(r::text, ',' ORDER BY r::text) FROM pg_roles r"
    " WHERE rolname = current_user),"
    " (SELECT string_agg(e.name || ' ' || e.version, ',' ORDER BY e.name, e.version)"
    " FROM pg_available_extension_versions e))::text"
)
"""What a person may change on green so that it takes what it refused."""


def _last_default_acls(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.kind == "DEFAULT ACL")


@dataclass(slots=True)
class _Attempt:
    builder: Builder
    needs: Mapping[int, set[int]]
    absent: frozenset[str]
    made: int = 0
    refused: dict[int, Refusal] = field(default_factory=dict)
    causes: dict[int, int] = field(default_factory=dict)
    """The refused entry by which an entry cannot be made; its own where it is one."""

    def make_all(self, own: Session, parts: Sequence[Part]) -> None:
        """Make many by one message where nothing about them is special."""
        for plain, group in groupby(parts, self._is_plain):
            if plain:
                self.made += self.builder.build_all(
                    own, group, lambda part: self.make(own, part)
                )
                continue
            for part in group:
                self.make(own, part)

    def _is_plain(self, part: Part) -> bool:
        needed = next(self._needed(part.entry.dump_id), None)
        special = part.kind == "EVENT TRIGGER" or part.owner in self.absent
        return needed is None and not special

    def make(self, own: Session, part: Part) -> None:
        number = part.entry.dump_id
        cause = next((self.causes[n] for n in self._needed(number)), None)
        if cause is not None:
            self.causes[number] = cause
            first = self.refused[cause]
            self.refused[cause] = replace(first, untried=first.untried + 1)
            return
        try:
            # One that fires on what comes after it may reach outside of the database.
            with own.transaction(force_rollback=part.kind == "EVENT TRIGGER"):
                self.builder.build(own, self._without_absent(part))
            self.made += 1
        except SqlError as error:
            if self._lacks_a_role(part, error):
                return
            self.causes[number] = number
            self.refused[number] = Refusal(
                part.kind, self.builder.name_of(part), error.sqlstate, error.seen
            )

    def is_left_uncompressed(self, part: Part) -> bool:
        """Whether a statement of it is left out for a compression green lacks."""
        found = map(self.builder.asks_for_missing_method, statements_in(part.text))
        return " SET COMPRESSION " in part.text and any(found)

    def _without_absent(self, part: Part) -> Part:
        """Without its owner where green has no such role."""
        if part.owner not in self.absent:
            return part
        kept = [s for s in statements_in(part.text) if not _OWNER.match(s.lstrip())]
        return replace(part, text=";\n".join(kept))

    def _lacks_a_role(self, part: Part, error: SqlError) -> bool:
        missing = error.sqlstate == _NO_SUCH_OBJECT
        return missing and bool(self.absent) and part.kind in _NAMES_ROLES

    def _needed(self, number: int) -> Iterator[int]:
        return (n for n in self.needs.get(number, ()) if n in self.causes)
