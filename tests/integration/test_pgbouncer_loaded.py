"""What a RELOAD would change is found, in both directions, on a real pooler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from tests.kit.pooler_file import NAMES, Front, blocking, fronted, line

ENTRIES = {name: line(Side.BLUE, name) for name in NAMES}


@pytest.fixture(scope="module")
def shared(lab_root: Path) -> Iterator[Front]:
    """One pooler for the whole table; `front` gives it its first file again."""
    with fronted(lab_root) as front:
        yield front


@pytest.fixture
def front(shared: Front) -> Iterator[Front]:
    text = shared.text
    yield shared
    shared.file.write_text(text)
    shared.say("RELOAD")
    assert blocking(shared.point()) == []


HEADING = "[pgbouncer]\n"
LOADED = {
    "hexadecimal": (HEADING, HEADING + "server_lifetime = 0x3e8\n"),
    "hexadecimal, a whole number": ("conn = 500", "conn = 0x3e8"),
    "octal": (HEADING, HEADING + "reserve_pool_size = 010\n"),
    "a time that is printed short": (HEADING, HEADING + "query_timeout = 1234567\n"),
    "a power": (HEADING, HEADING + "client_idle_timeout = 1e3\n"),
    "a time with a nought before it": (HEADING, HEADING + "stats_period = 60\n"),
    "words without case": ("= trust", "= TRUST"),
    "another default": (HEADING, HEADING + "max_db_connections = 6\n"),
    "another pool": ("default_pool_size = 20", "default_pool_size = 7"),
    "a heading twice": (HEADING, HEADING + "server_lifetime = 77\n" + HEADING),
    "a comment and an empty value": (HEADING, HEADING + "; c\nstats_users =\n"),
    "a user": (HEADING, "[users]\nbob = pool_mode=Session\n" + HEADING),
    "an entry with words": ("shop_1 = ", "shop_1 = pool_size=3 pool_mode=SESSION "),
    "a quoted value": ("shop_1 = host=127.0.0.1", "shop_1 = host='127.0.0.1'"),
}


@pytest.mark.parametrize(("before", "after"), LOADED.values(), ids=LOADED)
def test_a_file_that_is_loaded_raises_no_alarm(
    front: Front, before: str, after: str
) -> None:
    front.edit(before, after)
    front.say("RELOAD")
    assert blocking(front.point()) == []


def test_a_word_of_the_command_line_or_the_console_that_a_reload_keeps(
    front: Front,
) -> None:
    front.say("SET verbose = 1")
    assert blocking(front.point()) == []
    front.say("SET verbose = 0")


WOULD_CHANGE = {
    "a setting": (HEADING, HEADING + "server_lifetime = 77\n", "server_lifetime = 77"),
    "an unknown setting": (HEADING, HEADING + "max_client_con = 9\n", "max_client_con"),
    "a setting that is taken out": ("max_client_conn = 500\n", "", HEADING),
    "a word of our own entry": ("shop = ", "shop = pool_size=3 ", "shop = pool"),
    "a word of another entry": ("shop_1 = ", "shop_1 = pool_size=3 ", "shop_1 = "),
    "a new entry": ("[databases]\n", "[databases]\nnew = host=a\n", "new = "),
    "an entry that is taken out": ("shop_1 = ", "# ", "[databases]"),
    "a user": (HEADING, "[users]\neve = pool_mode=session\n" + HEADING, "eve ="),
    "an unknown section": (HEADING, "[wrong]\n" + HEADING, "[wrong]"),
    "a second heading": (
        "max_client_conn = 500\n",
        "max_client_conn = 500\n" + HEADING,
        HEADING + "ignore",
    ),
}


@pytest.mark.parametrize(
    ("before", "after", "named"), WOULD_CHANGE.values(), ids=WOULD_CHANGE
)
def test_what_a_reload_would_change_is_found_with_its_line(
    front: Front, before: str, after: str, named: str
) -> None:
    pointer = front.point()
    pointer.warm_up()
    front.edit(before, after)
    place = f"{front.file}:{front.number(named)} "
    found = blocking(pointer)
    assert {one for one, _ in found} == {"config-not-loaded"}
    assert all(seen.startswith(place) for _, seen in found), found
    with pytest.raises(ServerRefused, match="has not loaded") as caught:
        pointer.stage(Side.GREEN)
    assert caught.value.code == 3007
    assert place in caught.value.seen


def test_what_a_person_set_on_the_console_is_found(front: Front) -> None:
    """A RELOAD in the pause would take it back."""
    front.say("SET server_lifetime = 77")
    [(found, seen)] = blocking(front.point())
    assert found == "config-not-loaded"
    assert seen == (
        f"{front.file}:{front.number(HEADING)} has no server_lifetime, the running "
        "pooler 77, a RELOAD makes it 3600"
    )


def test_a_word_that_leaves_an_entry_is_found(front: Front) -> None:
    front.edit("shop_1 = ", "shop_1 = pool_size=3 ")
    front.say("RELOAD")
    front.edit("pool_size=3 ", "")
    [(found, seen)] = blocking(front.point())
    assert found == "config-not-loaded"
    assert "entry shop_1, pool_size = 20, the running pooler 3" in seen


def test_a_user_that_leaves_the_file_is_told_and_blocks_nothing(front: Front) -> None:
    """RELOAD keeps it: measured with 1.18 and 1.25."""
    front.edit(HEADING, "[users]\nbob = pool_mode=session\n" + HEADING)
    front.say("RELOAD")
    front.edit("bob = pool_mode=session", "")
    found = {f.id: f for f in front.point().check()}
    assert set(found) == {"config-only-running"}
    assert not found["config-only-running"].is_blocking
    assert "user bob, the running pooler pool_mode = session" in str(found)
    front.say("RELOAD")
    modes = {row["name"]: row["pool_mode"] for row in front.say("SHOW USERS")}
    assert modes["bob"] == "session"
    front.edit("[users]\n", "[users]\nbob =\n")
    front.say("RELOAD")


def knock(front: Front, name: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(front.pooler.conninfo(name), connect_timeout=2)


def test_another_way_by_the_wildcard_is_found(lab_root: Path) -> None:
    """What `*` made shows where it leads; RELOAD leads it elsewhere."""
    entries = {**ENTRIES, "*": "host=127.0.0.1 port=7"}
    with fronted(lab_root, entries, settings={"server_connect_timeout": "1"}) as front:
        knock(front, "any")
        pointer = front.point()
        assert blocking(pointer) == []
        front.edit("* = host=127.0.0.1 port=7", "* = host=127.0.0.1 port=8")
        [(found, seen)] = blocking(pointer)
        assert found == "config-not-loaded"
        assert f"{front.file}:{front.number('* = ')} says entry any (by *)" in seen
        front.say("RELOAD")
        assert blocking(pointer) == []
        front.edit("* = host=127.0.0.1 port=8\n", "")
        assert "has no entry any" in str(blocking(pointer))
        # RELOAD keeps it: the hint names the way out.
        front.say("RELOAD")
        front.edit("[databases]\n", "[databases]\nany = host=127.0.0.1 port=8\n")
        front.say("RELOAD")
        assert blocking(pointer) == []


def test_a_line_of_an_included_file_is_named(lab_root: Path) -> None:
    with fronted(lab_root) as front:
        included = front.file.with_name("more.ini")
        included.write_text(f"; by hand\n\nnext = {line(Side.BLUE)}\n")
        included.chmod(0o644)
        front.edit("[databases]\n", f"[databases]\n%include {included}\n")
        [(found, seen)] = blocking(front.point())
        assert found == "config-not-loaded"
        assert seen.startswith(f"{included}:3 says entry next = ")
        front.say("RELOAD")
        assert blocking(front.point()) == []
