"""The trial entry and what comes between it and the pause."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bluegreen.model.errors import ServerRefused
from bluegreen.model.side import Side
from bluegreen.pointers.pgbouncer.console import Console
from bluegreen.pointers.pgbouncer.file import ConfigFile
from tests.kit.pooler_file import NAMES, Front, blocking, fronted, line

TRIAL = "bluegreen_probe_"


@pytest.fixture
def front(lab_root: Path) -> Iterator[Front]:
    with fronted(lab_root) as made:
        yield made


SHAPES: dict[str, tuple[str, str]] = {
    "as it is": ("", ""),
    "a quoted value": (
        f"shop = {line(Side.BLUE)}",
        f"shop = {line(Side.BLUE)} connect_query='select ''a'' '",
    ),
    "no space": ("shop = host", "shop=host"),
    "the line of its heading": ("[databases]\nshop", "[databases] shop"),
    "white space before it": ("\nshop = ", "\n \t shop = "),
    "windows line ends": ("[databases]\n", "[databases]\r\n"),
    "a comment after the last line": (
        "[pgbouncer]\n",
        "; shop = host=x\n[pgbouncer]\n",
    ),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("before", "after"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("side", ["in the ini", "in an included file"])
def test_a_trial_leaves_every_shape_of_file_as_it_was(
    front: Front, before: str, after: str, side: str
) -> None:
    front.edit(before, after)
    file = front.file
    if side == "in an included file":
        main, text = front.file.with_name("main.ini"), front.text
        shutil.copy2(front.file, main)
        assert main.read_text() == text
        front.file.write_text(f"%include {main}\n")
        file = main
    front.say("RELOAD")
    text = file.read_text()
    pointer = front.point(config_file=file)
    pointer.warm_up()
    assert blocking(pointer) == []
    assert file.read_text() == text
    assert sorted(front.names()) == sorted(["pgbouncer", *NAMES])
    pointer.stage(Side.GREEN)
    pointer.move(Side.GREEN)
    assert pointer.observe().names is Side.GREEN
    wanted = text.replace(line(Side.BLUE), line(Side.GREEN), 1)
    assert file.read_text() == wanted
    assert front.drafts() == []


def test_a_trial_that_stays_is_told(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken line comes between the two RELOADs: PgBouncer stops reading there."""
    pointer, reload = front.point(), Console.reload
    pointer.warm_up()

    def spoil(console: Console) -> None:
        if TRIAL not in front.text:
            front.file.write_text(front.text + "server_lifetime = soon\n")
        reload(console)

    monkeypatch.setattr(Console, "reload", spoil)
    with pytest.raises(ServerRefused) as caught:
        pointer.prove(Side.GREEN)
    trials = [name for name in front.names() if name.startswith(TRIAL)]
    stays = f"{''.join(trials)} is out of the file and still runs after RELOAD"
    # From 1.24 on RELOAD says so itself.
    assert caught.value.seen in {
        stays,
        "RELOAD failed, see logs for additional details",
    }
    assert str(caught.value) == (
        f"error BG-3007: pooler shop does not take the whole of {front.file}\n"
        f"  seen:    {caught.value.seen}\n"
        "  wanted:  a RELOAD that reads the file to its end\n"
        "  traffic: nothing has moved, and no client is waiting\n"
        "  hint:    PgBouncer's log names the line at which it stopped: correct it, "
        "RELOAD, then run again"
    )


def test_a_reload_that_changes_more_is_told(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody edits the file between the comparison and the RELOAD."""
    pointer, reload = front.point(), Console.reload
    pointer.warm_up()

    def meanwhile(console: Console) -> None:
        if "stats_period" not in front.text:
            front.edit("[pgbouncer]\n", "[pgbouncer]\nstats_period = 77\n")
        reload(console)

    monkeypatch.setattr(Console, "reload", meanwhile)
    with pytest.raises(ServerRefused) as caught:
        pointer.prove(Side.GREEN)
    assert str(caught.value) == (
        "error BG-3007: a RELOAD of pooler shop changed more than the trial entry\n"
        "  seen:    stats_period: 77, before 60\n"
        "  wanted:  a RELOAD that changes nothing else\n"
        "  traffic: nothing has moved, and no client is waiting; these changes run "
        "now\n"
        f"  hint:    did someone edit {front.file} or what it includes at this "
        "moment? See that the values above are meant, then run again"
    )
    assert TRIAL not in front.text
    assert "= 77" in front.text
    monkeypatch.undo()
    pointer.prove(Side.GREEN)


KILLED = {
    "the draft is written": (ConfigFile, "put_draft", 1),
    "the trial is in the file": (Console, "reload", 1),
    "the trial is loaded": (Console, "show", 5),
    "the second draft is written": (ConfigFile, "put_draft", 2),
    "the trial is out of the file": (Console, "reload", 2),
}
CHILD = """
import os, signal, sys
from bluegreen.model.side import Side
from tests.kit.pooler_file import child_point
from bluegreen.pointers.pgbouncer.console import Console
from bluegreen.pointers.pgbouncer.file import ConfigFile
kind, name, wanted, console, file = sys.argv[1:]
kind = {"Console": Console, "ConfigFile": ConfigFile}[kind]
pointer, real, count = child_point(console, file), getattr(kind, name), 0
pointer.warm_up()
def strike(*words):
    global count
    count += 1
    if count == int(wanted):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*words)
setattr(kind, name, strike)
pointer.prove(Side.GREEN)
"""


def child(front: Front, code: str, *words: str) -> subprocess.CompletedProcess[str]:
    console = front.pooler.console_conninfo()
    return subprocess.run(
        [sys.executable, "-c", code, *words, console, str(front.file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("kind", "name", "number"), KILLED.values(), ids=KILLED)
def test_what_a_killed_trial_leaves_the_next_one_takes_away(
    front: Front, kind: type, name: str, number: int
) -> None:
    text = front.text
    ended = child(front, CHILD, kind.__name__, name, str(number))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = (TRIAL in front.text, TRIAL in str(front.names()), front.drafts())
    assert left != (False, False, []), "the kill came where nothing was left"
    pointer = front.point()
    pointer.warm_up()
    assert blocking(pointer) == []
    assert front.text == text
    assert sorted(front.names()) == sorted(["pgbouncer", *NAMES])
    assert front.drafts() == []
