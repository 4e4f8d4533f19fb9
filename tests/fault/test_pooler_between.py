"""What changes between the trial entry and the pause, and poolers elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bluegreen.lab.account import Account
from bluegreen.lab.binaries import find_pgbouncer
from bluegreen.model.errors import BluegreenError, ServerRefused, StepError
from bluegreen.model.side import Side
from bluegreen.pointers.all_poolers import (
    move_all,
    prove_all,
    require_unchanged,
    stage_all,
)
from bluegreen.pointers.pgbouncer.pointer import PgBouncer
from tests.kit.pooler_file import NAMES, Front, blocking, fronted, line
from tests.kit.wait import wait_until


@pytest.fixture
def front(lab_root: Path) -> Iterator[Front]:
    with fronted(lab_root) as made:
        yield made


def included(front: Front, text: str = "") -> Path:
    """Move the first entry into a file of its own."""
    more = front.file.with_name("more.ini")
    own = f"shop = {line(Side.BLUE)}\n"
    more.write_text(text or f"; entries\n{own}")
    more.chmod(0o644)
    front.edit(own, f"%include {more}\n")
    front.say("RELOAD")
    return more


def made_ready(front: Front) -> list[PgBouncer]:
    pointers = [front.point(name) for name in NAMES]
    for pointer in pointers:
        pointer.warm_up()
    prove_all(pointers, Side.GREEN)
    stage_all(pointers, Side.GREEN)
    require_unchanged(pointers)
    return pointers


def test_an_edit_between_trial_and_pause_is_found(front: Front) -> None:
    pointers = made_ready(front)
    front.edit("[pgbouncer]\n", "[pgbouncer]\nserver_lifetime = 77\n")
    with pytest.raises(ServerRefused, match="has not loaded") as caught:
        require_unchanged(pointers)
    place = f"{front.file}:{front.number('server_lifetime')}"
    at = f"'host=127.0.0.1 port={front.pooler.port} user=postgres dbname=pgbouncer'"
    assert str(caught.value) == (
        "error BG-3007: the file of pooler shop holds changes that PgBouncer has not "
        "loaded\n"
        f"  seen:    {place} says server_lifetime = 77, the running pooler 3600\n"
        "  wanted:  a file that the running pooler has loaded\n"
        "  traffic: nothing has moved, and no client is waiting\n"
        "  hint:    a move would load them in its pause: correct the file where it is "
        f"named above, or load it with `psql {at} -c RELOAD`; then run again"
    )
    front.say("RELOAD")
    with pytest.raises(StepError) as edited:
        require_unchanged(pointers)
    assert str(edited.value) == (
        "error BG-4011: the configuration of pooler shop was edited while the move "
        "was made ready\n"
        f"  seen:    {front.file} holds another text than the one that was proved\n"
        "  wanted:  a file that is not edited during a switchover\n"
        "  traffic: nothing has moved, and no client is waiting\n"
        "  hint:    run again once the edit is done; the file is proved again first"
    )
    stage_all(pointers, Side.GREEN)
    require_unchanged(pointers)


@pytest.mark.parametrize("how", ["edited", "gone", "another"])
def test_an_included_file_counts_as_well(front: Front, how: str) -> None:
    more = included(front, f"; by hand\nshop = {line(Side.BLUE)}\n")
    pointer = front.point(config_file=more)
    pointer.warm_up()
    pointer.prove(Side.GREEN)
    pointer.stage(Side.GREEN)
    pointer.require_unchanged()
    if how == "edited":
        more.write_text(more.read_text() + "; more\n")
    elif how == "gone":
        more.unlink()
    else:
        other = more.with_name("other.ini")
        shutil.copy2(more, other)
        front.edit(str(more), str(other))
    with pytest.raises(BluegreenError) as caught:
        pointer.require_unchanged()
    assert caught.value.code in {3007, 4011}


def test_a_pooler_that_was_restarted_in_between_is_told(front: Front) -> None:
    pointers = made_ready(front)
    front.pooler.kill()
    front.pooler.start_again()
    with pytest.raises(StepError) as caught:
        require_unchanged(pointers)
    assert str(caught.value) == (
        "error BG-4011: the process of pooler shop changed while the move was made "
        "ready\n"
        "  seen:    every console session that was open to it has ended: PgBouncer "
        "was restarted\n"
        "  wanted:  the process that was proved to read the file\n"
        "  traffic: nothing has moved, and no client is waiting\n"
        "  hint:    run again; the new process is proved first"
    )
    pointers = made_ready(front)


def test_a_session_that_the_pooler_ended_is_no_restart(front: Front) -> None:
    """One of the two is enough: both belong to the process."""
    [pointer, *_] = made_ready(front)
    assert pointer._console._talk is not None
    pointer._console._talk.close()
    pointer.require_unchanged()


def test_a_stopped_pooler_is_not_called_a_restarted_one(front: Front) -> None:
    pointers = made_ready(front)
    assert front.pooler.pid is not None
    os.kill(front.pooler.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StepError, match="did not answer"):
            require_unchanged(pointers)
    finally:
        os.kill(front.pooler.pid, signal.SIGCONT)
    require_unchanged(pointers)


ELSEWHERE = """
import sys
from tests.kit.pooler_file import child_point
pointer = child_point(*sys.argv[1:])
pointer.warm_up()
print([finding.id for finding in pointer.check() if finding.is_blocking])
"""


def test_another_mount_namespace_is_found(front: Front, tmp_path: Path) -> None:
    """The same path there is another file: a container's, or that of a jump host."""
    copy = tmp_path / "copy"
    shutil.copytree(front.file.parent, copy, ignore=shutil.ignore_patterns("log"))
    console = front.pooler.console_conninfo()
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
    words = ["unshare", "-m", "sh", "-c", script, "sh", str(copy)]
    if subprocess.run([*words, "/mnt", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace may be made here")
    text, python = front.text, [sys.executable, "-c", ELSEWHERE]
    there = subprocess.run(
        [*words, str(front.file.parent), *python, console, str(front.file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert there.stdout.strip() == "['config-file-elsewhere']", there.stderr
    assert front.text == text
    assert (copy / front.file.name).read_text() == text
    assert sorted(front.names()) == sorted(["pgbouncer", *NAMES])


@contextmanager
def twins(front: Front) -> Iterator[tuple[Path, list[str]]]:
    """Two processes on one port: the file of their entries, and their consoles."""
    front.pooler.stop()
    entries = front.file.with_name("entries.ini")
    head, _, words = front.text.partition("[pgbouncer]\n")
    entries.write_text(head)
    consoles = []
    with ExitStack() as stack:
        for name in ("one", "two"):
            folder = front.file.with_name(name)
            folder.mkdir()
            folder.chmod(0o777)
            own = words.replace("unix_socket_dir =", f"unix_socket_dir = {folder}")
            ini = front.file.with_name(f"{name}.ini")
            ini.write_text(f"%include {entries}\n[pgbouncer]\n{own}")
            for file in (entries, ini):
                file.chmod(0o644)
            process = subprocess.Popen(
                [find_pgbouncer(), ini],
                stderr=subprocess.DEVNULL,
                **Account.here().popen(),
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_until(lambda folder=folder: any(folder.iterdir()), "its socket")
            consoles.append(f"host={folder} port={front.pooler.port} user=postgres")
        yield entries, consoles


def test_twins_that_share_port_and_file_are_both_moved(lab_root: Path) -> None:
    """`so_reuseport`: each by its own socket, the file once for both."""
    with (
        fronted(lab_root, settings={"so_reuseport": "1"}) as front,
        twins(front) as (file, consoles),
    ):
        points = [
            front.point(id=f"twin{number}", console=console, config_file=file)
            for number, console in enumerate(consoles)
        ]
        for side in (Side.GREEN, Side.BLUE):
            for one in points:
                one.warm_up()
            [(name, _)] = blocking(points[0])
            assert name == "process-without-pointer"
            assert [blocking(one, points) for one in points] == [[], []]
            prove_all(points, Side.GREEN)
            stage_all(points, side)
            require_unchanged(points)
            move_all(points, side)
            assert [one.observe().names for one in points] == [side] * 2
            assert f"shop = {line(side)}\n" in file.read_text()
