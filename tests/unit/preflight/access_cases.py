"""Findings about roles and the database: who may do less on green, or more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bluegreen.postgres.catalog.activity import Clients
from bluegreen.postgres.catalog.database_access import (
    RIGHTS,
    DatabaseAccess,
    ParameterGrant,
)
from bluegreen.postgres.catalog.roles import Role
from tests.unit.preflight.facts import KEY, SUPERUSER, Case, table

APP = Role("app", used=True)
READERS = frozenset({"readers"})
ALL = frozenset(RIGHTS)
OPEN = DatabaseAccess(
    owner="admin",
    public=frozenset({"CONNECT", "TEMPORARY"}),
    may={"app": frozenset({"CONNECT", "TEMPORARY"})},
)
SET_ROLE = frozenset({ParameterGrant("app", "deadlock_timeout", "SET")})
MEMBER = replace(APP, member_of=READERS, inherits=READERS, may_become=READERS)


def app(
    role: Role = APP, access: DatabaseAccess = OPEN, **words: Any
) -> dict[str, Any]:
    return {"roles": (role,), "access": access, **words}


def differs(
    blocks: bool, fix: str, blue: Role, green: Role = APP, **words: Any
) -> Case:
    return Case("role-differs", "green", blocks, fix, app(blue, **words), app(green))


def member(
    blocks: bool, fix: str, blue: Role, green: Role = APP, version: int = 180004
) -> Case:
    on_green = app(green, version=version)
    return Case("membership-missing", "green", blocks, fix, app(blue), on_green)


SECURED = (table("orders", KEY, row_security=True),)
ACCESS_CASES = (
    differs(
        False, "ALTER ROLE app CONNECTION LIMIT 5;", replace(APP, connection_limit=5)
    ),
    differs(
        True,
        "ALTER ROLE app CONNECTION LIMIT -1;",
        APP,
        replace(APP, connection_limit=5),
    ),
    differs(
        True,
        "ALTER ROLE app VALID UNTIL 'infinity';",
        APP,
        replace(APP, valid_until="2020-01-01 00:00:00+00"),
    ),
    differs(
        True,
        "ALTER ROLE app VALID UNTIL '10000-01-01 00:00:00+00';",
        replace(APP, valid_until="10000-01-01 00:00:00+00"),
        replace(APP, valid_until="2020-01-01 00:00:00+00"),
    ),
    differs(
        False,
        "ALTER ROLE app VALID UNTIL '2020-01-01 00:00:00+00';",
        replace(APP, valid_until="2020-01-01 00:00:00+00"),
    ),
    differs(True, "ALTER ROLE app SUPERUSER;", replace(APP, superuser=True)),
    differs(False, "ALTER ROLE app NOSUPERUSER;", APP, replace(APP, superuser=True)),
    differs(False, "ALTER ROLE app BYPASSRLS;", replace(APP, bypass_rls=True)),
    differs(
        True,
        "ALTER ROLE app BYPASSRLS;",
        replace(APP, bypass_rls=True),
        relations=SECURED,
    ),
    differs(True, "ALTER ROLE app CREATEROLE;", replace(APP, create_role=True)),
    differs(True, "ALTER ROLE app REPLICATION;", replace(APP, replication=True)),
    differs(True, "ALTER ROLE app CREATEDB;", replace(APP, create_db=True)),
    Case(
        "role-differs",
        "green",
        False,
        "ALTER ROLE admin SUPERUSER;",
        {"roles": (Role("admin", used=True, superuser=True),)},
        {"roles": (Role("admin"),)},
    ),
    Case(
        "role-differs",
        "green",
        True,
        "ALTER ROLE admin SUPERUSER;",
        {
            "roles": (Role("admin", used=True, superuser=True),),
            "clients": (Clients("10.0.0.9", "admin", 3),),
        },
        {"roles": (Role("admin"),)},
    ),
    member(True, "GRANT readers TO app;", MEMBER),
    member(True, "GRANT readers TO app;", MEMBER, version=150010),
    member(
        True,
        "GRANT readers TO app WITH INHERIT TRUE, ADMIN TRUE;",
        replace(MEMBER, admin_of=READERS),
        replace(APP, inherit=False),
    ),
    member(
        True,
        "GRANT readers TO app WITH ADMIN OPTION;",
        replace(MEMBER, admin_of=READERS),
        version=150010,
    ),
    member(
        True,
        "GRANT readers TO app WITH INHERIT TRUE;",
        MEMBER,
        replace(MEMBER, inherits=frozenset()),
    ),
    member(
        False,
        "GRANT readers TO app WITH INHERIT FALSE, SET FALSE, ADMIN TRUE;",
        replace(APP, member_of=READERS, admin_of=READERS),
    ),
    Case(
        "database-owner-differs",
        "green",
        True,
        "ALTER DATABASE shop OWNER TO app;",
        app(access=replace(OPEN, owner="app", owners=frozenset({"app"}))),
        app(),
    ),
    Case(
        "database-grant-missing",
        "green",
        True,
        "GRANT CONNECT ON DATABASE shop TO app;",
        app(),
        app(access=replace(OPEN, public=frozenset(), may={"app": ALL - {"CONNECT"}})),
    ),
    Case(
        "database-grant-missing",
        "green",
        True,
        "GRANT CREATE ON DATABASE shop TO readers;",
        {
            "roles": (MEMBER, Role("readers", login=False)),
            "access": replace(
                OPEN, may={"app": ALL}, grants=frozenset({("readers", "CREATE")})
            ),
        },
        {"roles": (MEMBER, Role("readers", login=False)), "access": OPEN},
    ),
    Case(
        "database-grant-missing",
        "green",
        True,
        "GRANT CONNECT ON DATABASE shop TO app;",
        app(),
        {"access": DatabaseAccess("admin", public=frozenset({"TEMPORARY"}))},
    ),
    Case(
        "database-open-to-public",
        "green",
        False,
        "GRANT CONNECT ON DATABASE shop TO app; "
        "REVOKE CONNECT ON DATABASE shop FROM PUBLIC;",
        app(
            access=replace(
                OPEN,
                public=frozenset({"TEMPORARY"}),
                grants=frozenset({("app", "CONNECT")}),
            )
        ),
        app(),
    ),
    Case(
        "database-open-to-public",
        "green",
        False,
        "GRANT CONNECT ON DATABASE shop TO app, bg_green; REVOKE CONNECT ",
        app(
            access=replace(
                OPEN,
                public=frozenset({"TEMPORARY"}),
                grants=frozenset({("app", "CONNECT")}),
            )
        ),
        app(rights=replace(SUPERUSER, role="bg_green", superuser=False)),
    ),
    Case(
        "database-limit-lower",
        "green",
        True,
        "ALTER DATABASE shop CONNECTION LIMIT -1;",
        app(),
        app(access=replace(OPEN, limit=0)),
    ),
    Case(
        "database-comment-differs",
        "green",
        False,
        "COMMENT ON DATABASE shop IS 'the shop''s';",
        app(access=replace(OPEN, comment="the shop's")),
        app(),
    ),
    Case(
        "parameter-grant-missing",
        "green",
        True,
        "GRANT SET ON PARAMETER deadlock_timeout TO app;",
        app(access=replace(OPEN, parameters=SET_ROLE)),
        app(access=replace(OPEN, known=frozenset({"deadlock_timeout"}))),
    ),
)
