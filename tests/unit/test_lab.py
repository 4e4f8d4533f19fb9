"""What the lab decides by itself: where programs are, who may reach them, the audit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_postgres, find_tool
from bluegreen.lab.ledger_judge import Told, judge
from bluegreen.lab.ledger_worker import longest_gap, refused
from bluegreen.model.errors import ServerRefused


def make_programs(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bluegreen.lab.binaries._wheel_folders", dict)
    monkeypatch.setattr("bluegreen.lab.binaries._DEBIAN", tmp_path / "debian")
    monkeypatch.setenv("BLUEGREEN_SERVERS", str(tmp_path / "npm"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


@pytest.mark.usefixtures("no_programs")
def test_a_missing_server_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ServerRefused) as caught:
        find_postgres(13)
    assert str(caught.value) == (
        "error BG-3006: there is no PostgreSQL 13 on this machine\n"
        f"  seen:    looked in {tmp_path}/npm/node_modules/pg13/native/bin,"
        f" {tmp_path}/debian/13/bin\n"
        "  wanted:  initdb, pg_ctl, postgres\n"
        "  hint:    run `make servers`, or name a folder in BLUEGREEN_PG_13"
    )


@pytest.mark.usefixtures("no_programs")
def test_a_missing_tool_says_what_to_run() -> None:
    with pytest.raises(ServerRefused) as caught:
        find_tool("pg_dump")
    assert str(caught.value) == (
        "error BG-3006: pg_dump is not on this machine\n"
        "  hint:    run `make install`, or install Debian's postgresql-client"
    )


@pytest.mark.usefixtures("no_programs")
def test_places_are_looked_at_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = ("initdb", "pg_ctl", "postgres")
    debian = make_programs(tmp_path / "debian" / "17" / "bin", *needed, "psql")
    assert find_postgres(17) == debian
    assert find_tool("psql") == debian / "psql"
    npm = make_programs(
        tmp_path / "npm" / "node_modules" / "pg17" / "native" / "bin", *needed
    )
    assert find_postgres(17) == npm
    named = make_programs(tmp_path / "named", "postgres")
    monkeypatch.setenv("BLUEGREEN_PG_17", str(named))
    assert find_postgres(17) == npm, "a folder without initdb is no server"
    (named / "initdb").touch(mode=0o755)
    (named / "pg_ctl").touch(mode=0o755)
    assert find_postgres(17) == named


def test_the_wheel_has_the_newest_tools() -> None:
    assert "pginstall18" in str(find_tool("pg_dump"))


def test_a_closed_folder_is_not_reached_by_another_account(tmp_path: Path) -> None:
    stranger = Account(uid=54321, gid=54321, other=True)
    inner = tmp_path / "inner"
    inner.mkdir()
    tmp_path.chmod(0o700)
    assert not stranger.reaches(inner)
    owner = Account(uid=os.geteuid(), gid=os.getegid(), other=False)
    assert owner.reaches(inner)


def test_programs_out_of_reach_are_copied_whole(tmp_path: Path) -> None:
    programs = make_programs(tmp_path / "pack" / "tree" / "bin", "postgres")
    lib = make_programs(tmp_path / "pack" / "tree" / "lib")
    (lib / "libpq.so").symlink_to("libpq.so.5")
    make_programs(tmp_path / "pack.libs", "libpq.so.5")
    programs.chmod(0o700)
    (programs / "postgres").chmod(0o700)
    stranger = Account(uid=54321, gid=54321, other=True)
    copy = stranger.programs(programs)
    try:
        assert copy != programs
        assert stranger.reaches(copy / "postgres")
        assert (copy.parent / "lib" / "libpq.so").is_symlink()
        assert (copy / "../../../pack.libs/libpq.so.5").resolve().exists()
        assert stranger.programs(programs) == copy
    finally:
        shutil.rmtree(copy.parent.parent.parent)


def test_each_kind_of_damage_is_told_apart() -> None:
    told = {
        0: Told(last=4, unknown=frozenset({2}), failed=frozenset({3})),
        1: Told(last=2, unknown=frozenset({1})),
    }
    good = {(0, 1): 1, (0, 4): 1, (1, 1): 1, (1, 2): 1}
    assert judge(good, told, bank_sum_ok=True, bank_agrees=True).ok
    for extra, lost, doubled, strange in (
        ({(0, 1): 2}, 0, 1, 0),
        ({(0, 2): 3}, 0, 2, 0),
        ({(0, 3): 1}, 0, 1, 1),
        ({(0, 5): 1}, 0, 1, 1),
        ({(9, 1): 2}, 0, 2, 2),
        ({(0, 0): 1}, 0, 1, 1),
    ):
        seen = judge(good | extra, told, bank_sum_ok=True, bank_agrees=True)
        assert (seen.lost, seen.doubled, seen.strange) == (lost, doubled, strange)
        assert not seen.ok
    seen = judge({}, told, bank_sum_ok=True, bank_agrees=True)
    assert (seen.lost, seen.doubled) == (3, 0)
    assert not judge(good, told, bank_sum_ok=False, bank_agrees=True).ok
    assert not judge(good, told, bank_sum_ok=True, bank_agrees=False).ok


@pytest.mark.parametrize(
    ("times", "since", "now", "gap"),
    [
        ([1.0, 2.0, 5.0, 6.0], 0.0, 6.5, 3.0),
        ([1.0, 2.0, 5.0, 6.0], 3.0, 6.5, 3.0),
        ([1.0, 2.0, 5.0, 6.0], 5.5, 6.5, 1.0),
        ([1.0, 2.0], 1.5, 9.0, 7.0),
        ([], 1.0, 4.0, 3.0),
    ],
)
def test_the_gap_is_the_longest_wait_that_touches_the_span(
    times: list[float], since: float, now: float, gap: float
) -> None:
    assert longest_gap(times, since, now) == gap


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted), st.floats(0, 100))
def test_a_later_mark_never_sees_a_longer_gap(times: list[float], since: float) -> None:
    assert longest_gap(times, since, 100) <= longest_gap(times, 0, 100)


@pytest.mark.parametrize(
    ("sqlstate", "answer"),
    [
        (None, False),
        ("08006", False),
        ("57P01", False),
        ("40003", False),
        ("40001", True),
        ("23505", True),
        ("P0001", True),
        ("25006", True),
    ],
)
def test_only_a_clear_no_counts_as_not_committed(
    sqlstate: str | None, answer: bool
) -> None:
    assert refused(sqlstate) is answer
