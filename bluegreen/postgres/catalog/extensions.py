"""Extensions that a database has and those that its server could give it.

Owns reading them; comparing two sides is for those who ask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

from bluegreen.postgres.database import Database


@dataclass(frozen=True, slots=True)
class Offer:
    """An extension whose files lie on the server.

    Attributes:
        default: the version that CREATE EXTENSION would take.
        versions: every version that can be asked for.
        superuser: the default version asks for a superuser and is not trusted.
    """

    default: str
    versions: frozenset[str] = frozenset()
    superuser: bool = False


@dataclass(frozen=True, slots=True)
class Extensions:
    """Installed in this database, and on offer, by name."""

    installed: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, Offer] = field(default_factory=dict)


def read_extensions(database: Database) -> Extensions:
    """Read what is installed in the database and what its server offers."""
    installed: dict[str, str] = dict(
        database.rows(sql.SQL("SELECT extname, extversion FROM pg_extension"))
    )
    versions = defaultdict(set)
    defaults: dict[str, tuple[str, bool]] = {}
    for name, version, is_default, needs_superuser in database.rows(_OFFERED):
        versions[name].add(version)
        if is_default:
            defaults[name] = (version, needs_superuser)
    offered = {
        name: Offer(default, frozenset(versions[name]), needs_superuser)
        for name, (default, needs_superuser) in defaults.items()
    }
    return Extensions(installed, offered)


# Trusted extensions came with 13; any role with CREATE on the database makes them.
_OFFERED = sql.SQL(
    """
    SELECT v.name, v.version, v.version = e.default_version,
        v.superuser AND NOT v.trusted
    FROM pg_catalog.pg_available_extension_versions v
    JOIN pg_catalog.pg_available_extensions e ON e.name = v.name
    """
)
