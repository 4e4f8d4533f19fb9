"""What a session gets on one side only: on real servers, seen, and fixed as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from bluegreen.steps.check import find
from tests.integration.test_check_access import make_roles, plant
from tests.kit.databases import Database, DatabasePair
from tests.kit.findings import blocking
from tests.kit.steps import open_world

Pairs = Callable[[int, int], DatabasePair]

MISSING, EXTRA = "role-setting-missing", "setting-on-green-only"
CLOSED = "read-only-by-default"
LOOKED_AT = {MISSING, EXTRA, CLOSED, "setting-differs", "time-zone-differs"}


@dataclass(frozen=True)
class Planted:
    """Settings of a side, as they stand behind ALTER; `{here}` is its database."""

    blocks: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    blue: tuple[str, ...] = ()
    green: tuple[str, ...] = ()


PLANTED = {
    "nothing": Planted(),
    "closed by the database": Planted(
        (CLOSED,), (), (), ("DATABASE {here} SET default_transaction_read_only = on",)
    ),
    "closed by the role": Planted(
        (CLOSED,), (), (), ("ROLE acc_app SET default_transaction_read_only = on",)
    ),
    "closed by the role there": Planted(
        (CLOSED,),
        (),
        ("ROLE acc_app SET default_transaction_read_only = off",),
        ("ROLE acc_app IN DATABASE {here} SET default_transaction_read_only = on",),
    ),
    "closed on both": Planted(
        (),
        (),
        ("DATABASE {here} SET default_transaction_read_only = on",),
        ("DATABASE {here} SET default_transaction_read_only = on",),
    ),
    "of a stranger": Planted(
        (), (), (), ("ROLE acc_group SET default_transaction_read_only = on",)
    ),
    "ends statements": Planted(
        (EXTRA,), (), (), ("DATABASE {here} SET lock_timeout = '50ms'",)
    ),
    "becomes another role": Planted(
        (EXTRA,), (), (), ("ROLE acc_app SET role = acc_group",)
    ),
    "serializable": Planted(
        (EXTRA,),
        (),
        (),
        ("DATABASE {here} SET default_transaction_isolation = serializable",),
    ),
    "rows hidden or refused": Planted(
        (EXTRA,), (), (), ("ROLE acc_app IN DATABASE {here} SET row_security = off",)
    ),
    "a list": Planted(
        (EXTRA,), (), (), ('ROLE acc_app SET search_path = "$user", "My shop"',)
    ),
    "more memory": Planted(
        (), (EXTRA,), (), ("DATABASE {here} SET work_mem = '64MB'",)
    ),
    "one value, two units": Planted(
        (),
        (),
        ("DATABASE {here} SET work_mem = '64MB'",),
        ("DATABASE {here} SET work_mem = '65536'",),
    ),
    "one value, two spellings": Planted(
        (),
        (),
        ("DATABASE {here} SET DateStyle = 'iso, dmy'",),
        ("DATABASE {here} SET DateStyle = 'ISO,DMY'",),
    ),
    "of the application": Planted(
        (MISSING,), (), ("ROLE acc_app IN DATABASE {here} SET shop.tenant = 'a b'",)
    ),
    "as the servers have it": Planted(
        (), (), (), ("DATABASE {here} SET TimeZone = 'Etc/UTC'",)
    ),
}


def as_found(database: Database) -> None:
    with psycopg.connect(
        database.conninfo(),
        autocommit=True,
        options="-c default_transaction_read_only=off",
    ) as session:
        for statement in (
            "DROP TABLE IF EXISTS t",
            f"ALTER DATABASE {database.name} RESET ALL",
            "DROP OWNED BY acc_app",
            "DROP ROLE acc_app",
            "DROP ROLE acc_group",
            'DROP ROLE "Acc night"',
        ):
            session.execute(statement.encode())


def test_what_a_session_gets_on_one_side_is_seen_and_fixed(
    database_pair: Pairs, tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    came_out: dict[str, tuple[list[str], list[str], list[str]]] = {}
    with open_world(pair, tmp_path) as world:
        for case, planted in PLANTED.items():
            try:
                make_roles(pair.blue, pair.green)
                pair.blue.run("CREATE TABLE t ()", "GRANT SELECT ON t TO acc_app")
                pair.blue.run("ALTER TABLE t ADD id int PRIMARY KEY")
                plant(pair.blue, tuple(f"ALTER {one}" for one in planted.blue))
                plant(pair.green, tuple(f"ALTER {one}" for one in planted.green))
                before = [one for one in find(world) if one.id in LOOKED_AT]
                pair.green.run(*(one.fix for one in before))
                after = blocking(world)
            finally:
                as_found(pair.blue)
                as_found(pair.green)
            blocks = [one.id for one in before if one.is_blocking]
            told = [one.id for one in before if not one.is_blocking]
            came_out[case] = (blocks, told, after)
    assert came_out == {
        case: (list(planted.blocks), list(planted.told), [])
        for case, planted in PLANTED.items()
    }


def test_a_client_meets_what_was_told(database_pair: Pairs, tmp_path: Path) -> None:
    """The fix can be run in the very database that refuses all writes."""
    pair = database_pair(16, 16)
    pair.green.run("CREATE TABLE t (id int)")
    plant(pair.green, ("ALTER DATABASE {here} SET default_transaction_read_only = on",))
    with open_world(pair, tmp_path) as world:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            pair.green.run("INSERT INTO t VALUES (1)")
        [finding] = [one for one in find(world) if one.id == CLOSED]
        pair.green.run(finding.fix)
        pair.green.run("INSERT INTO t VALUES (1)")
