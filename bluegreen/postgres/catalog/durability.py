"""Settings on which the durability of a commit rests, and those that hide damage.

Owns which they are, reading where one of them is off, and by whom it was set. What that
means for a run is for `steps/preflight/durability.py` and `steps/monitors/settings.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from psycopg import sql

from bluegreen.postgres.catalog.roles import RoleSetting, read_role_settings
from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.catalog.settings import SESSION_SOURCES
from bluegreen.postgres.database import Database
from bluegreen.postgres.quoting import quote_name


class Harm(StrEnum):
    """What an unsafe setting does."""

    CRASH = "crash"
    DAMAGE = "damage"
    VACUUM = "vacuum"
    ODD = "odd"


@dataclass(frozen=True, slots=True)
class Safe:
    """How a setting has to stand.

    Attributes:
        value: the safe one.
        why: what the other one means.
        reloads: a reload is enough to set it; otherwise a restart.
    """

    name: str
    value: bool
    harm: Harm
    why: str
    reloads: bool = True


SAFE = (
    Safe(
        "fsync",
        True,
        Harm.CRASH,
        "what was committed may be gone, or the whole cluster broken, after a crash "
        "of the machine: no commit is a promise",
    ),
    Safe(
        "full_page_writes",
        True,
        Harm.CRASH,
        "a page that is half written when the machine crashes stays broken",
    ),
    Safe(
        "data_sync_retry",
        False,
        Harm.CRASH,
        "a write that the disk refused may be taken for written at the second try",
        reloads=False,
    ),
    Safe(
        "zero_damaged_pages",
        False,
        Harm.DAMAGE,
        "a damaged page is overwritten with zeros: its rows are gone without an error",
    ),
    Safe(
        "ignore_checksum_failure",
        False,
        Harm.DAMAGE,
        "a page whose checksum is wrong is read as if it were whole",
    ),
    Safe(
        "ignore_system_indexes",
        False,
        Harm.DAMAGE,
        "the catalogs are read without their indexes, which hides broken ones",
    ),
    Safe(
        "autovacuum",
        True,
        Harm.VACUUM,
        "nothing vacuums or analyzes: tables grow, plans go wrong, and in the end "
        "the server stops taking writes",
    ),
    Safe(
        "track_counts",
        True,
        Harm.VACUUM,
        "autovacuum does not see what changed, so it does nothing",
    ),
    Safe(
        "allow_in_place_tablespaces",
        False,
        Harm.ODD,
        "it is for PostgreSQL's own tests: such a tablespace is in no usual backup",
    ),
)
"""All of them are booleans; `SAFE` says which value is the safe one."""

_RULES = {one.name: one for one in SAFE}

_OFTEN = ("on", "true", "yes")
_SELDOM = ("off", "false", "no")


@dataclass(frozen=True, slots=True)
class Unsafe:
    """A setting that does not stand as it has to.

    Attributes:
        value: as it stands.
        role: whose sessions have it; empty for every role.
        database: it was set for the database by ALTER DATABASE, or for the role there.
        server: it is the server's own, from its configuration.
    """

    name: str
    value: str
    role: str = ""
    database: bool = False
    server: bool = True

    @property
    def rule(self) -> Safe:
        """How it has to stand, and why."""
        return _RULES[self.name]

    @property
    def harm(self) -> Harm:
        """What it does."""
        return self.rule.harm

    def repair(self, database: str) -> str:
        """The statement that sets it right."""
        if not self.server:
            return f"ALTER {self._whom(database)} RESET {self.name};"
        value = "on" if self.rule.value else "off"
        then = "SELECT pg_reload_conf();" if self.rule.reloads else "-- then restart it"
        return f"ALTER SYSTEM SET {self.name} = {value}; {then}"

    def say(self) -> str:
        """`fsync is off`, or for whom."""
        if self.server:
            return f"{self.name} is {self.value}"
        whom = f"role {self.role}" if self.role else "every role"
        if self.database:
            whom = f"{whom} in this database"
        return f"{self.name} is {self.value} for sessions of {whom}"

    def _whom(self, database: str) -> str:
        if not self.role and self.database:
            return f"DATABASE {quote_name(database)}"
        if not self.role:
            return "ROLE ALL"
        where = f" IN DATABASE {quote_name(database)}" if self.database else ""
        return f"ROLE {quote_name(self.role)}{where}"


def read_unsafe(database: Database) -> tuple[Unsafe, ...]:
    """Which settings are unsafe now, for the server or for the sessions of a role.

    What this very session has by database or role is told by the catalog, as it may
    have been set or reset since the session began.
    """
    names = [one.name for one in SAFE]
    rows = database.rows(_SETTINGS, (names, list(SESSION_SOURCES)))
    return tuple(unsafe_of(rows, read_role_settings(database)))


def unsafe_of(
    server: Iterable[tuple[str, str]], given: Iterable[RoleSetting]
) -> Iterator[Unsafe]:
    """The unsafe ones among the server's and those given to roles. Pure."""
    for name, value in server:
        if _is_wrong(name, value):
            yield Unsafe(name, value)
    for one in given:
        name = one.name.lower()
        if _is_wrong(name, one.value):
            yield Unsafe(name, one.value, one.role, one.here, server=False)


def read_unvacuumed(database: Database) -> tuple[str, ...]:
    """Tables that autovacuum leaves alone by their own `autovacuum_enabled`."""
    found = database.rows(_TABLES)
    return tuple(name for name, value in found if as_bool(value) is False)


def as_bool(text: str) -> bool | None:
    """A boolean as PostgreSQL reads it: any case, any clear beginning of a word."""
    word = text.strip().lower()
    if word in {"1", "0"}:
        return word == "1"
    if not word or word == "o":
        return None
    if any(one.startswith(word) for one in _OFTEN):
        return True
    return False if any(one.startswith(word) for one in _SELDOM) else None


def _is_wrong(name: str, value: str) -> bool:
    rule = _RULES.get(name)
    return rule is not None and as_bool(value) is (not rule.value)


# reset_val and setting are this session's; where it is a session's matter, the catalog
# of roles is asked instead.
_SETTINGS = sql.SQL(
    """
    SELECT name, setting FROM pg_catalog.pg_settings
    WHERE name = ANY (%s)
        AND source <> ALL (%s)
    """
)

_TABLES = sql.SQL(
    """
    SELECT n.nspname || '.' || c.relname, o.option_value
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
        pg_catalog.pg_options_to_table(c.reloptions) o
    WHERE c.relkind IN ('r', 'm') AND o.option_name = 'autovacuum_enabled'
        AND NOT {}
    ORDER BY 1
    """
).format(OURS_OR_SYSTEM)
