"""A backup restored into a database of its own on a real server, and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bluegreen.backups.pg_dump import take_backup
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.restore import try_restore
from bluegreen.model.errors import ServerRefused, StepError
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, NotYet, Satisfied
from bluegreen.postgres.database import Database
from bluegreen.steps.backup import Backup
from tests.kit import rich_schema
from tests.kit.databases import Database as LabDatabase
from tests.kit.databases import DatabasePair
from tests.kit.steps import carry_out, look, open_world

TRIAL = "bluegreen_trial_shop"
SCHEMA = (
    """
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders SELECT g, md5(g::text) FROM generate_series(1, 2000) g;
    CREATE TABLE lines (order_id int REFERENCES orders, price numeric(9, 2));
    INSERT INTO lines SELECT g, g / 7.0 FROM generate_series(1, 500) g;
    CREATE TABLE "Odd ""name"" x." (a int);
    CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted
        FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO parted VALUES (1, '2024-05-05');
    """,
)


def trials(server: LabDatabase) -> int:
    return int(
        server.value("SELECT count(*) FROM pg_database WHERE datname LIKE '%trial%'")
    )


@pytest.mark.parametrize(("blue", "green"), [(13, 15), (15, 16), (16, 18)])
def test_everything_comes_back_alike(
    blue: int,
    green: int,
    database_pair: Callable[[int, int], DatabasePair],
    tmp_path: Path,
) -> None:
    """With 15 and 16 the newest pg_restore sets what such a server does not know."""
    pair = database_pair(blue, green)
    pair.blue.run(*SCHEMA)
    taken, tried = Backup(to="kept", proof="restore").actions()
    with open_world(pair, tmp_path) as world:
        assert look(tried, world) == NotYet("the backup is not taken yet")
        carry_out(taken, world)
        result = carry_out(tried, world)
        assert (result["tables"], result["rows"]) == (4, 2501)
        assert trials(pair.green) == 0
        carry_out_again = look(taken, world)
        assert isinstance(carry_out_again, Satisfied)


def test_a_backup_that_was_not_summed_is_taken_anew(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(16, 18)
    pair.blue.run(*SCHEMA)
    with open_world(pair, tmp_path) as world:
        (read,) = Backup(to="kept").actions()
        carry_out(read, world)
        taken, _ = Backup(to="kept", proof="restore").actions()
        assert look(taken, world) == Needed(
            "the backup does not hold: its rows were not summed for a restore"
        )


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    made = database_pair(16, 18)
    made.blue.run(*SCHEMA)
    return made


@pytest.fixture
def sides(pair: DatabasePair) -> tuple[Database, Database]:
    return (
        Database(Side.BLUE, pair.blue.conninfo()),
        Database(Side.GREEN, pair.green.conninfo()),
    )


def back_up(sides: tuple[Database, Database], folder: Path) -> BackupProof:
    proof = take_backup(sides[0], folder, "shop-blue", sum_rows=True)
    sides[0].close()
    return proof


def test_rows_that_do_not_come_back_are_named(
    sides: tuple[Database, Database], pair: DatabasePair, tmp_path: Path
) -> None:
    """The archive is read whole and its checksum holds: only a restore tells."""
    proof = back_up(sides, tmp_path)
    lines = proof.toc.read_text().splitlines(keepends=True)
    proof.toc.write_text(
        "".join(f";{n}" if "TABLE DATA public lines" in n else n for n in lines)
    )
    with pytest.raises(StepError) as caught:
        try_restore(proof, sides[1], "shop")
    sides[1].close()
    assert caught.value.code == 4002
    assert "public.lines: 500 rows" in caught.value.seen
    assert "0 rows" in caught.value.seen
    assert trials(pair.green) == 0


def test_a_changed_value_is_found(
    sides: tuple[Database, Database], pair: DatabasePair, tmp_path: Path
) -> None:
    """As if the archive had been written from a page that was wrong."""
    proof = back_up(sides, tmp_path)
    pair.blue.run("UPDATE orders SET note = 'x' WHERE id = 7")
    other = Database(Side.BLUE, pair.blue.conninfo())
    later = take_backup(other, tmp_path, "other", sum_rows=True)
    other.close()
    assert later.contents.keys() == proof.contents.keys()
    mixed = BackupProof.from_result(
        {**later.as_result(), "contents": dict(proof.contents)}
    )
    with pytest.raises(StepError) as caught:
        try_restore(mixed, sides[1], "shop")
    sides[1].close()
    assert caught.value.seen.startswith("public.orders: 2000 rows (")
    assert "\n" not in caught.value.seen.strip()


def test_somebody_elses_database_of_that_name_stays(
    sides: tuple[Database, Database], pair: DatabasePair, tmp_path: Path
) -> None:
    proof = back_up(sides, tmp_path)
    pair.green.run(f"CREATE DATABASE {TRIAL}")
    try:
        with pytest.raises(ServerRefused) as caught:
            try_restore(proof, sides[1], "shop")
        assert caught.value.code == 3004
        assert trials(pair.green) == 1
    finally:
        sides[1].close()
        pair.green.run(f"DROP DATABASE {TRIAL}")


def test_what_a_kill_left_is_dropped_first(pair: DatabasePair, tmp_path: Path) -> None:
    taken, tried = Backup(to="kept", proof="restore").actions()
    with open_world(pair, tmp_path) as world:
        carry_out(taken, world)
        carry_out(tried, world)
        pair.green.run(
            f"CREATE DATABASE {TRIAL}",
            f"COMMENT ON DATABASE {TRIAL} IS"
            " 'made by bluegreen to try a backup; it may be dropped'",
        )
        assert isinstance(look(tried, world), Needed)
        carry_out(tried, world)
        assert trials(pair.green) == 0


def test_a_role_that_may_not_make_databases_is_told(
    sides: tuple[Database, Database], pair: DatabasePair, tmp_path: Path
) -> None:
    proof = back_up(sides, tmp_path)
    sides[1].close()
    role = f"plain_{pair.green.name}"
    pair.green.run(f"CREATE ROLE {role} LOGIN")
    plain = Database(Side.GREEN, pair.green.conninfo(role))
    with pytest.raises(ServerRefused) as caught:
        try_restore(proof, plain, "shop")
    plain.close()
    pair.green.run(f"DROP ROLE {role}")
    assert caught.value.code == 3008
    assert f"ALTER ROLE {role} CREATEDB" in caught.value.hint


def test_a_rich_schema_comes_back(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(15, 17)
    rich_schema.fill(pair.blue)
    taken, tried = Backup(to="kept", proof="restore", workers=2).actions()
    with open_world(pair, tmp_path) as world:
        carry_out(taken, world)
        assert int(str(carry_out(tried, world)["tables"])) > 5
