"""A backup of a real blue: taken, proved, kept, and found broken when it is."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from bluegreen.backups.pg_dump import (
    _read_whole,
    find_fault,
    take_backup,
    verify_backup,
)
from bluegreen.backups.proof import BackupProof
from bluegreen.backups.store import open_draft
from bluegreen.lab.server import Server
from bluegreen.model.errors import PlaybookRefused, StepError
from bluegreen.model.record import Kind
from bluegreen.model.secret import Secret
from bluegreen.model.side import Side
from bluegreen.model.verdict import Needed, Satisfied
from bluegreen.postgres.database import Database
from bluegreen.postgres.tools import find_tool
from bluegreen.steps.backup import Backup
from tests.kit.databases import Database as LabDatabase
from tests.kit.databases import DatabasePair, create_database
from tests.kit.steps import carry_out, look, open_world
from tests.kit.time_machine import fail_over
from tests.kit.wait import wait_until

SCHEMA = (
    """
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO orders
        SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 2000) g;
    CREATE TABLE "Odd ""name"" x." (a int);
    CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
    CREATE TABLE parted_1 PARTITION OF parted
        FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO parted VALUES (1, '2024-05-05');
    CREATE UNLOGGED TABLE scratch (a int);
    """,
)


@pytest.fixture
def filled(database: Callable[[int], LabDatabase]) -> LabDatabase:
    made = database(16)
    made.run(*SCHEMA)
    return made


@pytest.fixture
def blue(filled: LabDatabase) -> Iterator[Database]:
    side = Database(Side.BLUE, filled.conninfo())
    yield side
    side.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_it_is_whole_and_restores(
    workers: int,
    blue: Database,
    database: Callable[[int], LabDatabase],
    tmp_path: Path,
) -> None:
    proof = take_backup(blue, tmp_path, "shop-blue", workers=workers)
    verify_backup(proof)
    there = database(18)
    tool = find_tool("pg_restore")
    done = subprocess.run(
        [tool.path, "-e", "-L", proof.toc, "-d", there.conninfo(), proof.path],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert there.value("SELECT count(*) FROM orders") == 2000
    assert there.value("SELECT count(*) FROM parted") == 1
    assert proof.held == 4
    assert proof.path.is_dir() == (workers > 1)
    # No one else reads any of it, whatever the folder lets through.
    tmp_path.chmod(0o755)
    written = [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    assert [p.name for p in written if p.stat().st_mode & 0o077] == []
    assert BackupProof.from_result(json.loads(json.dumps(proof.as_result()))) == proof
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [
            ".shop-blue.lock",
            proof.path.name,
            proof.path.name + ".sha256",
            proof.path.name + ".toc",
        ]
    )
    stem = proof.path.name
    folder = proof.path if workers > 1 else tmp_path
    checked = subprocess.run(
        ["sha256sum", "-c", tmp_path / f"{stem}.sha256"], cwd=folder, check=False
    )
    assert checked.returncode == 0


@pytest.mark.parametrize("major", [13, 18])
def test_every_server_version_can_be_dumped(
    major: int, database: Callable[[int], LabDatabase], tmp_path: Path
) -> None:
    made = database(major)
    made.run(*SCHEMA)
    side = Database(Side.BLUE, made.conninfo())
    proof = take_backup(side, tmp_path, "shop-blue", workers=2)
    verify_backup(proof)
    assert proof.server.startswith(str(major))
    side.close()


def flip_byte(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0x40
    path.write_bytes(body)


def largest(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda member: member.stat().st_size)


def block_member(folder: Path) -> None:
    member = largest(folder)
    member.unlink()
    member.mkdir()


def empty_folder(folder: Path) -> None:
    for member in folder.iterdir():
        member.unlink()


def swap_members(folder: Path) -> None:
    one, other = sorted(folder.glob("*.dat.gz"))[:2]
    shutil.move(one, folder / "aside")
    shutil.move(other, one)
    shutil.move(folder / "aside", other)


CORRUPTIONS: dict[str, tuple[int, Callable[[Path], None], str]] = {
    "flipped byte": (1, flip_byte, "has changed"),
    "truncated": (1, lambda p: os.truncate(p, p.stat().st_size - 100), "has changed"),
    "empty": (1, lambda p: os.truncate(p, 0), "has changed"),
    "gone": (1, lambda p: p.unlink(), "is not there"),
    "member missing": (2, lambda p: largest(p).unlink(), "is missing"),
    "members swapped": (2, swap_members, "has changed"),
    "member unreadable": (2, block_member, "is missing"),
    "folder empty": (2, empty_folder, "toc.dat"),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_broken_backup_is_found(name: str, blue: Database, tmp_path: Path) -> None:
    workers, spoil, expected = CORRUPTIONS[name]
    proof = take_backup(blue, tmp_path, "shop-blue", workers=workers)
    assert find_fault(proof) == ""
    spoil(proof.path)
    assert expected in find_fault(proof)
    with pytest.raises(StepError) as caught:
        verify_backup(proof)
    assert caught.value.code == 4002
    assert expected in caught.value.seen


@pytest.mark.parametrize(
    ("workers", "spoil"),
    [(1, flip_byte), (2, lambda p: flip_byte(largest(p)))],
    ids=["one file", "folder"],
)
def test_unpacking_alone_finds_a_flipped_byte(
    workers: int, spoil: Callable[[Path], None], blue: Database, tmp_path: Path
) -> None:
    """The proof right after the dump has no older checksum to lean on."""
    proof = take_backup(blue, tmp_path, "shop-blue", workers=workers)
    _read_whole(proof.path)
    spoil(proof.path)
    with pytest.raises(StepError) as caught:
        _read_whole(proof.path)
    assert caught.value.code == 4002


def test_no_room_is_told_and_leaves_nothing(
    filled: LabDatabase, blue: Database, tmp_path: Path
) -> None:
    filled.run(
        "INSERT INTO orders SELECT g, md5(g::text) || md5(random()::text)"
        " FROM generate_series(3000, 9000) g"
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    try:
        with pytest.raises(StepError) as caught:
            take_backup(blue, tmp_path / "here", "shop-blue", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == 4002
    assert "pg_dump of blue failed" in str(caught.value)
    assert "free in" in caught.value.seen
    assert [p.name for p in (tmp_path / "here").iterdir()] == [".shop-blue.lock"]


def test_fence_and_our_schema_stay_out_of_a_restore(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(15, 18)
    pair.blue.run(*SCHEMA)
    with open_world(pair, tmp_path) as world:
        pair.blue.run(
            "CREATE TRIGGER bluegreen_fence BEFORE INSERT ON orders"
            " EXECUTE FUNCTION bluegreen.refuse_write()",
            "CREATE PUBLICATION bluegreen_shop_from_blue FOR TABLE orders",
            "CREATE PUBLICATION theirs FOR TABLE orders",
        )
        proof = take_backup(world.blue, tmp_path, "shop-blue")
    tool = find_tool("pg_restore")
    done = subprocess.run(
        [tool.path, "-e", "-L", proof.toc, "-d", pair.green.conninfo(), proof.path],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert pair.green.value("SELECT count(*) FROM orders") == 2000
    assert pair.green.rows("SELECT pubname FROM pg_publication") == [("theirs",)]
    assert "TABLE DATA bluegreen" not in proof.toc.read_text()


def test_only_some_tables(blue: Database, tmp_path: Path) -> None:
    proof = take_backup(blue, tmp_path, "b", tables=["public.parted"])
    assert proof.held == 1
    assert "parted_1" in proof.toc.read_text()
    assert "orders" not in proof.toc.read_text()
    with pytest.raises(PlaybookRefused) as caught:
        take_backup(blue, tmp_path, "b", tables=["public.orders", "public.nope"])
    assert "public.nope" in caught.value.seen


def test_a_table_without_rights_stops_it(
    filled: LabDatabase, blue: Database, tmp_path: Path
) -> None:
    role = f"reader_{filled.name}"
    filled.run(f"CREATE ROLE {role} LOGIN")
    side = Database(Side.BLUE, filled.conninfo(role))
    with pytest.raises(StepError) as caught:
        take_backup(side, tmp_path, "b")
    assert "permission denied" in caught.value.seen
    side.close()
    filled.run(f"DROP ROLE {role}")


def test_an_earlier_dump_that_still_runs_keeps_the_folder(
    filled: LabDatabase, blue: Database, tmp_path: Path
) -> None:
    with open_draft(tmp_path, "b") as (draft, _):
        draft.write_text("half")
        with pytest.raises(StepError) as caught:
            take_backup(blue, tmp_path, "b")
        assert "still running" in caught.value.problem
        assert draft.exists()
    assert not draft.exists()


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        # A process may end between the listing and the look.
        with suppress(FileNotFoundError, ProcessLookupError):
            yield path.read_bytes()


def test_the_password_is_not_in_the_process_list(
    filled: LabDatabase, tmp_path: Path
) -> None:
    """Seen from outside while pg_dump waits for a lock."""
    side = Database(
        Side.BLUE, filled.conninfo(), password=Secret("canary-71ab"), label="x"
    )
    with ThreadPoolExecutor(1) as pool, filled.connect() as locker:
        with locker.transaction():
            locker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            future = pool.submit(take_backup, side, tmp_path, "b")

            def seen() -> bytes:
                return b"\n".join(w for w in command_lines() if b"b.part" in w)

            line = wait_until(seen, "pg_dump to run")
            assert b"canary-71ab" not in line
        assert future.result().held == 4
    side.close()


def test_the_step_keeps_a_backup_for_its_epoch(
    database_pair: Callable[[int, int], DatabasePair], tmp_path: Path
) -> None:
    pair = database_pair(16, 16)
    pair.blue.run(*SCHEMA)
    (action,) = Backup(to="kept", workers=1).actions()
    with open_world(pair, tmp_path) as world:
        result = carry_out(action, world)
        path = Path(str(result["path"]))
        assert path.parent == tmp_path / "kept"
        flip_byte(path)
        verdict = look(action, world)
        assert isinstance(verdict, Needed)
        assert "has changed" in verdict.why
        again = carry_out(action, world)
        assert again["path"] != result["path"]
        (other,) = Backup(to="kept", tables=("public.orders",)).actions()
        assert isinstance(look(other, world), Needed)
        world.journal.append(Kind.COMMITTED, body={"to": "green"})
        verdict = look(action, world)
        assert verdict == Needed("no backup of blue was taken in this epoch")


def test_a_backup_ends_with_a_failover_and_with_the_database(
    lab_folder: Path, tmp_path: Path
) -> None:
    with Server.start(16, lab_folder / "blue") as server:
        blue = create_database(server, "blue")
        blue.run(*SCHEMA)
        pair = DatabasePair(blue, create_database(server, "green"))
        backup = Backup(to="b")
        (action,) = backup.actions()
        with open_world(pair, tmp_path) as world:
            for before, says in (
                (lambda: None, "no backup of blue was taken in this epoch"),
                (lambda: fail_over(server), "it failed over or was restored since"),
                (lambda: _exchange(blue), "it was taken of the database with identity"),
            ):
                before()
                for database in (world.blue, world.green):
                    database.close()
                verdict = action.judge(action.observe(world))
                assert isinstance(verdict, Needed)
                assert says in verdict.why
                body = action.act(world, action.observe(world))
                world.journal.append(Kind.RESULT, action=action.id, body=body)
                assert isinstance(action.judge(action.observe(world)), Satisfied)


def _exchange(database: LabDatabase) -> None:
    database.run("UPDATE bluegreen.identity SET id = gen_random_uuid()")
