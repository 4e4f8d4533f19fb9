"""The pooler's file, when others write to it or it is not what it seems."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_pgbouncer
from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import (
    move_all,
    pause_all,
    require_unchanged,
    resume_all,
    stage_all,
)
from bluegreen.pointers.handover import of_spec, spec_of
from bluegreen.pointers.pgbouncer.address import Address
from bluegreen.pointers.pgbouncer.config import ConfiguredFile
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from tests.kit.databases import Database, DatabasePair
from tests.kit.wait import wait_until

LONG = timedelta(seconds=10)
NAMES = ("shop", "shop_1", "shop_2")


def address(database: Database) -> dict[str, str]:
    server = database.server
    return {"host": server.host, "port": str(server.port), "dbname": database.name}


def line(database: Database) -> str:
    return " ".join(f"{k}={v}" for k, v in address(database).items())


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    return database_pair(16, 16)


@pytest.fixture
def front(pooler: Callable[..., Pooler], pair: DatabasePair) -> Pooler:
    """One pooler with three entries that lead to blue."""
    return pooler({name: line(pair.blue) for name in NAMES})


Point = Callable[..., PgBouncer]


@pytest.fixture
def point(front: Pooler, pair: DatabasePair) -> Iterator[Point]:
    """`point("shop")`: the pointer of an entry of `front`."""
    with ExitStack() as stack:

        def make(name: str = "shop", **words: Any) -> PgBouncer:
            given: dict[str, Any] = {
                "id": name,
                "console": front.console_conninfo(),
                "config_file": front.config_file,
                "database": name,
                "addresses": {
                    Side.BLUE: address(pair.blue),
                    Side.GREEN: address(pair.green),
                },
                "client": front.conninfo(name),
            }
            made = PgBouncer(**{**given, **words})
            stack.callback(made.close)
            return made

        yield make


def aliased(front: Pooler, tmp_path: Path) -> Path:
    """The file by the way of a folder that is a link."""
    (tmp_path / "etc").symlink_to(front.folder)
    return tmp_path / "etc" / front.config_file.name


@pytest.mark.parametrize("spelled", ["alike", "by a link to its folder"])
def test_entries_of_one_file_move_together_each_time(
    front: Pooler, point: Point, tmp_path: Path, spelled: str
) -> None:
    other = front.config_file if spelled == "alike" else aliased(front, tmp_path)
    files = (front.config_file, other, front.config_file)
    pointers = [
        point(name, config_file=file) for name, file in zip(NAMES, files, strict=True)
    ]
    for side in (Side.GREEN, Side.BLUE) * 3:
        for pointer in pointers:
            pointer.warm_up()
        stage_all(pointers, side)
        require_unchanged(pointers)
        pause_all(pointers, LONG)
        move_all(pointers, side)
        resume_all(pointers)
        assert [p.observe().names for p in pointers] == [side] * 3
    assert not list(front.folder.glob(".*bluegreen*"))


def test_tool_and_guard_may_move_at_the_same_time(point: Point) -> None:
    ours = [point(name) for name in NAMES]
    guards = [of_spec(spec_of(one)) for one in ours]
    for side in (Side.GREEN, Side.BLUE) * 3:
        thread = threading.Thread(target=move_all, args=(guards, side))
        thread.start()
        move_all(ours, side)
        thread.join()
        assert [p.observe().names for p in ours] == [side] * 3
    for guard in guards:
        guard.close()


def test_putting_one_line_back_keeps_what_the_neighbours_wrote(
    front: Pooler, pair: DatabasePair
) -> None:
    green = Address.of_playbook("shop", address(pair.green), "shop")
    first, second = (
        ConfiguredFile(front.config_file, name, lambda: front.config_file)
        for name in NAMES[:2]
    )
    before = front.config_file.read_text()
    former = first.put({"shop": green})
    assert former == {"shop": line(pair.blue)}
    second.put({"shop_1": green})
    first.put_back(former, {"shop": green})
    wanted = before.replace(
        f"shop_1 = {line(pair.blue)}", f"shop_1 = {line(pair.green)}"
    )
    assert front.config_file.read_text() == wanted


def blocking(pointer: PgBouncer) -> list[tuple[str, str]]:
    return [(f.id, f.seen) for f in pointer.check() if f.is_blocking]


DEBIAN = {
    "logfile": "{folder}/log",
    "pidfile": "{folder}/pid",
    "listen_addr": "localhost",
    "unix_socket_dir": "{folder}",
    "auth_type": "TRUST",
    "unix_socket_mode": "0777",
    "server_idle_timeout": "600",
    "server_lifetime": "3600.0",
    "query_wait_timeout": "120",
    "stats_users": "stats, postgres",
    "ignore_startup_parameters": "extra_float_digits, search_path",
    "server_reset_query": "DISCARD ALL",
    "server_check_query": "select 1",
    "server_check_delay": "30",
    "server_tls_sslmode": "prefer",
    "max_db_connections": "0",
    "tcp_keepalive": "1",
    "tcp_keepidle": "0",
    "pkt_buf": "4096",
    "listen_backlog": "128",
    "verbose": "0",
    "autodb_idle_timeout": "3600",
    "suspend_timeout": "10",
    "server_login_retry": ".5",
    "server_fast_close": "0",
    "stats_period": "60",
    "dns_max_ttl": "15",
    "auth_query": "SELECT usename, passwd FROM pg_shadow WHERE usename=$1",
    "log_stats": "1",
    "syslog_facility": "daemon",
    "application_name_add_host": "0",
    "min_pool_size": "0",
    "reserve_pool_timeout": "5",
}
ENTRY = " user=postgres pool_size=7 pool_mode=Transaction max_db_connections=9"


def test_a_file_that_is_loaded_has_nothing_that_blocks(
    pooler: Callable[..., Pooler], pair: DatabasePair, point: Point, lab_folder: Path
) -> None:
    folder = Path(tempfile.mkdtemp(dir=lab_folder))
    folder.chmod(0o777)
    words = {key: value.format(folder=folder) for key, value in DEBIAN.items()}
    entries = {"shop": line(pair.blue), "b": line(pair.green) + ENTRY}
    front = pooler(entries, settings=words)
    pointer = point(
        console=front.console_conninfo(),
        config_file=front.config_file,
        client=front.conninfo("shop"),
    )
    assert blocking(pointer) == []


def test_endless_waiting_of_clients_is_found(
    pooler: Callable[..., Pooler], pair: DatabasePair, point: Point
) -> None:
    front = pooler({"shop": line(pair.blue)}, settings={"query_wait_timeout": "0"})
    pointer = point(
        console=front.console_conninfo(),
        config_file=front.config_file,
        client=front.conninfo("shop"),
    )
    found = {finding.id: finding.is_blocking for finding in pointer.check()}
    assert found["query-wait-endless"] is False


def test_a_file_that_the_pooler_does_not_read_is_found_before_the_pause(
    front: Pooler, point: Point, tmp_path: Path
) -> None:
    """A jump host's own copy, under the same name; the pooler has a relative path."""
    front.stop()
    process = subprocess.Popen(
        [find_pgbouncer(), front.config_file.name],
        cwd=front.folder,
        stderr=subprocess.DEVNULL,
        **Account.here().popen(),
    )
    try:
        wait_until(lambda: answers(front), "the pooler to answer")
        copy = tmp_path / front.config_file.name
        shutil.copy(front.config_file, copy)
        elsewhere = point(config_file=copy)
        [(found, seen)] = blocking(elsewhere)
        assert found == "config-file-elsewhere"
        assert f"does not read {copy}" in seen
        with pytest.raises(ServerRefused) as caught:
            elsewhere.prove(Side.GREEN)
        assert str(caught.value) == (
            f"error BG-3007: pooler shop does not read {copy}\n"
            "  seen:    an entry written there did not come after RELOAD; PgBouncer "
            f"names {copy.name} as its file\n"
            "  wanted:  the very file that this PgBouncer process reads\n"
            "  traffic: nothing has moved, and no client is waiting\n"
            "  hint:    run bluegreen on the machine of PgBouncer, or correct "
            "`config_file` or `console` of the pointer. Where they are right, "
            "PgBouncer's log names the line at which it stopped reading"
        )
        assert copy.read_text() == front.config_file.read_text()
        assert blocking(point()) == []
    finally:
        process.kill()
        process.wait()


def answers(front: Pooler) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(front.console_conninfo(), autocommit=True).close()
        return True
    return False


def test_an_edit_of_our_own_entry_is_never_loaded_by_a_look(
    front: Pooler, point: Point, pair: DatabasePair
) -> None:
    """Somebody wrote green's address and did not RELOAD: clients stay on blue."""
    pointer = point()
    pointer.warm_up()
    text = front.config_file.read_text()
    edited = text.replace(f"shop = {line(pair.blue)}", f"shop = {line(pair.green)}", 1)
    assert edited != text
    front.config_file.write_text(edited)
    for look in (lambda: pointer.prove(Side.GREEN), lambda: pointer.stage(Side.GREEN)):
        with pytest.raises(ServerRefused, match="has not loaded"):
            look()
    assert pointer.observe().names is Side.BLUE


def test_an_entry_in_the_wrong_section_is_named_without_its_password(
    front: Pooler, point: Point
) -> None:
    pointer = point()
    pointer.warm_up()
    with front.config_file.open("a") as file:
        file.write("\nlost = host=b user=a password=canary-7\n")
    [(found, seen)] = blocking(pointer)
    assert found == "config-not-loaded"
    assert "sets lost, which the running pooler lacks" in seen
    assert "canary" not in seen
    with pytest.raises(ServerRefused) as caught:
        pointer.stage(Side.GREEN)
    assert "canary" not in str(caught.value)
