"""Roles and rights on the database, planted on real servers: seen, and fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bluegreen.steps.check import find
from tests.kit.databases import Database, DatabasePair
from tests.kit.findings import blocking, seen
from tests.kit.steps import open_world

Pairs = Callable[[int, int], DatabasePair]

ROLES = ("acc_app", "acc_group", '"Acc night"')
SHUT = "REVOKE ALL ON DATABASE {here} FROM PUBLIC"
NAMED = "GRANT CONNECT, TEMPORARY ON DATABASE {here} TO acc_app"
OF_GROUP = (
    "ALTER TABLE t OWNER TO acc_group",
    "GRANT acc_group TO acc_app",
)
LOOKED_AT = {
    "role-differs",
    "membership-missing",
    "database-owner-differs",
    "database-grant-missing",
    "database-open-to-public",
    "database-limit-lower",
    "database-comment-differs",
    "parameter-grant-missing",
}


@dataclass(frozen=True)
class Planted:
    """What is otherwise on a side; `{here}` is its database.

    Attributes:
        ids: what is found, and blocks unless it is only told.
        told: what is found and does not block.
    """

    ids: tuple[str, ...]
    blue: tuple[str, ...] = ()
    green: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


PLANTED = {
    "nothing": Planted(()),
    "shut on both": Planted((), (SHUT, NAMED), (SHUT, NAMED)),
    "shut by the group on one": Planted(
        (),
        (SHUT, "GRANT CONNECT, TEMPORARY ON DATABASE {here} TO acc_group", *OF_GROUP),
        ("GRANT acc_group TO acc_app",),
        ("database-open-to-public",),
    ),
    "shut out": Planted(
        ("database-grant-missing", "database-grant-missing"), (), (SHUT,)
    ),
    "no temporary tables": Planted(
        ("database-grant-missing",),
        (),
        ("REVOKE TEMPORARY ON DATABASE {here} FROM PUBLIC",),
    ),
    "creates schemas": Planted(
        ("database-grant-missing",), ("GRANT CREATE ON DATABASE {here} TO acc_app",)
    ),
    "creates schemas by its group": Planted(
        ("database-grant-missing",),
        ("GRANT CREATE ON DATABASE {here} TO acc_group", *OF_GROUP),
        ("GRANT acc_group TO acc_app",),
    ),
    "opened": Planted((), (SHUT, NAMED), (), ("database-open-to-public",)),
    "owner": Planted(
        ("database-owner-differs",), ("ALTER DATABASE {here} OWNER TO acc_app",)
    ),
    "owner by its group": Planted(
        ("database-owner-differs",),
        (*OF_GROUP, "ALTER DATABASE {here} OWNER TO acc_group"),
        ("GRANT acc_group TO acc_app",),
    ),
    "no connection": Planted(
        ("database-limit-lower",), (), ("ALTER DATABASE {here} CONNECTION LIMIT 0",)
    ),
    "fewer connections": Planted(
        ("database-limit-lower",),
        ("ALTER DATABASE {here} CONNECTION LIMIT 70",),
        ("ALTER DATABASE {here} CONNECTION LIMIT 7",),
    ),
    "more connections": Planted((), ("ALTER DATABASE {here} CONNECTION LIMIT 7",)),
    "comment": Planted(
        (),
        ("COMMENT ON DATABASE {here} IS 'Anna''s shop'",),
        told=("database-comment-differs",),
    ),
    "expired": Planted(
        ("role-differs",), (), ("ALTER ROLE acc_app VALID UNTIL '2020-01-01'",)
    ),
    "expires on both": Planted(
        (),
        ("ALTER ROLE acc_app VALID UNTIL '2099-01-01 12:00+02'",),
        ("ALTER ROLE acc_app VALID UNTIL '2099-01-01 10:00+00'",),
    ),
    "rows unseen": Planted(
        ("role-differs",),
        ("ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER ROLE acc_app BYPASSRLS"),
    ),
    "no rows to hide": Planted(
        (), ("ALTER ROLE acc_app BYPASSRLS",), told=("role-differs",)
    ),
    "makes roles": Planted(("role-differs",), ("ALTER ROLE acc_app CREATEROLE",)),
    "reads the log": Planted(("role-differs",), ("ALTER ROLE acc_app REPLICATION",)),
    "may more": Planted(
        (), (), ("ALTER ROLE acc_app CREATEDB",), told=("role-differs",)
    ),
    "no member": Planted(("membership-missing",), OF_GROUP),
    "member without its rights": Planted(
        ("membership-missing",),
        OF_GROUP,
        ("GRANT acc_group TO acc_app WITH INHERIT FALSE",),
    ),
    "member that may not become it": Planted(
        ("membership-missing",),
        OF_GROUP,
        ("GRANT acc_group TO acc_app WITH SET FALSE",),
    ),
    "member that may not grant": Planted(
        ("membership-missing",),
        (*OF_GROUP, "GRANT acc_group TO acc_app WITH ADMIN OPTION"),
        ("GRANT acc_group TO acc_app",),
    ),
    "sets a parameter": Planted(
        ("parameter-grant-missing",),
        ("GRANT SET ON PARAMETER log_min_duration_statement TO acc_app",),
    ),
    "everyone sets a parameter": Planted(
        ("parameter-grant-missing",),
        ("GRANT SET ON PARAMETER lc_messages TO PUBLIC",),
    ),
    "a parameter of the past": Planted(
        (), ("GRANT SET ON PARAMETER vacuum_defer_cleanup_age TO acc_app",)
    ),
}


def make_roles(*databases: Database) -> None:
    for database in databases:
        database.run(*(f"CREATE ROLE {role} LOGIN" for role in ROLES))


def drop_roles(database: Database) -> None:
    """And all that they, the database and everyone were given."""
    parameters = (
        ("log_min_duration_statement", "lc_messages") if database.major >= 15 else ()
    )
    database.run(
        "DROP TABLE IF EXISTS t",
        f"ALTER DATABASE {database.name} OWNER TO postgres",
        f"ALTER DATABASE {database.name} CONNECTION LIMIT -1",
        f"GRANT CONNECT, TEMPORARY ON DATABASE {database.name} TO PUBLIC",
        f"COMMENT ON DATABASE {database.name} IS NULL",
        *(f"REVOKE SET ON PARAMETER {one} FROM PUBLIC" for one in parameters),
        *(f"DROP OWNED BY {role} CASCADE" for role in ROLES),
        *(f"DROP ROLE {role}" for role in ROLES),
    )


@contextmanager
def roles_on(*databases: Database) -> Iterator[None]:
    """Three roles on each server, for a while."""
    make_roles(*databases)
    try:
        yield
    finally:
        for database in databases:
            drop_roles(database)


def plant(database: Database, statements: tuple[str, ...]) -> None:
    database.run(*(one.format(here=database.name) for one in statements))


def test_what_a_client_loses_is_seen_and_fixed(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    came_out: dict[str, tuple[list[str], set[str], list[str]]] = {}
    with open_world(pair, tmp_path) as world:
        for case, planted in PLANTED.items():
            with roles_on(pair.blue, pair.green):
                pair.blue.run(
                    "CREATE TABLE t (id int PRIMARY KEY)",
                    "GRANT SELECT ON t TO acc_app",
                )
                plant(pair.blue, planted.blue)
                plant(pair.green, planted.green)
                before = find(world)
                pair.green.run(*(one.fix for one in before if one.id in LOOKED_AT))
                after = blocking(world)
            blocks = [one.id for one in before if one.is_blocking]
            told = {one.id for one in before if not one.is_blocking} & LOOKED_AT
            came_out[case] = (blocks, told, after)
    assert came_out == {
        case: (list(planted.ids), set(planted.told), [])
        for case, planted in PLANTED.items()
    }


def test_strangers_are_told_and_kept_out(database_pair: Pairs, tmp_path: Path) -> None:
    """And the application's own role is not kept out by the fix."""
    pair = database_pair(14, 17)
    with roles_on(pair.blue, pair.green):
        plant(pair.blue, ("CREATE TABLE t (id int PRIMARY KEY)", SHUT, NAMED))
        with open_world(pair, tmp_path) as world:
            [finding] = seen(world)["database-open-to-public"]
            assert (finding.where, finding.severity) == ("green", "warning")
            psycopg.connect(pair.green.conninfo("acc_group")).close()
            pair.green.run(finding.fix)
            psycopg.connect(pair.green.conninfo("acc_app")).close()
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(pair.green.conninfo("acc_group"))
            assert blocking(world) == []
            assert "database-open-to-public" not in seen(world)


def test_a_role_with_a_groups_rights_alone_is_missed(
    database_pair: Pairs, tmp_path: Path
) -> None:
    """A nightly job that is not connected now, and owns nothing."""
    pair = database_pair(13, 16)
    with roles_on(pair.blue):
        pair.blue.run(
            "CREATE TABLE t (id int PRIMARY KEY)",
            "ALTER TABLE t OWNER TO acc_group",
            "GRANT acc_group TO acc_app",
            'GRANT acc_app TO "Acc night"',
        )
        try:
            with open_world(pair, tmp_path) as world:
                found = seen(world)
                assert len(found["role-missing"]) == 3
                assert len(found["membership-missing"]) == 2
                fixes = [*found["role-missing"], *found["membership-missing"]]
                pair.green.run(*(one.fix for one in fixes))
                assert blocking(world) == []
        finally:
            pair.green.run(*(f"DROP ROLE IF EXISTS {role}" for role in ROLES))
