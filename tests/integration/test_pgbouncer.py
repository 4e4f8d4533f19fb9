"""PgBouncer as a pointer, on a real pooler in front of two real databases."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bluegreen.lab.pooler import Pooler
from bluegreen.model.errors import (
    BluegreenError,
    BudgetError,
    PlaybookRefused,
    ServerRefused,
    StepError,
    TrafficUnknownError,
)
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import move_all, pause_all, resume_all
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from bluegreen.pointers.pointer import Pointer
from bluegreen.postgres import database as ours
from bluegreen.postgres.catalog.identity import read_identity
from bluegreen.postgres.journal import own_schema
from tests.kit.databases import Database, DatabasePair
from tests.kit.wait import wait_until

SHORT = timedelta(milliseconds=300)
LONG = timedelta(seconds=10)
MAJOR = 16


def address(database: Database) -> dict[str, str]:
    server = database.server
    return {"host": server.host, "port": str(server.port), "dbname": database.name}


def line(database: Database) -> str:
    return " ".join(f"{k}={v}" for k, v in address(database).items())


@pytest.fixture
def pair(database_pair: Callable[[int, int], DatabasePair]) -> DatabasePair:
    made = database_pair(MAJOR, MAJOR)
    for database in (made.blue, made.green):
        database.run("CREATE TABLE public.hits (client int, n int)")
    return made


Make = Callable[..., tuple[Pooler, PgBouncer]]


@pytest.fixture
def shop(pooler: Callable[..., Pooler], pair: DatabasePair) -> Iterator[Make]:
    """`shop()`: a pooler whose entry `shop` leads to blue, and its pointer."""
    with ExitStack() as stack:

        def make(
            entry: str = "", name: str = "main", **words: Any
        ) -> tuple[Pooler, PgBouncer]:
            others = words.pop("others", {})
            started = pooler({"shop": entry or line(pair.blue), **others}, **words)
            pointer = point(started, pair, id=name)
            stack.callback(pointer.close)
            return started, pointer

        yield make


def point(pooler: Pooler, pair: DatabasePair, **words: Any) -> PgBouncer:
    given: dict[str, Any] = {
        "id": "main",
        "console": pooler.console_conninfo(),
        "config_file": pooler.config_file,
        "database": "shop",
        "addresses": {Side.BLUE: address(pair.blue), Side.GREEN: address(pair.green)},
        "client": pooler.conninfo("shop"),
    }
    return PgBouncer(**{**given, **words})


@contextmanager
def client(pooler: Pooler, dbname: str = "shop") -> Iterator[psycopg.Connection]:
    """A client that comes in through the pooler; protocol level 1.18 can follow."""
    with psycopg.connect(
        pooler.conninfo(dbname), autocommit=True, prepare_threshold=None
    ) as session:
        yield session


def reached(session: psycopg.Connection) -> str:
    [(name,)] = session.execute("SELECT current_database()").fetchall()
    return str(name)


class Busy:
    """Clients that write without a break, and note every error."""

    def __init__(self, pooler: Pooler, count: int) -> None:
        self.errors: list[str] = []
        self.done = [0] * count
        self._stop = threading.Event()
        self._pooler = pooler
        self._threads = [
            threading.Thread(target=self._write, args=(n,)) for n in range(count)
        ]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        self.wait_for_progress()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for_progress(self) -> None:
        before = list(self.done)
        wait_until(
            lambda: (
                self.errors
                or all(now > then for now, then in zip(self.done, before, strict=True))
            ),
            "every client to write once more",
        )

    def _write(self, number: int) -> None:
        try:
            with client(self._pooler) as session:
                while not self._stop.is_set():
                    session.execute(
                        "INSERT INTO public.hits VALUES (%s, %s)",
                        (number, self.done[number]),
                    )
                    self.done[number] += 1
        except psycopg.Error as error:
            self.errors.append(str(error))


def flip(pointer: Pointer, side: Side) -> None:
    pointer.stage(side)
    pointer.pause(LONG)
    pointer.move(side)
    pointer.resume()


def rows(database: Database) -> int:
    return int(str(database.value("SELECT count(*) FROM public.hits")))


def paused(pooler: Pooler, entry: str = "shop") -> bool:
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as console:
        cursor = console.execute("SHOW DATABASES")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
    [row] = [row for row in found if row["name"] == entry]
    return bool(row["paused"])


def test_it_says_which_side_the_running_pooler_names(shop: Make) -> None:
    _, pointer = shop()
    assert pointer.observe().names is Side.BLUE
    assert not pointer.observe().paused
    flip(pointer, Side.GREEN)
    assert pointer.observe().names is Side.GREEN


def test_a_default_port_and_name_count_as_written_out(
    pooler: Callable[..., Pooler], pair: DatabasePair
) -> None:
    short = pooler({"shop": "host=Pg.Internal"})
    pointer = point(
        short,
        pair,
        addresses={
            Side.BLUE: {"host": "pg.internal", "port": "5432", "dbname": "shop"},
            Side.GREEN: {"host": "", "dbname": "shop"},
        },
    )
    assert pointer.observe().names is Side.BLUE
    pointer.move(Side.GREEN)
    assert pointer.observe().seen == "local socket:5432/shop"
    assert pointer.observe().names is Side.GREEN
    pointer.close()


def test_busy_clients_see_no_error_and_none_reaches_the_side_that_was_left(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop(settings={"min_pool_size": "6"})
    pointer.warm_up()
    sides = {Side.BLUE: pair.blue, Side.GREEN: pair.green}
    with Busy(pooler, 8) as busy:
        for _ in range(6):
            left = pointer.observe().names
            assert left is not None
            pointer.stage(left.other)
            pointer.pause(LONG)
            before = rows(sides[left])
            pointer.move(left.other)
            pointer.resume()
            busy.wait_for_progress()
            assert rows(sides[left]) == before, "a write on the side that was left"
        assert busy.errors == []
    assert rows(pair.blue) + rows(pair.green) == sum(busy.done)


def test_idle_server_connections_to_the_left_side_are_not_used_again(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop(settings={"min_pool_size": "5"})
    with ExitStack() as stack:
        sessions = [stack.enter_context(client(pooler)) for _ in range(5)]
        for session in sessions:
            session.execute("BEGIN")
        assert {reached(session) for session in sessions} == {pair.blue.name}
        for session in sessions:
            session.execute("COMMIT")
        flip(pointer, Side.GREEN)
        for session in sessions:
            session.execute("BEGIN")
        assert {reached(session) for session in sessions} == {pair.green.name}
        for session in sessions:
            session.execute("COMMIT")


def test_an_open_transaction_beyond_the_budget_is_named_and_holds_back_nobody(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop()
    with client(pooler) as holder, client(pooler) as other:
        holder.execute("BEGIN")
        [(pid,)] = holder.execute("SELECT pg_backend_pid()").fetchall()
        with pytest.raises(BudgetError) as caught:
            pointer.pause(SHORT)
        assert not paused(pooler)
        assert reached(other) == pair.blue.name
        holder.execute("COMMIT")
    assert f"server pid {pid}" in caught.value.seen
    [port] = [w for w in caught.value.seen.split() if w.startswith("127.0.0.1:")]
    since = caught.value.seen.split("since ")[1]
    assert str(caught.value) == (
        "error BG-5001: PAUSE of shop on pooler main took longer than 300 ms\n"
        "  seen:    1 open transactions hold it up\n"
        f"           server pid {pid}, user postgres, client {port} since {since}\n"
        "  wanted:  open transactions that end within the budget\n"
        "  hint:    look the server pids up in pg_stat_activity; end those "
        "transactions or wait for them, or give a longer max_pause, then run again"
    )


def test_a_pool_that_never_finishes_its_login_does_not_keep_us_from_pausing(
    shop: Make,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        pooler, pointer = shop(entry=f"host=127.0.0.1 port={port}")
        waiting = threading.Thread(target=_knock, args=(pooler,))
        waiting.start()
        wait_until(
            lambda: any(
                row["state"] == "new" for row in pointer._console.show("SERVERS")
            ),
            "the pool to begin a login",
        )
        pointer.pause(LONG)
        assert paused(pooler)
        pointer.resume()
        pooler.kill()
        waiting.join()


def _knock(pooler: Pooler) -> None:
    with suppress(psycopg.OperationalError), client(pooler) as session:
        reached(session)


def test_after_a_failed_pause_the_next_one_works(shop: Make) -> None:
    pooler, pointer = shop()
    with client(pooler) as holder:
        holder.execute("BEGIN")
        with pytest.raises(BudgetError):
            pointer.pause(SHORT)
        holder.execute("COMMIT")
    flip(pointer, Side.GREEN)
    assert pointer.observe().names is Side.GREEN


def test_a_pause_left_by_a_dead_run_is_taken_over(shop: Make) -> None:
    pooler, pointer = shop()
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as console:
        console.execute("PAUSE shop")
    assert pointer.observe().paused
    pointer.pause(LONG)
    pointer.resume()
    assert not paused(pooler)


def test_a_pause_that_waits_for_somebody_else_is_refused_and_left_alone(
    shop: Make,
) -> None:
    pooler, pointer = shop()
    with client(pooler) as holder, ExitStack() as stack:
        holder.execute("BEGIN")
        console = psycopg.connect(pooler.console_conninfo(), autocommit=True)
        stack.callback(console.close)
        console.pgconn.send_query(b"PAUSE shop")
        wait_until(lambda: pointer.observe().paused, "the other PAUSE to be heard")
        with pytest.raises(StepError, match="already waiting") as caught:
            pointer.pause(LONG)
        assert caught.value.code == 4009
        assert paused(pooler)
        pointer.resume()
        holder.execute("COMMIT")


def test_wait_close_has_spoiled_pause(shop: Make) -> None:
    pooler, pointer = shop()
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as console:
        console.execute("WAIT_CLOSE shop")
    with client(pooler) as holder:
        holder.execute("BEGIN")
        with pytest.raises(StepError) as caught:
            pointer.pause(LONG)
        holder.execute("COMMIT")
    assert "WAIT_CLOSE" in caught.value.seen + caught.value.hint
    assert not paused(pooler)


def test_resume_twice_is_resume_once(shop: Make) -> None:
    pooler, pointer = shop()
    pointer.pause(LONG)
    pointer.resume()
    pointer.resume()
    assert not paused(pooler)


def test_moving_twice_is_moving_once(shop: Make) -> None:
    pooler, pointer = shop()
    flip(pointer, Side.GREEN)
    before = pooler.config_file.stat()
    pointer.move(Side.GREEN)
    assert pooler.config_file.stat() == before


def test_a_file_put_in_place_by_a_dead_run_is_loaded(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop()
    text = pooler.config_file.read_text()
    pooler.config_file.write_text(text.replace(line(pair.blue), line(pair.green)))
    assert pointer.observe().names is Side.BLUE
    pointer.move(Side.GREEN)
    assert pointer.observe().names is Side.GREEN


def test_an_edit_between_stage_and_move_is_kept(shop: Make) -> None:
    pooler, pointer = shop()
    pointer.stage(Side.GREEN)
    with pooler.config_file.open("a") as text:
        text.write("; by hand\n")
    pointer.move(Side.GREEN)
    assert pooler.config_file.read_text().endswith("; by hand\n")
    assert pointer.observe().names is Side.GREEN


def test_owner_mode_and_every_other_byte_of_the_file_are_kept(
    pooler: Callable[..., Pooler], pair: DatabasePair
) -> None:
    started = pooler({"shop": line(pair.blue)})
    whole = started.config_file.read_bytes().replace(
        line(pair.blue).encode(),
        b"pool_size=7  %s \tapplication_name='it''s'  ; \xe9"
        % line(pair.blue).encode(),
    )
    whole = whole.replace(b" \tapplication_name='it''s'  ; \xe9", b" timezone='a''b'")
    whole = b"# caf\xe9\r\n" + whole
    started.config_file.write_bytes(whole)
    if os.geteuid() == 0:
        os.chown(started.config_file, 65534, 65534)
    started.config_file.chmod(0o640)
    before = started.config_file.stat()
    pointer = point(started, pair)
    pointer.move(Side.GREEN)
    after = started.config_file.stat()
    assert started.config_file.read_bytes() == whole.replace(
        line(pair.blue).encode(), line(pair.green).encode()
    )
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert after.st_ino != before.st_ino
    pointer.close()


def test_staging_moves_nothing_and_an_unused_draft_is_taken_away(shop: Make) -> None:
    pooler, pointer = shop()
    before = pooler.config_file.read_bytes()
    names = sorted(p.name for p in pooler.folder.iterdir())
    pointer.stage(Side.GREEN)
    assert pooler.config_file.read_bytes() == before
    assert pointer.observe().names is Side.BLUE
    assert sorted(p.name for p in pooler.folder.iterdir()) != names
    pointer.close()
    assert sorted(p.name for p in pooler.folder.iterdir()) == names


def test_a_draft_that_another_process_changed_is_not_put_in_place(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop()
    guard = point(pooler, pair)
    pointer.stage(Side.GREEN)
    guard.stage(Side.BLUE)
    pointer.move(Side.GREEN)
    assert pointer.observe().names is Side.GREEN
    pointer.stage(Side.BLUE)
    guard.close()
    pointer.move(Side.BLUE)
    assert pointer.observe().names is Side.BLUE


def test_an_ini_that_is_not_taken_is_put_back(shop: Make) -> None:
    pooler, pointer = shop()
    pointer.warm_up()
    text = pooler.config_file.read_text()
    broken = "[pgbouncer]\nno_such_setting = 1\n" + text
    pooler.config_file.write_text(broken)
    with pytest.raises(StepError) as caught:
        pointer.move(Side.GREEN)
    assert caught.value.code == 4009
    assert pooler.config_file.read_text() == broken
    assert pointer.observe().names is Side.BLUE


def test_a_broken_line_below_the_entry_is_refused_before_anything_moves(
    shop: Make,
) -> None:
    pooler, pointer = shop()
    with pooler.config_file.open("a") as text:
        text.write("not a setting\n")
    with pytest.raises(ServerRefused, match="cannot be edited safely"):
        pointer.stage(Side.GREEN)


def test_an_entry_that_cannot_be_taken_apart_is_found(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop(others={"*": "host=a"})
    text = pooler.config_file.read_text()
    pooler.config_file.write_text(text.replace("* = host=a", "* = host"))
    assert "(unreadable)" in str(pointer.check())
    pooler.config_file.write_text(text.replace(line(pair.blue), "host"))
    assert blocking(pointer) == {"pooler-3007"}
    with pytest.raises(ServerRefused) as caught:
        pointer.stage(Side.GREEN)
    assert caught.value.code == 3007


def test_a_link_is_not_followed(shop: Make, pair: DatabasePair) -> None:
    pooler, _ = shop()
    link = pooler.folder / "link.ini"
    link.symlink_to(pooler.config_file)
    linked = point(pooler, pair, config_file=link)
    with pytest.raises(ServerRefused) as caught:
        linked.stage(Side.GREEN)
    assert caught.value.code == 3007
    assert any(f.is_blocking and "link" in f.seen + f.why for f in linked.check())
    linked.close()


def test_a_link_in_the_place_of_the_draft_is_not_written_through(
    shop: Make, tmp_path: Path
) -> None:
    pooler, pointer = shop()
    victim = tmp_path / "victim"
    victim.write_text("mine")
    draft = pooler.folder / ".pgbouncer.ini.bluegreen-main"
    draft.symlink_to(victim)
    pointer.move(Side.GREEN)
    assert victim.read_text() == "mine"
    assert not pooler.config_file.is_symlink()


def test_another_file_than_the_pooler_reads_is_refused(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, _ = shop()
    copy = pooler.folder / "copy.ini"
    shutil.copy(pooler.config_file, copy)
    pointer = point(pooler, pair, config_file=copy)
    with pytest.raises(ServerRefused, match="not the one place"):
        pointer.stage(Side.GREEN)
    assert "pooler-3007" in {f.id for f in pointer.check() if f.is_blocking}
    pointer.close()


def test_an_entry_in_an_included_file_is_moved_there(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, _ = shop()
    included = pooler.folder / "databases.ini"
    included.write_text(f"shop = {line(pair.blue)}\n")
    included.chmod(0o644)
    text = pooler.config_file.read_text()
    main = text.replace(f"shop = {line(pair.blue)}", f"%include {included}")
    pooler.config_file.write_text(main)
    pointer = point(pooler, pair, config_file=included)
    assert [f for f in pointer.check() if f.is_blocking] == []
    flip(pointer, Side.GREEN)
    assert included.read_text() == f"shop = {line(pair.green)}\n"
    assert pooler.config_file.read_text() == main
    assert pointer.observe().names is Side.GREEN
    pointer.close()


def test_two_lines_for_one_entry_are_refused(shop: Make, pair: DatabasePair) -> None:
    pooler, pointer = shop()
    with pooler.config_file.open("a") as text:
        text.write(f"[databases]\nshop = {line(pair.blue)}\n")
    with pytest.raises(ServerRefused, match="not the one place"):
        pointer.stage(Side.GREEN)


def test_an_unknown_entry_is_refused(shop: Make, pair: DatabasePair) -> None:
    pooler, _ = shop()
    pointer = point(pooler, pair, database="nowhere")
    with suppress(ServerRefused):
        pointer.warm_up()
    for act in (
        pointer.observe,
        pointer.resume,
        lambda: pointer.pause(SHORT),
        lambda: pointer.stage(Side.GREEN),
    ):
        with pytest.raises(ServerRefused) as caught:
            act()
        assert caught.value.code == 3007
    pointer.close()


@pytest.mark.parametrize("name", ["", 'a"b' * 20, "a\nb", "a\0b"])
def test_a_name_that_the_console_cannot_take_is_refused(
    shop: Make, pair: DatabasePair, name: str
) -> None:
    pooler, _ = shop()
    with pytest.raises(PlaybookRefused):
        point(pooler, pair, database=name)


def test_an_entry_with_strange_characters(
    pooler: Callable[..., Pooler], pair: DatabasePair
) -> None:
    started = pooler({"My-Shop.v2_*": line(pair.blue)})
    pointer = point(started, pair, database="My-Shop.v2_*")
    pointer.pause(LONG)
    assert paused(started, "My-Shop.v2_*")
    pointer.move(Side.GREEN)
    pointer.resume()
    assert not paused(started, "My-Shop.v2_*")
    assert pointer.observe().names is Side.GREEN
    pointer.close()


def test_a_killed_pooler_is_told_and_a_restarted_one_is_moved(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, pointer = shop()
    pointer.warm_up()
    pointer.stage(Side.GREEN)
    pointer.pause(LONG)
    pooler.kill()
    with pytest.raises(ServerRefused) as caught:
        pointer.move(Side.GREEN)
    assert caught.value.code == 3001
    pooler.start_again()
    assert pointer.observe().names is Side.GREEN
    pointer.move(Side.GREEN)
    pointer.resume()
    with client(pooler) as session:
        assert reached(session) == pair.green.name


def test_a_pooler_killed_while_it_drains_leaves_word(shop: Make) -> None:
    pooler, pointer = shop()
    with suppress(psycopg.OperationalError), client(pooler) as holder:
        holder.execute("BEGIN")
        timer = threading.Timer(0.2, pooler.kill)
        timer.start()
        with pytest.raises(TrafficUnknownError) as caught:
            pointer.pause(LONG)
        timer.join()
    assert caught.value.code == 7001
    pooler.start_again()
    assert not pointer.observe().paused


def test_a_stopped_pooler_does_not_hang_us(shop: Make) -> None:
    pooler, pointer = shop()
    pointer.warm_up()
    assert pooler.pid is not None
    os.kill(pooler.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StepError, match="did not answer"):
            pointer.observe()
    finally:
        os.kill(pooler.pid, signal.SIGCONT)
    assert pointer.observe().names is Side.BLUE


def test_a_console_that_nobody_listens_on_is_told(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, _ = shop()
    pointer = point(pooler, pair, console="host=127.0.0.1 port=1 user=postgres")
    with pytest.raises(ServerRefused) as caught:
        pointer.warm_up()
    assert str(caught.value).startswith(
        "error BG-3001: the console of pooler main cannot be reached\n  seen:    "
    )
    assert caught.value.wanted == "a session on 127.0.0.1:1"
    assert [f.id for f in pointer.check() if f.where == "main"].count(
        "pooler-3001"
    ) == 1
    pointer.close()


def test_a_user_that_may_only_look_is_found(shop: Make, pair: DatabasePair) -> None:
    pooler, _ = shop(settings={"stats_users": "app"})
    pointer = point(pooler, pair, console=pooler.conninfo("pgbouncer", "app"))
    assert "console-without-admin-right" in {
        f.id for f in pointer.check() if f.is_blocking
    }
    with pytest.raises(StepError, match="refused PAUSE"):
        pointer._console.pause("shop", 1)
    with pytest.raises(StepError, match="refused RELOAD"):
        pointer.prove(Side.GREEN)
    pointer.close()


def blocking(pointer: PgBouncer) -> set[str]:
    return {finding.id for finding in pointer.check() if finding.is_blocking}


def test_a_sound_pooler_has_nothing_that_blocks(shop: Make) -> None:
    pooler, pointer = shop()
    log, text = pooler.folder / "log", pooler.config_file.read_bytes()
    assert pointer.check() == []
    assert pooler.config_file.read_bytes() == text
    assert not paused(pooler)
    assert log.exists()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"pool_mode": "session"}, "session-pooling"),
        ({"settings": {"server_login_retry": "15"}}, "login-retry-too-long"),
        ({"settings": {"query_wait_timeout": "2"}}, "query-wait-too-short"),
        ({"settings": {"so_reuseport": "1"}}, "console-of-many-processes"),
        ({"entry": "host=10.1.1.1"}, "pointer-names-neither"),
    ],
)
def test_what_would_hurt_a_move_is_found(
    shop: Make, words: dict[str, Any], found: str
) -> None:
    _, pointer = shop(**words)
    assert found in blocking(pointer)


def test_session_pooling_of_the_entry_alone_is_found(
    shop: Make, pair: DatabasePair
) -> None:
    _, pointer = shop(entry=line(pair.blue) + " pool_mode=session")
    assert "session-pooling" in blocking(pointer)


def test_session_pooling_of_a_user_is_found(shop: Make) -> None:
    pooler, pointer = shop()
    with pooler.config_file.open("a") as text:
        text.write("[users]\npostgres = pool_mode=session\n")
    pointer._console.reload()
    with client(pooler) as session:
        session.execute("SELECT 1")
        assert "session-pooling" in blocking(pointer)


def test_a_file_that_was_not_loaded_is_found(shop: Make, pair: DatabasePair) -> None:
    pooler, pointer = shop()
    text = pooler.config_file.read_text()
    pooler.config_file.write_text(text.replace(line(pair.blue), line(pair.green)))
    assert blocking(pointer) == {"config-not-loaded"}


def test_held_and_disabled_entries_are_found(shop: Make) -> None:
    pooler, pointer = shop()
    with psycopg.connect(pooler.console_conninfo(), autocommit=True) as console:
        console.execute("PAUSE shop")
        console.execute("DISABLE shop")
    pointer.client = None
    assert blocking(pointer) == {"entry-paused", "entry-disabled"}


def test_other_ways_to_the_same_database_are_told(
    shop: Make, pair: DatabasePair
) -> None:
    others = {"reports": line(pair.blue), "*": f"{line(pair.green)} password=hush"}
    pooler, pointer = shop(
        entry=line(pair.blue) + " user=postgres auth_user=postgres", others=others
    )
    found = {f.id: f for f in pointer.check()}
    assert set(found) == {
        "other-entries-stay",
        "wildcard-entry",
        "entry-forces-user",
        "auth-query",
    }
    assert "reports" in found["other-entries-stay"].seen
    file = pooler.config_file
    assert found["wildcard-entry"].seen.startswith(f"{file}:4: * = host=")
    assert found["auth-query"].seen.startswith(f"{file}:2: passwords are")
    assert "hush" not in str(found)


def test_two_poolers_of_which_one_is_dead_hold_back_nobody(shop: Make) -> None:
    alive, first = shop(name="first")
    dead, second = shop(name="second")
    dead.kill()
    with pytest.raises(ServerRefused):
        pause_all([first, second], LONG)
    assert not paused(alive)


def test_two_poolers_of_which_one_is_busy_hold_back_nobody(shop: Make) -> None:
    idle, first = shop(name="first")
    busy, second = shop(name="second")
    with client(busy) as holder:
        holder.execute("BEGIN")
        with pytest.raises(BudgetError):
            pause_all([first, second], SHORT)
        holder.execute("COMMIT")
    assert not paused(idle)
    assert not paused(busy)


def test_two_poolers_move_together(shop: Make) -> None:
    one, first = shop(name="first")
    two, second = shop(name="second")
    both = [first, second]
    pause_all(both, LONG)
    assert paused(one)
    assert paused(two)
    move_all(both, Side.GREEN)
    resume_all(both)
    assert [p.observe().names for p in both] == [Side.GREEN, Side.GREEN]
    assert not paused(one)
    assert not paused(two)


def test_a_pooler_that_could_not_be_moved_is_named_and_the_others_move(
    shop: Make,
) -> None:
    _, first = shop(name="first")
    dead, second = shop(name="second")
    second.warm_up()
    dead.kill()
    with pytest.raises(TrafficUnknownError) as caught:
        move_all([first, second], Side.GREEN)
    assert caught.value.problem == (
        "not every pointer names green: second could not be moved"
    )
    assert caught.value.traffic == (
        "green serves; first names it. All writes through second fail until that is "
        "repaired"
    )
    assert first.observe().names is Side.GREEN


def test_a_pooler_that_could_not_be_resumed_is_named_and_the_others_go_on(
    shop: Make,
) -> None:
    alive, first = shop(name="first")
    dead, second = shop(name="second")
    pause_all([first, second], LONG)
    dead.kill()
    with pytest.raises(TrafficUnknownError, match="second") as caught:
        resume_all([second, first])
    assert "first" not in caught.value.problem
    assert not paused(alive)


def test_a_bug_in_a_pointer_leaves_nobody_held_back(shop: Make) -> None:
    pooler, pointer = shop()

    class Buggy(PgBouncer):
        def pause(self, budget: timedelta) -> None:
            raise KeyError("a bug")

        def resume(self) -> None:
            return

    buggy = Buggy.__new__(Buggy)
    buggy.id = "buggy"
    with pytest.raises(KeyError):
        pause_all([pointer, buggy], LONG)
    assert not paused(pooler)


def test_a_client_tells_which_side_it_reached(shop: Make, pair: DatabasePair) -> None:
    sides = {side: ours.Database(side, getattr(pair, side).conninfo()) for side in Side}
    identity = {}
    for side, database in sides.items():
        own_schema.build(database, "shop")
        identity[side] = read_identity(database).id
        database.close()
    pair.blue.run("CREATE ROLE visitor LOGIN")
    pooler, _ = shop(users=("postgres", "visitor"))
    pair.green.run("CREATE ROLE visitor LOGIN")
    visitor = point(pooler, pair, client=pooler.conninfo("shop", "visitor"))
    try:
        visitor.warm_up()
        assert visitor.probe() == identity[Side.BLUE]
        flip(visitor, Side.GREEN)
        assert visitor.probe() == identity[Side.GREEN]
        pooler.kill()
        pooler.start_again()
        assert visitor.probe() == identity[Side.GREEN]
    finally:
        visitor.close()
        for database in (pair.blue, pair.green):
            database.run("DROP OWNED BY visitor", "DROP ROLE visitor")


def test_a_client_without_an_answer_is_told(shop: Make) -> None:
    _, pointer = shop()
    with pytest.raises(StepError, match="is not served") as caught:
        pointer.probe()
    assert caught.value.code == 4009
    assert isinstance(caught.value, BluegreenError)


def test_without_a_client_the_probe_says_nothing(
    shop: Make, pair: DatabasePair
) -> None:
    pooler, _ = shop()
    pointer = point(pooler, pair, client=None)
    assert pointer.probe() == ""
    pointer.close()
