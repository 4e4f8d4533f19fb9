"""Roles of a server, their settings, and what our own role may do.

Owns reading them; passwords are never read. What is missing is for those who compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from bluegreen.postgres.catalog.scope import OURS_OR_SYSTEM
from bluegreen.postgres.database import Database

PARAMETER_GRANTS_SINCE = 15
"""First version with GRANT SET ON PARAMETER; before it only a superuser sets some."""

_GRANT_OPTIONS_SINCE = 16
"""First version in which each membership says what it is for: INHERIT and SET."""

_OPTIONS = (sql.SQL("m.inherit_option"), sql.SQL("m.set_option"))
_NO_OPTIONS = (sql.SQL("r.rolinherit"), sql.SQL("true"))

_GRANTED = sql.SQL("pg_catalog.has_parameter_privilege(p.name, 'SET')")
_NOT_GRANTED = sql.SQL("false")


@dataclass(frozen=True, slots=True)
class Role:
    """One role of the cluster that is not PostgreSQL's own.

    Attributes:
        valid_until: when its password ends, in UTC; empty where it never does.
        expired: that is over, by the server's clock.
        used: it owns something in this database, has a grant or a setting in it, is
            connected to it now, or gets any of that as a member of such a role.
        member_of: roles that it was granted.
        inherits: those of them whose rights it has without SET ROLE.
        may_become: those of them that it may SET ROLE to.
        admin_of: those of them that it may grant to others.
    """

    name: str
    login: bool = True
    superuser: bool = False
    bypass_rls: bool = False
    inherit: bool = True
    create_db: bool = False
    create_role: bool = False
    replication: bool = False
    connection_limit: int = -1
    valid_until: str = ""
    expired: bool = False
    used: bool = False
    member_of: frozenset[str] = frozenset()
    inherits: frozenset[str] = frozenset()
    may_become: frozenset[str] = frozenset()
    admin_of: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RoleSetting:
    """One line of ALTER ROLE … SET or ALTER DATABASE … SET.

    Attributes:
        role: empty for every role.
        here: it holds in this database only, otherwise in all of the cluster.
        value: as the catalog stores it.
    """

    role: str
    here: bool
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Rights:
    """What the role that we connect as may do.

    Attributes:
        subscribe: CREATE SUBSCRIPTION: a superuser, from 16 on a member of
            pg_create_subscription too.
        create: CREATE on this database: schemas, publications, subscriptions.
        create_in_public: CREATE on schema public, true where there is none.
        monitor: sees what others do (pg_read_all_stats, part of pg_monitor).
        signal: may end sessions of others.
        origins: may read and advance replication origins.
        quick_locks: may set `deadlock_timeout`, or has a short one anyway.
        act_as_apply: may set `session_replication_role`.
    """

    role: str
    superuser: bool = False
    replication: bool = False
    bypass_rls: bool = False
    subscribe: bool = False
    create: bool = False
    create_in_public: bool = False
    monitor: bool = False
    signal: bool = False
    origins: bool = False
    quick_locks: bool = False
    act_as_apply: bool = False


def read_roles(database: Database) -> tuple[Role, ...]:
    """All roles but those whose names begin with `pg_`, in order of name."""
    options = _OPTIONS if database.major >= _GRANT_OPTIONS_SINCE else _NO_OPTIONS
    return tuple(
        Role(*map(_as_set, row))
        for row in database.rows(_ROLES.format(OURS_OR_SYSTEM, *options, *options))
    )


def _as_set(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value


def read_role_settings(database: Database) -> tuple[RoleSetting, ...]:
    """Settings given to roles, to this database, or to a role in this database."""
    found = []
    for role, here, entry in database.rows(_ROLE_SETTINGS):
        name, _, value = entry.partition("=")
        found.append(RoleSetting(role, here, name, value))
    return tuple(found)


def nearest(
    given: Sequence[RoleSetting], name: str, role: str = ""
) -> RoleSetting | None:
    """The one that a session of that role gets. Pure.

    A role in a database goes before the role, that before the database.
    """
    fitting = [
        one
        for one in given
        if one.name.lower() == name.lower() and one.role in {"", role}
    ]
    return max(fitting, key=lambda one: (bool(one.role), one.here), default=None)


def read_rights(database: Database) -> Rights:
    """Ask the server what our role may do; nothing is tried."""
    given = _GRANTED if database.major >= PARAMETER_GRANTS_SINCE else _NOT_GRANTED
    return Rights(*database.rows(_RIGHTS.format(given, given))[0])


# pg_shdepend leaves out the bootstrap superuser, so owners are asked for as well. A
# role whose rights are all those of a group has none of its own, so members are
# followed; a membership that only lets its holder grant it on uses nothing. Our own
# role is a member of the owners, and no client of theirs.
_ROLES = sql.SQL(
    r"""
    WITH RECURSIVE here AS (
        SELECT oid, datdba, datname FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database()
    ), direct AS (
        SELECT d.refobjid AS oid FROM pg_catalog.pg_shdepend d, here
        WHERE d.dbid = here.oid
            AND d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        UNION SELECT datdba FROM here
        UNION SELECT c.relowner FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT {}
        UNION SELECT s.setrole FROM pg_catalog.pg_db_role_setting s, here
            WHERE s.setdatabase = here.oid
        UNION SELECT a.usesysid FROM pg_catalog.pg_stat_activity a, here
            WHERE a.datid = here.oid AND a.usesysid IS NOT NULL
                AND NOT starts_with(a.application_name, 'bluegreen ')
        UNION SELECT oid FROM pg_catalog.pg_roles
            WHERE rolname IN ('pg_read_all_data', 'pg_write_all_data')
    ), used AS (
        SELECT oid FROM direct
        UNION SELECT m.member FROM pg_catalog.pg_auth_members m
            JOIN used ON used.oid = m.roleid
            JOIN pg_catalog.pg_roles r ON r.oid = m.member
            WHERE r.rolname <> current_user AND ({} OR {})
    ), groups AS (
        SELECT g.rolname, m.member, m.admin_option, {} AS gives, {} AS lets
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
        JOIN pg_catalog.pg_roles r ON r.oid = m.member
    )
    SELECT r.rolname, r.rolcanlogin, r.rolsuper, r.rolbypassrls, r.rolinherit,
        r.rolcreatedb, r.rolcreaterole, r.rolreplication, r.rolconnlimit,
        CASE WHEN isfinite(r.rolvaliduntil)
            THEN to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
                || '+00'
            ELSE '' END,
        coalesce(r.rolvaliduntil < now(), false),
        r.oid IN (TABLE used),
        ARRAY(SELECT g.rolname::text FROM groups g WHERE g.member = r.oid),
        ARRAY(SELECT g.rolname::text FROM groups g WHERE g.member = r.oid AND g.gives),
        ARRAY(SELECT g.rolname::text FROM groups g WHERE g.member = r.oid AND g.lets),
        ARRAY(SELECT g.rolname::text FROM groups g
            WHERE g.member = r.oid AND g.admin_option)
    FROM pg_catalog.pg_roles r
    WHERE r.rolname NOT LIKE 'pg\_%'
    ORDER BY r.rolname
    """
)

_ROLE_SETTINGS = sql.SQL(
    """
    SELECT coalesce(r.rolname, ''), s.setdatabase <> 0,
        unnest(s.setconfig)
    FROM pg_catalog.pg_db_role_setting s
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
    LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
    WHERE s.setdatabase = 0 OR d.datname = pg_catalog.current_database()
    ORDER BY 1, 2, 3
    """
)

# On Amazon RDS no user is a superuser: rds_superuser and rds_replication stand for it.
_RIGHTS = sql.SQL(
    """
    WITH held AS (
        SELECT g.rolname FROM pg_catalog.pg_roles g
        WHERE g.rolname IN ('pg_create_subscription', 'pg_read_all_stats',
                'pg_signal_backend', 'rds_superuser', 'rds_replication')
            AND pg_catalog.pg_has_role(g.oid, 'USAGE')
    ), origin AS (
        SELECT bool_and(pg_catalog.has_function_privilege(f, 'EXECUTE')) AS usable
        FROM unnest(ARRAY[
            'pg_catalog.pg_replication_origin_advance(text, pg_lsn)',
            'pg_catalog.pg_replication_origin_progress(text, boolean)']) f
    )
    SELECT r.rolname, r.rolsuper,
        r.rolsuper OR r.rolreplication OR 'rds_replication' IN (TABLE held),
        r.rolsuper OR r.rolbypassrls,
        r.rolsuper OR 'pg_create_subscription' IN (TABLE held)
            OR 'rds_superuser' IN (TABLE held),
        pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
        coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
            FROM pg_catalog.pg_namespace n WHERE n.nspname = 'public'), true),
        r.rolsuper OR 'pg_read_all_stats' IN (TABLE held),
        r.rolsuper OR 'pg_signal_backend' IN (TABLE held),
        origin.usable,
        r.rolsuper OR (SELECT {} OR p.setting::int <= 100
            FROM pg_catalog.pg_settings p WHERE p.name = 'deadlock_timeout'),
        r.rolsuper OR (SELECT {} FROM pg_catalog.pg_settings p
            WHERE p.name = 'session_replication_role')
    FROM pg_catalog.pg_roles r, origin
    WHERE r.rolname = current_user
    """
)
