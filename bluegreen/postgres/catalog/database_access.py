"""Who may do what on a database as a whole, and on parameters of its server.

Owns reading owner, rights, limit and comment of the database, which pg_dump leaves out,
and GRANT … ON PARAMETER. What a difference means is for those who compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from psycopg import sql

from bluegreen.postgres.catalog.roles import PARAMETER_GRANTS_SINCE
from bluegreen.postgres.database import Database

RIGHTS = ("CONNECT", "CREATE", "TEMPORARY")
"""Rights on a database, in the words of GRANT."""


@dataclass(frozen=True, slots=True)
class ParameterGrant:
    """One line of GRANT … ON PARAMETER.

    Attributes:
        role: empty for PUBLIC.
        right: `SET` or `ALTER SYSTEM`.
    """

    role: str
    parameter: str
    right: str


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """A database as pg_database and the server's access rights have it.

    Attributes:
        limit: of connections by roles that are no superusers; -1 for none.
        public: rights of every role.
        grants: role and right, as they were granted by name.
        may: by role, the rights that it has in the end: as owner, as a member, by
            name, or as everyone.
        owners: roles that have the owner's rights.
        parameters: rights on parameters, from 15 on.
        known: names of the server's own parameters.
    """

    owner: str = ""
    limit: int = -1
    comment: str = ""
    public: frozenset[str] = frozenset()
    grants: frozenset[tuple[str, str]] = frozenset()
    may: Mapping[str, frozenset[str]] = field(default_factory=dict)
    owners: frozenset[str] = frozenset()
    parameters: frozenset[ParameterGrant] = frozenset()
    known: frozenset[str] = frozenset()


def read_access(database: Database) -> DatabaseAccess:
    """Read them. Changes nothing."""
    owner, limit, comment, public = database.rows(_DATABASE)[0]
    may: dict[str, frozenset[str]] = {}
    owners = set()
    for role, is_owner, *has in database.rows(_MAY):
        pairs = zip(RIGHTS, has, strict=True)
        may[role] = frozenset(right for right, given in pairs if given)
        owners |= {role} if is_owner else set()
    return DatabaseAccess(
        owner,
        limit,
        comment,
        frozenset(public),
        frozenset((role, right) for role, right in database.rows(_GRANTS)),
        may,
        frozenset(owners),
        _read_parameters(database),
        frozenset(name for (name,) in database.rows(_KNOWN)),
    )


def _read_parameters(database: Database) -> frozenset[ParameterGrant]:
    if database.major < PARAMETER_GRANTS_SINCE:
        return frozenset()
    return frozenset(ParameterGrant(*row) for row in database.rows(_PARAMETERS))


_DATABASE = sql.SQL(
    """
    SELECT pg_catalog.pg_get_userbyid(d.datdba), d.datconnlimit,
        coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
        ARRAY(SELECT a.privilege_type FROM pg_catalog.aclexplode(
            coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
            WHERE a.grantee = 0)
    FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
    """
)

_GRANTS = sql.SQL(
    """
    SELECT r.rolname, a.privilege_type
    FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a
    JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE d.datname = pg_catalog.current_database() AND a.grantee <> d.datdba
    """
)

_MAY = sql.SQL(
    r"""
    SELECT r.rolname, pg_catalog.pg_has_role(r.oid, d.datdba, 'USAGE'),
        pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT'),
        pg_catalog.has_database_privilege(r.oid, d.oid, 'CREATE'),
        pg_catalog.has_database_privilege(r.oid, d.oid, 'TEMPORARY')
    FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
    WHERE d.datname = pg_catalog.current_database() AND r.rolname NOT LIKE 'pg\_%'
    """
)

_PARAMETERS = sql.SQL(
    """
    SELECT coalesce(r.rolname, ''), p.parname, a.privilege_type
    FROM pg_catalog.pg_parameter_acl p, pg_catalog.aclexplode(p.paracl) a
    LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
    WHERE NOT coalesce(r.rolsuper, false)
    """
)

_KNOWN = sql.SQL("SELECT lower(name) FROM pg_catalog.pg_settings")
