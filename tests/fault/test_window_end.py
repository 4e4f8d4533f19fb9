"""A person moves the window's end: never back by `hold`, to now with blue's word."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bluegreen.model.side import Side
from bluegreen.postgres.catalog.identity import identity_of
from tests.kit.arena import Arena
from tests.kit.cli import Ended, call, write_playbook
from tests.kit.fingerprint import fingerprint


@pytest.fixture
def one(arena: Callable[..., Arena], tmp_path: Path) -> tuple[Arena, Path]:
    """A pair with a table, and a playbook whose window is a day."""
    here = arena()
    here.pair.blue.run("CREATE TABLE t (id int PRIMARY KEY)")
    steps: list[dict[str, object]] = [
        {"step": "backup", "workers": 1},
        {"step": "replicate"},
        {"step": "cutover", "probe": False},
        {"step": "hold", "window": "24h"},
        {"step": "decommission", "final_backup": "last"},
    ]
    return here, write_playbook(here, tmp_path, steps)


def refused(ended: Ended) -> str:
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME", ended.error)
    assert ended.status == 2, ended
    return text


def window_end(playbook: Path) -> str:
    told = call("status", playbook).require().out
    found = re.search(r"until (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", told)
    assert found, told
    return found[1]


def test_the_window_is_made_longer_and_never_shorter(one: tuple[Arena, Path]) -> None:
    _, playbook = one
    assert refused(call("hold", playbook, "--for", "48h")) == (
        "error BG-2008: no rollback can be promised: blue serves\n"
        "  seen:    no cutover holds\n"
        "  wanted:  green serving, and the reverse stream up\n"
        "  hint:    look at `bluegreen status`"
    )
    call("run", playbook).require()
    first = window_end(playbook)
    assert refused(call("hold", playbook, "--for", "1h")) == (
        "error BG-2008: TIME is no later end\n"
        "  seen:    the window ends at TIME; it is TIME now\n"
        "  wanted:  a later time, in UTC or with its offset\n"
        "  hint:    to end the window early use `bluegreen decommission --now`"
    )
    assert window_end(playbook) == first

    at = datetime.now(UTC).replace(microsecond=0)
    until = at.replace(year=at.year + 1, month=3, day=1, hour=8, minute=0, second=0)
    told = call("hold", playbook, "--until", f"{until:%Y-%m-%d} 10:00+02:00")
    assert told.require().out.startswith(
        f"rollback is promised until {until:%Y-%m-%d} 08:00:00 UTC (was {first} UTC)"
    )
    assert window_end(playbook) == f"{until:%Y-%m-%d} 08:00:00"
    call("run", playbook).require()
    assert window_end(playbook) == f"{until:%Y-%m-%d} 08:00:00"

    call("rollback", playbook).require()
    assert "blue serves" in refused(call("hold", playbook, "--for", "9000h"))
    ended = call("decommission", playbook, "--now", "--confirm", "x")
    assert (ended.status, "blue serves" in ended.err) == (8, True), ended


def test_a_schedule_knows_the_end_of_the_window(
    one: tuple[Arena, Path], tmp_path: Path
) -> None:
    _, playbook = one
    words = ("schedule", playbook, "--kind", "systemd", "--to", tmp_path / "units")
    call(*words).require()
    [timer] = (tmp_path / "units").glob("*.timer")
    assert re.findall("OnCalendar=(.*)", timer.read_text()) == ["*:0/15"]
    call("run", playbook).require()
    call(*words).require()
    end = f"{window_end(playbook)} UTC"
    assert re.findall("OnCalendar=(.*)", timer.read_text()) == ["*:0/15", end]
    [service] = (tmp_path / "units").glob("*.service")
    assert f"decommission --if-due {playbook}" in service.read_text()
    told = call("schedule", playbook, "--kind", "cron", "--to", playbook)
    assert refused(told).startswith("error BG-2008: the folder of --to cannot be")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "one of --until and --for is needed"),
        (("--for", "1h", "--until", "2030-01-01"), "one of --until and --for"),
        (("--for", "a while"), "--for is no span of time"),
        (("--until", "tomorrow"), "--until is no time"),
        (("--until", "2030-13-01"), "--until is no time"),
    ],
)
def test_what_is_no_time_is_refused_before_anything_is_asked(
    tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    assert problem in refused(call("hold", tmp_path / "none.yml", *words))


def test_a_window_ends_now_with_the_word_of_the_blue_that_goes(
    one: tuple[Arena, Path],
) -> None:
    here, playbook = one
    call("run", playbook).require()
    word = identity_of(here.database(Side.BLUE))[:8]
    before = fingerprint(here)

    ended = call("decommission", playbook, "--now")
    assert refused(ended).startswith(
        "error BG-2008: the window is not over, so a person must confirm its end\n"
        "  seen:    no --confirm, and no terminal to ask on\n"
        f"  wanted:  --confirm {word}, the first characters of blue's identity\n"
    )
    wrong = call("decommission", playbook, "--now", "--confirm", "deadbeef")
    assert "what was typed does not name blue" in refused(wrong)
    for other in (("--now",), ("--confirm", word)):
        both = call("decommission", playbook, "--if-due", *other)
        assert "--if-due and" in refused(both)
    # A word alone ends no window.
    assert call("decommission", playbook, "--confirm", word).status == 8
    with here.pair.blue.connect(application_name="monthly report"):
        ended = call("decommission", playbook, "--now", "--confirm", word)
    assert (ended.status, "1 client is connected to blue" in ended.err) == (7, True)
    assert fingerprint(here) == before

    call("decommission", playbook, "--now", "--confirm", word).require()
    told = call("status", playbook).require().out
    assert "rollback: closed: blue was released" in told
    again = call("decommission", playbook, "--now", "--confirm", word).require()
    assert again.out == "blue was let go before; nothing is left to do\n"
    assert "blue was released" in refused(call("hold", playbook, "--for", "9000h"))
